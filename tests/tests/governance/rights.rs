//! What nats-server itself refuses.

use selvedge_contracts::{fault::Code, role::Role};
use selvedge_kit::clock::Deadline;
use selvedge_tests::{
    governance::{external, memory, propose, redeem, wanting},
    raw::header_map,
};
use serde_json::json;

use crate::scene::{Scene, refused};

#[tokio::test(flavor = "multi_thread")]
async fn no_agent_records_an_approval_or_an_execution_and_none_redeems() {
    let scene = Scene::start().await;
    let paula = scene.approver().await;
    let found = scene.ada.propose(&wanting(external("send"))).await;
    let facts = ["verified", "granted", "approved", "executing", "committed"];
    for by in [&scene.ada, &paula] {
        for fact in facts {
            let subject = format!("sv.fact.demo.intent.{}.{fact}", found.intent.id);
            let sent =
                by.client().bus().request(&subject, header_map(&[]), "{}".into(), Deadline::in_ms(5_000));
            let denied = sent.await.unwrap_err().to_string();
            assert!(denied.contains("may not publish"), "{subject}: {denied}");
        }
        refused(redeem(by.client(), &found).await, Code::Denied, "may not publish");
    }
    refused(redeem(&scene.fabric.operator, &found).await, Code::Denied, "may not publish");
    assert_eq!(scene.count("*").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approver_proposes_nothing_and_the_committer_approves_nothing() {
    let scene = Scene::start().await;
    let paula = scene.approver().await;
    let wanted = wanting(memory("a", json!(1)));
    refused(propose(paula.client(), &wanted).await, Code::Denied, "may not publish");
    refused(propose(&scene.committer, &wanted).await, Code::Denied, "may not publish");
    let verifier = scene.member("vera", Role::Verifier, "person:vera").await;
    verifier.propose(&wanted).await;
}
