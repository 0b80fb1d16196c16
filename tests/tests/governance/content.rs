//! The content that intents name: there, readable, valid, and kept.

use bytes::Bytes;
use selvedge_contracts::{
    call,
    fault::Code,
    id::Digest,
    payload::{
        artifact::{ContractWanted, Gc, Publish},
        contract::ContractAdd,
        intent::{Effect, IntentState, Propose},
    },
};
use selvedge_kit::{client::Options, transfer};
use selvedge_tests::{
    artifacts::{digest, in_folder, meant, plain, publish_with, start},
    governance::{memory, propose, wanting},
    wait,
};
use serde_json::json;

use crate::scene::{Scene, refused};

fn commit(content: &Digest) -> Effect {
    let effect = json!({
        "kind": "git", "repository": "record", "branch": "main", "message": "why",
        "base": "0123456789abcdef0123456789abcdef01234567",
        "changes": [{"op": "put", "path": "a", "content": content}],
    });
    serde_json::from_value(effect).unwrap()
}

async fn put(scene: &Scene, content: &'static str) -> Digest {
    transfer::put_bytes(scene.ada.client(), Bytes::from(content)).await.unwrap().digest
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_or_not_ones_own_to_read_is_named() {
    let scene = Scene::start().await;
    let _artifacts = start(&scene.fabric.bus, &in_folder(&scene.fabric.bus), "a1").await;
    let bob = scene.member("bob", selvedge_contracts::role::Role::Worker, "person:bob").await;
    let missing = digest(b"nowhere");
    let rejected = scene.ada.propose(&wanting(commit(&missing))).await.intent;
    assert_eq!((rejected.state, rejected.reasons[0].at.as_str()), (IntentState::Rejected, "/effect"));
    assert!(rejected.reasons[0].message.contains(missing.as_str()));
    let stored = put(&scene, "content").await;
    let foreign = bob.propose(&wanting(commit(&stored))).await.intent;
    assert_eq!(foreign.state, IntentState::Rejected, "a digest alone opens nothing");
    let found = scene.ada.propose(&wanting(commit(&stored))).await.intent;
    assert_eq!((found.round, found.state), (1, IntentState::Verified));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_that_waits_for_its_validation_is_no_input_by_whatever_name() {
    let scene = Scene::start().await;
    let _artifacts = start(&scene.fabric.bus, &in_folder(&scene.fabric.bus), "a1").await;
    let schema = json!({"type": "object", "x-validation": "required"});
    let add = ContractAdd { name: "result".parse().unwrap(), schema };
    scene.ada.client().call::<call::ContractAdd>(&add).await.unwrap();
    let content = put(&scene, "{}").await;
    let contract = Some(ContractWanted { name: "result".parse().unwrap(), version: None });
    let wanted = Publish { contract, ..plain("work/result", &content) };
    wait::until("the contract to be known", async || {
        publish_with(scene.ada.client(), &wanted, &Options::default()).await
    })
    .await;
    let with = |input: &str| Propose { inputs: vec![meant(input)], ..wanting(memory("a", json!(1))) };
    let fault =
        refused(propose(scene.ada.client(), &with("work/result")).await, Code::Invalid, "unvalidated");
    assert_eq!(fault.details[0].at, "/inputs/0");
    refused(propose(scene.ada.client(), &with("work/other@v3")).await, Code::Invalid, "has no version 3");
    let by_digest = scene.ada.propose(&with(content.as_str())).await.intent;
    assert!(by_digest.reasons[0].message.contains("valid under none"), "{:?}", by_digest.reasons);
    publish_with(scene.ada.client(), &plain("work/plain", &content), &Options::default()).await.unwrap();
    let named = scene.ada.propose(&with("work/plain@v1")).await.intent;
    assert_eq!((named.state, named.inputs), (IntentState::Verified, vec![content]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_intent_names_is_not_collected() {
    let scene = Scene::start().await;
    let mut config = in_folder(&scene.fabric.bus);
    config.grace_ms = 1;
    let _artifacts = start(&scene.fabric.bus, &config, "a1").await;
    // A pin lasts a second: whoever is not as quick puts it again.
    let (in_effect, as_input, found) = wait::until("it to be verified while its pins last", async || {
        let (in_effect, as_input) = (put(&scene, "effect").await, put(&scene, "input").await);
        let wanted = Propose { inputs: vec![meant(as_input.as_str())], ..wanting(commit(&in_effect)) };
        let found = scene.ada.propose(&wanted).await.intent;
        match found.state {
            IntentState::Verified => Ok((in_effect, as_input, found)),
            _ => Err(found.reasons),
        }
    })
    .await;
    let unnamed = put(&scene, "unnamed").await;
    let report = wait::until("what nothing names to be collected", async || {
        let gc = scene.fabric.operator.call::<call::ArtifactGc>(&Gc::default()).await.unwrap().reply;
        if gc.removed.is_empty() { Err(gc) } else { Ok(gc) }
    })
    .await;
    let removed: Vec<_> = report.removed.iter().map(|removed| &removed.digest).collect();
    assert_eq!((removed, report.named), (vec![&unnamed], 2));
    assert_eq!(found.digests().collect::<Vec<_>>(), [&in_effect, &as_input]);
}
