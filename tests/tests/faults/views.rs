//! Views that missed something find out and catch up.

use std::time::{Duration, Instant};

use nkeys::KeyPair;
use selvedge_contracts::{
    call,
    payload::{
        agent::{About, AgentShow, Register},
        request::{RequestList, RequestOpen},
        session::SessionStart,
    },
    role::Role,
};
use selvedge_kit::{client::Options as Asking, service::Running};
use selvedge_tests::{
    fabric::{Fabric, plain_session},
    valve::Valve,
    wait,
};

fn about(model: &str) -> Register {
    Register { about: About { model: Some(model.to_owned()), ..About::default() } }
}

/// Replicas write while the connection of one is cut again and again, and facts are lost on it; then that
/// one is asked alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_was_cut_off_catches_up() {
    const FACTS: usize = 40;
    let mut fabric = Fabric::start().await;
    let valve = Valve::start(fabric.bus.url_of(0)).await;
    let second = fabric.registry_replica_at(&valve.url(), "r2").await;
    let (agent, working) = fabric.worker("ada").await;
    let planner = fabric.agent("pia", Role::Planner).await;
    let planning = fabric.session(&planner, plain_session()).await.unwrap();
    // A request that is cut off with its replica is sent again after a quarter of this.
    let long = Asking { timeout_ms: Some(4_000), ..Asking::default() };
    let mut last = 0;
    for n in 0..FACTS {
        match n % 8 {
            1 => valve.lose(Some("sv.live.")),
            3 => valve.cut(),
            5 => valve.lose(None),
            _ => {}
        }
        last =
            working.client.call_with::<call::Register>(&about(&format!("m{n}")), &long).await.unwrap().as_of;
        let open = RequestOpen { title: format!("r{n}"), text: String::new() };
        last = planning.client.call_with::<call::RequestOpen>(&open, &long).await.unwrap().as_of.max(last);
    }
    valve.lose(Some("sv.live."));
    valve.cut();
    valve.lose(None);
    fabric.registry.take().unwrap().drain().await;
    let at_least = Asking { at_least: last, ..long };
    let shown = working
        .client
        .call_with::<call::AgentShow>(&AgentShow { agent: agent.record.id.clone() }, &at_least)
        .await
        .unwrap();
    assert_eq!(shown.reply.agent.about.model, Some(format!("m{}", FACTS - 1)));
    let listed =
        planning.client.call_with::<call::RequestList>(&RequestList::default(), &at_least).await.unwrap();
    assert_eq!(listed.reply.requests.len(), FACTS);
    second.drain().await;
}

/// More facts than are read at once, of one sort among others.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_starts_late_reads_page_after_page() {
    const FACTS: usize = 1_100;
    let mut fabric = Fabric::start().await;
    let (agent, working) = fabric.worker("ada").await;
    for batch in (0..FACTS).collect::<Vec<_>>().chunks(16) {
        let register = async |n: &usize| {
            let about = about(&format!("m{n}"));
            working.client.call::<call::Register>(&about).await.unwrap();
        };
        futures::future::join_all(batch.iter().map(register)).await;
    }
    let last = working.client.call::<call::Register>(&about("last")).await.unwrap().as_of;
    let second = fabric.registry_replica("r2").await;
    fabric.registry.take().unwrap().drain().await;
    let at_least = Asking { at_least: last, ..Asking::default() };
    let show = AgentShow { agent: agent.record.id.clone() };
    let shown = working.client.call_with::<call::AgentShow>(&show, &at_least).await.unwrap();
    assert_eq!(shown.reply.agent.about.model.as_deref(), Some("last"));
    second.drain().await;
}

/// A catch-up is bounded by its silence, not by its length: over a slow wire each page takes long, and all
/// of them longer than it may stand still (30 s).
#[tokio::test(flavor = "multi_thread")]
async fn a_catch_up_that_gets_on_may_take_as_long_as_it_takes() {
    const FACTS: usize = 1_400;
    const PAUSE: Duration = Duration::from_millis(25);
    const STANDSTILL: Duration = Duration::from_secs(30);
    let mut fabric = Fabric::start().await;
    let (agent, working) = fabric.worker("ada").await;
    for batch in (0..FACTS).collect::<Vec<_>>().chunks(16) {
        let register = async |n: &usize| {
            working.client.call::<call::Register>(&about(&format!("m{n}"))).await.unwrap();
        };
        futures::future::join_all(batch.iter().map(register)).await;
    }
    let last = working.client.call::<call::Register>(&about("last")).await.unwrap().as_of;
    let valve = Valve::start(fabric.bus.url_of(0)).await;
    valve.slow("Nats-Num-Pending:", PAUSE); // in the answers to a read of many
    let started = Instant::now();
    let second = fabric.registry_replica_at(&valve.url(), "r2").await;
    let took = started.elapsed();
    assert!(took > STANDSTILL, "it took {took:?}: the wire was not slow enough to tell");
    fabric.registry.take().unwrap().drain().await;
    let at_least = Asking { at_least: last, ..Asking::default() };
    let show = AgentShow { agent: agent.record.id.clone() };
    // Not by the worker, whose session nobody kept alive meanwhile.
    let shown = fabric.operator.call_with::<call::AgentShow>(&show, &at_least).await.unwrap();
    assert_eq!(shown.reply.agent.about.model.as_deref(), Some("last"));
    second.drain().await;
}

/// A fabric with a second replica that does not hear of new facts.
struct Deaf {
    fabric: Fabric,
    valve: Valve,
    second: Running,
}

impl Deaf {
    async fn start() -> Self {
        let fabric = Fabric::start().await;
        let valve = Valve::start(fabric.bus.url_of(0)).await;
        let second = fabric.registry_replica_at(&valve.url(), "r2").await;
        Self { fabric, valve, second }
    }

    /// Leaves the second replica alone.
    async fn alone(&mut self) {
        self.fabric.registry.take().unwrap().drain().await;
    }
}

/// Facts that were not heard are found missing by the next one that is, without any reconnection; and if
/// none follows, by looking from time to time.
#[tokio::test(flavor = "multi_thread")]
async fn a_gap_in_the_feed_is_filled() {
    let mut deaf = Deaf::start().await;
    let (agent, working) = deaf.fabric.worker("ada").await;
    let show = AgentShow { agent: agent.record.id.clone() };
    // Both replicas answer, so each round ends in a read that the deaf one can only answer once it knows.
    for (round, (unheard, heard, within)) in [(3, 1, 1_500), (3, 0, 12_000)].into_iter().enumerate() {
        let mut last = 0;
        deaf.valve.lose(Some("sv.live."));
        for n in 0..unheard {
            last =
                working.client.call::<call::Register>(&about(&format!("r{round} u{n}"))).await.unwrap().as_of;
        }
        deaf.valve.lose(None);
        for n in 0..heard {
            last =
                working.client.call::<call::Register>(&about(&format!("r{round} h{n}"))).await.unwrap().as_of;
        }
        let asking = Asking { timeout_ms: Some(20_000), at_least: last, ..Asking::default() };
        let started = Instant::now();
        for _ in 0..20 {
            let shown = working.client.call_with::<call::AgentShow>(&show, &asking).await.unwrap();
            assert_eq!(shown.reply.revision, last, "round {round}");
        }
        assert!(started.elapsed().as_millis() < within, "round {round} took {:?}", started.elapsed());
    }
    deaf.alone().await;
    deaf.second.drain().await;
}

/// What a replica has not heard of is asked of the leader before anybody is refused for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_behind_refuses_nobody_for_it() {
    let mut deaf = Deaf::start().await;
    let key = KeyPair::new_user();
    let ada =
        deaf.fabric.join(&deaf.fabric.invite(Role::Worker, "person:olga").await, "ada", &key).await.unwrap();
    let planner = deaf.fabric.agent("pia", Role::Planner).await;
    let planning = deaf.fabric.session(&planner, plain_session()).await.unwrap();
    wait::until("the second replica to hear of all that", async || {
        let shown = deaf
            .fabric
            .operator
            .call::<call::AgentShow>(&AgentShow { agent: planner.record.id.clone() })
            .await;
        shown.map(|_| ()).map_err(|fault| fault.to_string())
    })
    .await;
    deaf.valve.lose(Some("sv.live."));
    deaf.fabric.mission("new").await;
    let invite = deaf.fabric.invite_to("new", Role::Worker, "person:olga").await;
    let there = deaf.fabric.join(&invite, "ada", &key).await.unwrap();
    let open = RequestOpen { title: "one".to_owned(), text: String::new() };
    let opened = planning.client.call::<call::RequestOpen>(&open).await.unwrap().reply.request;
    deaf.alone().await;
    deaf.fabric.invite_to("new", Role::Worker, "person:olga").await;
    deaf.fabric.session(&there, plain_session()).await.expect("its role in the new mission");
    let serving = SessionStart { request: Some(opened.id), ..plain_session() };
    deaf.fabric.session(&ada, serving).await.expect("a session that serves the new request");
    deaf.second.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_agree_after_nats_server_was_away() {
    let mut fabric = Fabric::start().await;
    let second = fabric.registry_replica("r2").await;
    let (agent, working) = fabric.worker("ada").await;
    for round in 0..3 {
        let model = format!("m{round}");
        let long = Asking { timeout_ms: Some(20_000), ..Asking::default() };
        working.client.call_with::<call::Register>(&about(&model), &long).await.unwrap();
        fabric.bus.kill9_server(0);
        fabric.bus.restart_server(0).await;
        // Without any demand on the revision: both have what was recorded before, once they answer.
        for _ in 0..20 {
            let shown = wait::until("an answer", async || {
                working
                    .client
                    .call_with::<call::AgentShow>(&AgentShow { agent: agent.record.id.clone() }, &long)
                    .await
                    .map_err(|fault| fault.to_string())
            })
            .await;
            assert_eq!(shown.reply.agent.about.model.as_deref(), Some(model.as_str()), "round {round}");
        }
    }
    second.drain().await;
}
