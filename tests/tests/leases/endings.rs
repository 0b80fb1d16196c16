//! How a lease ends: renewal and its refusals, the end of a session, an operator's word.

use futures::StreamExt as _;
use selvedge_contracts::{
    call,
    fault::Code,
    id::LeaseId,
    payload::{
        lease::{Acquire, Before, ForceRelease, Lease, Standing},
        session::SessionEnd,
    },
};
use selvedge_tests::{
    raw::{facts, ledger},
    wait,
};

use crate::scene::{Scene, path, space, wanted};

#[tokio::test]
async fn a_renewal_keeps_the_token_and_puts_the_deadline_off() {
    let scene = Scene::start().await;
    let (ada, bob) = (scene.worker("ada").await, scene.worker("bob").await);
    let short = Acquire { ttl_ms: Some(1_500), ..wanted(vec![path("src")]) };
    let lease = ada.acquire(&short).await.unwrap().lease;
    let renewed = ada.renew(&lease, Some(60_000)).await.unwrap();
    assert_eq!(renewed.token, lease.token);
    assert!(renewed.expires_at_ms >= lease.expires_at_ms + 50_000);
    // Past its first deadline and every margin it is still held.
    let past = lease.expires_at_ms + 3_000;
    wait::until("the first deadline to pass", async || match selvedge_tests::now_ms() {
        now if now > past => Ok(()),
        now => Err(past - now),
    })
    .await;
    assert_eq!(ada.standing(&lease).await, Standing::Valid);
    assert_eq!(bob.acquire(&wanted(vec![path("src")])).await.unwrap_err().code, Code::Conflict);
}

#[tokio::test]
async fn a_lease_past_its_deadline_is_worth_nothing_before_the_server_has_freed_it() {
    let scene = Scene::start().await;
    let ada = scene.worker("ada").await;
    let short = Acquire { ttl_ms: Some(1_000), ..wanted(vec![path("src")]) };
    let lease = ada.acquire(&short).await.unwrap().lease;
    let standing = wait::until("the deadline", async || match ada.standing(&lease).await {
        Standing::Valid => Err("still valid"),
        other => Ok(other),
    })
    .await;
    assert_eq!(standing, Standing::Expired, "the margin lies between the deadline and the server's expiry");
    let refused = ada.renew(&lease, None).await.unwrap_err();
    assert_eq!(refused.code, Code::Conflict, "{refused}");
    assert!(refused.message.contains("ran out"), "{refused}");
    wait::until("the server's expiry", async || match ada.standing(&lease).await {
        Standing::Gone => Ok(()),
        other => Err(other),
    })
    .await;
    assert!(ada.list().await.is_empty());
}

#[tokio::test]
async fn foreign_tokens_and_foreign_hands_are_refused() {
    let scene = Scene::start().await;
    let (ada, bob) = (scene.worker("ada").await, scene.worker("bob").await);
    let lease = ada.take("src").await;
    let mut forged = lease.clone();
    forged.token = lease.token.map(|token| token + 1);
    assert_eq!(ada.standing(&forged).await, Standing::OtherToken);
    assert_eq!(ada.renew(&forged, None).await.unwrap_err().code, Code::Conflict);
    assert_eq!(bob.renew(&lease, None).await.unwrap_err().code, Code::Denied);
    assert_eq!(bob.release(&lease).await.unwrap_err().code, Code::Denied);
    assert_eq!(ada.standing(&lease).await, Standing::Valid);
}

#[tokio::test]
async fn the_end_of_a_session_frees_what_it_held_and_waited_for() {
    let scene = Scene::start().await;
    let (ada, bob) = (scene.worker("ada").await, scene.worker("bob").await);
    let lease = ada.take("src").await;
    let waiting = Acquire { wait_ms: Some(15_000), ..wanted(vec![path("src")]) };
    let ending = async {
        wait::until("the queue", async || {
            let listed = bob.list().await;
            if listed.len() == 2 { Ok(()) } else { Err(listed) }
        })
        .await;
        ada.client.call::<call::SessionEnd>(&SessionEnd::default()).await.unwrap();
    };
    let (held, ()) = tokio::join!(bob.acquire(&waiting), ending);
    assert!(held.unwrap().lease.token > lease.token);
    assert_eq!(bob.standing(&lease).await, Standing::Gone);
}

#[tokio::test]
async fn an_operator_takes_a_lease_and_the_ledger_says_why() {
    let scene = Scene::start().await;
    let ada = scene.worker("ada").await;
    let lease = ada.keyed("k", &wanted(vec![path("src")])).await.unwrap().lease;
    let force = ForceRelease {
        space: space(),
        lease: lease.id.clone(),
        reason: "the laptop is in a lake".to_owned(),
    };
    let denied = ada.client.call::<call::LeaseForceRelease>(&force).await.unwrap_err();
    assert_eq!(denied.code, Code::Denied);
    let operator = scene.fabric.operator.clone().in_mission(lease.mission.clone());
    let taken = operator.call::<call::LeaseForceRelease>(&force).await.unwrap().reply.lease;
    assert_eq!(taken, lease);
    assert_eq!(ada.standing(&lease).await, Standing::Gone);
    assert_eq!(ada.release(&lease).await.unwrap(), Before::Gone);
    let again = ada.keyed("k", &wanted(vec![path("src")])).await.unwrap_err();
    assert!(again.message.contains("operator"), "the key that was taken from stays used: {again}");
    ada.take("src").await;
    let ledger = ledger(&scene.fabric.bus).await;
    let recorded = facts(&ledger, &format!("demo.lease.{}.force_released", lease.id)).await;
    assert_eq!(recorded.len(), 1);
    let payload: serde_json::Value = serde_json::from_slice(&recorded[0].envelope.payload).unwrap();
    assert_eq!(payload["change"]["reason"], "the laptop is in a lake");
    assert_eq!(payload["state"]["holder"], ada.id());
    let missing = ForceRelease { lease: LeaseId::new("lease_00").unwrap(), ..force };
    let refused = operator.call::<call::LeaseForceRelease>(&missing).await.unwrap_err();
    assert_eq!(refused.code, Code::NotFound);
}

/// The server's expiry marker is written without a guard: it may cross a renewal and erase it.
#[tokio::test]
async fn a_marker_that_erases_a_renewed_lease_is_mended() {
    let scene = Scene::start().await;
    let ada = scene.worker("ada").await;
    let lease = ada.take("src").await;
    let renewed = ada.renew(&lease, Some(60_000)).await.unwrap();
    let root = scene.fabric.bus.connect_as_root().await;
    let key = format!("demo.{}.{}", lease.space, lease.id);
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Nats-Marker-Reason", "MaxAge");
    headers.insert("Nats-TTL", "600s");
    let mut seen = root.subscribe(format!("sv.lease.{key}")).await.unwrap();
    root.flush().await.unwrap();
    root.publish_with_headers(format!("$KV.leases.{key}"), headers, "".into()).await.unwrap();
    let mut heard = Vec::new();
    while heard.len() < 2 {
        let message =
            tokio::time::timeout(wait::PATIENCE, seen.next()).await.expect("written again").unwrap();
        heard.push(message.payload);
    }
    assert!(heard[0].is_empty(), "the marker");
    let again: Lease = serde_json::from_slice(&heard[1]).unwrap();
    assert_eq!(again, renewed, "token and deadline are what they were");
    assert_eq!(ada.standing(&lease).await, Standing::Valid);
    assert_eq!(ada.list().await, vec![renewed]);
}
