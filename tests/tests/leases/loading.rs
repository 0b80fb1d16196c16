//! What stands in the bucket and what does not, where the two could be mistaken.

use async_nats::jetstream;
use selvedge_contracts::{
    fault::Code,
    payload::lease::{Acquire, Lease, Standing},
    role::Service,
    stream::{LEASES, bucket_stream},
};
use selvedge_kit::{
    bucket::{Bucket, Expect},
    clock::Deadline,
    credential::Login,
};
use selvedge_tests::{fabric::connect_bus, wait};

use crate::scene::{Scene, path, wanted};

fn soon() -> Deadline {
    Deadline::in_ms(5_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_read_is_never_taken_for_free() {
    let mut scene = Scene::start().await;
    let ada = scene.worker("ada").await;
    let held = ada.take("src").await;
    scene.leases.pop().unwrap().drain().await;
    let login = Login::held(scene.fabric.bus.service_credential(Service::Leases, "writes"));
    let bucket = Bucket::new(connect_bus(&scene.fabric.bus, login).await, LEASES);
    let key = format!("demo.shop.{}", held.id);
    bucket.keep(&key, r#"{"id":"of the next release"}"#.into(), Expect::Anything, soon()).await.unwrap();
    scene.leases.push(scene.fabric.leases_replica("l-next").await);
    let refused = ada.acquire(&wanted(vec![path("src")])).await.unwrap_err();
    assert_eq!(refused.code, Code::Internal, "{refused}");
    assert!(refused.message.contains(&key) && refused.message.contains("nats kv purge"), "{refused}");
    let elsewhere = Acquire { space: "other".parse().unwrap(), ..wanted(vec![path("src")]) };
    ada.acquire(&elsewhere).await.expect("other spaces are served");
    bucket.delete(&key, soon()).await.unwrap();
    wait::until("a lease", async || ada.acquire(&wanted(vec![path("src")])).await).await;
}

/// Takes a lease's record out of the stream without a message that would tell of it.
async fn erase(scene: &Scene, lease: &Lease) {
    let stream = jetstream::new(scene.fabric.bus.connect_as_root().await);
    let stream = stream.get_stream(bucket_stream(LEASES)).await.unwrap();
    assert!(stream.delete_message(lease.token.unwrap() - lease.token_offset).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overdue_lease_whose_record_is_gone_unheard_is_free_for_who_waits() {
    let scene = Scene::start().await;
    let (ada, bob) = (scene.worker("ada").await, scene.worker("bob").await);
    let short = Acquire { ttl_ms: Some(1_000), ..wanted(vec![path("src")]) };
    let (lost, kept) = (ada.acquire(&short).await.unwrap().lease, ada.take("docs").await);
    erase(&scene, &lost).await;
    erase(&scene, &kept).await;
    let waiting = Acquire { wait_ms: Some(30_000), ..wanted(vec![path("src")]) };
    let held = bob.keyed_within("k", &waiting, 18_000).await.expect("a lease").lease;
    assert!(held.is_held() && held.token > lost.token, "{held:?}");
    assert_eq!(ada.standing(&kept).await, Standing::Valid, "what is not overdue is not looked for");
}
