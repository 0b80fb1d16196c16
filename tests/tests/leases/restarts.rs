//! Restarts: what is held stays held, and tokens only rise.

use selvedge_contracts::payload::lease::{Lease, LeaseState, Standing};
use selvedge_tests::{Options, wait};

use crate::scene::{Scene, Worker};

async fn take_in_the_end(worker: &Worker, claimed: &str) -> Lease {
    wait::until("a lease", async || {
        let wanted = crate::scene::wanted(vec![crate::scene::path(claimed)]);
        worker.keyed(claimed, &wanted).await.map(|reply| reply.lease)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_rise_across_restarts_of_the_service_and_of_nats_server() {
    let mut scene = Scene::start_with(Options::DURABLE, 1).await;
    let ada = scene.worker("ada").await;
    let before = ada.take("a").await;
    scene.leases.pop().unwrap().drain().await;
    scene.leases.push(scene.fabric.leases_replica("l-next").await);
    let after_service = take_in_the_end(&ada, "b").await;
    assert!(after_service.token > before.token);
    assert_eq!(ada.standing(&before).await, Standing::Valid, "what was held stays held");
    scene.fabric.bus.kill9_server(0);
    scene.fabric.bus.restart_server(0).await;
    let after_server = take_in_the_end(&ada, "c").await;
    assert!(after_server.token > after_service.token);
    let mut held: Vec<_> = ada.list().await.into_iter().map(|lease| lease.id).collect();
    let mut expected = vec![before.id.clone(), after_service.id.clone(), after_server.id.clone()];
    held.sort();
    expected.sort();
    assert_eq!(held, expected);
    let epoch_us = before.token.unwrap();
    let now_us = selvedge_tests::now_ms() * 1_000;
    assert!(
        (now_us - 600_000_000..now_us).contains(&epoch_us),
        "tokens start at the microseconds: {epoch_us}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_loses_a_server_grants_on_with_higher_tokens() {
    let mut scene = Scene::start_with(Options::CLUSTER, 2).await;
    let ada = scene.worker("ada").await;
    let mut last = ada.take("before").await;
    for node in 0..3 {
        scene.fabric.bus.kill9_server(node); // one of the three leads the bucket
        let next = take_in_the_end(&ada, &format!("without-{node}")).await;
        assert!(next.token > last.token, "{next:?} after {last:?}");
        assert_eq!(next.state, LeaseState::Held);
        scene.fabric.bus.restart_server(node).await;
        last = next;
    }
    let standing = wait::until("a verdict", async || ada.try_standing(&last).await).await;
    assert_eq!(standing, Standing::Valid);
}
