//! Several replicas, and what becomes of work that one of them began.

use futures::future::join_all;
use selvedge_contracts::{
    call,
    fact::INTENT_PROPOSED,
    id::IntentId,
    payload::intent::{Intent, IntentState, intent_id},
    role::Service,
};
use selvedge_kit::client::Options;
use selvedge_tests::{
    governance::{memory, propose, show, wanting},
    replica::Replica,
    valve::Valve,
    wait,
};
use serde_json::json;

use crate::{REPLICA, scene::Scene};

#[tokio::test(flavor = "multi_thread")]
async fn twenty_proposals_at_once_over_two_replicas_are_one_intent() {
    let scene = Scene::start_with(2).await;
    let bob = scene.member("bob", selvedge_contracts::role::Role::Worker, "person:bob").await;
    let wanted = wanting(memory("a", json!(1)));
    let clients = (0..20).map(|index| if index % 2 == 0 { scene.ada.client() } else { bob.client() });
    let found = join_all(clients.map(|client| propose(client, &wanted))).await;
    let ids: std::collections::BTreeSet<IntentId> =
        found.into_iter().map(|found| found.unwrap().intent.id).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!((scene.count("proposed").await, scene.count("verified").await), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_killed_between_proposed_and_verified_is_replaced_by_another() {
    let mut scene = Scene::start().await;
    let valve = Valve::start(scene.fabric.bus.url_of(0)).await;
    let doomed =
        Replica::start_service(Service::Governance, REPLICA, &scene.fabric.bus, &valve.url(), "doomed");
    for replica in scene.replicas.drain(..) {
        replica.drain().await;
    }
    // It will never hear that its fact was stored.
    valve.lose(Some("_INBOX.governance"));
    let wanted = wanting(memory("a", json!(1)));
    let options = Options { idempotency_key: Some("k".to_owned()), ..Options::default() };
    let asking = scene.ada.client().call_with::<call::IntentPropose>(&wanted, &options);
    let killing = async {
        wait::until("the fact", async || match scene.count("proposed").await {
            1 => Ok(()),
            count => Err(count),
        })
        .await;
        assert_eq!(scene.count("verified").await, 0);
        let url = scene.fabric.bus.url();
        let second = Replica::start_service(Service::Governance, REPLICA, &scene.fabric.bus, &url, "second");
        doomed.kill9();
        second
    };
    let (answered, _second) = tokio::join!(asking, killing);
    assert_eq!(answered.unwrap().reply.intent.state, IntentState::Verified);
    assert_eq!((scene.count("proposed").await, scene.count("verified").await), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_proposed_and_left_is_verified_by_whoever_follows() {
    let scene = Scene::start().await;
    let like = scene.ada.propose(&wanting(memory("a", json!(1)))).await.intent;
    let effect = memory("b", json!(1));
    let left = Intent {
        id: intent_id(&like.mission, None, None, &effect, None, &[]),
        effect,
        state: IntentState::Proposed,
        decision: None,
        ..like
    };
    scene.record(INTENT_PROPOSED.kind, &left, 0).await;
    let found =
        wait::until("a follower to verify it", async || match show(scene.ada.client(), &left.id).await {
            Ok(found) if found.intent.state == IntentState::Verified => Ok(found),
            other => Err(other),
        })
        .await;
    assert_eq!(found.intent.decision.unwrap().requirement.approvals, 0);
}
