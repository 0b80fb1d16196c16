//! Garbage collection: what nothing names goes, and nothing else, whatever happens at the time.

use selvedge_contracts::{
    call,
    fault::Code,
    id::Digest,
    payload::artifact::{Gc, GcReport, PutStart},
};
use selvedge_kit::{client::Options, transfer};
use selvedge_tests::{
    artifacts::{digest, in_folder, meant, plain, publish, publish_with, start, try_start},
    fabric::Fabric,
    wait,
};

use crate::scene::{Scene, content, get};

/// Collects until `count` contents are gone: a pin of some seconds dies when the server says so.
pub(crate) async fn collected(scene: &Scene, count: usize) -> GcReport {
    let mut removed = Vec::new();
    let last = wait::until("garbage to be collected", async || {
        let mut report = gc(scene, false).await;
        removed.append(&mut report.removed);
        if removed.len() >= count { Ok(report) } else { Err(format!("{removed:?} {report:?}")) }
    })
    .await;
    GcReport { removed, ..last }
}

/// One sweep, in as many calls as it takes.
pub(crate) async fn gc(scene: &Scene, dry_run: bool) -> GcReport {
    let (mut all, mut after) = (GcReport::default(), None);
    loop {
        let wanted = Gc { dry_run, after };
        let report = scene.fabric.operator.call::<call::ArtifactGc>(&wanted).await.unwrap().reply;
        all.removed.extend(report.removed);
        all.named += report.named;
        all.kept += report.kept;
        all.uploads += report.uploads;
        all.leftovers += report.leftovers;
        if report.next.is_none() {
            return all;
        }
        after = report.next;
    }
}

fn stored(scene: &Scene, digest: &Digest) -> bool {
    let (shard, rest) = digest.as_str().split_at(2);
    std::path::Path::new(&scene.config.url).join("main/blake3").join(shard).join(rest).exists()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_named_or_a_source_or_pinned_stays_and_the_rest_goes() {
    let scene = Scene::start_with(|config| config.grace_ms = 1).await;
    let client = scene.client();
    let put = async |seed| transfer::put_bytes(client, content(100, seed)).await.unwrap().digest;
    let (old, new, source) = (put(1).await, put(2).await, put(3).await);
    publish(client, "a", &old).await.unwrap();
    let mut second = plain("a", &new);
    second.sources = vec![meant(source.as_str())];
    publish_with(client, &second, &Options::default()).await.unwrap();
    let unnamed = put(4).await;
    let report = collected(&scene, 1).await;
    assert_eq!(report.removed.iter().map(|removed| &removed.digest).collect::<Vec<_>>(), [&unnamed]);
    assert_eq!((report.named, stored(&scene, &unnamed)), (3, false));
    for digest in [&old, &new, &source] {
        assert!(stored(&scene, digest));
    }
    let gone = publish(client, "late", &unnamed).await.unwrap_err();
    assert_eq!(gone.code, Code::NotFound, "a name never points at nothing: {gone}");
}

#[tokio::test(flavor = "multi_thread")]
async fn within_the_grace_period_nothing_goes_and_a_dry_run_removes_nothing() {
    let scene = Scene::start().await;
    let put = transfer::put_bytes(scene.client(), content(100, 1)).await.unwrap();
    let report = gc(&scene, false).await;
    assert_eq!((report.removed.len(), report.kept), (0, 1), "{report:?}");
    assert!(stored(&scene, &put.digest));

    let scene = Scene::start_with(|config| config.grace_ms = 1).await;
    let put = transfer::put_bytes(scene.client(), content(100, 1)).await.unwrap();
    wait::until("its pin to die", async || {
        let report = gc(&scene, true).await;
        if report.removed.len() == 1 { Ok(()) } else { Err(report) }
    })
    .await;
    assert!(stored(&scene, &put.digest), "a dry run removes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn collected_content_leaves_no_folder_behind() {
    let scene = Scene::start_with(|config| config.grace_ms = 1).await;
    for seed in 0..3 {
        transfer::put_bytes(scene.client(), content(100, seed)).await.unwrap();
    }
    // What a replica that is killed in the middle of a piece leaves.
    let root = std::path::Path::new(&scene.config.url).join("main");
    let staging = root.join("staging/demo/ada");
    let upload = staging.join("upload_00000000000000000000000000000000");
    std::fs::create_dir_all(&upload).unwrap();
    std::fs::write(upload.join("0000000000000000#1"), "half").unwrap();
    collected(&scene, 3).await;
    gc(&scene, false).await;
    for folder in [root.join("trash"), staging] {
        assert_eq!(std::fs::read_dir(&folder).into_iter().flatten().count(), 0, "{}", folder.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_upload_goes_with_its_pieces() {
    let scene = Scene::start_with(|config| config.grace_ms = 1).await;
    let start = PutStart { digest: Some(digest(b"x")), size_bytes: Some(5 << 20) };
    scene.client().call::<call::ArtifactPutStart>(&start).await.unwrap();
    let staging = std::path::Path::new(&scene.config.url).join("main/staging/demo");
    assert!(staging.exists());
    wait::until("it to be removed", async || {
        let report = gc(&scene, false).await;
        if report.uploads == 1 { Ok(()) } else { Err(report) }
    })
    .await;
    let left = std::fs::read_dir(&staging).into_iter().flatten().count();
    assert_eq!(left, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_was_moved_aside_and_is_named_is_found_again() {
    let scene = Scene::start().await;
    let content = content((2 << 20) + 5, 1);
    let put = transfer::put_bytes(scene.client(), content.clone()).await.unwrap();
    publish(scene.client(), "a", &put.digest).await.unwrap();
    let root = std::path::Path::new(&scene.config.url).join("main");
    let (shard, rest) = put.digest.as_str().split_at(2);
    let aside = root.join("trash").join(put.digest.as_str());
    std::fs::create_dir_all(&aside).unwrap();
    std::fs::rename(root.join("blake3").join(shard).join(rest), aside.join("0000000000001-0000000000000001"))
        .unwrap();
    assert!(get(scene.client(), "a").await.unwrap().1 == content);
    assert!(stored(&scene, &put.digest));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_operator_collects() {
    let scene = Scene::start().await;
    let denied = scene.client().call::<call::ArtifactGc>(&Gc::default()).await.unwrap_err();
    assert_eq!(denied.code, Code::Denied);
}

/// Names and pins are those of one fabric: its sweep would take another's content for garbage.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_another_fabric_is_refused() {
    let (ours, other) = (Fabric::start().await, Fabric::start().await);
    let config = in_folder(&ours.bus);
    let _first = start(&ours.bus, &config, "a1").await;
    let _second = start(&ours.bus, &config, "a2").await;
    let refused = try_start(&other.bus, &config, "a1").await.err().expect("it is refused");
    assert!(refused.to_string().contains(&ours.bus.kluster().account()), "{refused}");
}
