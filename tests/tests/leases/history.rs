//! Histories: many clients fight for a few paths while replicas, servers and holders die and sleep, and
//! what they saw is held against what leases promise. The seed is printed: the same one makes the same
//! choices, though not the same timing.

mod check;
mod client;
mod record;

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use selvedge_contracts::{
    payload::{
        claim::{Claim, Mode},
        session::SessionStart,
    },
    role::{Role, Service},
};
use selvedge_tests::{
    Bus, Options,
    fabric::{Fabric, plain_session},
    replica::Replica,
    wait,
};
use tokio::task::JoinHandle;

use crate::{
    REPLICA,
    history::{
        check::violations,
        client::{Client, Shared, watch_the_queue},
    },
    scene::{Worker, wanted},
};

/// Variable with the seed of a run; a fresh one if it is not set.
const SEED: &str = "SELVEDGE_SEED";
/// Variable with how long each run goes on, in seconds: `make soak` sets it.
const SECONDS: &str = "SELVEDGE_SOAK_SECONDS";

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}: a whole number")))
}

/// A run under way.
struct Run {
    fabric: Fabric,
    replicas: Vec<Replica>,
    started: usize,
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
    random: StdRng,
    seed: u64,
    until: Instant,
}

impl Run {
    async fn start(options: Options, clients: u64, seconds: u64) -> Self {
        let seed = variable(SEED).unwrap_or_else(rand::random);
        println!("{SEED}={seed}");
        let fabric = Fabric::start_with(options).await;
        let shared = Arc::new(Shared::new());
        let until = Instant::now() + Duration::from_secs(variable(SECONDS).unwrap_or(seconds));
        let random = StdRng::seed_from_u64(seed);
        let mut run =
            Self { fabric, replicas: vec![], started: 0, shared, tasks: vec![], random, seed, until };
        for _ in 0..3 {
            run.start_replica();
        }
        for index in 0..clients {
            let worker = worker(&run.fabric, &format!("c{index}")).await;
            let client = Client::new(worker, Arc::clone(&run.shared), index, seed);
            run.tasks.push(in_its_own_thread(move || client.work()));
        }
        let watcher = worker(&run.fabric, "watcher").await;
        let shared = Arc::clone(&run.shared);
        run.tasks.push(in_its_own_thread(move || watch_the_queue(watcher, shared)));
        run
    }

    fn start_replica(&mut self) {
        self.started += 1;
        let (bus, name): (&Bus, _) = (&self.fabric.bus, format!("h{}", self.started));
        self.replicas.push(Replica::start_service(Service::Leases, REPLICA, bus, &bus.url(), &name));
    }

    /// Waits until so many more leases were granted.
    async fn goes_on(&self, more: usize) {
        let before = self.shared.history.grants();
        let what = format!("{more} grants ({SEED}={})", self.seed);
        wait::until_within(Duration::from_secs(60), &what, async || {
            match self.shared.history.grants() - before {
                granted if granted >= more => Ok(()),
                granted => Err(granted),
            }
        })
        .await;
    }

    async fn fails_somewhere(&mut self) {
        let one = self.random.random_range(0..self.replicas.len());
        match self.random.random_range(0..10) {
            0..4 => {
                self.replicas.swap_remove(one).kill9();
                self.goes_on(3).await;
                self.start_replica();
            }
            4..8 => {
                self.replicas[one].pause();
                self.goes_on(5).await; // the others go on without it
                self.replicas[one].resume();
            }
            _ => {
                let nodes = self.fabric.bus.addresses().len();
                let node = self.random.random_range(0..nodes);
                self.fabric.bus.kill9_server(node);
                if nodes > 1 {
                    self.goes_on(3).await;
                }
                self.fabric.bus.restart_server(node).await;
            }
        }
    }

    /// Ends the run, and holds its history against what leases promise.
    async fn ends_well(self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap_or_else(|error| panic!("{SEED}={}: {error}", self.seed));
        }
        let history = self.shared.history.seen();
        let found = violations(&history);
        assert!(
            found.is_empty(),
            "{SEED}={}: {} violations: {:#?}",
            self.seed,
            found.len(),
            &found[..found.len().min(10)]
        );
        // Nothing stays held for ever: in the end everything is free.
        let last = worker(&self.fabric, "last").await;
        let all = wanted(vec![Claim::Glob { glob: "p*".to_owned(), mode: Mode::Exclusive }]);
        wait::until("everything to be free in the end", async || last.keyed("all", &all).await).await;
        println!("{} events, {} grants: no violation", history.len(), self.shared.history.grants());
    }
}

/// A client's future need not go from thread to thread.
fn in_its_own_thread<F: Future<Output = ()>>(work: impl FnOnce() -> F + Send + 'static) -> JoinHandle<()> {
    let runtime = tokio::runtime::Handle::current();
    tokio::task::spawn_blocking(move || runtime.block_on(work()))
}

async fn worker(fabric: &Fabric, name: &str) -> Worker {
    let agent = fabric.agent(name, Role::Worker).await;
    let long =
        SessionStart { ttl_ms: Some(86_400_000), presence_ttl_ms: Some(86_400_000), ..plain_session() };
    let session = fabric.session(&agent, long).await.expect("a session");
    Worker { client: session.client.clone(), session, agent }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_history_with_deaths_and_pauses_breaks_a_promise() {
    let mut run = Run::start(Options::LAZY, 6, 12).await;
    run.goes_on(10).await;
    while Instant::now() < run.until {
        run.fails_somewhere().await;
        run.goes_on(5).await;
    }
    run.ends_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_history_on_three_servers_whose_leader_dies_with_a_replica_breaks_a_promise() {
    let mut run = Run::start(Options::CLUSTER, 64, 10).await;
    run.goes_on(100).await;
    while Instant::now() < run.until {
        let node = leader(&run.fabric.bus).await;
        run.fabric.bus.kill9_server(node);
        let doomed = run.random.random_range(0..run.replicas.len());
        run.replicas.swap_remove(doomed).kill9(); // with the leader gone, too
        run.goes_on(50).await;
        run.fabric.bus.restart_server(node).await;
        run.start_replica();
        run.goes_on(50).await;
    }
    run.ends_well().await;
}

/// The server that leads the bucket of leases.
async fn leader(bus: &Bus) -> usize {
    let jetstream = async_nats::jetstream::new(bus.connect_as_root().await);
    wait::until("the bucket to have a leader", async || {
        let stream = jetstream.get_stream("KV_leases").await.map_err(|error| error.to_string())?;
        let leader = stream.cached_info().cluster.as_ref().and_then(|cluster| cluster.leader.clone());
        leader.and_then(|name| name.strip_prefix('n')?.parse().ok()).ok_or_else(|| "none".to_owned())
    })
    .await
}
