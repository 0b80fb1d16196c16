//! Who has a task, and for how long.

use std::time::{Duration, Instant};

use futures::future::join_all;
use selvedge_contracts::{
    call,
    fault::Code,
    payload::{
        dead::{DeadList, Why},
        plan::PlanState,
        task::{Cause, TaskClaim, TaskFail, TaskRenew},
    },
    role::Role,
};
use selvedge_kit::{client::Options, creation::Asking, service::Limits};
use selvedge_tests::{
    dispatcher::{claim, plan, start_within, submit, submit_plan, work},
    raw::Raw,
    wait,
};
use serde_json::json;

use crate::scene::{Scene, refused};

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_gets_a_task_at_once_also_by_way_of_another_replica() {
    let scene = Scene::start_with(2).await;
    let bob = scene.member("bob", Role::Worker, "person:bob").await;
    let long = TaskClaim { queue: None, wait_ms: Some(4_000), ttl_ms: None, credential_key: None };
    for round in 0..6 {
        let begun = Instant::now();
        let wanted = plan(&format!("p{round}"), &[("a", &[]), ("b", &[])]);
        let planning = async {
            // Both wait by now, or soon: either way they are served when there is something.
            submit_plan(scene.pia.client(), &wanted).await.unwrap();
        };
        let (one, other, ()) = tokio::join!(
            scene.ada.client().call::<call::TaskClaim>(&long),
            bob.client().call::<call::TaskClaim>(&long),
            planning
        );
        let (one, other) = (one.unwrap().reply.claimed.unwrap(), other.unwrap().reply.claimed.unwrap());
        assert_ne!(one.task.id, other.task.id);
        assert!(begun.elapsed() < Duration::from_secs(3), "nobody waited until the end");
        submit(scene.ada.client(), &one, json!({ "ok": true })).await.unwrap();
        submit(bob.client(), &other, json!({ "ok": true })).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_workers_over_two_replicas_do_each_task_once() {
    let scene = Scene::start_with(2).await;
    let mut workers = Vec::new();
    for index in 0..5 {
        workers.push(scene.member(&format!("w{index}"), Role::Worker, "person:olga").await);
    }
    let names: Vec<String> = (0..60).map(|n| format!("t{n}")).collect();
    let tasks: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), &[][..])).collect();
    let found = submit_plan(scene.pia.client(), &plan("wide", &tasks)).await.unwrap();
    let clients = workers.iter().flat_map(|worker| std::iter::repeat_n(worker.client(), 4));
    let done: Vec<String> = join_all(clients.map(work)).await.into_iter().flatten().collect();
    assert_eq!(done.len(), 60);
    scene.becomes(&found.plan.id, PlanState::Done).await;
    assert_eq!((scene.count("task.*.claimed").await, scene.count("task.*.validated").await), (60, 60));
    assert_eq!(scene.count("plan.*.done").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_sent_again_is_the_same_claim() {
    let scene = Scene::start_with(2).await;
    submit_plan(scene.pia.client(), &plan("p", &[("a", &[]), ("b", &[])])).await.unwrap();
    let wanted = TaskClaim { queue: None, wait_ms: Some(1_000), ttl_ms: None, credential_key: None };
    let options = Options { idempotency_key: Some("k".to_owned()), ..Options::default() };
    let ask =
        async || scene.ada.client().call_with::<call::TaskClaim>(&wanted, &options).await.unwrap().reply;
    let first = ask().await;
    for _ in 0..6 {
        let again = wait::until("the same claim", async || {
            let again = ask().await;
            if again == first { Ok(()) } else { Err(again) }
        });
        again.await;
    }
    assert_eq!(scene.count("task.*.claimed").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_sending_of_a_claim_several_times_at_once_takes_one_task() {
    let scene = Scene::start().await;
    let wanted = TaskClaim { queue: None, wait_ms: Some(4_000), ttl_ms: None, credential_key: None };
    for round in 0..4 {
        let key = format!("k{round}");
        let options = Options { idempotency_key: Some(key), ..Options::default() };
        let ask = async || scene.ada.client().call_with::<call::TaskClaim>(&wanted, &options).await;
        let names: Vec<String> = (0..8).map(|n| format!("t{n}")).collect();
        let tasks: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), &[][..])).collect();
        let wide = plan(&format!("p{round}"), &tasks);
        // Some wait before there is anything to take, some come when there is.
        let (found, _) =
            tokio::join!(join_all((0..8).map(|_| ask())), submit_plan(scene.pia.client(), &wide));
        let found: Vec<_> =
            found.into_iter().map(|claimed| claimed.unwrap().reply.claimed.unwrap().task.id).collect();
        assert!(found.iter().all(|id| *id == found[0]), "{found:?}");
        assert_eq!(scene.count("task.*.claimed").await, round + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_went_to_somebody_who_was_gone_comes_back_at_once_and_costs_no_try() {
    let scene = Scene::start().await;
    let bob = scene.member("bob", Role::Worker, "person:bob").await;
    let gone = Raw::connect(&scene.fabric.bus, &scene.ada.working.credential).await;
    let subject = gone.subject("task_claim").replace(".registry.", ".dispatcher.");
    let inbox = format!("{}.gone", gone.me.inbox_prefix());
    gone.client.publish_with_reply(subject, inbox, r#"{"wait_ms":4000}"#.into()).await.unwrap();
    gone.client.flush().await.unwrap();
    drop(gone); // as when it is killed while it waits
    submit_plan(scene.pia.client(), &plan("p", &[("a", &[])])).await.unwrap();
    wait::until("its claim", async || match scene.count("task.*.claimed").await {
        1 => Ok(()),
        other => Err(other),
    })
    .await;
    let since = Instant::now();
    let claimed = bob.claim().await;
    assert!(since.elapsed() < Duration::from_secs(10), "a third of what a claim lasts");
    let past: Vec<_> = claimed.task.past.iter().map(|past| past.cause).collect();
    assert_eq!((claimed.task.attempt, claimed.task.tries, past), (2, 1, vec![Cause::Lost]));
    submit(bob.client(), &claimed, json!({ "ok": true })).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_falls_silent_loses_its_task_and_what_it_still_hands_in_is_a_dead_letter() {
    let scene = Scene::start_with(2).await;
    let bob = scene.member("bob", Role::Worker, "person:bob").await;
    let found = submit_plan(scene.pia.client(), &plan("p", &[("a", &[])])).await.unwrap();
    let zombie = scene.ada.claim_for(2_000).await.unwrap();
    let second = bob.claim().await;
    assert_eq!((second.task.attempt, second.task.past[0].cause), (2, Cause::Lost));
    let (old, new) = (zombie.task.claim.clone().unwrap(), second.task.claim.clone().unwrap());
    assert_ne!(old.token, new.token);
    let renew = TaskRenew { task: zombie.task.id.clone(), token: old.token };
    refused(scene.ada.client().call::<call::TaskRenew>(&renew).await.map(|_| ()), Code::Conflict, "in force");
    for _ in 0..2 {
        let late = submit(scene.ada.client(), &zombie, json!({ "ok": true, "by": "zombie" })).await;
        refused(late, Code::Conflict, "in force");
    }
    submit(bob.client(), &second, json!({ "ok": true, "by": "bob" })).await.unwrap();
    let late = submit(scene.ada.client(), &zombie, json!({ "ok": true, "by": "zombie" })).await;
    refused(late, Code::Conflict, "");
    scene.becomes(&found.plan.id, PlanState::Done).await;
    let letters = wait::until("the letter", async || {
        let found =
            scene.pia.client().call::<call::DeadList>(&DeadList::default()).await.unwrap().reply.letters;
        if found.is_empty() { Err(found) } else { Ok(found) }
    })
    .await;
    assert_eq!((letters.len(), letters[0].why), (1, Why::Stale), "said three times, kept once");
    assert_eq!(letters[0].output, Some(json!({ "ok": true, "by": "zombie" })));
    assert_eq!(scene.count("task.*.validated").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_claim_outlives_its_ttl_and_an_unrenewed_one_does_not() {
    let scene = Scene::start_with(2).await;
    submit_plan(scene.pia.client(), &plan("p", &[("a", &[])])).await.unwrap();
    let held = scene.ada.claim_for(2_000).await.unwrap();
    let token = held.task.claim.as_ref().unwrap().token.clone();
    let renew = TaskRenew { task: held.task.id.clone(), token };
    let begun = Instant::now();
    // Two and a half times as long as an unrenewed one lasts, its margin included.
    let mut until_ms = 0;
    while begun.elapsed() < Duration::from_millis(7_500) {
        let renewed = scene.ada.client().call::<call::TaskRenew>(&renew).await.unwrap().reply;
        assert!(renewed.until_ms >= until_ms, "it never ends sooner");
        until_ms = renewed.until_ms;
        // Nobody gets it meanwhile.
        let short = TaskClaim { queue: None, wait_ms: Some(500), ttl_ms: None, credential_key: None };
        assert_eq!(scene.ada.client().call::<call::TaskClaim>(&short).await.unwrap().reply.claimed, None);
    }
    assert_eq!(scene.count("task.*.failed").await, 0);
    wait::until("the claim's end", async || match scene.count("task.*.failed").await {
        1 => Ok(()),
        count => Err(count),
    })
    .await;
    refused(scene.ada.client().call::<call::TaskRenew>(&renew).await.map(|_| ()), Code::Conflict, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_ends_at_its_deadline_however_often_it_is_renewed() {
    let scene = Scene::start().await;
    let mut wanted = plan("p", &[("a", &[])]);
    wanted.tasks[0].timeout_ms = 1_000;
    submit_plan(scene.pia.client(), &wanted).await.unwrap();
    let held = scene.ada.claim().await;
    let again = scene.ada.claim().await;
    assert_eq!((again.task.attempt, again.task.past[0].cause), (2, Cause::Timeout));
    refused(submit(scene.ada.client(), &held, json!({ "ok": true })).await, Code::Conflict, "in force");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_gives_up_and_another_attempt_comes_after_its_wait() {
    let scene = Scene::start().await;
    let mut wanted = plan("p", &[("a", &[])]);
    wanted.tasks[0].backoff_ms = 500;
    submit_plan(scene.pia.client(), &wanted).await.unwrap();
    let held = scene.ada.claim().await;
    let fail = TaskFail {
        task: held.task.id.clone(),
        token: held.task.claim.as_ref().unwrap().token.clone(),
        reason: "no compiler".to_owned(),
        is_final: false,
        is_returned: false,
    };
    let failed = scene.ada.client().call::<call::TaskFail>(&fail).await.unwrap().reply.task;
    let again = scene.ada.claim().await;
    let past = &again.task.past[0];
    assert_eq!((again.task.attempt, past.reason.as_str()), (2, "no compiler"));
    assert!(again.task.claim.unwrap().claimed_at_ms >= failed.not_before_ms.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_goes_to_its_queue_and_its_role() {
    let scene = Scene::start().await;
    let vera = scene.member("vera", Role::Verifier, "person:vera").await;
    let mut wanted = plan("p", &[("a", &[]), ("b", &[])]);
    wanted.tasks[0].role = Role::Verifier;
    wanted.tasks[1].queue = "rust".parse().unwrap();
    submit_plan(scene.pia.client(), &wanted).await.unwrap();
    assert_eq!(claim(scene.ada.client()).await.unwrap(), None);
    assert_eq!(claim(vera.client()).await.unwrap().unwrap().spec.id.as_str(), "a");
    let of_rust = TaskClaim {
        queue: Some("rust".parse().unwrap()),
        wait_ms: Some(1_000),
        ttl_ms: None,
        credential_key: None,
    };
    let claimed = scene.ada.client().call::<call::TaskClaim>(&of_rust).await.unwrap().reply.claimed;
    assert_eq!(claimed.unwrap().spec.id.as_str(), "b");
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_wait_for_tasks_shut_nobody_out() {
    /// More than one caller's share of the places, and than all of them.
    const WAITING: usize = 6;
    let scene = Scene::start_with(0).await;
    let few = Limits { concurrency: 4, ..Limits::default() };
    let _running = start_within(&scene.fabric.bus, "few", Asking::Off, few).await;
    let long = TaskClaim { queue: None, wait_ms: Some(4_000), ttl_ms: None, credential_key: None };
    let names: Vec<String> = (0..WAITING).map(|n| format!("t{n}")).collect();
    let tasks: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), &[][..])).collect();
    let begun = Instant::now();
    let waiting = join_all((0..WAITING).map(|_| scene.ada.client().call::<call::TaskClaim>(&long)));
    let wanted = plan("p", &tasks);
    let (claimed, planned) = tokio::join!(waiting, submit_plan(scene.pia.client(), &wanted));
    planned.unwrap();
    let claimed = claimed.into_iter().filter_map(|answered| answered.unwrap().reply.claimed);
    let ids: std::collections::BTreeSet<_> = claimed.map(|claimed| claimed.task.id).collect();
    assert_eq!(ids.len(), WAITING);
    assert!(begun.elapsed() < Duration::from_millis(3_500), "nobody waited for somebody else's wait to end");
}
