//! Answers that are lost or come twice: what a call began is done whether anybody waits for it or not.

use std::time::Duration;

use selvedge_contracts::{
    call,
    payload::lease::{Before, ForceRelease, Standing},
    role::Service,
    stream::LEASES,
};
use selvedge_kit::{
    bucket::Bucket,
    client::{Client, Options},
    clock::Deadline,
    credential::Login,
};
use selvedge_tests::{fabric::connect_bus, valve::Valve, wait};

use crate::scene::{Scene, Worker, space};

/// One replica whose wire has a valve.
async fn scene_with_valve() -> (Scene, Valve) {
    let mut scene = Scene::start_with(selvedge_tests::Options::LAZY, 0).await;
    let valve = Valve::start(scene.fabric.bus.url_of(0)).await;
    scene.leases.push(scene.fabric.leases_replica_at(&valve.url(), "l0").await);
    (scene, valve)
}

async fn is_gone(scene: &Scene, key: &str) {
    let login = Login::held(scene.fabric.bus.service_credential(Service::Leases, "looks"));
    let bucket = Bucket::new(connect_bus(&scene.fabric.bus, login).await, LEASES);
    wait::until("the record to go", async || match bucket.get(key, Deadline::in_ms(2_000)).await {
        Ok(None) => Ok(()),
        other => Err(other),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_releases_at_once_give_back_one_lease_and_both_are_told() {
    let (scene, valve) = scene_with_valve().await;
    let (ada, bob) = (scene.worker("ada").await, scene.worker("bob").await);
    let lease = ada.take("src").await;
    let key = format!("demo.shop.{}", lease.id);
    valve.lose(Some("_INBOX.")); // what nats-server acknowledges
    let releasing = async {
        is_gone(&scene, &key).await; // it is stored, and its owner does not know
        let second = ada.release(&lease);
        let mending = async {
            valve.lose(None);
            valve.cut();
        };
        tokio::join!(second, mending).0
    };
    let (first, second) = tokio::join!(ada.release(&lease), releasing);
    // The first may have been sent again after the wire was cut, and found that it is done.
    assert!(matches!(first, Ok(Before::Held | Before::Gone)), "{first:?}");
    assert_eq!(second, Ok(Before::Gone), "once");
    let bobs = wait::until("bob's lease", async || take(&bob).await).await;
    assert!(bobs.token > lease.token);
    assert_eq!(ada.release(&lease).await, Ok(Before::Gone), "bob's is not touched");
    assert_eq!(bob.standing(&bobs).await, Standing::Valid);
}

async fn take(
    worker: &Worker,
) -> Result<selvedge_contracts::payload::lease::Lease, selvedge_contracts::fault::Fault> {
    worker.acquire(&crate::scene::wanted(vec![crate::scene::path("src")])).await.map(|reply| reply.lease)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forced_release_whose_call_is_given_up_takes_the_lease_all_the_same() {
    let (scene, valve) = scene_with_valve().await;
    let (ada, bob) = (scene.worker("ada").await, scene.worker("bob").await);
    let lease = ada.take("src").await;
    let operator: Client = scene.fabric.operator.clone().in_mission(lease.mission.clone());
    let force = ForceRelease { space: space(), lease: lease.id.clone(), reason: "a test".to_owned() };
    // The acknowledgement of the fact comes when the call is over.
    valve.slow(r#""stream":"LEDGER""#, Duration::from_millis(1_500));
    let options = Options { timeout_ms: Some(500), ..Options::default() };
    operator.call_with::<call::LeaseForceRelease>(&force, &options).await.unwrap_err();
    is_gone(&scene, &format!("demo.shop.{}", lease.id)).await;
    wait::until("bob's lease", async || take(&bob).await).await;
    assert_eq!(ada.standing(&lease).await, Standing::Gone);
}
