//! Approvals that governance says are there, and whose signatures say that they are not.

use selvedge_contracts::{
    envelope::Envelope,
    fact::{EntityName, INTENT_APPROVED},
    payload::{
        Recorded,
        intent::{Grant, Granted, Intent, IntentReply, IntentState, Repeat},
    },
    role::{Role, Service},
    subject::Entity,
};
use selvedge_kit::{
    clock::Deadline,
    credential::Login,
    ledger::{Ledger, NewFact},
};
use selvedge_tests::{
    committer::{Scene, demo, once},
    fabric::connect_bus,
    governance,
};

use crate::{
    REPLICA,
    effector::{Effector, order},
};

/// Records as governance would, with its credential, that the intent is approved by this grant.
async fn approved_by(scene: &Scene, found: &IntentReply, grant: Grant) {
    let bus = &scene.fabric.bus;
    let login = Login::held(bus.service_credential(Service::Governance, "stolen"));
    let ledger = Ledger::new(connect_bus(bus, login).await);
    let change = Granted { approver: grant.approver.clone(), owner: grant.owner.clone() };
    let state = Intent { state: IntentState::Approved, grants: vec![grant], ..found.intent.clone() };
    let envelope = Envelope {
        id: format!("{}-forged", state.id),
        kind: INTENT_APPROVED.kind.kind().to_string(),
        mission: "demo".to_owned(),
        sender: "governance".to_owned(),
        session: "stolen".to_owned(),
        payload: serde_json::to_vec(&Recorded { change: &change, state: &state }).unwrap(),
        ..Envelope::default()
    };
    let entity = Entity { mission: demo(), name: EntityName::Intent, id: (&state.id).into() };
    let fact = NewFact { entity, fact: INTENT_APPROVED.kind, envelope, request: None, traceparent: None };
    ledger.append(&fact, found.revision, Deadline::in_ms(5_000)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_signature_reaches_the_committer_and_nothing_is_done() {
    let scene = Scene::start(REPLICA).await;
    let effector = Effector::start(&scene.fabric.bus).await;
    let _committer = scene.committer("c1");
    let (ada, paula) = (&scene.ada.agent, &scene.paula.agent);
    for (n, (signer, key, says)) in [
        (ada, &paula.record.key, "the signature does not match what was approved"),
        (ada, &ada.record.key, "the key was never the approver's"),
    ]
    .into_iter()
    .enumerate()
    {
        let wanted = once(order("send", Repeat::ByKey), &n.to_string());
        let found = governance::propose(scene.ada.client(), &wanted).await.unwrap();
        let digest = found.intent.decision.as_ref().unwrap().approval_digest.clone();
        let text =
            selvedge_contracts::payload::intent::approval_text(&paula.record.id, &found.intent.id, &digest);
        let signature = signer.key.sign(text.as_bytes()).unwrap();
        let grant = Grant {
            approver: paula.record.id.clone(),
            owner: paula.record.owner.clone(),
            role: Role::Approver,
            key: key.clone(),
            signature: selvedge_kit::signature::encode_base64url(&signature),
            at_ms: selvedge_tests::now_ms(),
        };
        approved_by(&scene, &found, grant).await;
        let failed = scene.reaches(&found.intent.id, &[IntentState::Failed, IntentState::Committed]).await;
        assert_eq!(failed.state, IntentState::Failed, "{says}");
        assert!(failed.reasons[0].message.contains(says), "{:?}", failed.reasons);
        assert_eq!(scene.counts(&found.intent.id).await.get("executing"), None);
    }
    assert_eq!(effector.notes.lock().unwrap().asked, 0, "nobody was asked for anything");
}
