//! What tasks reserve: leased before they are given out, held until their attempts have ended, and nobody's after.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use selvedge_contracts::{
    call,
    fact::TASK_CLAIMED,
    fault::Code,
    id::{ClaimToken, LeaseId, SpaceId},
    payload::{
        claim::{Claim, Mode},
        lease::{Acquire, Check, Checked, LeaseList, Release, Renew, Standing, Unreserve},
        plan::{PlanSpec, PlanState, Reservation},
        task::{Claimed, Phase},
    },
    role::{Role, Service},
};
use selvedge_kit::{client::Client, clock::Deadline};
use selvedge_tests::{
    dispatcher::{claim, plan, show_plan, submit, submit_plan},
    raw::header_map,
    replica::Replica,
    wait,
};
use serde_json::json;

use crate::{
    REPLICA,
    scene::{Scene, refused},
};

fn shop() -> SpaceId {
    SpaceId::new("shop").unwrap()
}

fn reserving(wanted: &mut PlanSpec, task: usize, paths: &[&str]) {
    let claims = paths.iter().map(|path| Claim::path(*path)).collect();
    wanted.tasks[task].reserve = vec![Reservation { space: shop(), claims }];
}

async fn held(client: &Client) -> Vec<LeaseId> {
    let list = LeaseList { space: Some(shop()), ..LeaseList::default() };
    let leases = client.call::<call::LeaseList>(&list).await.unwrap().reply.leases;
    leases.into_iter().map(|lease| lease.id).collect()
}

async fn nothing_is_held(client: &Client) {
    wait::until("what was reserved to be free", async || {
        let held = held(client).await;
        if held.is_empty() { Ok(()) } else { Err(held) }
    })
    .await;
}

async fn standing(client: &Client, claimed: &Claimed) -> Standing {
    let lease = &claimed.task.claim.as_ref().unwrap().leases[0];
    let tokens = vec![Checked { lease: lease.lease.clone(), token: lease.token }];
    let check = Check { space: lease.space.clone(), tokens };
    client.call::<call::LeaseCheck>(&check).await.unwrap().reply.verdicts[0].standing
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_waits_visibly_for_who_holds_what_it_reserves_and_others_go_first() {
    let scene = Scene::start().await;
    let _leases = scene.fabric.leases_replica("l1").await;
    let bob = scene.member("bob", Role::Worker, "person:bob").await;
    let wish = Acquire {
        space: shop(),
        claims: vec![Claim::path("src/a.rs")],
        purpose: "by hand".to_owned(),
        ttl_ms: None,
        wait_ms: None,
    };
    let by_hand = bob.client().call::<call::LeaseAcquire>(&wish).await.unwrap().reply.lease;
    let mut wanted = plan("p", &[("a", &[]), ("b", &[])]);
    reserving(&mut wanted, 0, &["src"]);
    wanted.tasks[0].priority = Some(90);
    let found = submit_plan(scene.pia.client(), &wanted).await.unwrap();
    let other = scene.ada.claim().await;
    assert_eq!(other.spec.id.as_str(), "b", "what can be done is offered meanwhile");
    let line = show_plan(scene.pia.client(), &found.plan.id).await.tasks[0].clone();
    assert_eq!(line.phase, Phase::Waiting);
    assert!(line.waits_for_lease.clone().unwrap().contains(bob.agent.record.id.as_str()), "{line:?}");
    assert_eq!(claim(scene.ada.client()).await.unwrap(), None);
    let release = Release { space: shop(), lease: by_hand.id };
    let (freed, task) = tokio::join!(bob.client().call::<call::LeaseRelease>(&release), scene.ada.claim());
    freed.unwrap();
    assert_eq!(task.spec.id.as_str(), "a");
    let lease = task.task.claim.clone().unwrap().leases[0].clone();
    assert_eq!(standing(scene.ada.client(), &task).await, Standing::Valid);
    let held_now =
        scene.ada.client().call::<call::LeaseList>(&LeaseList::default()).await.unwrap().reply.leases;
    assert_eq!((held_now[0].holder.as_str(), held_now.len()), (scene.ada.agent.record.id.as_str(), 1));
    // Its holder cannot end it before its attempt has ended, nor sooner than it would.
    let early = Release { space: shop(), lease: lease.lease.clone() };
    refused(
        scene.ada.client().call::<call::LeaseRelease>(&early).await.map(|_| ()),
        Code::Denied,
        "reserved",
    );
    let sooner = Renew { space: shop(), lease: lease.lease.clone(), token: lease.token, ttl_ms: Some(1_000) };
    let renewed = scene.ada.client().call::<call::LeaseRenew>(&sooner).await.unwrap().reply.lease;
    assert!(renewed.expires_at_ms >= held_now[0].expires_at_ms);
    submit(scene.ada.client(), &task, json!({ "ok": true })).await.unwrap();
    nothing_is_held(scene.ada.client()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_several_spaces_or_nothing_and_a_failed_attempt_frees_it() {
    let scene = Scene::start_with(2).await;
    let _leases = scene.fabric.leases_replica("l1").await;
    let mut wanted = plan("p", &[("a", &[]), ("b", &[])]);
    let lab = SpaceId::new("lab").unwrap();
    let read = Claim::path("x").with_mode(Mode::Shared);
    wanted.tasks[0].reserve = vec![
        Reservation { space: shop(), claims: vec![Claim::path("src")] },
        Reservation { space: lab.clone(), claims: vec![read.clone()] },
    ];
    wanted.tasks[1].reserve = vec![Reservation { space: lab, claims: vec![read] }];
    let found = submit_plan(scene.pia.client(), &wanted).await.unwrap();
    let (one, other) = (scene.ada.claim().await, scene.ada.claim().await);
    let leases = |claimed: &Claimed| claimed.task.claim.as_ref().unwrap().leases.len();
    assert_eq!(leases(&one) + leases(&other), 3, "what is shared is held twice");
    for held in [&one, &other] {
        submit(scene.ada.client(), held, json!({ "ok": false })).await.unwrap();
    }
    let again = [scene.ada.claim().await, scene.ada.claim().await];
    assert!(again.iter().all(|again| again.task.attempt == 2));
    for held in &again {
        submit(scene.ada.client(), held, json!({ "ok": true })).await.unwrap();
    }
    scene.becomes(&found.plan.id, PlanState::Done).await;
    wait::until("all to be free", async || {
        let list = LeaseList::default();
        let left = scene.ada.client().call::<call::LeaseList>(&list).await.unwrap().reply.leases.len();
        if left == 0 { Ok(()) } else { Err(left) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_reserved_is_freed_though_the_replica_dies_after_the_end_of_the_attempt() {
    let scene = Scene::start_with(0).await;
    let url = scene.fabric.bus.url();
    let start =
        |name: &str| Replica::start_service(Service::Dispatcher, REPLICA, &scene.fabric.bus, &url, name);
    let (replica, leases) = (start("k0"), scene.fabric.leases_replica("l1").await);
    let mut wanted = plan("p", &[("a", &[])]);
    reserving(&mut wanted, 0, &["src"]);
    submit_plan(scene.pia.client(), &wanted).await.unwrap();
    let task = scene.ada.claim().await;
    // Nobody is there to free it; then whoever would have asked for it again is killed.
    leases.drain().await;
    submit(scene.ada.client(), &task, json!({ "ok": true })).await.unwrap();
    replica.kill9();
    let _leases = scene.fabric.leases_replica("l2").await;
    let bob = scene.member("bob", Role::Worker, "person:bob").await;
    assert_eq!(standing(bob.client(), &task).await, Standing::Valid, "nothing has freed it");
    let _replica = start("k1");
    nothing_is_held(bob.client()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_the_dispatcher_reserves_for_others_or_proposes_in_their_name() {
    let scene = Scene::start().await;
    let token = ClaimToken::new("claim_af1349b9f5f9a1a6a0404dea36dcc949").unwrap();
    let ended = Unreserve { space: shop(), claim: token };
    let ada = scene.ada.client();
    for client in [ada, scene.pia.client(), &scene.fabric.operator] {
        let asked = client.call::<call::LeaseUnreserve>(&ended).await;
        refused(asked.map(|_| ()), Code::Denied, "may not publish");
    }
    let subjects = ["leases.reserve", "governance.propose_for"];
    for subject in subjects {
        let subject = selvedge_tests::raw::Raw::connect(&scene.fabric.bus, &scene.ada.working.credential)
            .await
            .subject(subject);
        let sent = ada.bus().request(&subject, header_map(&[]), "{}".into(), Deadline::in_ms(5_000)).await;
        let denied = sent.unwrap_err().to_string();
        assert!(denied.contains("may not publish"), "{subject}: {denied}");
    }
}

/// Which tasks share a path, by the paths they reserve.
fn overlapping(paths: &BTreeMap<String, Vec<&str>>, one: &str, other: &str) -> bool {
    one != other && paths[one].iter().any(|path| paths[other].contains(path))
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_that_reserve_the_same_never_run_at_once_also_while_replicas_are_killed() {
    const ALL: [&str; 4] = ["src/a", "src/b", "src/c", "docs"];
    let seed = selvedge_tests::now_ms();
    println!("seed {seed}");
    let mut random = seed;
    let mut draw = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % below
    };
    let scene = Scene::start_with(1).await;
    let _leases = scene.fabric.leases_replica("l1").await;
    let url = scene.fabric.bus.url();
    let start =
        |name: String| Replica::start_service(Service::Dispatcher, REPLICA, &scene.fabric.bus, &url, &name);
    let names: Vec<String> = (0..24).map(|n| format!("t{n}")).collect();
    let tasks: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), &[][..])).collect();
    let mut wanted = plan("wide", &tasks);
    let mut paths = BTreeMap::new();
    for (index, name) in names.iter().enumerate() {
        let of: BTreeSet<&str> = (0..=draw(2)).map(|_| ALL[usize::try_from(draw(4)).unwrap()]).collect();
        let of: Vec<&str> = of.into_iter().collect();
        reserving(&mut wanted, index, &of);
        wanted.tasks[index].attempts = 20;
        paths.insert(name.clone(), of);
    }
    let found = submit_plan(scene.pia.client(), &wanted).await.unwrap();
    let mut workers = Vec::new();
    for index in 0..4 {
        workers.push(scene.member(&format!("w{index}"), Role::Worker, "person:olga").await);
    }
    let is_done = std::sync::atomic::AtomicBool::new(false);
    let work = async |client: &Client| {
        while !is_done.load(std::sync::atomic::Ordering::SeqCst) {
            // A replica may die with the call; its sender asks on.
            let Ok(Some(task)) = claim(client).await else { continue };
            let handed_in = submit(client, &task, json!({ "ok": true })).await;
            assert!(handed_in.is_ok(), "{handed_in:?}");
        }
    };
    let killing = async {
        for round in 0..4 {
            let doomed = start(format!("k{round}"));
            let before = scene.count("task.*.validated").await;
            let enough = before + usize::try_from(draw(4)).unwrap() + 1;
            wait::until_within(std::time::Duration::from_secs(60), "some to be done", async || {
                let done = scene.count("task.*.validated").await;
                if done >= enough.min(names.len()) { Ok(()) } else { Err(done) }
            })
            .await;
            doomed.kill9();
        }
        wait::until_within(std::time::Duration::from_secs(120), "the plan's end", async || {
            match scene.count("plan.*.done").await {
                1 => Ok(()),
                _ => Err(scene.count("task.*.validated").await),
            }
        })
        .await;
        is_done.store(true, std::sync::atomic::Ordering::SeqCst);
    };
    tokio::join!(join_all(workers.iter().map(|worker| work(worker.client()))), killing);
    scene.becomes(&found.plan.id, PlanState::Done).await;
    never_at_once(&scene, &paths).await;
    nothing_is_held(scene.pia.client()).await;
}

/// By the ledger: between a claim and the end of its attempt, no other is claimed that shares a path.
async fn never_at_once(scene: &Scene, paths: &BTreeMap<String, Vec<&str>>) {
    #[derive(serde::Deserialize)]
    struct After {
        state: selvedge_contracts::payload::task::Task,
    }
    let mut at_work: BTreeSet<String> = BTreeSet::new();
    let read = scene.ledger.scan("sv.fact.demo.task.>", 0, usize::MAX, Deadline::in_ms(20_000), |fact| {
        let After { state } = serde_json::from_slice(&fact.envelope.payload).unwrap();
        let name = state.name.to_string();
        if fact.fact.kind == TASK_CLAIMED.kind.name {
            let clash = at_work.iter().find(|other| overlapping(paths, &name, other));
            assert!(clash.is_none(), "{name} runs beside {clash:?} (revision {})", fact.revision);
            at_work.insert(name);
        } else {
            at_work.remove(&name);
        }
    });
    read.await.unwrap();
    assert!(at_work.is_empty(), "{at_work:?}");
}
