//! Checks and proposals through the bus, beside a raw request-reply in the same run, over an index of so many
//! things. They are put into the ledger before the service starts, so that its start is measured too: once from the
//! ledger, once from a snapshot. Last comes how fast it takes in what is recorded while it runs.

mod seed;
pub(crate) mod texts;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use clap::Args;
use selvedge_contracts::{
    call,
    payload::{
        Nothing,
        overlap::{Check, Propose, Stats},
    },
    role::Role,
};
use selvedge_kit::client::Client;
use selvedge_tests::{
    Options,
    fabric::{Fabric, lasting_session},
    overlap::{dispatcher, replica_with, task},
    wait::until_within,
};

use self::{
    seed::Seed,
    texts::{Texts, draw},
};
use crate::{
    calls::raw_responder,
    load::{Sample, closed_loop},
    report::{Series, head, ratio, resident_bytes},
};

/// Longest wait for a start, however many there are.
const LONGEST: Duration = Duration::from_secs(600);

/// How often it is looked whether all has been taken in.
const LOOK: Duration = Duration::from_millis(50);

/// What is checked against.
#[derive(Debug, Args)]
pub(crate) struct Input {
    /// Things that are checked against, in the section overlap.
    #[arg(long, default_value_t = 5_000)]
    items: u64,
    /// How many of them are pending, about; the others are there.
    #[arg(long, default_value_t = 1_000)]
    pending: u64,
    /// The folder with the corpora whose tickets are recombined into things; without it, made-up words.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Things that are recorded while the service runs, to see how fast it takes them in.
    #[arg(long, default_value_t = 10_000)]
    recorded: u64,
}

pub(crate) async fn measure(input: &Input, seconds: f64, rounds: usize) {
    let (texts, items) = (Arc::new(Texts::of(input.data.as_deref())), input.items);
    let fabric = Fabric::start_with(Options::LAZY).await;
    let seed = Seed::new(&fabric, Arc::clone(&texts), items, input.pending).await;
    let started = Instant::now();
    seed.put(0..items).await;
    println!(
        "\n### overlap, {items} things of {}, about {} pending\n\n- put into the ledger in {:.1} s",
        texts.name(),
        input.pending,
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
    let (resident, started) = (resident_bytes(), Instant::now());
    let replica = replica_with(bus, &bus.url(), "o1", lasting).await;
    let read = started.elapsed().as_secs_f64();
    println!("- started from the ledger in {read:.2} s: {:.0} facts/s", items as f64 / read);
    let worker = fabric.agent("ada", Role::Worker).await;
    let client = fabric.session(&worker, lasting_session()).await.expect("a session").client;
    let kept = until_within(LONGEST, "a snapshot", async || {
        let stats = stats(&fabric.operator).await;
        if stats.snapshot.is_some() { Ok(stats) } else { Err("none") }
    })
    .await;
    replica.drain().await;
    let started = Instant::now();
    let seldom = |config| selvedge_overlap::service::Config { snapshot_facts: u64::MAX, ..lasting(config) };
    let _replica = replica_with(bus, &bus.url(), "o2", seldom).await;
    println!("- started from the snapshot in {:.2} s", started.elapsed().as_secs_f64());
    sizes(&kept, items, resident_bytes().saturating_sub(resident));
    let raw = bus.connect_as_root().await;
    raw_responder(bus.connect_as_root().await).await;
    let dispatcher = dispatcher(bus, "d1").await;
    let load = Load { raw, client, dispatcher, texts, items, next: Arc::default() };
    for callers in [1, 2, 16] {
        load.measure(callers, seconds, rounds).await;
    }
    // Numbers that neither the things nor the proposals have.
    let from = items + (1 << 40);
    load.intake(&seed, from..from + input.recorded, 0).await;
    load.intake(&seed, from + input.recorded..from + 2 * input.recorded, 2).await;
}

fn sizes(kept: &Stats, items: u64, resident: u64) {
    let each = |bytes: u64| bytes as f64 / items as f64;
    println!(
        "- index: {:.0} bytes a thing beside {:.0} of text (goal <= 700); with the book, and what the allocator \
         took for both, about {:.0} resident; snapshot of {:.1} MB; {} pending compared exactly",
        each(kept.index_bytes),
        each(kept.text_bytes),
        each(resident),
        kept.snapshot.as_ref().map_or(0, |kept| kept.size_bytes) as f64 / 1e6,
        kept.watched,
    );
}

async fn stats(client: &Client) -> Stats {
    client.call::<call::OverlapStats>(&Nothing {}).await.expect("stats").reply
}

struct Load {
    raw: async_nats::Client,
    client: Client,
    dispatcher: Client,
    texts: Arc<Texts>,
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

    async fn raw(&self, callers: usize, seconds: f64) -> Sample {
        let raw = self.raw.clone();
        closed_loop(callers, seconds, move |_| {
            let raw = raw.clone();
            async move {
                raw.request("raw.echo", "x".into()).await.expect("answered");
            }
        })
        .await
    }

    async fn check(&self, callers: usize, seconds: f64) -> Sample {
        let (client, next, items) = (self.client.clone(), Arc::clone(&self.next), self.items);
        let texts = Arc::clone(&self.texts);
        closed_loop(callers, seconds, move |_| {
            let (client, number) = (client.clone(), next.fetch_add(1, Ordering::Relaxed));
            let (title, description) = texts.like(draw(number) % items.max(1));
            async move {
                let check = Check { title, description, ..Check::default() };
                client.call::<call::OverlapCheck>(&check).await.expect("a check");
            }
        })
        .await
    }

    async fn propose(&self, callers: usize, seconds: f64) -> Sample {
        let (client, next, items) = (self.dispatcher.clone(), Arc::clone(&self.next), self.items);
        let texts = Arc::clone(&self.texts);
        closed_loop(callers, seconds, move |_| {
            let (client, number) = (client.clone(), items + next.fetch_add(1, Ordering::Relaxed));
            let (title, description) = texts.text(number);
            async move {
                let wanted = Propose { description, ..task("ada-00000001", &format!("new{number}"), &title) };
                client.call::<call::OverlapPropose>(&wanted).await.expect("an answer");
            }
        })
        .await
    }

    /// Records things as fast as the ledger takes them, while so many check, until the service has them all.
    async fn intake(&self, seed: &Seed, numbers: std::ops::Range<u64>, checkers: usize) {
        let (count, started) = (numbers.end - numbers.start, Instant::now());
        let record = async {
            let last = seed.put(numbers).await;
            let recorded = started.elapsed();
            // Stats look at every thing, so they are not asked for all the time.
            while stats(&self.client).await.basis.up_to_sequence < last {
                tokio::time::sleep(LOOK).await;
            }
            (recorded, started.elapsed())
        };
        tokio::pin!(record);
        let (mut checks, mut slowest_us) = (0.0, 0.0_f64);
        let (recorded, taken) = loop {
            tokio::select! {
                done = &mut record => break done,
                sample = self.check(checkers, 0.5), if checkers > 0 => {
                    checks += sample.rate() * 0.5;
                    slowest_us = slowest_us.max(sample.percentile_us(0.99));
                }
            }
        };
        println!(
            "- {count} things recorded in {:.2} s, taken in after {:.2} s, while {checkers} checked: {:.0} a second \
             (goal >= 3,000){}",
            recorded.as_secs_f64(),
            taken.as_secs_f64(),
            count as f64 / taken.as_secs_f64(),
            if checkers == 0 {
                String::new()
            } else {
                format!(
                    "; {:.0} checks a second, largest p99 of half a second {:.1} ms",
                    checks / taken.as_secs_f64(),
                    slowest_us / 1e3
                )
            }
        );
    }
}
