//! Several intents in order.

use selvedge_contracts::{
    call,
    fault::{Code, Fault},
    payload::intent::{
        Effect, IntentCancel, IntentReply, IntentState, Propose, SagaPropose, SagaReply, SagaShow,
        SagaStatus, SagaStepWanted,
    },
};
use selvedge_kit::client::Client;
use selvedge_tests::{
    governance::{external, memory, redeem, show, wanting},
    raw::count,
    wait,
};
use serde_json::json;

use crate::scene::{Scene, refused};

fn step(effect: Effect, undo: Option<Effect>) -> SagaStepWanted {
    let title = "a step".to_owned();
    SagaStepWanted { title, effect, undo, inputs: Vec::new(), preconditions: Vec::new(), tokens: Vec::new() }
}

fn saga(steps: Vec<SagaStepWanted>) -> SagaPropose {
    SagaPropose { title: "a saga".to_owned(), occurrence: None, steps, expires_after_ms: None }
}

async fn propose(client: &Client, wanted: &SagaPropose) -> Result<SagaReply, Fault> {
    client.call::<call::SagaPropose>(wanted).await.map(|answered| answered.reply)
}

async fn found(scene: &Scene, saga: &SagaReply) -> SagaReply {
    let show = SagaShow { saga: saga.saga.id.clone() };
    scene.ada.client().call::<call::SagaShow>(&show).await.unwrap().reply
}

async fn step_of(scene: &Scene, saga: &SagaReply, step: usize) -> IntentReply {
    show(scene.ada.client(), &saga.steps[step].id).await.unwrap()
}

fn records(keys: &[&str]) -> SagaPropose {
    saga(keys.iter().map(|key| step(memory(key, json!(1)), None)).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_and_its_steps_are_one_record_and_the_same_again_is_the_same() {
    let scene = Scene::start().await;
    let wanted = records(&["a", "b", "c"]);
    let first = propose(scene.ada.client(), &wanted).await.unwrap();
    assert_eq!((first.status, first.steps.len()), (SagaStatus::Running, 3));
    let alone = scene.ada.propose(&wanting(memory("a", json!(1)))).await.intent;
    assert_ne!(alone.id, first.steps[0].id, "an intent of its own is no step");
    assert_eq!(propose(scene.ada.client(), &wanted).await.unwrap(), first);
    assert_eq!(count(&scene.ledger, "demo.saga.>").await, 1);
    assert_eq!(scene.count("proposed").await, 4);
    let other = SagaPropose { occurrence: Some("2".to_owned()), ..wanted };
    assert_ne!(propose(scene.ada.client(), &other).await.unwrap().saga.id, first.saga.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_step_waits_for_the_approvals_of_all() {
    let scene = Scene::start().await;
    let paula = scene.approver().await;
    let wanted = saga(vec![step(memory("a", json!(1)), None), step(external("send"), None)]);
    let waiting = propose(scene.ada.client(), &wanted).await.unwrap();
    assert_eq!(waiting.status, SagaStatus::Waiting);
    let first = step_of(&scene, &waiting, 0).await;
    refused(redeem(&scene.committer, &first).await, Code::Conflict, "must be ready too");
    let last = paula.approve(&waiting.steps[1]).await.unwrap();
    assert_eq!(found(&scene, &waiting).await.status, SagaStatus::Running);
    refused(redeem(&scene.committer, &last).await, Code::Conflict, "committed first");
    redeem(&scene.committer, &first).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_is_over_ends_the_others() {
    let scene = Scene::start().await;
    let started = propose(scene.ada.client(), &records(&["a", "b", "c"])).await.unwrap();
    let cancel = IntentCancel { intent: started.steps[1].id.clone(), reason: "no more".to_owned() };
    scene.ada.client().call::<call::IntentCancel>(&cancel).await.unwrap();
    let ended = wait::until("the others to end", async || {
        let now = found(&scene, &started).await;
        let is_over = now.steps.iter().all(|step| step.state == IntentState::Cancelled);
        if is_over { Ok(now) } else { Err(now.steps.iter().map(|step| step.state).collect::<Vec<_>>()) }
    })
    .await;
    assert_eq!(ended.status, SagaStatus::Compensated);
    assert!(ended.steps[0].reasons[0].message.contains("step 1 of its saga is cancelled"));
    let first = step_of(&scene, &started, 0).await;
    refused(redeem(&scene.committer, &first).await, Code::Conflict, "not to be executed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_back_has_an_undo_unless_it_is_last() {
    let scene = Scene::start().await;
    let bare = saga(vec![step(external("a"), None), step(external("b"), None)]);
    let fault = refused(propose(scene.ada.client(), &bare).await, Code::Invalid, "no undo");
    assert_eq!(fault.details.len(), 1);
    assert_eq!(fault.details[0].at, "/steps/0/undo");
    let mended = saga(vec![step(external("a"), Some(external("undo"))), step(external("b"), None)]);
    propose(scene.ada.client(), &mended).await.unwrap();
    let long = saga((0..33).map(|n| step(memory("a", json!(n)), None)).collect());
    assert_eq!(propose(scene.ada.client(), &long).await.unwrap_err().code, Code::Invalid);
    assert_eq!(count(&scene.ledger, "demo.saga.>").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_is_decided_and_approved_together_with_its_do() {
    let scene = Scene::start().await;
    let hidden = Propose { undo: Some(external("undo")), ..wanting(memory("a", json!(1))) };
    let found = scene.ada.propose(&hidden).await.intent;
    assert_eq!(found.decision.as_ref().unwrap().requirement.approvals, 1, "for what its undo would do");
    scene.enact("permit(principal, action, resource) when { resource is Record };").await;
    let refused = scene.ada.propose(&hidden).await.intent;
    assert_eq!((refused.round, refused.state), (1, IntentState::Rejected));
    assert_eq!(refused.reasons[0].at, "/undo", "{:?}", refused.reasons);
}
