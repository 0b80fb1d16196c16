//! Caps on how much is worked on at once.

use futures::future::join_all;
use selvedge_contracts::{
    call,
    fact::TASK_CLAIMED,
    fault::Code,
    id::PoolName,
    payload::{
        Nothing,
        plan::{Capacity, CapacitySet, PlanEnd, PlanState},
        task::TaskClaim,
    },
    role::{Role, Service},
};
use selvedge_kit::{clock::Deadline, ledger::Ledger};
use selvedge_tests::{
    Options,
    dispatcher::{claim, plan, submit, submit_plan, work},
    replica::Replica,
    wait,
};
use serde_json::json;

use crate::{
    REPLICA,
    scene::{Member, Scene},
};

fn pool(name: &str) -> PoolName {
    PoolName::new(name).unwrap()
}

async fn cap(member: &Member, name: &str, slots: u32) {
    let set = CapacitySet { pool: pool(name), slots };
    member.client().call::<call::CapacitySet>(&set).await.unwrap();
}

async fn capacity(member: &Member, name: &str) -> Capacity {
    let all = member.client().call::<call::CapacityList>(&Nothing {}).await.unwrap().reply.capacities;
    all.into_iter().find(|capacity| capacity.name == pool(name)).unwrap()
}

/// The most tasks that were ever at work at once, by the ledger: what was claimed and not ended yet.
async fn most_at_work(ledger: &Ledger) -> usize {
    let (mut at_work, mut most) = (std::collections::BTreeSet::new(), 0);
    let read = ledger.scan("sv.fact.demo.task.>", 0, usize::MAX, Deadline::in_ms(20_000), |fact| {
        let id = fact.fact.entity.id.to_string();
        if fact.fact.kind == TASK_CLAIMED.kind.name {
            at_work.insert(id)
        } else {
            at_work.remove(&id)
        };
        most = most.max(at_work.len());
    });
    read.await.unwrap();
    most
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cap_of_n_never_has_one_more_at_work_over_two_replicas() {
    never_more_than_three(Scene::start_with(2).await, 30).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cap_of_n_never_has_one_more_at_work_on_three_servers() {
    never_more_than_three(Scene::start_on(Options::CLUSTER, 2).await, 12).await;
}

/// So many tasks under a cap of three, done by twelve at once.
async fn never_more_than_three(scene: Scene, tasks: usize) {
    cap(&scene.pia, "queue-default", 3).await;
    let names: Vec<String> = (0..tasks).map(|n| format!("t{n}")).collect();
    let tasks: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), &[][..])).collect();
    let found = submit_plan(scene.pia.client(), &plan("wide", &tasks)).await.unwrap();
    let mut workers = Vec::new();
    for index in 0..4 {
        workers.push(scene.member(&format!("w{index}"), Role::Worker, "person:olga").await);
    }
    let clients = workers.iter().flat_map(|worker| std::iter::repeat_n(worker.client(), 3));
    let done: usize = join_all(clients.map(work)).await.iter().map(Vec::len).sum();
    assert_eq!(done, names.len());
    scene.becomes(&found.plan.id, PlanState::Done).await;
    assert_eq!(most_at_work(&scene.ledger).await, 3);
    assert_eq!(capacity(&scene.pia, "queue-default").await.used, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cap_holds_while_replicas_are_killed_and_slots_of_the_lost_come_back() {
    let mut scene = Scene::start_with(0).await;
    let url = scene.fabric.bus.url();
    let start =
        |name: &str| Replica::start_service(Service::Dispatcher, REPLICA, &scene.fabric.bus, &url, name);
    let mut replica = start("k0");
    cap(&scene.pia, "gpu", 2).await;
    let names: Vec<String> = (0..8).map(|n| format!("t{n}")).collect();
    let tasks: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), &[][..])).collect();
    let mut wanted = plan("wide", &tasks);
    wanted.pools = vec![pool("gpu")];
    let found = submit_plan(scene.pia.client(), &wanted).await.unwrap();
    let (one, _lost) = (scene.ada.claim().await, scene.ada.claim_for(2_000).await.unwrap());
    assert_eq!(capacity(&scene.pia, "gpu").await.used.len(), 2);
    replica.kill9();
    replica = start("k1");
    // The lost one's slot comes back by its claim's end, the other's by its end.
    let third = scene.ada.claim().await;
    assert_eq!(claim(scene.ada.client()).await.unwrap(), None);
    submit(scene.ada.client(), &one, json!({ "ok": true })).await.unwrap();
    let fourth = scene.ada.claim().await;
    replica.kill9();
    let _replica = start("k2");
    for held in [third, fourth] {
        submit(scene.ada.client(), &held, json!({ "ok": true })).await.unwrap();
    }
    work(scene.ada.client()).await;
    scene.becomes(&found.plan.id, PlanState::Done).await;
    assert_eq!(most_at_work(&scene.ledger).await, 2);
    scene.replicas.clear();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_smaller_cap_takes_nothing_and_a_larger_one_serves_who_waits() {
    let scene = Scene::start_with(2).await;
    cap(&scene.pia, "mission", 1).await;
    let found = submit_plan(scene.pia.client(), &plan("p", &[("a", &[]), ("b", &[])])).await.unwrap();
    let held = scene.ada.claim().await;
    let (waited, ()) = tokio::join!(claim(scene.ada.client()), cap(&scene.pia, "mission", 2));
    let second = match waited.unwrap() {
        Some(second) => second,
        None => scene.ada.claim().await,
    };
    cap(&scene.pia, "mission", 0).await;
    submit(scene.ada.client(), &held, json!({ "ok": true })).await.unwrap();
    let end = PlanEnd { plan: found.plan.id.clone(), reason: "enough".to_owned() };
    scene.pia.client().call::<call::PlanCancel>(&end).await.unwrap();
    wait::until("the slot of the task that was stopped", async || {
        let used = capacity(&scene.pia, "mission").await.used;
        if used.is_empty() { Ok(()) } else { Err(used) }
    })
    .await;
    let late = submit(scene.ada.client(), &second, json!({ "ok": true })).await;
    assert_eq!(late.unwrap_err().code, Code::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cap_counts_for_plans_that_were_there_before_it_was_set() {
    let scene = Scene::start_with(2).await;
    let found = submit_plan(scene.pia.client(), &plan("p", &[("a", &[]), ("b", &[]), ("c", &[])])).await;
    let before = scene.ada.claim().await;
    cap(&scene.pia, "queue-default", 1).await;
    wait::until("every replica to know the cap", async || {
        let lists = (0..8).map(|_| scene.pia.client().call::<call::CapacityList>(&Nothing {}));
        let known = join_all(lists).await.into_iter().all(|list| !list.unwrap().reply.capacities.is_empty());
        if known { Ok(()) } else { Err("one does not") }
    })
    .await;
    let second = scene.ada.claim().await;
    // Whichever replica answers may be a moment behind.
    wait::until("the slot to be used", async || {
        let used = capacity(&scene.pia, "queue-default").await.used;
        if used == std::slice::from_ref(&second.task.id) { Ok(()) } else { Err(used) }
    })
    .await;
    submit(scene.ada.client(), &before, json!({ "ok": true })).await.expect("what nobody counted goes on");
    assert_eq!(claim(scene.ada.client()).await.unwrap(), None, "the cap holds");
    submit(scene.ada.client(), &second, json!({ "ok": true })).await.unwrap();
    assert_eq!(work(scene.ada.client()).await.len(), 1);
    scene.becomes(&found.unwrap().plan.id, PlanState::Done).await;
    wait::until("the slot to be free", async || {
        let used = capacity(&scene.pia, "queue-default").await.used;
        if used.is_empty() { Ok(()) } else { Err(used) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cap_that_was_set_a_moment_ago_holds_for_the_next_plan_by_way_of_another_replica() {
    let scene = Scene::start_with(2).await;
    for round in 0..20 {
        let queue = format!("queue-q{round}");
        let mut wanted = plan(&format!("p{round}"), &[("a", &[]), ("b", &[])]);
        wanted.tasks.iter_mut().for_each(|task| task.queue = format!("q{round}").parse().unwrap());
        cap(&scene.pia, &queue, 1).await;
        submit_plan(scene.pia.client(), &wanted).await.unwrap();
        let wanted = |wait_ms| TaskClaim {
            queue: Some(format!("q{round}").parse().unwrap()),
            wait_ms: Some(wait_ms),
            ttl_ms: None,
            credential_key: None,
        };
        let first = scene.ada.client().call::<call::TaskClaim>(&wanted(2_000)).await.unwrap().reply.claimed;
        assert_eq!(first.unwrap().task.claim.unwrap().pools, [pool(&queue)]);
        let second = scene.ada.client().call::<call::TaskClaim>(&wanted(0)).await.unwrap().reply.claimed;
        assert_eq!(second, None);
    }
}
