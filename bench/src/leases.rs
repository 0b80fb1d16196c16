//! Leases beside their raw parts: a request-reply, and a guarded publish into a bucket like theirs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_nats::{Client as Nats, HeaderMap, jetstream};
use futures::StreamExt as _;
use selvedge_contracts::{
    call,
    id::SpaceId,
    payload::{
        claim::Claim,
        lease::{Acquire, Lease, Release},
    },
    role::Role,
};
use selvedge_kit::{client::Client, metrics::Metrics, service::Running};
use selvedge_leases::SpaceLimits;
use selvedge_tests::{
    Options,
    fabric::{Fabric, lasting_session},
};

use crate::{
    load::{Sample, closed_loop, timed_loop},
    report::{Series, head, ratio},
};

/// Size of a raw reply and of a raw record: about those of a lease.
const LEASE_BYTES: usize = 450;
/// Callers where many ask at once, and the agents (each with a connection) that they are.
const CALLERS: usize = 64;
const AGENTS: usize = 8;
/// Keys that all callers contend for.
const CONTENDED: usize = 8;
/// Longest wait in a queue, in milliseconds.
const WAIT_MS: u64 = 30_000;

struct Subjects {
    raw: Nats,
    js: jetstream::Context,
    clients: Vec<Client>,
    next: Arc<AtomicU64>,
}

/// Life of the leases that stand, in milliseconds: longer than it is measured.
const LIVE_TTL_MS: u64 = 3_600_000;
/// Leases that stand in one space while an acquisition is measured, and how many of them claim globs.
const LIVE: usize = 100_000;
const LIVE_GLOBS: usize = 10_000;

/// Acquisitions in a space with many leases: files that are free, and files below a glob that is held.
pub(crate) async fn measure_large(seconds: f64, rounds: usize) {
    let limits = SpaceLimits { leases_per_holder: LIVE, ..SpaceLimits::default() };
    let (_fabric, _leases, subjects) = start_with(Options::LAZY, limits).await;
    let started = Instant::now();
    subjects.fill().await;
    println!("\n{LIVE} leases, {LIVE_GLOBS} of them globs, taken over the bus in {:.1?}", started.elapsed());
    let mut found: [Series; 3] = Default::default();
    for _ in 0..rounds {
        found[0].push(subjects.acquire(1, seconds).await);
        found[1].push(subjects.acquire(CALLERS / 8, seconds).await);
        found[2].push(subjects.refused(seconds).await);
    }
    let [alone, several, refused] = &found;
    head(&format!("leases, {LIVE} live in one space"));
    alone.print("acquire, 1 caller");
    several.print(&format!("acquire, {} callers", CALLERS / 8));
    refused.print("refused below a glob that is held, 1 caller");
    println!();
    ratio("acquire p99, 1 caller, ms", alone.median(|sample| sample.percentile_us(0.99)) / 1e3, "<= 5");
}

/// Runs one operation alone, for a profiler.
pub(crate) async fn profile(operation: &str, seconds: f64) {
    let (_fabric, _leases, subjects) = start(Options::LAZY).await;
    let sample = match operation {
        "pairs" => subjects.pairs(CALLERS, seconds).await,
        "acquire" => subjects.acquire(1, seconds).await,
        _ => subjects.contended(seconds).await,
    };
    println!("{operation}: {:.0} a second", sample.rate());
}

pub(crate) async fn measure(name: &str, options: Options, seconds: f64, rounds: usize) {
    let (_fabric, _leases, subjects) = start(options).await;
    let mut alone: [Series; 3] = Default::default();
    let mut many: [Series; 4] = Default::default();
    for _ in 0..rounds {
        alone[0].push(subjects.echo(1, seconds).await);
        alone[1].push(subjects.guarded(1, seconds).await);
        alone[2].push(subjects.acquire(1, seconds).await);
        many[0].push(subjects.echo(CALLERS, seconds).await);
        many[1].push(subjects.guarded(CALLERS, seconds).await);
        many[2].push(subjects.pairs(CALLERS, seconds).await);
        many[3].push(subjects.contended(seconds).await);
    }
    print(name, &alone, &many);
}

fn print(name: &str, [echo, guarded, acquire]: &[Series; 3], many: &[Series; 4]) {
    head(&format!("leases {name}, 1 caller"));
    echo.print("raw request-reply");
    guarded.print("raw guarded publish into a bucket");
    acquire.print("acquire");
    println!();
    let parts = echo.p50_us() + guarded.p50_us();
    ratio("acquire p50 / (request-reply + guarded publish) p50", acquire.p50_us() / parts, "<= 1.30");
    let [echo, guarded, pairs, contended] = many;
    head(&format!("leases {name}, {CALLERS} callers"));
    echo.print("raw request-reply");
    guarded.print("raw guarded publish into a bucket");
    pairs.print("acquire + release of keys of their own");
    contended.print(&format!("acquire (waiting) of {CONTENDED} keys, released at once"));
    println!();
    let floor = 1.0 / (2.0 / echo.rate() + 2.0 / guarded.rate());
    ratio("pairs a second", pairs.rate(), if name == "fsync" { ">= 1200" } else { ">= 6500" });
    ratio("pairs / pairs that the raw parts allow", pairs.rate() / floor, "for orientation");
    ratio("contended grants a second", contended.rate(), "lazy: >= 5000");
    ratio("wait p99, ms", contended.median(|sample| sample.percentile_us(0.99)) / 1e3, "lazy: <= 30");
    ratio("slowest caller / median caller", contended.median(Sample::fairness), ">= 0.80");
}

async fn start(options: Options) -> (Fabric, Running, Subjects) {
    start_with(options, SpaceLimits::default()).await
}

async fn start_with(options: Options, limits: SpaceLimits) -> (Fabric, Running, Subjects) {
    let fabric = Fabric::start_with(options).await;
    let (url, metrics) = (fabric.bus.url(), Metrics::default());
    let leases = fabric.leases_with(&url, "bench", limits, &metrics).await;
    let mut clients = Vec::new();
    for index in 0..AGENTS {
        let agent = fabric.agent(&format!("w{index}"), Role::Worker).await;
        clients.push(fabric.session(&agent, lasting_session()).await.expect("a session").client);
    }
    let subjects = Subjects {
        raw: fabric.bus.connect_as_root().await,
        js: jetstream::new(fabric.bus.connect_as_root().await),
        clients,
        next: Arc::default(),
    };
    raw_responder(fabric.bus.connect_as_root().await).await;
    raw_bucket(&subjects.js).await;
    (fabric, leases, subjects)
}

fn wanted(path: String, wait_ms: Option<u64>) -> Acquire {
    let space = SpaceId::new("bench").expect("a space");
    Acquire { space, claims: vec![Claim::path(path)], purpose: "measure".to_owned(), ttl_ms: None, wait_ms }
}

async fn acquire(client: &Client, wanted: &Acquire) -> Lease {
    client.call::<call::LeaseAcquire>(wanted).await.expect("a lease").reply.lease
}

async fn release(client: &Client, lease: Lease) {
    let release = Release { space: lease.space, lease: lease.id };
    client.call::<call::LeaseRelease>(&release).await.expect("released");
}

impl Subjects {
    /// Takes all leases that are to stand, none of which clash: files of a thousand folders, and globs.
    async fn fill(&self) {
        let wanted = (0..LIVE).map(|index| {
            let claim = match index < LIVE_GLOBS {
                true => Claim::files(format!("docs/part{}/*-{index}.md", index % 1_000)),
                false => Claim::file(format!("services/crate{}/module{index}.rs", index % 1_000)),
            };
            let (client, mut wanted) = (self.clients[index % AGENTS].clone(), wanted(String::new(), None));
            (wanted.claims, wanted.ttl_ms) = (vec![claim], Some(LIVE_TTL_MS));
            async move { drop(acquire(&client, &wanted).await) }
        });
        futures::stream::iter(wanted).buffer_unordered(CALLERS * 4).collect::<Vec<()>>().await;
    }

    /// Asks for files that a held glob covers.
    async fn refused(&self, seconds: f64) -> Sample {
        let (clients, next) = (self.clients.clone(), Arc::clone(&self.next));
        let operation = move |caller: usize| {
            let client = clients[caller % AGENTS].clone();
            let index = usize::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap_or(0) % LIVE_GLOBS;
            let mut wanted = wanted(String::new(), None);
            wanted.claims = vec![Claim::file(format!("docs/part{}/new-{index}.md", index % 1_000))];
            async move { drop(client.call::<call::LeaseAcquire>(&wanted).await.expect_err("a refusal")) }
        };
        closed_loop(1, seconds, operation).await
    }

    async fn echo(&self, callers: usize, seconds: f64) -> Sample {
        let raw = self.raw.clone();
        let operation = move |_| {
            let raw = raw.clone();
            async move {
                raw.request("raw.echo", vec![b'x'; LEASE_BYTES].into()).await.expect("an answer");
            }
        };
        closed_loop(callers, seconds, operation).await
    }

    async fn guarded(&self, callers: usize, seconds: f64) -> Sample {
        let (js, next) = (self.js.clone(), Arc::clone(&self.next));
        let operation = move |_| {
            let (js, key) = (js.clone(), format!("raw.kv.k{}", next.fetch_add(1, Ordering::Relaxed)));
            async move {
                let mut headers = HeaderMap::new();
                headers.insert("Nats-Expected-Last-Subject-Sequence", "0");
                headers.insert("Nats-Expected-Last-Subject-Sequence-Subject", key.as_str());
                headers.insert("Nats-TTL", "1s");
                let body = vec![b'x'; LEASE_BYTES].into();
                let ack = js.publish_with_headers(key, headers, body).await.expect("published");
                ack.await.expect("an acknowledgement");
            }
        };
        closed_loop(callers, seconds, operation).await
    }

    /// Only the acquisition counts; what was taken is given back before the next.
    async fn acquire(&self, callers: usize, seconds: f64) -> Sample {
        let (clients, next) = (self.clients.clone(), Arc::clone(&self.next));
        let operation = move |caller: usize| {
            let client = clients[caller % AGENTS].clone();
            let wanted = wanted(format!("src/{}", next.fetch_add(1, Ordering::Relaxed)), None);
            async move {
                let started = Instant::now();
                let lease = acquire(&client, &wanted).await;
                let took = started.elapsed();
                release(&client, lease).await;
                took
            }
        };
        timed_loop(callers, seconds, operation).await
    }

    async fn pairs(&self, callers: usize, seconds: f64) -> Sample {
        let (clients, next) = (self.clients.clone(), Arc::clone(&self.next));
        let operation = move |caller: usize| {
            let client = clients[caller % AGENTS].clone();
            let wanted = wanted(format!("src/{}", next.fetch_add(1, Ordering::Relaxed)), None);
            async move {
                let lease = acquire(&client, &wanted).await;
                release(&client, lease).await;
            }
        };
        closed_loop(callers, seconds, operation).await
    }

    /// The wait for the lease counts.
    async fn contended(&self, seconds: f64) -> Sample {
        let clients = self.clients.clone();
        let operation = move |caller: usize| {
            let client = clients[caller % AGENTS].clone();
            let wanted = wanted(format!("hot/{}", (caller / AGENTS) % CONTENDED), Some(WAIT_MS));
            async move {
                let started = Instant::now();
                let lease = acquire(&client, &wanted).await;
                let took = started.elapsed();
                release(&client, lease).await;
                took
            }
        };
        timed_loop(CALLERS, seconds, operation).await
    }
}

async fn raw_responder(client: Nats) {
    let mut requests = client.queue_subscribe("raw.echo", "raw".to_owned()).await.expect("subscribed");
    client.flush().await.expect("flushed");
    let body: bytes::Bytes = vec![b'x'; LEASE_BYTES].into();
    tokio::spawn(async move {
        while let Some(request) = requests.next().await {
            if let Some(reply) = request.reply {
                client.publish(reply, body.clone()).await.expect("answered");
            }
        }
    });
}

/// A stream as the bucket of leases is one. Nothing is republished from it.
async fn raw_bucket(js: &jetstream::Context) {
    let config = jetstream::stream::Config {
        name: "RAW_KV".to_owned(),
        subjects: vec!["raw.kv.>".to_owned()],
        storage: jetstream::stream::StorageType::File,
        max_messages_per_subject: 1,
        allow_message_ttl: true,
        subject_delete_marker_ttl: Some(Duration::from_secs(600)),
        allow_rollup: true,
        allow_direct: true,
        ..Default::default()
    };
    js.create_stream(config).await.expect("a stream");
}
