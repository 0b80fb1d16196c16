//! Plans and tasks through the dispatcher, beside their raw parts in the same run: a request-reply, and a guarded
//! publish into the ledger.

pub(crate) mod agents;
pub(crate) mod crowd;
pub(crate) mod restart;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_nats::{Client as Nats, Subscriber, jetstream};
use futures::{StreamExt as _, future::join_all};
use selvedge_contracts::{
    call,
    payload::{
        overlap::Answer,
        plan::PlanSpec,
        task::{Claimed, TaskClaim},
    },
    role::Role,
};
use selvedge_kit::{
    client::Client,
    creation::{Asking, asked_about},
    service::Running,
};
use selvedge_tests::{
    Options, dispatcher,
    fabric::{Fabric, lasting_session},
    overlap,
};
use serde_json::json;
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    calls::{guarded, raw_responder},
    load::{Sample, WARM_UP, closed_loop},
    overlap::texts::Texts,
    report::{Series, head, ratio},
};

/// Workers where many work at once, and the agents (each with a connection) that they are.
const WORKERS: usize = 64;
const AGENTS: usize = 8;
/// Tasks side by side in a fan-out.
const FAN: usize = 100;
/// Fan-outs in each round.
const FANS: usize = 10;
/// Tasks of a plan that is there to be worked off, and tasks a second that there are enough of: lazy, and at fsync.
const BATCH: usize = 1_000;
const MOST_A_SECOND: [f64; 2] = [6_000.0, 2_000.0];
/// How long a worker waits for a task, in milliseconds, before it asks again.
const WAIT_MS: u64 = 1_000;
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn measure(name: &str, options: Options, seconds: f64, rounds: usize) {
    let [lazy, fsync] = MOST_A_SECOND;
    let most = seconds * (1.0 + WARM_UP) * if name == "fsync" { fsync } else { lazy };
    let scene = Scene::start(options).await;
    let mut raw: [Series; 4] = Default::default();
    let mut alone: [Series; 3] = Default::default();
    let (mut many, mut fans) = (Series::default(), Series::default());
    for _ in 0..rounds {
        raw[0].push(scene.echo(1, seconds).await);
        raw[1].push(scene.guarded(1, seconds).await);
        let [claimed, from_submit, done] = scene.single_tasks(seconds).await;
        alone[0].push(claimed);
        alone[1].push(from_submit);
        alone[2].push(done);
        raw[2].push(scene.echo(WORKERS, seconds).await);
        raw[3].push(scene.guarded(WORKERS, seconds).await);
        many.push(scene.many_tasks(seconds, most).await);
        fans.push(scene.fans().await);
    }
    print(name, &raw, &alone, &many, &fans);
}

/// What it costs that a plan is held against what is there before it is recorded: beside plans that are not.
pub(crate) async fn measure_asking(name: &str, options: Options, seconds: f64, rounds: usize) {
    let (plain, asking) = (Scene::start(options).await, Scene::start_asking(options, Asking::Required).await);
    let _overlap = overlap::replica(&asking.fabric.bus, "o1").await;
    let mut series: [Series; 4] = Default::default();
    for _ in 0..rounds {
        for (at, scene) in [&plain, &asking].into_iter().enumerate() {
            let [_, claimed, done] = scene.single_tasks(seconds).await;
            series[at].push(claimed);
            series[2 + at].push(done);
        }
    }
    let [claimed, claimed_asked, done, done_asked] = &series;
    head(&format!("dispatch asking {name}, a plan of one task, 1 waiting worker"));
    claimed.print("plan submit sent → claimed");
    claimed_asked.print("the same, held against what is there");
    done.print("plan submit sent → plan done (4 facts)");
    done_asked.print("the same, held against what is there (6 facts: the creation's beginning and end too)");
    println!();
    let more = (done_asked.p50_us() - done.p50_us()) / 1e3;
    ratio("what asking costs a plan, p50 in ms", more, "none");
    println!(
        "- plans that looked like another one and were proceeded with: {}",
        asking.asked.load(Ordering::Relaxed)
    );
}

fn print(name: &str, raw: &[Series; 4], alone: &[Series; 3], many: &Series, fans: &Series) {
    let ([echo, fact, echo_many, fact_many], [claimed, from_submit, done]) = (raw, alone);
    head(&format!("dispatch {name}, a plan of one task, 1 waiting worker"));
    echo.print("raw request-reply");
    fact.print("raw guarded publish into the ledger");
    claimed.print("task ready (its plan's fact is seen) → claimed by a waiting worker");
    from_submit.print("plan submit sent → claimed");
    done.print("plan submit sent → plan done (4 facts: plan, claimed, validated, done)");
    println!();
    ratio("ready → claimed p50 in ms", claimed.p50_us() / 1e3, "<= 3");
    ratio("submit → done p50 in ms", done.p50_us() / 1e3, "<= 8 at fsync");
    let parts = 2.0 * echo.p50_us() + 4.0 * fact.p50_us();
    ratio("submit → done p50 / (2 request-replies + 4 guarded publishes)", done.p50_us() / parts, "none");
    head(&format!("dispatch {name}, {WORKERS} workers, no-op tasks"));
    echo_many.print("raw request-reply");
    fact_many.print("raw guarded publish into the ledger");
    many.print("claim + submit of one task (2 facts: claimed, validated)");
    fans.print(&format!("plan of {FAN} tasks and one that needs them all: submit → done (204 facts)"));
    println!();
    let goal = if name == "fsync" { ">= 500" } else { ">= 2500" };
    ratio("tasks a second", many.rate(), goal);
    let floor = 1.0 / (2.0 / echo_many.rate() + 2.0 / fact_many.rate());
    ratio("tasks a second / 2 request-replies and 2 guarded publishes", many.rate() / floor, "none");
    let goal = if name == "fsync" { "<= 220" } else { "<= 120" };
    ratio("fan-out and fan-in p50 in ms", fans.p50_us() / 1e3, goal);
}

/// A dispatcher, a planner, and agents that work.
pub(crate) struct Scene {
    pub(crate) fabric: Fabric,
    pub(crate) replica: Option<Running>,
    pub(crate) planner: Client,
    pub(crate) workers: Vec<Client>,
    raw: Nats,
    js: jetstream::Context,
    next: Arc<AtomicU64>,
    /// Plans about which somebody was asked whether they are there already.
    asked: AtomicU64,
}

/// Workers at work, until they are told that it is enough.
struct Shift {
    workers: JoinSet<()>,
    is_over: Arc<AtomicBool>,
}

impl Shift {
    /// Waits until none of them asks for anything any more. A claim whose sender is gone would take the next plan's
    /// task, and keep it from the others until it ends.
    async fn end(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.workers.join_all().await;
    }
}

impl Scene {
    pub(crate) async fn start(options: Options) -> Self {
        Self::start_asking(options, Asking::Off).await
    }

    async fn start_asking(options: Options, asking: Asking) -> Self {
        let fabric = Fabric::start_with(options).await;
        let replica = Some(dispatcher::start_with(&fabric.bus, "d1", asking).await);
        let planner = member(&fabric, "pia", Role::Planner).await;
        let mut workers = Vec::new();
        for index in 0..AGENTS {
            workers.push(member(&fabric, &format!("w{index}"), Role::Worker).await);
        }
        raw_responder(fabric.bus.connect_as_root().await).await;
        let (raw, js) =
            (fabric.bus.connect_as_root().await, jetstream::new(fabric.bus.connect_as_root().await));
        let (next, asked) = (Arc::default(), AtomicU64::default());
        Self { fabric, replica, planner, workers, raw, js, next, asked }
    }

    /// Submits a plan; answers with its id.
    pub(crate) async fn plan(&self, tasks: &[(&str, &[&str])]) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (title, description) = Texts::MadeUp.text(number);
        let plan = PlanSpec { description, ..dispatcher::plan(&format!("{title} {number}"), tasks) };
        let reply = match dispatcher::submit_plan(&self.planner, &plan).await {
            Ok(reply) => reply,
            Err(fault) => {
                let creation = asked_about(&fault).unwrap_or_else(|| panic!("a plan: {fault:?}"));
                self.asked.fetch_add(1, Ordering::Relaxed);
                overlap::decide(&self.planner, &creation, Answer::Proceed).await.expect("decided");
                dispatcher::submit_plan(&self.planner, &plan).await.expect("a plan")
            }
        };
        reply.plan.id.to_string()
    }

    /// Hears what becomes of plans.
    async fn plans(&self) -> Subscriber {
        let live = self.raw.subscribe("sv.live.demo.plan.>").await.expect("subscribed");
        self.raw.flush().await.expect("flushed");
        live
    }

    async fn echo(&self, callers: usize, seconds: f64) -> Sample {
        let raw = self.raw.clone();
        closed_loop(callers, seconds, move |_| {
            let raw = raw.clone();
            async move {
                raw.request("raw.echo", "x".into()).await.expect("answered");
            }
        })
        .await
    }

    async fn guarded(&self, callers: usize, seconds: f64) -> Sample {
        let (js, next) = (self.js.clone(), Arc::clone(&self.next));
        closed_loop(callers, seconds, move |_| {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let (js, entity) = (js.clone(), format!("sv.fact.bench.intent.i{number}"));
            async move {
                guarded(&js, &entity, "executing", 0).await;
            }
        })
        .await
    }

    /// Plans of one task, one after the other, and a worker that waits: how long until the task is claimed, from
    /// when its plan's fact is seen and from when the plan was sent, and until the plan is done.
    async fn single_tasks(&self, seconds: f64) -> [Sample; 3] {
        let mut live = self.plans().await;
        let (told, mut claims) = mpsc::channel(1);
        let worker = self.work(1, move |_| {
            let _ = told.try_send(Instant::now());
        });
        let started = Instant::now();
        let warm_until = started + Duration::from_secs_f64(seconds * WARM_UP);
        let mut took: [Vec<Duration>; 3] = Default::default();
        while started.elapsed().as_secs_f64() < seconds * (1.0 + WARM_UP) {
            let sent = Instant::now();
            let (id, seen) = tokio::join!(self.plan(&[("only", &[])]), heard(&mut live, ".submitted"));
            assert!(seen.0.contains(&id), "another plan");
            let claimed = claims.recv().await.expect("a claim");
            let (_, done) = heard(&mut live, ".done").await;
            if sent >= warm_until {
                took[0].push(claimed.saturating_duration_since(seen.1));
                took[1].push(claimed - sent);
                took[2].push(done - sent);
            }
        }
        let elapsed = warm_until.elapsed();
        worker.end().await;
        took.map(|took| Sample::of(took, elapsed))
    }

    /// Many workers at tasks, so many at least, that are all ready from the start.
    async fn many_tasks(&self, seconds: f64, most: f64) -> Sample {
        let names: Vec<String> = (0..BATCH).map(|index| format!("t{index}")).collect();
        let tasks: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), &[][..])).collect();
        for _ in 0..(most / BATCH as f64).ceil() as usize {
            self.plan(&tasks).await;
        }
        let workers = self.workers.clone();
        let sample = closed_loop(WORKERS, seconds, move |worker| {
            let client = workers[worker % AGENTS].clone();
            async move {
                let claimed = claim(&client).await.expect("enough tasks");
                hand_in(&client, &claimed).await;
            }
        })
        .await;
        self.finish().await;
        sample
    }

    /// Does what is left.
    pub(crate) async fn finish(&self) {
        let rest = (0..WORKERS).map(|worker| async move {
            let client = &self.workers[worker % AGENTS];
            while let Some(claimed) = claim_now(client).await {
                hand_in(client, &claimed).await;
            }
        });
        join_all(rest).await;
    }

    /// Plans of many tasks side by side and one that needs them all, one after the other.
    async fn fans(&self) -> Sample {
        let names: Vec<String> = (0..FAN).map(|index| format!("t{index}")).collect();
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut tasks: Vec<(&str, &[&str])> = all.iter().map(|name| (*name, &[][..])).collect();
        tasks.push(("last", &all));
        let mut live = self.plans().await;
        let workers = self.work(WORKERS, |_| ());
        let (started, mut took) = (Instant::now(), Vec::new());
        for _ in 0..FANS {
            let sent = Instant::now();
            let (_, done) = tokio::join!(self.plan(&tasks), heard(&mut live, ".done"));
            took.push(done.1 - sent);
        }
        let elapsed = started.elapsed();
        workers.end().await;
        Sample::of(took, elapsed)
    }

    /// Workers that wait for tasks and do them until their shift is ended.
    fn work(&self, workers: usize, claimed: impl Fn(&Claimed) + Clone + Send + 'static) -> Shift {
        let (mut set, is_over) = (JoinSet::new(), Arc::<AtomicBool>::default());
        for worker in 0..workers {
            let (client, told, over) =
                (self.workers[worker % AGENTS].clone(), claimed.clone(), Arc::clone(&is_over));
            set.spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    if let Some(claimed) = claim(&client).await {
                        told(&claimed);
                        hand_in(&client, &claimed).await;
                    }
                }
            });
        }
        Shift { workers: set, is_over }
    }
}

/// The next of what becomes of plans whose subject ends so, and when it came.
async fn heard(live: &mut Subscriber, end: &str) -> (String, Instant) {
    let hear = async {
        loop {
            let message = live.next().await.expect("the bus");
            if message.subject.ends_with(end) {
                return (message.subject.to_string(), Instant::now());
            }
        }
    };
    tokio::time::timeout(PATIENCE, hear).await.unwrap_or_else(|_| panic!("no {end} within {PATIENCE:?}"))
}

async fn member(fabric: &Fabric, name: &str, role: Role) -> Client {
    let agent = fabric.agent(name, role).await;
    fabric.session(&agent, lasting_session()).await.expect("a session").client
}

async fn claim(client: &Client) -> Option<Claimed> {
    claim_within(client, WAIT_MS).await
}

/// A task that is ready now.
async fn claim_now(client: &Client) -> Option<Claimed> {
    claim_within(client, 100).await
}

async fn claim_within(client: &Client, wait_ms: u64) -> Option<Claimed> {
    let claim = TaskClaim { wait_ms: Some(wait_ms), ..TaskClaim::default() };
    client.call::<call::TaskClaim>(&claim).await.expect("an answer").reply.claimed
}

async fn hand_in(client: &Client, claimed: &Claimed) {
    dispatcher::submit(client, claimed, json!({ "ok": true })).await.expect("handed in");
}
