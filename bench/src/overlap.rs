//! Checks and proposals through the bus, beside a raw request-reply in the same run, over an index of so many
//! things. They are put into the ledger before the service starts, so that its start is measured too: once from the
//! ledger, once from a snapshot.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use selvedge_contracts::{
    call,
    envelope::Envelope,
    fact::{CREATION_PROPOSED, EntityName},
    id::{Caller, CreationId, Digest, KindName, Mission, Owner, ScopeId},
    payload::{
        Nothing, Recorded,
        overlap::{Check, Creation, CreationState, Propose, Proposer, Stats},
    },
    role::{Role, Service},
    subject::Entity,
};
use selvedge_kit::{
    client::Client,
    clock::Deadline,
    credential::Login,
    ledger::{Ledger, NewFact},
};
use selvedge_tests::{
    Options,
    fabric::{Fabric, connect_bus, lasting_session},
    overlap::{dispatcher, replica_with, task},
    wait::until_within,
};

use crate::{
    calls::raw_responder,
    load::closed_loop,
    report::{Series, head, ratio},
};

/// Made-up words, as common as words are.
const VOCABULARY: u64 = 60_000;
/// Facts on their way into the ledger at once.
const SEEDING: usize = 256;
/// Longest wait for a start, however many there are.
const LONGEST: Duration = Duration::from_secs(300);

pub(crate) async fn measure(items: u64, seconds: f64, rounds: usize) {
    let fabric = Fabric::start_with(Options::LAZY).await;
    let started = Instant::now();
    seed(&fabric, items).await;
    println!(
        "\n### overlap, {items} things\n\n- put into the ledger in {:.1} s",
        started.elapsed().as_secs_f64()
    );
    let bus = &fabric.bus;
    let lasting = |config| selvedge_overlap::service::Config {
        pending_ttl_ms: 86_400_000,
        complete_ms: 86_400_000,
        second: None,
        snapshot_facts: 1,
        ..config
    };
    let started = Instant::now();
    let replica = replica_with(bus, &bus.url(), "o1", lasting).await;
    let read = started.elapsed().as_secs_f64();
    println!("- started from the ledger in {read:.2} s: {:.0} facts/s", items as f64 / read);
    let worker = fabric.agent("ada", Role::Worker).await;
    let client = fabric.session(&worker, lasting_session()).await.expect("a session").client;
    let stats = until_within(LONGEST, "a snapshot", async || {
        let stats = stats(&client).await;
        if stats.snapshot.is_some() { Ok(stats) } else { Err("none") }
    })
    .await;
    println!(
        "- index: {:.0} bytes a thing beside {:.0} of text; snapshot of {:.1} MB",
        stats.index_bytes as f64 / items as f64,
        stats.text_bytes as f64 / items as f64,
        stats.snapshot.map_or(0, |kept| kept.size_bytes) as f64 / 1e6
    );
    replica.drain().await;
    let started = Instant::now();
    let seldom = |config| selvedge_overlap::service::Config { snapshot_facts: u64::MAX, ..lasting(config) };
    let _replica = replica_with(bus, &bus.url(), "o2", seldom).await;
    println!("- started from the snapshot in {:.2} s", started.elapsed().as_secs_f64());
    let raw = bus.connect_as_root().await;
    raw_responder(bus.connect_as_root().await).await;
    let load = Load { raw, client, dispatcher: dispatcher(bus, "d1").await, items, next: Arc::default() };
    for callers in [1, 2, 16] {
        load.measure(callers, seconds, rounds).await;
    }
}

async fn stats(client: &Client) -> Stats {
    client.call::<call::OverlapStats>(&Nothing {}).await.expect("stats").reply
}

struct Load {
    raw: async_nats::Client,
    client: Client,
    dispatcher: Client,
    items: u64,
    next: Arc<AtomicU64>,
}

impl Load {
    async fn measure(&self, callers: usize, seconds: f64, rounds: usize) {
        let mut series: [Series; 3] = Default::default();
        for _ in 0..rounds {
            series[0].push(self.raw(callers, seconds).await);
            series[1].push(self.check(callers, seconds).await);
            series[2].push(self.propose(callers, seconds).await);
        }
        head(&format!("overlap, {} things, {callers} callers", self.items));
        series[0].print("raw request-reply");
        series[1].print("`overlap.check`");
        series[2].print("`overlap.propose` (a fact, the barrier, the check)");
        println!();
        let p99 = series[1].median(|sample| sample.percentile_us(0.99));
        ratio("check p99 in ms", p99 / 1e3, "<= 5 at 1,000,000 and 2 callers, <= 3 at 100,000");
        ratio("checks a second", series[1].rate(), ">= 800 at 1,000,000 and 2 callers");
        ratio(
            "check p50 / raw request-reply p50",
            series[1].p50_us() / series[0].p50_us(),
            "for orientation",
        );
    }

    async fn raw(&self, callers: usize, seconds: f64) -> crate::load::Sample {
        let raw = self.raw.clone();
        closed_loop(callers, seconds, move |_| {
            let raw = raw.clone();
            async move {
                raw.request("raw.echo", "x".into()).await.expect("answered");
            }
        })
        .await
    }

    async fn check(&self, callers: usize, seconds: f64) -> crate::load::Sample {
        let (client, next, items) = (self.client.clone(), Arc::clone(&self.next), self.items);
        closed_loop(callers, seconds, move |_| {
            let (client, number) = (client.clone(), next.fetch_add(1, Ordering::Relaxed));
            async move {
                let (title, description) = like(draw(number) % items.max(1));
                let check = Check { title, description, ..Check::default() };
                client.call::<call::OverlapCheck>(&check).await.expect("a check");
            }
        })
        .await
    }

    async fn propose(&self, callers: usize, seconds: f64) -> crate::load::Sample {
        let (client, next, items) = (self.dispatcher.clone(), Arc::clone(&self.next), self.items);
        closed_loop(callers, seconds, move |_| {
            let (client, number) = (client.clone(), items + next.fetch_add(1, Ordering::Relaxed));
            async move {
                let (title, description) = text(number);
                let wanted = Propose { description, ..task("ada-00000001", &format!("new{number}"), &title) };
                client.call::<call::OverlapPropose>(&wanted).await.expect("an answer");
            }
        })
        .await
    }
}

/// Puts what a service would have recorded into the ledger.
async fn seed(fabric: &Fabric, items: u64) {
    let login = Login::held(fabric.bus.service_credential(Service::Overlap, "seed"));
    let ledger = Ledger::new(connect_bus(&fabric.bus, login).await);
    let put = |number| {
        let ledger = ledger.clone();
        async move {
            ledger.append(&proposed(number), 0, Deadline::in_ms(30_000)).await.expect("a fact");
        }
    };
    stream::iter(0..items).map(put).buffer_unordered(SEEDING).collect::<Vec<()>>().await;
}

fn proposed(number: u64) -> NewFact {
    let state = creation(number);
    let entity =
        Entity { mission: state.mission.clone(), name: EntityName::Creation, id: (&state.creation).into() };
    let payload = serde_json::to_vec(&Recorded { change: Nothing {}, state: &state }).expect("JSON");
    let envelope = Envelope {
        id: format!("seed-{number}"),
        kind: CREATION_PROPOSED.kind.kind().to_string(),
        mission: state.mission.to_string(),
        sender: Service::Overlap.name().to_owned(),
        session: "seed".to_owned(),
        sent_at_ms: selvedge_tests::now_ms(),
        payload,
        ..Envelope::default()
    };
    NewFact { entity, fact: CREATION_PROPOSED.kind, envelope, request: None, traceparent: None }
}

fn creation(number: u64) -> Creation {
    let (mission, what, id) =
        (Mission::new("demo").expect("a name"), KindName::task(), format!("task{number}"));
    let (title, description) = text(number);
    let now_ms = selvedge_tests::now_ms();
    Creation {
        creation: CreationId::of(&mission, &what, &id),
        mission,
        what,
        id,
        content: Digest::from(&blake3::hash(title.as_bytes())),
        title,
        description,
        paths: Vec::new(),
        artifacts: Vec::new(),
        proposer: Proposer {
            agent: Caller::new("ada-00000001").expect("a name"),
            role: Role::Worker,
            owner: Owner::new("person:olga").expect("an owner"),
            session: ScopeId::new("session_1").expect("a session"),
            task: None,
            request: None,
        },
        place: 0,
        state: CreationState::Pending,
        checked: None,
        decision: None,
        proposed_at_ms: now_ms,
        expires_at_ms: now_ms + 86_400_000,
    }
}

/// A number that looks random, the same for the same seed (SplitMix64).
fn draw(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn text(number: u64) -> (String, String) {
    (words(draw(number), 8), words(draw(number) ^ 1, 45))
}

/// A title without its first word, and half of the description.
fn like(number: u64) -> (String, String) {
    let (title, description) = text(number);
    let title = title.split_once(' ').map_or(title.as_str(), |(_, rest)| rest).to_owned();
    (title, description.chars().take(description.len() / 2).collect())
}

/// Words by Zipf's law: the inverse of its distribution is an exponential of an even number.
fn words(seed: u64, count: u64) -> String {
    let word = |at: u64| {
        let even = (draw(seed ^ (at << 32)) >> 11) as f64 / (1_u64 << 53) as f64;
        let letters = draw((VOCABULARY as f64).powf(even) as u64);
        let letter = |n: u64| char::from(b'a' + (letters >> (5 * n + 8)) as u8 % 26);
        (0..3 + letters % 6).map(letter).collect::<String>()
    };
    (0..count).map(word).collect::<Vec<_>>().join(" ")
}
