//! kill -9 of a replica between a proposal and its answer.

use selvedge_contracts::{
    payload::overlap::{CreationState, ProposeReply, Verdict},
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

/// Trials without `SELVEDGE_TRIALS`.
const TRIALS: u64 = 30;
/// Every so many trials a replica is killed among the racers.
const KILL_EVERY: u64 = 5;

/// One trial in which a replica is killed: at once, after it recorded a proposal, or before it answered. Whether it
/// came to that: another one may have answered all.
async fn race_and_kill(scene: &Scene, seed: u64, racers: usize) -> (Vec<ProposeReply>, bool) {
    let (bus, name) = (&scene.fabric.bus, format!("victim{seed}"));
    let dying = |step| Replica::dying_service(Service::Overlap, REPLICA, bus, &name, step);
    let mut victim = match seed / KILL_EVERY % 3 {
        0 => {
            let victim = Replica::start_service(Service::Overlap, REPLICA, bus, &bus.url(), &name);
            let killing = async { victim.kill9() };
            let (answers, ()) = tokio::join!(crate::racing::race(scene, seed, racers), killing);
            return (answers, true);
        }
        1 => dying("proposed"),
        _ => dying("checked"),
    };
    let answers = crate::racing::race(scene, seed, racers).await;
    (answers, victim.has_ended())
}

/// As many trials as `SELVEDGE_TRIALS` says, over two replicas and, now and then, a third one that is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_every_trial_one_stands_alone_also_when_a_replica_is_killed_among_the_racers() {
    let trials = std::env::var("SELVEDGE_TRIALS").map_or(TRIALS, |count| count.parse().unwrap());
    let first = rand::random_range(0..1_000_000);
    println!("{trials} trials from seed {first}");
    let (mut killed, mut racers) = (0, 0);
    let seeds: Vec<u64> = (first..first + trials).collect();
    for seeds in seeds.chunks(crate::racing::TOPICS) {
        // No two trials of one fabric are about the same.
        let scene = Scene::start_with(2, |config| config).await;
        for seed in seeds {
            let count = 2 + (seed % 15) as usize;
            let (answers, is_killed) = match seed.is_multiple_of(KILL_EVERY) {
                true => race_and_kill(&scene, *seed, count).await,
                false => (crate::racing::race(&scene, *seed, count).await, false),
            };
            crate::racing::one_stands_alone(*seed, &answers);
            (racers, killed) = (racers + count, killed + u64::from(is_killed));
        }
    }
    assert!(killed > 0, "{trials} trials and nobody was killed");
    println!("{racers} racers in {trials} trials, {killed} replicas killed");
}
