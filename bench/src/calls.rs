//! A read and a one-fact write through the registry, beside a raw request-reply and a raw publish that
//! waits for its acknowledgement, at 1 and 64 callers.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use async_nats::{Client as Nats, jetstream};
use futures::StreamExt as _;
use selvedge_contracts::{
    call,
    id::AgentId,
    payload::{agent::AgentShow, request::RequestOpen},
    role::Role,
};
use selvedge_kit::client::Client;
use selvedge_tests::{
    Options,
    fabric::{Fabric, lasting_session},
};

use crate::{
    load::{Sample, WARM_UP, closed_loop},
    report::{Series, head, ratio},
};

/// Size of a raw reply, about that of the read call's.
const REPLY_BYTES: usize = 500;
/// Size of a raw message, about that of the fact that the write call records.
const FACT_BYTES: usize = 900;

/// What is measured against what.
struct Subjects {
    raw: Nats,
    js: jetstream::Context,
    client: Client,
    agent: AgentId,
    next: Arc<AtomicU64>,
}

/// Runs one operation alone, for a profiler.
pub(crate) async fn profile(operation: &str, seconds: f64) {
    let (fabric, subjects) = start(Options::LAZY).await;
    let index = ["echo", "publish", "read", "write", "guarded"]
        .iter()
        .position(|name| *name == operation)
        .expect("an operation");
    let sample = subjects.run(index, 64, seconds).await;
    drop((subjects, fabric)); // nats-server's time is told once it has ended
    println!(
        "{operation}: {:.0} a second, {:.1} µs of processor time each",
        sample.rate(),
        processor_us() / (sample.rate() * seconds * (1.0 + WARM_UP))
    );
}

/// Processor time of this process and of the nats-server that it ended, in microseconds.
fn processor_us() -> f64 {
    use nix::sys::{
        resource::{UsageWho, getrusage},
        time::TimeValLike as _,
    };
    let of = |who| {
        let usage = getrusage(who).expect("the kernel's count");
        (usage.user_time() + usage.system_time()).num_microseconds() as f64
    };
    of(UsageWho::RUSAGE_SELF) + of(UsageWho::RUSAGE_CHILDREN)
}

pub(crate) async fn measure(name: &str, options: Options, seconds: f64, rounds: usize) {
    let (_fabric, subjects) = start(options).await;
    for callers in [1, 64] {
        let mut series: [Series; 5] = Default::default();
        for _ in 0..rounds {
            for (index, series) in series.iter_mut().enumerate() {
                series.push(subjects.run(index, callers, seconds).await);
            }
        }
        print(name, callers, &series);
    }
}

async fn start(options: Options) -> (Fabric, Subjects) {
    let fabric = Fabric::start_with(options).await;
    let planner = fabric.agent("pia", Role::Planner).await;
    let session = fabric.session(&planner, lasting_session()).await.expect("a session");
    let subjects = Subjects {
        raw: fabric.bus.connect_as_root().await,
        js: jetstream::new(fabric.bus.connect_as_root().await),
        client: session.client,
        agent: planner.record.id.clone(),
        next: Arc::default(),
    };
    raw_responder(fabric.bus.connect_as_root().await).await;
    raw_stream(&subjects.js).await;
    (fabric, subjects)
}

fn print(name: &str, callers: usize, [reply, publish, read, write, guarded]: &[Series; 5]) {
    head(&format!("{name}, {callers} callers"));
    reply.print("raw request-reply");
    publish.print("raw publish with acknowledgement");
    guarded.print("raw guarded publish into the ledger");
    read.print("read call (`registry.agent_show`)");
    write.print("one-fact write (`registry.request_open`)");
    println!();
    let parts_p50 = reply.p50_us() + publish.p50_us();
    let parts_rate = 1.0 / (1.0 / reply.rate() + 1.0 / publish.rate());
    ratio("read p50 / raw request-reply p50", read.p50_us() / reply.p50_us(), "<= 1.30");
    ratio("read rate / raw request-reply rate", read.rate() / reply.rate(), ">= 0.60");
    ratio("write p50 / (raw request-reply + raw publish) p50", write.p50_us() / parts_p50, "<= 1.25");
    let floor_rate = 1.0 / (1.0 / reply.rate() + 1.0 / guarded.rate());
    ratio(
        "write rate / rate that request-reply and guarded publish allow",
        write.rate() / floor_rate,
        "for orientation",
    );
    ratio("write rate / rate that the raw parts allow", write.rate() / parts_rate, ">= 0.70 at 64 callers");
}

impl Subjects {
    /// One measurement: raw request-reply, raw publish, read call or write call, in the order of `print`.
    async fn run(&self, index: usize, callers: usize, seconds: f64) -> Sample {
        match index {
            0 => self.reply(callers, seconds).await,
            1 => self.publish(callers, seconds).await,
            2 => self.read(callers, seconds).await,
            3 => self.write(callers, seconds).await,
            _ => self.guarded(callers, seconds).await,
        }
    }

    async fn reply(&self, callers: usize, seconds: f64) -> Sample {
        let raw = self.raw.clone();
        let operation = move |_| {
            let raw = raw.clone();
            async move {
                raw.request("raw.echo", "{}".into()).await.expect("an answer");
            }
        };
        closed_loop(callers, seconds, operation).await
    }

    async fn publish(&self, callers: usize, seconds: f64) -> Sample {
        let (js, next) = (self.js.clone(), Arc::clone(&self.next));
        let operation = move |_| {
            let (js, subject) = (js.clone(), format!("raw.fact.{}", next.fetch_add(1, Ordering::Relaxed)));
            async move {
                let ack = js.publish(subject, vec![b'x'; FACT_BYTES].into()).await.expect("published");
                ack.await.expect("an acknowledgement");
            }
        };
        closed_loop(callers, seconds, operation).await
    }

    /// A fact's way through nats-server without the service's work: guarded, stored in the ledger, republished.
    async fn guarded(&self, callers: usize, seconds: f64) -> Sample {
        let (js, next) = (self.js.clone(), Arc::clone(&self.next));
        let operation = move |_| {
            let (js, entity) =
                (js.clone(), format!("sv.fact.bench.intent.i{}", next.fetch_add(1, Ordering::Relaxed)));
            async move {
                let mut headers = async_nats::HeaderMap::new();
                headers.insert("Nats-Expected-Last-Subject-Sequence", "0");
                headers.insert("Nats-Expected-Last-Subject-Sequence-Subject", format!("{entity}.>").as_str());
                let body = vec![b'x'; FACT_BYTES].into();
                let ack = js.publish_with_headers(format!("{entity}.executing"), headers, body).await;
                ack.expect("published").await.expect("an acknowledgement");
            }
        };
        closed_loop(callers, seconds, operation).await
    }

    async fn read(&self, callers: usize, seconds: f64) -> Sample {
        let (client, agent) = (self.client.clone(), self.agent.clone());
        let operation = move |_| {
            let (client, show) = (client.clone(), AgentShow { agent: agent.clone() });
            async move {
                client.call::<call::AgentShow>(&show).await.expect("an answer");
            }
        };
        closed_loop(callers, seconds, operation).await
    }

    async fn write(&self, callers: usize, seconds: f64) -> Sample {
        let client = self.client.clone();
        let operation = move |_| {
            let client = client.clone();
            async move {
                let open = RequestOpen { title: "measure".to_owned(), text: String::new() };
                client.call::<call::RequestOpen>(&open).await.expect("an answer");
            }
        };
        closed_loop(callers, seconds, operation).await
    }
}

pub(crate) async fn raw_responder(client: Nats) {
    let mut requests = client.queue_subscribe("raw.echo", "raw".to_owned()).await.expect("subscribed");
    client.flush().await.expect("flushed");
    let body: bytes::Bytes = vec![b'x'; REPLY_BYTES].into();
    tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            if let Some(reply) = request.reply {
                client.publish(reply, body.clone()).await.expect("answered");
            }
        }
    });
}

/// A stream as the ledger is one: file storage, s2, direct reads. Nothing is republished from it.
async fn raw_stream(js: &jetstream::Context) {
    let config = jetstream::stream::Config {
        name: "RAW".to_owned(),
        subjects: vec!["raw.fact.>".to_owned()],
        storage: jetstream::stream::StorageType::File,
        compression: Some(jetstream::stream::Compression::S2),
        allow_direct: true,
        ..Default::default()
    };
    js.create_stream(config).await.expect("a stream");
}
