//! A bucket of leases that an older copy was put in the place of: no token comes twice.

use std::path::{Path, PathBuf};

use selvedge_contracts::payload::lease::{Lease, Standing};
use selvedge_tests::{Options, wait};

use crate::scene::{Scene, Worker, path, wanted};

/// The folder in which the only server keeps the bucket.
pub(crate) fn bucket(scene: &Scene) -> PathBuf {
    let account = scene.fabric.bus.kluster().account();
    scene.fabric.bus.path().join("n0/jetstream").join(account).join("streams/KV_leases")
}

pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

async fn take(worker: &Worker, claimed: &str) -> Lease {
    wait::until("a lease", async || worker.keyed(claimed, &wanted(vec![path(claimed)])).await).await.lease
}

/// What becomes of the service while the bucket is put back.
enum Meanwhile {
    RunsOn,
    IsStartedAnew,
}

async fn tokens_rise_over_a_restored_bucket(meanwhile: Meanwhile) {
    let mut scene = Scene::start_with(Options::DURABLE, 1).await;
    let (ada, bob) = (scene.worker("ada").await, scene.worker("bob").await);
    let kept = take(&ada, "kept").await;
    scene.fabric.bus.kill9_server(0);
    let (bucket, older) = (bucket(&scene), scene.fabric.bus.path().join("older"));
    copy(&bucket, &older);
    scene.fabric.bus.restart_server(0).await;
    let mut lost = Vec::new();
    for index in 0..20 {
        lost.push(take(&bob, &format!("lost-{index}")).await);
    }
    let highest = lost.iter().map(|lease| lease.token).max().unwrap();
    scene.fabric.bus.kill9_server(0);
    std::fs::remove_dir_all(&bucket).unwrap();
    copy(&older, &bucket);
    scene.fabric.bus.restart_server(0).await;
    if matches!(meanwhile, Meanwhile::IsStartedAnew) {
        scene.leases.pop().unwrap().drain().await;
        scene.leases.push(scene.fabric.leases_replica("l-next").await);
    }
    let mut last = highest;
    for index in 0..5 {
        let lease = take(&ada, &format!("lost-{index}")).await;
        assert!(lease.token > last, "{lease:?} after {last:?}");
        last = lease.token;
    }
    let standing = wait::until("a verdict", async || ada.try_standing(&kept).await).await;
    assert_eq!(standing, Standing::Valid, "what the copy holds is held");
    for lease in &lost {
        assert_eq!(bob.standing(lease).await, Standing::Gone, "what it does not hold is told to be gone");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_starts_over_an_older_copy_gives_no_token_out_twice() {
    tokens_rise_over_a_restored_bucket(Meanwhile::IsStartedAnew).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_runs_while_an_older_copy_is_put_back_gives_no_token_out_twice() {
    tokens_rise_over_a_restored_bucket(Meanwhile::RunsOn).await;
}
