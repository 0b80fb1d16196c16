//! A disk that is full: nothing is granted that is not stored, and what was granted stays.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use selvedge_contracts::{
    fault::Code,
    payload::lease::{Acquire, Standing},
};
use selvedge_tests::{Options, wait};

use crate::{
    restored::{bucket, copy},
    scene::{Scene, path, wanted},
};

/// Claims of one large lease, each nearly as long as one may be.
const CLAIMS: usize = 200;

/// A small file system in memory in the place of a folder; unmounted at the end.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Nothing where mounting is not allowed. What the folder held is copied.
    fn mount(at: &Path, aside: &Path) -> Option<Self> {
        copy(at, aside);
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(at).output();
        mounted.is_ok_and(|mounted| mounted.status.success()).then(|| {
            copy(aside, at);
            Self(at.to_owned())
        })
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status(); // it may be gone already
    }
}

fn large(name: &str) -> Acquire {
    let claims = (0..CLAIMS).map(|index| path(&format!("{name}/{index}/{}", "x".repeat(900))));
    wanted(claims.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_grants_nothing_that_is_not_stored_and_loses_nothing_that_is() {
    let mut scene = Scene::start_with(Options::DURABLE, 1).await;
    let ada = scene.worker("ada").await;
    let first = ada.take("first").await;
    scene.fabric.bus.kill9_server(0);
    let (folder, aside) = (bucket(&scene), scene.fabric.bus.path().join("aside"));
    let Some(disk) = SmallDisk::mount(&folder, &aside) else {
        eprintln!("SKIPPED: this user may not mount a tmpfs");
        return;
    };
    scene.fabric.bus.restart_server(0).await;
    let mut held = vec![first];
    let refused = loop {
        assert!(held.len() < 50, "the disk is never full");
        let name = format!("l{}", held.len());
        match ada.keyed_within(&name, &large(&name), 5_000).await {
            Ok(reply) => held.push(reply.lease),
            Err(fault) => break fault,
        }
    };
    assert!(held.len() > 1, "something fits: {refused}");
    assert_eq!(refused.code, Code::Unavailable, "{refused}");
    scene.fabric.bus.kill9_server(0);
    let full = scene.fabric.bus.path().join("full");
    copy(&folder, &full);
    drop(disk);
    std::fs::remove_dir_all(&folder).unwrap();
    copy(&full, &folder);
    scene.fabric.bus.restart_server(0).await;
    // The key of the refused one finds nothing, or its own lease if it was stored.
    let name = format!("l{}", held.len());
    let late = wait::until("a lease", async || ada.keyed(&name, &large(&name)).await).await.lease;
    for lease in &held {
        assert_eq!(ada.standing(lease).await, Standing::Valid, "{}", lease.id);
        assert!(late.token > lease.token, "no token twice: {:?} and {:?}", late.token, lease.token);
    }
}
