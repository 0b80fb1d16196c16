//! Handing out to verifiers what was handed in.

use std::time::{Duration, Instant};

use selvedge_contracts::{
    call,
    fault::{Code, Fault},
    payload::{
        plan::{Check, PlanEnd},
        task::{Finding, HandedIn, TaskInspect, TaskJudge},
    },
    role::Role,
};
use selvedge_kit::client::Client;
use selvedge_tests::dispatcher::{plan, submit, submit_plan};
use serde_json::json;

use crate::scene::{Scene, refused};

async fn inspect(client: &Client, inspect: TaskInspect) -> Result<Option<HandedIn>, Fault> {
    Ok(client.call::<call::TaskInspect>(&inspect).await?.reply.handed_in)
}

fn waiting(wait_ms: u64) -> TaskInspect {
    TaskInspect { wait_ms: Some(wait_ms), ..TaskInspect::default() }
}

fn check() -> Check {
    Check::Command { run: vec!["make".to_owned()], timeout_ms: 1_000, memory_bytes: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_verdict_goes_to_one_verifier_at_once_and_to_no_other() {
    let scene = Scene::start().await;
    let vera = scene.member("vera", Role::Verifier, "person:olga").await;
    let vito = scene.member("vito", Role::Verifier, "person:olga").await;
    let mut wanted = plan("p", &[("a", &[]), ("b", &[])]);
    wanted.tasks[0].checks.push(check());
    submit_plan(scene.pia.client(), &wanted).await.unwrap();
    let client = vera.client().clone();
    let asking = tokio::spawn(async move { (inspect(&client, waiting(4_000)).await, Instant::now()) });
    for _ in 0..2 {
        let claimed = scene.ada.claim().await;
        submit(scene.ada.client(), &claimed, json!({ "ok": true })).await.unwrap();
    }
    let handed_in_at = Instant::now();
    let (found, at) = asking.await.unwrap();
    let found = found.unwrap().expect("a task");
    assert_eq!(
        (found.spec.id.as_str(), &found.task.output.as_ref().unwrap().value),
        ("a", &json!({ "ok": true }))
    );
    assert!(
        at.saturating_duration_since(handed_in_at) < Duration::from_secs(2),
        "it was told, not looked for"
    );
    assert_eq!(inspect(vito.client(), waiting(100)).await.unwrap(), None, "vera looks at it; b needs nobody");
    let keep = TaskInspect { task: Some(found.task.id.clone()), ..TaskInspect::default() };
    assert_eq!(inspect(vera.client(), keep.clone()).await.unwrap().unwrap().task.id, found.task.id);
    let worker = inspect(scene.ada.client(), waiting(0)).await;
    refused(worker, Code::Denied, "may not publish");
    let finding = Finding { check: "make".to_owned(), passed: true, seen: "status 0".to_owned() };
    let judge = TaskJudge { task: found.task.id, attempt: 1, findings: vec![finding] };
    // The guard of the verdict decides, whoever was given it.
    vito.client().call::<call::TaskJudge>(&judge).await.unwrap();
    assert_eq!(inspect(vera.client(), keep).await.unwrap(), None, "it is judged");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_their_own_nor_what_they_leave_out_nor_what_nobody_wants_any_more() {
    let scene = Scene::start().await;
    let vera = scene.member("vera", Role::Verifier, "person:olga").await;
    let mut wanted = plan("p", &[("a", &[]), ("b", &[])]);
    wanted.tasks[0].checks.push(check());
    wanted.tasks[1].checks.push(check());
    wanted.tasks[1].role = Role::Verifier;
    let found = submit_plan(scene.pia.client(), &wanted).await.unwrap();
    for member in [&scene.ada, &vera] {
        let claimed = member.claim().await;
        submit(member.client(), &claimed, json!({ "ok": true })).await.unwrap();
    }
    let a = found.plan.id.task(&wanted.tasks[0].id);
    let without = TaskInspect { except: vec![a.clone()], ..waiting(100) };
    assert_eq!(inspect(vera.client(), without).await.unwrap(), None, "b is hers");
    let other = TaskInspect { queue: Some("rust".parse().unwrap()), ..waiting(0) };
    assert_eq!(inspect(vera.client(), other).await.unwrap(), None);
    let too_many = TaskInspect { except: vec![a.clone(); 65], ..waiting(0) };
    let fault = refused(inspect(vera.client(), too_many).await, Code::Invalid, "");
    assert_eq!(fault.details[0].at, "/except");
    let end = PlanEnd { plan: found.plan.id.clone(), reason: "enough".to_owned() };
    scene.pia.client().call::<call::PlanCancel>(&end).await.unwrap();
    assert_eq!(inspect(vera.client(), waiting(100)).await.unwrap(), None, "its plan is cancelled");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_verdicts_at_once_by_way_of_two_replicas_one_stands_and_the_other_is_told() {
    const ROUNDS: usize = 8;
    let scene = Scene::start_with(2).await;
    let vera = scene.member("vera", Role::Verifier, "person:olga").await;
    let vito = scene.member("vito", Role::Verifier, "person:olga").await;
    let names: Vec<String> = (0..ROUNDS).map(|n| format!("t{n}")).collect();
    let tasks: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), &[][..])).collect();
    let mut wanted = plan("p", &tasks);
    for task in &mut wanted.tasks {
        task.checks.push(check());
        task.attempts = 1;
    }
    submit_plan(scene.pia.client(), &wanted).await.unwrap();
    for round in 0..ROUNDS {
        let claimed = scene.ada.claim().await;
        submit(scene.ada.client(), &claimed, json!({ "ok": true })).await.unwrap();
        let judging = |client: &Client, passed: bool| {
            let finding = Finding { check: "make".to_owned(), passed, seen: format!("{passed}") };
            let judge = TaskJudge { task: claimed.task.id.clone(), attempt: 1, findings: vec![finding] };
            let client = client.clone();
            async move { client.call::<call::TaskJudge>(&judge).await.map(|answered| answered.reply.task) }
        };
        let (yes, no) = tokio::join!(judging(vera.client(), true), judging(vito.client(), false));
        let (stands, told, by) = match (yes, no) {
            (Ok(stands), Err(told)) => (stands, told, &vera),
            (Err(told), Ok(stands)) => (stands, told, &vito),
            both => panic!("round {round}: not one of them: {both:?}"),
        };
        refused::<()>(Err(told), Code::Conflict, "does not wait for a verdict");
        let verdict = stands.verdict.unwrap();
        assert_eq!(verdict.by.as_str(), by.agent.record.id.as_str());
        assert_eq!(verdict.passed, by.agent.record.id == vera.agent.record.id, "round {round}");
    }
    let judged = scene.count("task.*.validated").await + scene.count("task.*.exhausted").await;
    assert_eq!(judged, ROUNDS);
}
