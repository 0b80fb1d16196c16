//! One and the same request, sent more than once, to replicas that do not know yet what the other one did.

use selvedge_contracts::{
    call::{self, CallType as _},
    fault::Fault,
    id::TaskId,
    payload::{
        plan::PlanState,
        task::{Cause, Phase, TaskClaim, TaskClaimed, TaskLine, TaskList},
    },
};
use selvedge_kit::{client::Options as Asked, clock::Deadline};
use selvedge_tests::dispatcher::{plan, submit_plan, work};
use serde_json::json;

use crate::scene::Scene;

/// Sendings of one request at once: each of them goes to any replica.
const SENDINGS: usize = 8;

async fn running(scene: &Scene) -> Vec<TaskLine> {
    let list = TaskList { phase: Some(Phase::Running), limit: Some(1_000), ..TaskList::default() };
    scene.pia.client().call::<call::TaskList>(&list).await.unwrap().reply.tasks
}

/// What the sendings of one claim were told.
async fn told(scene: &Scene) -> Vec<Result<Option<TaskId>, Fault>> {
    let client = scene.ada.client();
    let claim = TaskClaim { queue: None, wait_ms: Some(1_000), ttl_ms: Some(600_000), credential_key: None };
    let claim = serde_json::to_value(&claim).unwrap();
    let wire = client.wire(&call::TaskClaim::CALL, &claim, &Asked::default(), |_| {}).unwrap();
    let sending = (0..SENDINGS).map(|_| {
        let (client, wire) = (client.clone(), wire.clone());
        async move {
            let reply = client.send(&wire, Deadline::in_ms(5_000)).await?;
            let reply: TaskClaimed = serde_json::from_value(reply).unwrap();
            Ok(reply.claimed.map(|claimed| claimed.task.id))
        }
    });
    futures::future::join_all(sending).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_sent_to_two_replicas_at_once_takes_one_task() {
    const ROUNDS: usize = 12;
    let scene = Scene::start_with(2).await;
    let names: Vec<String> = (0..ROUNDS * 4).map(|n| format!("t{n}")).collect();
    let tasks: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), &[][..])).collect();
    let found = submit_plan(scene.pia.client(), &plan("wide", &tasks)).await.unwrap();
    let mut taken = Vec::new();
    for round in 0..ROUNDS {
        let told = told(&scene).await;
        let mut ids: Vec<TaskId> = told.iter().filter_map(|told| told.clone().ok().flatten()).collect();
        assert!(!ids.is_empty(), "round {round}: {told:?}");
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 1, "round {round}: one task for one request: {told:?}");
        assert!(!taken.contains(&ids[0]), "round {round}: another request, another task");
        taken.extend(ids);
        // Whatever was taken back is free again, without having cost an attempt.
        let running = running(&scene).await;
        assert_eq!(running.len(), taken.len(), "round {round}: {running:?}");
    }
    for line in running(&scene).await {
        let show = selvedge_contracts::payload::task::TaskShow { task: line.id.clone() };
        let task = scene.pia.client().call::<call::TaskShow>(&show).await.unwrap().reply.task.unwrap();
        assert_eq!(task.tries, 1, "{task:?}");
        assert!(
            task.past
                .iter()
                .all(|past| past.cause == Cause::Lost && past.reason.contains("sent more than once"))
        );
        let token = task.claim.unwrap().token;
        let submit = selvedge_contracts::payload::task::TaskSubmit {
            task: line.id,
            token,
            output: json!({ "ok": true }),
            effects: Vec::new(),
        };
        scene.ada.client().call::<call::TaskSubmit>(&submit).await.unwrap();
    }
    assert_eq!(work(scene.ada.client()).await.len(), ROUNDS * 3);
    scene.becomes(&found.plan.id, PlanState::Done).await;
    assert_eq!(scene.count("task.*.validated").await, ROUNDS * 4);
}
