//! The queue: order, places, and what wakes a request that waits.

use std::time::{Duration, Instant};

use selvedge_contracts::{
    call,
    fault::Code,
    payload::{
        lease::{Acquire, LeaseState, Standing},
        session::SessionEnd,
    },
};
use selvedge_kit::client::Options;
use selvedge_tests::{fabric::plain_session, wait};

use crate::scene::{Scene, Worker, path, wanted};

fn waiting(claimed: &str, wait_ms: u64) -> Acquire {
    Acquire { wait_ms: Some(wait_ms), ..wanted(vec![path(claimed)]) }
}

/// Waits until so many requests wait in the queue.
async fn queue_of(worker: &Worker, count: usize) {
    wait::until("the queue", async || {
        let waiting = worker.list().await.iter().filter(|lease| lease.state == LeaseState::Waiting).count();
        if waiting == count { Ok(()) } else { Err(waiting) }
    })
    .await;
}

#[tokio::test]
async fn a_release_wakes_those_who_wait_in_order_of_arrival() {
    let scene = Scene::start().await;
    let (ada, bob, cy) = (scene.worker("ada").await, scene.worker("bob").await, scene.worker("cy").await);
    let first = ada.take("src").await;
    let bobs = async {
        let held = bob.acquire(&waiting("src/a", 15_000)).await.unwrap().lease;
        bob.release(&held).await.unwrap();
        held
    };
    let cys = async {
        queue_of(&ada, 1).await;
        cy.acquire(&waiting("src/a", 15_000)).await.unwrap().lease
    };
    let releasing = async {
        queue_of(&ada, 2).await;
        ada.release(&first).await.unwrap();
    };
    let (bobs, cys, ()) = tokio::join!(bobs, cys, releasing);
    assert_eq!(bobs.state, LeaseState::Held);
    assert!(first.token < bobs.token && bobs.token < cys.token, "{first:?} {bobs:?} {cys:?}");
    assert!(bobs.order < cys.order);
}

#[tokio::test]
async fn an_expiry_wakes_who_waits() {
    let scene = Scene::start().await;
    let (ada, bob) = (scene.worker("ada").await, scene.worker("bob").await);
    let short = Acquire { ttl_ms: Some(1_000), ..wanted(vec![path("src")]) };
    let first = ada.acquire(&short).await.unwrap().lease;
    let started = Instant::now();
    let second = bob.acquire(&waiting("src", 15_000)).await.unwrap().lease;
    assert!(second.since_ms >= first.expires_at_ms, "granted before the deadline: {first:?} {second:?}");
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    let refused = ada.renew(&first, None).await.unwrap_err();
    assert_eq!(refused.code, Code::NotFound, "{refused}");
}

#[tokio::test]
async fn a_wait_ends_at_its_deadline_with_who_stands_in_the_way() {
    let scene = Scene::start().await;
    let (ada, bob) = (scene.worker("ada").await, scene.worker("bob").await);
    ada.take("src").await;
    let refused = bob.acquire(&waiting("src", 300)).await.unwrap_err();
    assert_eq!(refused.code, Code::Conflict, "{refused:?}");
    assert!(refused.message.contains("300 ms") && refused.message.contains(ada.id()), "{refused}");
    queue_of(&ada, 0).await;
}

#[tokio::test]
async fn the_same_request_again_keeps_its_place_and_finds_its_lease() {
    let scene = Scene::start().await;
    let (ada, bob, cy) = (scene.worker("ada").await, scene.worker("bob").await, scene.worker("cy").await);
    let first = ada.take("src").await;
    let still = bob.keyed_within("k", &waiting("src", 20_000), 700).await.unwrap();
    assert_eq!(still.lease.state, LeaseState::Waiting);
    assert_eq!(still.blockers[0].lease, first.id);
    let request = waiting("src", 20_000);
    let cys = cy.acquire(&request);
    let bobs = async {
        queue_of(&ada, 2).await;
        let held = bob.keyed("k", &request);
        let release = async { ada.release(&first).await.unwrap() };
        let (held, _) = tokio::join!(held, release);
        let held = held.unwrap().lease;
        assert_eq!((held.id.clone(), held.order), (still.lease.id.clone(), still.lease.order));
        let again = bob.keyed("k", &request).await.unwrap().lease;
        assert_eq!(again, held, "a retry finds the lease that it has");
        bob.release(&held).await.unwrap();
        held
    };
    let (cys, bobs) = tokio::join!(cys, bobs);
    assert!(bobs.token < cys.unwrap().lease.token, "the earlier place was kept");
}

#[tokio::test]
async fn another_request_under_the_same_key_is_refused() {
    let scene = Scene::start().await;
    let ada = scene.worker("ada").await;
    ada.keyed("k", &wanted(vec![path("src")])).await.unwrap();
    let refused = ada.keyed("k", &wanted(vec![path("docs")])).await.unwrap_err();
    assert_eq!(refused.code, Code::Conflict);
    assert!(refused.message.contains("idempotency key"), "{refused}");
}

#[tokio::test]
async fn what_has_nothing_in_common_overtakes_and_nothing_else() {
    let scene = Scene::start().await;
    let (ada, bob, cy) = (scene.worker("ada").await, scene.worker("bob").await, scene.worker("cy").await);
    let first = ada.take("src/a").await;
    let both = Acquire { wait_ms: Some(15_000), ..wanted(vec![path("src/a"), path("src/b")]) };
    let bobs = bob.acquire(&both);
    let cys = async {
        queue_of(&ada, 1).await;
        let refused = cy.acquire(&wanted(vec![path("src/b")])).await.unwrap_err();
        assert!(refused.message.contains("waits for"), "who came earlier is not overtaken: {refused}");
        cy.take("src/c").await;
        ada.release(&first).await.unwrap();
    };
    let (bobs, ()) = tokio::join!(bobs, cys);
    assert_eq!(bobs.unwrap().lease.claims.len(), 2);
}

#[tokio::test]
async fn a_request_that_is_sent_again_while_it_waits_is_answered_once_it_is_held() {
    let scene = Scene::start().await;
    let (ada, bob) = (scene.worker("ada").await, scene.worker("bob").await);
    let first = ada.take("src").await;
    // Longer than the client waits for one sending: it sends twice more.
    let request = waiting("src", 40_000);
    let releasing = async {
        queue_of(&ada, 1).await;
        let later = selvedge_tests::now_ms() + 11_000;
        wait::until("eleven seconds", async || match selvedge_tests::now_ms() {
            now if now > later => Ok(()),
            now => Err(later - now),
        })
        .await;
        queue_of(&ada, 1).await;
        ada.release(&first).await.unwrap();
    };
    let (held, ()) = tokio::join!(bob.acquire(&request), releasing);
    let held = held.unwrap().lease;
    assert_eq!(held.state, LeaseState::Held);
    assert_eq!(bob.list().await, vec![held], "one request, one lease");
}

#[tokio::test]
async fn two_sessions_of_one_agent_share_the_lease_of_one_key() {
    let scene = Scene::start().await;
    let (ada, bob) = (scene.worker("ada").await, scene.worker("bob").await);
    let other = scene.fabric.session(&ada.agent, plain_session()).await.unwrap();
    let options = Options { idempotency_key: Some("k".to_owned()), ..Options::default() };
    let request = wanted(vec![path("src")]);
    let first = ada.keyed("k", &request).await.unwrap().lease;
    let again = other.client.call_with::<call::LeaseAcquire>(&request, &options).await.unwrap().reply.lease;
    assert_eq!(again, first, "a key is the agent's, not the session's");
    other.client.call::<call::SessionEnd>(&SessionEnd::default()).await.unwrap();
    assert_eq!(ada.standing(&first).await, Standing::Valid, "it ends with the session that took it");
    bob.keyed("k", &wanted(vec![path("docs")])).await.expect("another agent's key is another's");
}
