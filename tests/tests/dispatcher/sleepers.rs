//! A replica that sleeps while another one goes on, and wakes up with what it believed before.

use std::collections::BTreeSet;

use futures::future::join_all;
use selvedge_contracts::{
    call,
    fault::Code,
    payload::{
        dead::{DeadList, Why},
        plan::{CapacitySet, PlanState},
        task::{Claimed, TaskClaim, TaskRenew},
    },
    role::Service,
};
use selvedge_kit::client::Options as Asked;
use selvedge_tests::{
    dispatcher::{self, plan, submit, submit_plan},
    raw::facts,
    replica::Replica,
    wait,
};
use serde_json::{Value, json};

use crate::{
    REPLICA,
    scene::{Member, Scene, refused},
};

/// Most tasks of the plan at work at once.
const CAP: usize = 2;

/// Claims until one comes: half of the requests may go to a replica that sleeps.
async fn claims(member: &Member, ttl_ms: u64) -> Claimed {
    wait::until("a task", async || {
        let claim = TaskClaim { queue: None, wait_ms: Some(500), ttl_ms: Some(ttl_ms), credential_key: None };
        let options = Asked { timeout_ms: Some(4_000), ..Asked::default() };
        let answered = member.client().call_with::<call::TaskClaim>(&claim, &options).await;
        answered.map_err(|fault| fault.to_string())?.reply.claimed.ok_or_else(|| "none".to_owned())
    })
    .await
}

/// How many were at work at once at most, and that nothing was given to two, as the ledger says.
async fn most_at_work(scene: &Scene) -> usize {
    let (mut at_work, mut most) = (BTreeSet::new(), 0);
    let mut all = facts(&scene.ledger, "demo.task.>").await;
    all.sort_by_key(|fact| fact.revision);
    for fact in all {
        let body: Value = serde_json::from_slice(&fact.envelope.payload).unwrap();
        let task = body["state"]["id"].as_str().unwrap().to_owned();
        match body["state"]["state"].as_str().unwrap() {
            "running" => {
                assert!(at_work.insert(task.clone()), "{task} was given to two at {}", fact.revision)
            }
            _ => drop(at_work.remove(&task)),
        }
        most = most.max(at_work.len());
    }
    most
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_sleeper_held_goes_to_others_once_and_it_writes_nothing_stale() {
    let scene = Scene::start_with(0).await;
    let url = scene.fabric.bus.url();
    let scene = &scene;
    let sleeper = Replica::start_service(Service::Dispatcher, REPLICA, &scene.fabric.bus, &url, "sleeper");
    let bob = scene.member("bob", selvedge_contracts::role::Role::Worker, "person:bob").await;
    let set = CapacitySet { pool: "two".parse().unwrap(), slots: u32::try_from(CAP).unwrap() };
    scene.pia.client().call::<call::CapacitySet>(&set).await.unwrap();
    let names: Vec<String> = (0..8).map(|n| format!("t{n}")).collect();
    let tasks: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), &[][..])).collect();
    let mut wanted = plan("capped", &tasks);
    wanted.pools = vec!["two".parse().unwrap()];
    let found = submit_plan(scene.pia.client(), &wanted).await.unwrap();
    let mut former = Vec::new();
    for _ in 0..CAP {
        former.push(claims(&scene.ada, 2_000).await);
    }
    sleeper.pause();
    let _other = dispatcher::start(&scene.fabric.bus, "awake").await;
    // Nobody renews: the one that is awake takes them back, and gives them to somebody else.
    let mut held = Vec::new();
    for _ in 0..CAP {
        held.push(claims(&bob, 60_000).await);
    }
    let ids = |claimed: &[Claimed]| claimed.iter().map(|one| one.task.id.clone()).collect::<BTreeSet<_>>();
    assert_eq!(ids(&held), ids(&former), "what was tried before goes first");
    assert!(held.iter().all(|claimed| claimed.task.attempt == 2));
    // Claims that wait at the sleeper, and those that come just as it wakes up with two slots in use.
    let hungry = |timeout_ms: u64| {
        join_all((0..8).map(move |_| async move {
            let claim = TaskClaim { queue: None, wait_ms: Some(1_000), ..TaskClaim::default() };
            let options = Asked { timeout_ms: Some(timeout_ms), ..Asked::default() };
            scene.ada.client().call_with::<call::TaskClaim>(&claim, &options).await
        }))
    };
    assert!(sleeper.is_stopped());
    let before = hungry(1_500).await;
    assert!(before.iter().any(Result::is_err), "the sleeper has some of them");
    let (after, ()) = tokio::join!(hungry(6_000), async { sleeper.resume() });
    for told in before.into_iter().chain(after).flatten() {
        assert_eq!(told.reply.claimed, None, "both slots are in use");
    }
    assert_eq!(most_at_work(scene).await, CAP);
    // What the former holder still hands in, by way of either replica, is refused and kept.
    for late in &former {
        for _ in 0..4 {
            let stale = submit(scene.ada.client(), late, json!({ "ok": true })).await;
            refused(stale, Code::Conflict, "is no claim of");
        }
        let renew =
            TaskRenew { task: late.task.id.clone(), token: late.task.claim.as_ref().unwrap().token.clone() };
        refused(scene.ada.client().call::<call::TaskRenew>(&renew).await, Code::Conflict, "is no claim of");
    }
    let list = DeadList { plan: Some(found.plan.id.clone()), ..DeadList::default() };
    let letters = scene.pia.client().call::<call::DeadList>(&list).await.unwrap().reply.letters;
    assert_eq!(letters.iter().map(|letter| letter.why).collect::<Vec<_>>(), [Why::Stale; CAP]);
    for claimed in &held {
        submit(bob.client(), claimed, json!({ "ok": true })).await.unwrap();
    }
    let (one, other) = tokio::join!(dispatcher::work(scene.ada.client()), dispatcher::work(bob.client()));
    assert_eq!(one.len() + other.len(), names.len() - CAP);
    scene.becomes(&found.plan.id, PlanState::Done).await;
    assert_eq!(most_at_work(scene).await, CAP, "never one more");
    assert_eq!(scene.count("task.*.validated").await, names.len());
    assert_eq!(scene.count("task.*.failed").await, CAP, "each was taken back once");
}
