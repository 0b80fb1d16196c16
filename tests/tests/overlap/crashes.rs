//! kill -9 of a replica between a proposal and its answer.

use selvedge_contracts::{
    payload::overlap::{CreationState, Verdict},
    role::Service,
};
use selvedge_overlap::service::Config;
use selvedge_tests::{
    overlap::{propose, replica, replica_with, task},
    replica::Replica,
    wait::until,
};

use crate::{
    REPLICA,
    scene::{Scene, found},
};

async fn dies(replica: &mut Replica) {
    until("the replica to die", async || if replica.has_ended() { Ok(()) } else { Err("it lives") }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_after_kill_9_finds_its_own_proposal() {
    for step in ["proposed", "checked"] {
        let mut scene = Scene::start_with(0, |config| config).await;
        let bus = &scene.fabric.bus;
        let mut dying = Replica::dying_service(Service::Overlap, REPLICA, bus, "dying", step);
        let wanted = task("ada-00000001", "t1", "Oil the weather vane");
        let (asker, again) = (scene.dispatcher.clone(), wanted.clone());
        let asking = tokio::spawn(async move { propose(&asker, &again).await });
        dies(&mut dying).await;
        scene.replicas.push(replica(bus, "o1").await);
        let answer = asking.await.unwrap().unwrap();
        assert_eq!((answer.verdict, answer.place), (Verdict::Clear, answer.revision), "{step}");
        let asked_anew = propose(&scene.dispatcher, &wanted).await.unwrap();
        assert_eq!((asked_anew.verdict, asked_anew.place), (Verdict::Clear, answer.place), "{step}");
        assert_eq!(scene.count("proposed").await, 1, "{step}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_asks_for_again_is_seen_by_others_and_its_check_is_completed() {
    let mut scene = Scene::start_with(0, |config| config).await;
    let bus = &scene.fabric.bus;
    let mut dying = Replica::dying_service(Service::Overlap, REPLICA, bus, "dying", "proposed");
    let wanted = task("ada-00000001", "t1", "Oil the weather vane");
    let asker = scene.dispatcher.clone();
    let asking = tokio::spawn(async move { propose(&asker, &wanted).await });
    dies(&mut dying).await;
    asking.abort();
    let _ = asking.await;
    scene
        .replicas
        .push(replica_with(bus, &bus.url(), "o1", |config| Config { complete_ms: 100, ..config }).await);
    let answer = scene.task("bob-00000002", "t2", "oil the weather vane").await;
    assert_eq!(answer.verdict, Verdict::Asked, "{answer:#?}");
    let [first] = found(&answer.checked)[..] else { panic!("{answer:#?}") };
    scene.comes_to(first, CreationState::Cleared).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_racers_one_stands_alone_also_when_a_replica_is_killed_among_them() {
    let scene = Scene::start().await;
    let bus = &scene.fabric.bus;
    let first = rand::random_range(0..1_000_000);
    for seed in first..first + 6 {
        let victim =
            Replica::start_service(Service::Overlap, REPLICA, bus, &bus.url(), &format!("victim{seed}"));
        let racing = crate::racing::race(&scene, seed, 2 + (seed % 4) as usize);
        let killing = async { victim.kill9() };
        let (answers, ()) = tokio::join!(racing, killing);
        crate::racing::one_stands_alone(seed, &answers);
    }
}
