//! The credential of one attempt: it comes with the claim, and ends with the attempt, whoever dies in between.

use std::time::Duration;

use nkeys::KeyPair;
use selvedge_contracts::{
    call,
    fault::{Code, Fault},
    payload::{
        Nothing,
        session::{SessionReply, SessionStatus},
        task::{Claimed, TaskClaim},
    },
    role::Service,
};
use selvedge_kit::client::{Client, Options};
use selvedge_tests::{
    Credential,
    dispatcher::{plan, submit, submit_plan},
    fabric::{public, start_registry},
    replica::Replica,
    wait,
};
use serde_json::json;

use crate::{
    REPLICA,
    scene::{Member, Scene, refused},
};

/// Claims with a key; a task has to come.
async fn claim_with(member: &Member, key: &KeyPair, ttl_ms: u64) -> Claimed {
    wait::until("a task", async || {
        let claim = TaskClaim {
            wait_ms: Some(2_000),
            ttl_ms: Some(ttl_ms),
            credential_key: Some(public(key)),
            ..TaskClaim::default()
        };
        member.client().call::<call::TaskClaim>(&claim).await.unwrap().reply.claimed.ok_or("none")
    })
    .await
}

/// Asks under the credential that came with a claim.
async fn under(scene: &Scene, granted: &SessionReply, key: &KeyPair) -> Client {
    let jwt = granted.credential.jwt.clone().expect("a credential");
    scene.fabric.connect(&Credential::new(jwt, key).expect("the credential of its key")).await
}

async fn whoami(client: &Client) -> Result<String, Fault> {
    client.call::<call::Whoami>(&Nothing {}).await.map(|answered| answered.reply.scope.to_string())
}

async fn is_denied(client: &Client) {
    wait::until_within(Duration::from_secs(5), "the credential to be denied", async || {
        match whoami(client).await {
            Err(fault) if fault.code == Code::Denied => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_comes_with_the_claim_and_ends_with_the_attempt() {
    let scene = Scene::start_with(2).await;
    submit_plan(scene.pia.client(), &plan("p", &[("a", &[])])).await.unwrap();
    let key = KeyPair::new_user();
    let wanted =
        TaskClaim { wait_ms: Some(2_000), credential_key: Some(public(&key)), ..TaskClaim::default() };
    let options = Options { idempotency_key: Some("k".to_owned()), ..Options::default() };
    let ask = async || {
        let asked = scene.ada.client().call_with::<call::TaskClaim>(&wanted, &options).await;
        asked.unwrap().reply.claimed.unwrap()
    };
    let first = ask().await;
    let granted = first.credential.clone().unwrap();
    let claim = first.task.claim.clone().unwrap();
    assert_eq!(granted.session.id, first.task.id.scope(1));
    assert_eq!((&granted.session.task, &claim.scope), (&claim.scope, &Some(granted.session.id.clone())));
    assert_eq!(granted.session.expires_at_ms, claim.deadline_ms);
    wait::until("the same claim and credential", async || {
        let again = ask().await;
        let session = again.credential.map(|credential| credential.session);
        if (&again.task, &session) == (&first.task, &Some(granted.session.clone())) {
            Ok(())
        } else {
            Err(session)
        }
    })
    .await;
    let client = under(&scene, &granted, &key).await;
    assert_eq!(whoami(&client).await.unwrap(), granted.session.id.as_str());
    // What is handed in under it counts, and is the last that it is good for.
    submit(&client, &first, json!({ "ok": true })).await.unwrap();
    is_denied(&client).await;
    let about = format!("session.{}", granted.session.id);
    assert_eq!(
        (scene.count(&format!("{about}.started")).await, scene.count(&format!("{about}.ended")).await),
        (1, 1)
    );
    assert_eq!(scene.count("task.*.*").await, 2, "two facts, and two of its session");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_without_a_key_costs_two_facts() {
    let scene = Scene::start().await;
    submit_plan(scene.pia.client(), &plan("p", &[("a", &[])])).await.unwrap();
    let before = scene.count("*.*.*").await;
    let held = scene.ada.claim().await;
    assert_eq!((held.credential.clone(), held.task.claim.clone().unwrap().scope), (None, None));
    submit(scene.ada.client(), &held, json!({ "ok": true })).await.unwrap();
    wait::until("the plan's end", async || match scene.count("plan.*.done").await {
        1 => Ok(()),
        count => Err(count),
    })
    .await;
    assert_eq!(scene.count("*.*.*").await, before + 3, "claimed, validated, and the plan is done");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_credential_of_a_zombie_is_refused_and_the_next_attempts_counts() {
    let scene = Scene::start_with(2).await;
    submit_plan(scene.pia.client(), &plan("p", &[("a", &[])])).await.unwrap();
    let (one, other) = (KeyPair::new_user(), KeyPair::new_user());
    let lost = claim_with(&scene.ada, &one, 2_000).await;
    let zombie = under(&scene, &lost.credential.clone().unwrap(), &one).await;
    let next = claim_with(&scene.ada, &other, 30_000).await;
    assert_eq!(next.task.attempt, 2);
    is_denied(&zombie).await;
    refused(submit(&zombie, &lost, json!({ "ok": true })).await, Code::Denied, "is over");
    let client = under(&scene, &next.credential.clone().unwrap(), &other).await;
    submit(&client, &next, json!({ "ok": true })).await.unwrap();
    is_denied(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_ends_though_the_replica_dies_between_the_end_of_the_attempt_and_what_follows() {
    let mut scene = Scene::start_with(0).await;
    let url = scene.fabric.bus.url();
    let start =
        |name: &str| Replica::start_service(Service::Dispatcher, REPLICA, &scene.fabric.bus, &url, name);
    let replica = start("k0");
    submit_plan(scene.pia.client(), &plan("p", &[("a", &[])])).await.unwrap();
    let key = KeyPair::new_user();
    let held = claim_with(&scene.ada, &key, 30_000).await;
    let granted = held.credential.clone().unwrap();
    // Nobody is there to end the session; then whoever would have asked for it again is killed.
    scene.fabric.registry.take().unwrap().drain().await;
    submit(scene.ada.client(), &held, json!({ "ok": true })).await.unwrap();
    assert_eq!(scene.count("task.*.validated").await, 1);
    replica.kill9();
    let ended = format!("session.{}.ended", granted.session.id);
    assert_eq!(scene.count(&ended).await, 0);
    let bus = &scene.fabric.bus;
    let _registry = start_registry(bus, bus.kluster().name(), "r2").await;
    let _replica = Replica::start_service(Service::Dispatcher, REPLICA, bus, &url, "k1");
    wait::until("the end of the credential", async || match scene.count(&ended).await {
        1 => Ok(()),
        count => Err(count),
    })
    .await;
    assert_eq!(granted.session.status, SessionStatus::Open);
    is_denied(&under(&scene, &granted, &key).await).await;
}
