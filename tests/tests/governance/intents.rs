//! From the proposal to the moment before the execution.

use selvedge_contracts::payload::intent::IntentState;
use selvedge_tests::{
    governance::{approve, external, memory, propose, redeem, show, wanting},
    raw::count,
};
use serde_json::json;

use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_no_approval_is_verified_in_the_same_call_and_redeemed() {
    let scene = Scene::start().await;
    let wanted = wanting(memory("a/b", json!(1)));
    let found = propose(scene.ada.client(), &wanted).await.unwrap();
    let decision = found.intent.decision.as_ref().unwrap();
    assert_eq!((found.intent.state, decision.requirement.approvals), (IntentState::Verified, 0));
    assert_eq!(show(scene.ada.client(), &found.intent.id).await.unwrap(), found);
    assert_eq!(propose(scene.ada.client(), &wanted).await.unwrap(), found, "again, it stands as it is");
    assert_eq!(count(&scene.ledger, "demo.intent.>").await, 2, "proposed and verified");
    let redeemed = redeem(&scene.committer, &found).await.unwrap();
    assert_eq!(redeemed.highest_token, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_irreversible_effect_waits_for_an_approver_of_another_owner() {
    let scene = Scene::start().await;
    let paula = scene.approver().await;
    let found = propose(scene.ada.client(), &wanting(external("send"))).await.unwrap();
    assert_eq!((found.intent.state, found.intent.is_ready()), (IntentState::Verified, false));
    redeem(&scene.committer, &found).await.unwrap_err();
    let approved = approve(&paula.agent, &paula.working, &found.intent).await.unwrap();
    assert_eq!((approved.intent.state, approved.intent.is_ready()), (IntentState::Approved, true));
    redeem(&scene.committer, &approved).await.unwrap();
}
