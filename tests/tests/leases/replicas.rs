//! Several replicas: one owns a space, the others ask it; when it dies or sleeps, another goes on.

use std::time::Duration;

use selvedge_contracts::{
    payload::lease::{Acquire, LeaseState, Standing},
    role::Service,
};
use selvedge_tests::{Options, replica::Replica, wait};

use crate::{
    REPLICA,
    scene::{Scene, Worker, path, wanted},
};

/// A fabric whose space is owned by a process that a test may kill; another replica runs beside it.
async fn scene_with_doomed_owner() -> (Scene, Replica) {
    let mut scene = Scene::start_with(Options::LAZY, 0).await;
    let url = scene.fabric.bus.url();
    let doomed = Replica::start_service(Service::Leases, REPLICA, &scene.fabric.bus, &url, "doomed");
    let setup = scene.worker("setup").await;
    setup.take("first").await; // the only replica owns the space from now on
    scene.leases.push(scene.fabric.leases_replica("heir").await);
    (scene, doomed)
}

async fn queue_of(worker: &Worker, count: usize) {
    wait::until("the queue", async || {
        let waiting = worker.list().await.iter().filter(|lease| lease.state == LeaseState::Waiting).count();
        if waiting == count { Ok(()) } else { Err(waiting) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_at_any_replica_meet_in_the_owner() {
    let scene = Scene::start_with(Options::LAZY, 3).await;
    let workers = [scene.worker("ada").await, scene.worker("bob").await, scene.worker("cy").await];
    let asking =
        (0..60_usize).map(|index| {
            let worker = &workers[index % 3];
            async move {
                worker.keyed(&format!("k{index}"), &wanted(vec![path(&format!("p{}", index % 20))])).await
            }
        });
    let asked = futures::future::join_all(asking).await;
    let mut tokens: Vec<_> = asked
        .iter()
        .filter_map(|asked| asked.as_ref().ok())
        .map(|reply| reply.lease.token.unwrap())
        .collect();
    assert_eq!(tokens.len(), 20, "one of three gets each path: {asked:?}");
    tokens.sort_unstable();
    tokens.dedup();
    assert_eq!(tokens.len(), 20, "no token twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_heir_of_a_killed_owner_goes_on_with_its_queue() {
    let (scene, doomed) = scene_with_doomed_owner().await;
    let (ada, bob, cy) = (scene.worker("ada").await, scene.worker("bob").await, scene.worker("cy").await);
    let first = ada.take("src").await;
    let waiting = Acquire { wait_ms: Some(60_000), ..wanted(vec![path("src")]) };
    let bobs = async {
        let held = wait::until("bob's lease", async || bob.keyed("b", &waiting).await).await.lease;
        wait::until("its release", async || bob.release(&held).await).await;
        held
    };
    let cys = async {
        queue_of(&ada, 1).await;
        wait::until("cy's lease", async || cy.keyed("c", &waiting).await).await.lease
    };
    let killing = async {
        queue_of(&ada, 2).await;
        doomed.kill9();
        wait::until("a release at the heir", async || ada.release(&first).await).await;
    };
    let (bobs, cys, ()) = tokio::join!(bobs, cys, killing);
    assert_eq!((bobs.state, cys.state), (LeaseState::Held, LeaseState::Held));
    assert!(first.token < bobs.token && bobs.token < cys.token, "the queue stayed: {bobs:?} {cys:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_slept_through_a_takeover_can_neither_grant_nor_confirm() {
    let (scene, doomed) = scene_with_doomed_owner().await;
    let (ada, bob) = (scene.worker("ada").await, scene.worker("bob").await);
    let lease = ada.take("src").await;
    doomed.pause();
    wait::until("a release at the heir", async || ada.release(&lease).await).await;
    // Half of what is asked reaches the one that sleeps.
    let bobs = wait::until("a grant by the heir", async || {
        bob.keyed_within("b", &wanted(vec![path("src")]), 1_000).await
    })
    .await
    .lease;
    doomed.resume();
    // Whichever replica is asked from now on: the old token is worth nothing, the new one counts.
    for round in 0..40 {
        assert_eq!(ada.try_standing(&lease).await, Ok(Standing::Gone), "round {round}");
        assert_eq!(bob.try_standing(&bobs).await, Ok(Standing::Valid), "round {round}");
        let refused = ada.keyed(&format!("a{round}"), &wanted(vec![path("src")])).await.unwrap_err();
        assert!(refused.message.contains(bob.id()), "round {round}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_servers_grant_and_a_batch_of_grants_is_numbered_like_single_ones() {
    let scene = Scene::start_with(Options::CLUSTER, 2).await;
    let ada = scene.worker("ada").await;
    let asking = (0..100).map(|index| {
        let ada = &ada;
        async move {
            ada.keyed_within(&format!("k{index}"), &wanted(vec![path(&format!("p{index}"))]), 30_000).await
        }
    });
    let mut leases = Vec::new();
    for asked in futures::future::join_all(asking).await {
        leases.push(asked.expect("a lease").lease);
    }
    for lease in &leases {
        assert_eq!(ada.standing(lease).await, Standing::Valid);
    }
    // The list has the tokens from the stream itself, not from the owner's memory.
    let listed = wait::until_within(Duration::from_secs(10), "the list", async || {
        let listed = ada.list().await;
        if listed.len() == leases.len() { Ok(listed) } else { Err(listed.len()) }
    })
    .await;
    for lease in &leases {
        let listed = listed.iter().find(|listed| listed.id == lease.id).unwrap();
        assert_eq!(listed.token, lease.token);
    }
}
