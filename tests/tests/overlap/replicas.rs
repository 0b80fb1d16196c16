//! Replicas that agree, and what is left when one goes.

use std::collections::{BTreeMap, BTreeSet};

use selvedge_contracts::payload::overlap::Verdict;
use selvedge_tests::{
    overlap::{note, propose, replica, replica_with, stats},
    python::{BUCKET, S3},
    wait::until,
};

use crate::scene::{Scene, check, found};

/// What each replica says of its index, once every one of them has answered and they are as far.
async fn bases(scene: &Scene, replicas: usize) -> BTreeMap<String, String> {
    let mut seen = BTreeMap::new();
    until("every replica to answer as far as the others", async || {
        let stats = stats(scene.ada.client()).await.unwrap();
        seen.insert(stats.instance, serde_json::to_string(&stats.basis).unwrap());
        let bases: BTreeSet<_> = seen.values().collect();
        if seen.len() == replicas && bases.len() == 1 { Ok(seen.clone()) } else { Err(seen.clone()) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_give_the_same_answer_to_the_byte() {
    let mut scene = Scene::start().await;
    for at in 0..30 {
        let title =
            format!("Migrate the {} table to partition {}", ["users", "orders", "events"][at % 3], at / 3);
        scene.task("ada-00000001", &format!("t{at}"), &title).await;
    }
    // One that was there, and one that read all of it from the ledger.
    scene.replicas.push(replica(&scene.fabric.bus, "late").await);
    assert_eq!(bases(&scene, 2).await.len(), 2);
    for title in
        ["migrate users table", "Migrate the orders table to partition 7", "migrate the events table"]
    {
        let mut answers = BTreeSet::new();
        let mut instances = BTreeSet::new();
        for _ in 0..24 {
            answers.insert(serde_json::to_string(&check(scene.ada.client(), title).await).unwrap());
            instances.insert(stats(scene.ada.client()).await.unwrap().instance);
        }
        assert_eq!((answers.len(), instances.len()), (1, 2), "{answers:#?}");
        assert!(answers.iter().all(|answer| answer.contains("creation_")), "{answers:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_starts_from_a_snapshot_and_the_facts_behind_it() {
    let mut scene =
        Scene::start_with(1, |config| selvedge_overlap::service::Config { snapshot_facts: 10, ..config })
            .await;
    let ada = scene.ada.client().clone();
    for at in 0..8 {
        propose(&ada, &note(&format!("n{at}"), &format!("Write down lesson {at} about herons")))
            .await
            .unwrap();
    }
    let written = until("a snapshot", async || {
        let stats = stats(&ada).await.unwrap();
        stats.snapshot.clone().ok_or(stats)
    })
    .await;
    propose(&ada, &note("behind", "Paint the boathouse green")).await.unwrap();
    let before = (stats(&ada).await.unwrap().basis, check(&ada, "paint the boathouse").await);
    assert_eq!(before.1.candidates[0].id, "behind");
    scene.replicas.pop().unwrap().drain().await;
    scene.replicas.push(replica(&scene.fabric.bus, "again").await);
    let stats_again = stats(&ada).await.unwrap();
    let started_from = stats_again.snapshot.clone().expect("it started from a snapshot");
    assert!(started_from.sequence >= written.sequence, "{started_from:?} {written:?}");
    assert_eq!((stats_again.basis, check(&ada, "paint the boathouse").await), before);
    assert_eq!(stats_again.items, 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_lie_in_s3_as_well_and_only_the_newest_stay() {
    let s3 = S3::start().await;
    let at_s3 = |config| selvedge_overlap::service::Config {
        snapshot_facts: 3,
        snapshots: format!("s3://{BUCKET}/fabric/overlap"),
        options: s3.options(),
        ..config
    };
    let mut scene = Scene::start_with(1, at_s3).await;
    let ada = scene.ada.client().clone();
    let mut last = 0;
    for round in 0..4 {
        for at in 0..3 {
            let title = format!("Write down lesson {at} of winter {round} about herons");
            propose(&ada, &note(&format!("n{round}-{at}"), &title)).await.unwrap();
        }
        last = until("the next snapshot", async || {
            let kept = stats(&ada).await.unwrap().snapshot.map_or(0, |kept| kept.sequence);
            if kept > last { Ok(kept) } else { Err(kept) }
        })
        .await;
    }
    let before = (stats(&ada).await.unwrap().basis, check(&ada, "lesson 2 of winter 3 about herons").await);
    scene.replicas.pop().unwrap().drain().await;
    let bus = &scene.fabric.bus;
    scene.replicas.push(replica_with(bus, &bus.url(), "again", at_s3).await);
    let again = stats(&ada).await.unwrap();
    assert_eq!(again.snapshot.map(|kept| kept.sequence), Some(last), "it started from the newest");
    assert_eq!((again.basis, check(&ada, "lesson 2 of winter 3 about herons").await), before);
    assert_eq!(s3.keys("fabric/overlap/main/").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_snapshot_is_of_no_use_and_does_no_harm() {
    let mut scene =
        Scene::start_with(1, |config| selvedge_overlap::service::Config { snapshot_facts: 5, ..config })
            .await;
    let ada = scene.ada.client().clone();
    for at in 0..6 {
        propose(&ada, &note(&format!("n{at}"), &format!("Prune apple tree number {at}"))).await.unwrap();
    }
    until("a snapshot", async || stats(&ada).await.unwrap().snapshot.ok_or("none")).await;
    let before = stats(&ada).await.unwrap();
    scene.replicas.pop().unwrap().drain().await;
    let folder = scene.fabric.bus.path().join("overlap/main");
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(!files.is_empty());
    for (at, file) in files.iter().enumerate() {
        let mut bytes = std::fs::read(file).unwrap();
        match at % 2 {
            0 => {
                let middle = bytes.len() * 3 / 4;
                bytes[middle] ^= 1;
            }
            _ => bytes.truncate(bytes.len() / 2),
        }
        std::fs::write(file, bytes).unwrap();
    }
    let lineage = lineage(&folder);
    std::fs::write(folder.join(format!("{lineage}-00000000000000999999.snapshot")), "nothing of the kind")
        .unwrap();
    scene.replicas.push(replica(&scene.fabric.bus, "again").await);
    let after = stats(&ada).await.unwrap();
    assert_eq!((after.snapshot, after.basis, after.items), (None, before.basis, before.items));
    assert_eq!(after.refused_snapshots.len(), files.len() + 1, "{:#?}", after.refused_snapshots);
}

/// What the names of a ledger's snapshots begin with.
fn lineage(folder: &std::path::Path) -> String {
    let first = std::fs::read_dir(folder).unwrap().next().expect("a snapshot").unwrap();
    first.file_name().to_str().unwrap().split_once('-').unwrap().0.to_owned()
}

fn snapshots(folder: &std::path::Path) -> BTreeSet<String> {
    let files = std::fs::read_dir(folder).unwrap();
    files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_another_ledger_is_neither_used_nor_removed() {
    let often = |config| selvedge_overlap::service::Config { snapshot_facts: 4, ..config };
    let mut other = Scene::start_with(1, often).await;
    for at in 0..12 {
        let title = format!("Polish the {} of the observatory", ["dome", "lens", "clock"][at % 3]);
        propose(other.ada.client(), &note(&format!("n{at}"), &title)).await.unwrap();
    }
    until("a snapshot", async || stats(other.ada.client()).await.unwrap().snapshot.ok_or("none")).await;
    other.replicas.pop().unwrap().drain().await;
    let folder_of = |scene: &Scene| scene.fabric.bus.path().join("overlap/main");
    let theirs = snapshots(&folder_of(&other));
    let mut scene = Scene::start_with(1, often).await;
    let (ada, folder) = (scene.ada.client().clone(), folder_of(&scene));
    for at in 0..5 {
        propose(&ada, &note(&format!("own{at}"), &format!("Feed animal {at} of the farm"))).await.unwrap();
    }
    until("a snapshot", async || stats(&ada).await.unwrap().snapshot.ok_or("none")).await;
    let own = lineage(&folder);
    scene.replicas.pop().unwrap().drain().await;
    for file in std::fs::read_dir(&folder).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    // As they are, and as if this ledger had held what they were made from before it was set back.
    for file in &theirs {
        let (_, sequence) = file.split_once('-').unwrap();
        for name in [file.clone(), format!("{own}-{sequence}")] {
            std::fs::copy(folder_of(&other).join(file), folder.join(name)).unwrap();
        }
    }
    std::fs::copy(
        folder_of(&other).join(theirs.first().unwrap()),
        folder.join(format!("{own}-00000000000000999999.snapshot")),
    )
    .unwrap();
    scene.replicas.push(replica_with(&scene.fabric.bus, &scene.fabric.bus.url(), "again", often).await);
    let after = stats(&ada).await.unwrap();
    assert_eq!(after.items, 5, "{after:#?}");
    assert_eq!(after.refused_snapshots.len(), theirs.len() + 1, "{after:#?}");
    assert!(
        after.refused_snapshots.iter().all(|refused| refused.reason.contains("other facts")),
        "{after:#?}"
    );
    assert!(check(&ada, "Polish the lens of the observatory").await.candidates.is_empty());
    for at in 5..12 {
        let wanted = note(&format!("own{at}"), &format!("Feed animal {at} of the farm"));
        propose(&ada, &wanted).await.unwrap();
    }
    // What was written stays, though files that were there are said to go further.
    let written = until("a snapshot of its own", async || {
        let snapshot = stats(&ada).await.unwrap().snapshot.ok_or("none".to_owned())?;
        let name = format!("{own}-{:020}.snapshot", snapshot.sequence);
        let there = snapshots(&folder);
        if there.contains(&name) && there.is_superset(&theirs) {
            Ok(snapshot)
        } else {
            Err(format!("{there:?}"))
        }
    })
    .await;
    scene.replicas.pop().unwrap().drain().await;
    scene.replicas.push(replica(&scene.fabric.bus, "third").await);
    let third = stats(&ada).await.unwrap();
    assert!(third.snapshot.is_some_and(|snapshot| snapshot.sequence >= written.sequence));
    assert_eq!(third.items, 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_for_snapshots_that_cannot_be_used_is_named_at_the_start() {
    use selvedge_kit::{credential::Login, metrics::Metrics, service::Limits};
    let bus = selvedge_tests::Bus::start().await;
    for place in ["nosuch://bucket/x", "/proc/nothing/here"] {
        let login = Login::held(bus.service_credential(selvedge_contracts::role::Service::Overlap, "o1"));
        let connection = selvedge_tests::fabric::connect_bus(&bus, login).await;
        let config = selvedge_tests::overlap::config(bus.kluster().account(), std::path::Path::new(place));
        let metrics = Metrics::default();
        let refused = selvedge_overlap::service::start(connection, &config, Limits::default(), &metrics);
        let error = refused.await.err().expect("a refusal").to_string();
        assert!(error.contains("overlap.snapshots") && error.contains(place), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_made_anew_under_load_loses_nothing() {
    let scene = Scene::start_with(2, |config| config).await;
    let operator = scene.fabric.operator.clone();
    for at in 0..40 {
        scene.task("ada-00000001", &format!("t{at}"), &format!("Label crate {at} in hall {}", at % 7)).await;
    }
    let reindex = selvedge_contracts::payload::overlap::Reindex { look: false };
    let load = async {
        for at in 40..120 {
            scene
                .task("ada-00000001", &format!("t{at}"), &format!("Label crate {at} in hall {}", at % 7))
                .await;
        }
    };
    let asked = async {
        let asked = operator.call::<selvedge_contracts::call::OverlapReindex>(&reindex).await;
        assert_eq!(asked.unwrap().reply.generation, 1);
    };
    tokio::join!(load, asked);
    let look = selvedge_contracts::payload::overlap::Reindex { look: true };
    let mut done = BTreeSet::new();
    until("both replicas to use the new index", async || {
        let reply = operator.call::<selvedge_contracts::call::OverlapReindex>(&look).await.unwrap().reply;
        if reply.in_use == 1 {
            done.insert(reply.instance);
        }
        if done.len() == 2 { Ok(()) } else { Err(done.clone()) }
    })
    .await;
    bases(&scene, 2).await;
    assert_eq!(stats(scene.ada.client()).await.unwrap().items, 120);
    let answer = scene.task("bob-00000002", "again", "Label crate 3 in hall 3").await;
    assert_eq!(answer.verdict, Verdict::Asked);
    assert!(!found(&answer.checked).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_of_every_step_is_told() {
    let seen = std::sync::Arc::new(std::sync::Mutex::new(BTreeSet::new()));
    let scene = Scene::start_with(0, |config| config).await;
    let told = std::sync::Arc::clone(&seen);
    let bus = &scene.fabric.bus;
    let _replica = replica_with(bus, &bus.url(), "o1", |config| {
        let steps = selvedge_kit::steps::Steps::new(move |step| {
            told.lock().unwrap().insert(step);
        });
        selvedge_overlap::service::Config { steps, snapshot_facts: 1, ..config }
    })
    .await;
    scene.task("ada-00000001", "t1", "Sweep the yard").await;
    until("a snapshot", async || stats(scene.ada.client()).await.unwrap().snapshot.ok_or("none")).await;
    scene.task("ada-00000001", "t2", "Wind the clock").await;
    let expected: BTreeSet<_> = selvedge_overlap::service::STEPS.iter().copied().collect();
    until("every step to be told", async || {
        let seen = seen.lock().unwrap().clone();
        if seen == expected { Ok(()) } else { Err(seen) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn proposals_and_checks_go_on_while_a_snapshot_is_written() {
    // The step is over once the other end is gone.
    let (writing, gate) = std::sync::mpsc::channel::<()>();
    let gate = std::sync::Mutex::new(gate);
    let reached = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut scene = Scene::start_with(0, |config| config).await;
    let (told, bus) = (std::sync::Arc::clone(&reached), &scene.fabric.bus);
    let replica_of = replica_with(bus, &bus.url(), "o1", |config| {
        let steps = selvedge_kit::steps::Steps::new(move |step| {
            if step == "snapshot" {
                told.store(true, std::sync::atomic::Ordering::SeqCst);
                let _ = gate.lock().unwrap().recv();
            }
        });
        selvedge_overlap::service::Config { steps, snapshot_facts: 3, ..config }
    })
    .await;
    let ada = scene.ada.client().clone();
    let take = async |name: &str| {
        propose(&ada, &note(name, &format!("Catalogue the {name} of the loft"))).await.unwrap()
    };
    for name in ["anvils", "bellows", "cellos", "dories"] {
        take(name).await;
    }
    let first = until("a snapshot", async || stats(&ada).await.unwrap().snapshot.ok_or("none")).await;
    for name in ["easels", "flutes", "gongs", "herons"] {
        take(name).await;
    }
    until("the next one to be written", async || {
        if reached.load(std::sync::atomic::Ordering::SeqCst) { Ok(()) } else { Err("not yet") }
    })
    .await;
    // It is held up as long as this test likes: what is taken in now is checked, found, and no part of it.
    let late = take("ladders").await;
    assert_eq!(late.verdict, Verdict::Clear, "{late:#?}");
    assert_eq!(check(&ada, "catalogue of ladders in the loft").await.candidates[0].id, "ladders");
    assert_eq!(stats(&ada).await.unwrap().snapshot, Some(first.clone()));
    drop(writing);
    let next = until("the next snapshot", async || {
        stats(&ada).await.unwrap().snapshot.filter(|next| next.sequence > first.sequence).ok_or("none")
    })
    .await;
    assert!(next.sequence < late.revision, "{next:?} {late:?}");
    let before = (stats(&ada).await.unwrap().basis, check(&ada, "Catalogue the gongs of the loft").await);
    replica_of.drain().await;
    scene.replicas.push(replica(&scene.fabric.bus, "again").await);
    let after = (stats(&ada).await.unwrap().basis, check(&ada, "Catalogue the gongs of the loft").await);
    assert_eq!(after, before, "what is made beside is the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_index_for_another_model_is_made_while_it_answers_as_far_as_it_is() {
    let often = |config| selvedge_overlap::service::Config { snapshot_facts: 5, ..config };
    let mut scene = Scene::start_with(1, often).await;
    let ada = scene.ada.client().clone();
    for at in 0..8 {
        propose(&ada, &note(&format!("n{at}"), &format!("Prune apple tree number {at}"))).await.unwrap();
    }
    until("a snapshot", async || stats(&ada).await.unwrap().snapshot.ok_or("none")).await;
    let before = stats(&ada).await.unwrap();
    scene.replicas.pop().unwrap().drain().await;
    let folder = scene.fabric.bus.path().join("overlap/main");
    for file in std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()) {
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[17] = b'0'; // the number of its format
        std::fs::write(&file, bytes).unwrap();
    }
    let held = std::sync::Arc::new((std::sync::Mutex::new(true), std::sync::Condvar::new()));
    let waits = std::sync::Arc::clone(&held);
    let steps = selvedge_kit::steps::Steps::new(move |step| {
        if step == "take" {
            drop(waits.1.wait_while(waits.0.lock().unwrap(), |held| *held).unwrap());
        }
    });
    let change =
        |config| selvedge_overlap::service::Config { steps: steps.clone(), barrier_ms: 50, ..config };
    let bus = &scene.fabric.bus;
    let _replica = replica_with(bus, &bus.url(), "again", change).await;
    let behind = stats(&ada).await.unwrap();
    let made = behind.reindex.expect("it says that it is behind");
    assert!(made.at < made.of && !behind.refused_snapshots.is_empty(), "{made:?}");
    let pending = propose(&ada, &note("later", "Paint the boathouse green")).await.unwrap();
    assert_eq!(pending.verdict, Verdict::Pending, "it has its place, and says how far was looked");
    *held.0.lock().unwrap() = false;
    held.1.notify_all();
    let after = until("the whole ledger to be taken in", async || {
        let stats = stats(&ada).await.unwrap();
        if stats.reindex.is_none() && stats.items == before.items + 1 { Ok(stats) } else { Err(stats) }
    })
    .await;
    assert!(after.basis.up_to_sequence > before.basis.up_to_sequence);
    assert_eq!(check(&ada, "Prune apple tree number 3").await.candidates[0].id, "n3");
}
