//! What was true when an intent was verified and is not when it is to be executed.

use selvedge_contracts::{
    call,
    fact::EntityName,
    fault::Code,
    id::SpaceId,
    payload::{
        agent::{About, AgentRetire, AgentShow, Register},
        claim::{Claim, Mode},
        intent::{FencingToken, IntentPrecondition, IntentReply, IntentState, Propose},
        lease::{Acquire, Lease, Release},
    },
    role::Role,
};
use selvedge_tests::{
    governance::{external, memory, redeem, show, wanting},
    wait,
};
use serde_json::json;

use crate::scene::{Member, Scene, refused};

/// Redeems it, and sees it refused and on the record for this reason.
async fn is_stale(scene: &Scene, found: &IntentReply, says: &str) {
    refused(redeem(&scene.committer, found).await, Code::Conflict, says);
    let now = show(scene.ada.client(), &found.intent.id).await.unwrap().intent;
    assert_eq!(now.state, IntentState::Rejected);
    assert!(now.reasons.iter().any(|reason| reason.message.contains(says)), "{:?}", now.reasons);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_changed_is_asked_again_and_voids_approvals() {
    let scene = Scene::start().await;
    let paula = scene.approver().await;
    let approved = paula.approve(&scene.ada.propose(&wanting(external("send"))).await.intent).await.unwrap();
    let free = scene.ada.propose(&wanting(memory("a", json!(1)))).await;
    let bound = scene.ada.propose(&wanting(memory("b", json!(1)))).await;
    let waiting = scene.ada.propose(&wanting(external("waits"))).await.intent;
    scene
        .enact(
            "@id(\"a\") permit(principal, action, resource) when { resource is Record && resource.key == \"a\" };\n\
             @id(\"rest\") @approvals(\"1\") permit(principal, action, resource) unless { resource is Record && resource.key == \"a\" };\n\
             @id(\"not\") forbid(principal, action, resource) when { resource is Record && resource.key == \"c\" };",
        )
        .await;
    is_stale(&scene, &approved, "activation 1 is in force").await;
    is_stale(&scene, &bound, "asks for 1 approvals").await;
    redeem(&scene.committer, &free).await.unwrap_or_else(|fault| panic!("decided anew: {fault:?}"));
    refused(paula.approve(&waiting).await, Code::Conflict, "propose it again");
    let again = scene.ada.propose(&wanting(external("waits"))).await.intent;
    assert_eq!((again.round, again.decision.as_ref().unwrap().activation), (1, 1));
    let approved = paula.approve(&again).await.unwrap();
    redeem(&scene.committer, &approved).await.unwrap();
    let refused = scene.ada.propose(&wanting(memory("c", json!(1)))).await.intent;
    assert_eq!((refused.state, refused.reasons.len()), (IntentState::Rejected, 1), "{:?}", refused.reasons);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entity_that_moved_on_stops_it() {
    let scene = Scene::start().await;
    let agent = scene.ada.agent.record.id.clone();
    let show = AgentShow { agent: agent.clone() };
    let revision = scene.ada.client().call::<call::AgentShow>(&show).await.unwrap().reply.revision;
    let at = |revision| IntentPrecondition { entity: EntityName::Agent, id: (&agent).into(), revision };
    let wrong = Propose { preconditions: vec![at(revision + 1)], ..wanting(memory("a", json!(1))) };
    let rejected = scene.ada.propose(&wrong).await.intent;
    assert_eq!(rejected.state, IntentState::Rejected);
    assert_eq!(rejected.reasons[0].at, "/preconditions/0");
    let right = Propose { preconditions: vec![at(revision)], ..wrong };
    let found = scene.ada.propose(&right).await;
    assert_eq!((found.intent.round, found.intent.state), (1, IntentState::Verified));
    let about = About { model: Some("m".to_owned()), ..About::default() };
    scene.ada.client().call::<call::Register>(&Register { about }).await.unwrap();
    is_stale(&scene, &found, "read it again").await;
}

async fn lease(by: &Member, path: &str) -> Lease {
    let acquire = Acquire {
        space: SpaceId::new("shop").unwrap(),
        claims: vec![Claim::Path { path: path.to_owned(), mode: Mode::Exclusive }],
        purpose: "a test".to_owned(),
        ttl_ms: None,
        wait_ms: None,
    };
    by.client().call::<call::LeaseAcquire>(&acquire).await.unwrap().reply.lease
}

fn held(lease: &Lease) -> FencingToken {
    FencingToken { space: lease.space.clone(), lease: lease.id.clone(), token: lease.token.unwrap() }
}

#[tokio::test(flavor = "multi_thread")]
async fn leases_are_the_proposers_and_held_until_it_is_executed() {
    let scene = Scene::start().await;
    let _leases = scene.fabric.leases_replica("l1").await;
    let bob = scene.member("bob", Role::Worker, "person:bob").await;
    let (own, foreign) = (lease(&scene.ada, "a").await, lease(&bob, "b").await);
    let wrong = FencingToken { token: 1, ..held(&own) };
    for (token, says) in [(held(&foreign), "is held by"), (wrong, "another token")] {
        let wanted = Propose { tokens: vec![token], ..wanting(memory("b", json!(1))) };
        let rejected = scene.ada.propose(&wanted).await.intent;
        assert!(rejected.reasons[0].message.contains(says), "{:?}", rejected.reasons);
    }
    let wanted = Propose { tokens: vec![held(&own)], ..wanting(memory("a", json!(1))) };
    let found = scene.ada.propose(&wanted).await;
    let redeemed = redeem(&scene.committer, &found).await.unwrap();
    assert_eq!(redeemed.highest_token, own.token);
    assert!(redeemed.until_ms <= own.expires_at_ms);
    let release = Release { space: own.space.clone(), lease: own.id.clone() };
    scene.ada.client().call::<call::LeaseRelease>(&release).await.unwrap();
    is_stale(&scene, &found, "is gone").await;
    let anew = Propose { tokens: vec![held(&lease(&scene.ada, "a").await)], ..wanted };
    let again = scene.ada.propose(&anew).await.intent;
    assert_eq!((again.id, again.round, again.state), (found.intent.id, 1, IntentState::Verified), "the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approver_that_was_retired_has_approved_nothing() {
    let scene = Scene::start().await;
    let paula = scene.approver().await;
    let approved = paula.approve(&scene.ada.propose(&wanting(external("send"))).await.intent).await.unwrap();
    let retire = AgentRetire { agent: paula.agent.record.id.clone(), reason: "r".to_owned() };
    scene.fabric.operator.call::<call::AgentRetire>(&retire).await.unwrap();
    wait::until("governance to hear of it", async || {
        let found = redeem(&scene.committer, &approved).await;
        if found.is_err() { Ok(()) } else { Err(found) }
    })
    .await;
    let now = show(scene.ada.client(), &approved.intent.id).await.unwrap().intent;
    assert!(now.reasons[0].message.contains("is no approver"), "{:?}", now.reasons);
}
