//! Content goes in and comes out as it was, whatever its size.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use selvedge_contracts::{fault::Code, payload::artifact::VersionState};
use selvedge_kit::transfer::{self, TransferError};
use selvedge_tests::{
    artifacts::{digest, meant, publish},
    wait,
};

use crate::scene::{Scene, content, get};

#[tokio::test(flavor = "multi_thread")]
async fn small_content_is_put_named_and_read_by_its_name_and_digest() {
    let scene = Scene::start().await;
    let put = transfer::put_bytes(scene.client(), "hello".into()).await.unwrap();
    assert_eq!((&put.digest, put.size_bytes), (&digest(b"hello"), 5));
    let published = publish(scene.client(), "research/auth-analysis", &put.digest).await.unwrap();
    let version = &published.version;
    assert_eq!((version.version, version.size_bytes, version.state), (1, 5, VersionState::Valid));
    assert_eq!(version.producer.as_str(), scene.agent.record.id.as_str());
    assert_eq!(version.session, scene.working.session.id);
    for name in ["research/auth-analysis", "research/auth-analysis@v1", put.digest.as_str()] {
        let (got, bytes) = get(scene.client(), name).await.unwrap();
        assert_eq!((bytes.as_slice(), got.size_bytes), (b"hello".as_slice(), 5), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn content_of_every_size_comes_out_as_it_went_in() {
    let scene = Scene::start().await;
    let mib = 1 << 20;
    for len in [0, 1, mib - 1, mib, mib + 1, 2 * mib, 5 * mib + 77] {
        let content = content(len, 7);
        let put = transfer::put_bytes(scene.client(), content.clone()).await.unwrap();
        assert_eq!(put.digest, digest(&content), "{len}");
        let (got, bytes) = get(scene.client(), put.digest.as_str()).await.unwrap();
        assert!(bytes == content && got.size_bytes == len as u64, "{len}");
    }
}

const MIB: u64 = 1 << 20;

/// What lies beside the file while it is not whole.
fn parts(scene: &Scene) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(scene.fabric.bus.path()).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.to_string_lossy().contains("got.part-")).collect()
}

/// Gets content into a file; answers with how much was there at the (last) beginning, the first piece
/// included.
async fn get_file(scene: &Scene, artifact: &str) -> Result<u64, TransferError> {
    let began = AtomicU64::new(u64::MAX);
    let told = |done, _| {
        began.fetch_min(done, Ordering::Relaxed);
    };
    let file = scene.fabric.bus.path().join("got");
    transfer::get_file(scene.client(), &meant(artifact), 0, &file, &told).await?;
    Ok(began.into_inner())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_download_goes_on_where_it_stopped() {
    let scene = Scene::start().await;
    let content = content(64 << 20, 1);
    let file = scene.fabric.bus.path().join("got");
    let put = transfer::put_bytes(scene.client(), content.clone()).await.unwrap();
    let artifact = put.digest.as_str();
    let came = Arc::new(AtomicU64::new(0));
    let getting = tokio::spawn({
        let (client, came, file, artifact) =
            (scene.client().clone(), Arc::clone(&came), file.clone(), meant(artifact));
        async move {
            let told = |done, _| came.store(done, Ordering::Relaxed);
            transfer::get_file(&client, &artifact, 0, &file, &told).await.map(drop)
        }
    });
    wait::until("some of it to come", async || {
        let came = came.load(Ordering::Relaxed);
        if came >= 3 * MIB { Ok(()) } else { Err(came) }
    })
    .await;
    let taken = get_file(&scene, artifact).await.unwrap_err();
    assert!(matches!(&taken, TransferError::Fault(fault) if fault.code == Code::Conflict), "{taken:?}");
    getting.abort();
    assert!(getting.await.unwrap_err().is_cancelled(), "it was in the middle");
    assert_eq!((parts(&scene).len(), file.exists()), (1, false));
    // A write that was on its way may keep the file for a moment more.
    let began = wait::until("it to go on", async || match get_file(&scene, artifact).await {
        Err(TransferError::Fault(fault)) if fault.code == Code::Conflict => Err(fault),
        went => Ok(went.unwrap()),
    })
    .await;
    assert!((2 * MIB..64 * MIB).contains(&began), "{began}");
    assert!(std::fs::read(&file).unwrap() == content && parts(&scene).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_earlier_try_left_counts_only_if_it_is_right() {
    let scene = Scene::start().await;
    let content = content((4 << 20) + 9, 1);
    let file = scene.fabric.bus.path().join("got");
    let put = transfer::put_bytes(scene.client(), content.clone()).await.unwrap();
    let part = scene.fabric.bus.path().join(format!("got.part-{}", &put.digest.as_str()[..16]));
    let mut bent = content.to_vec();
    bent[9] ^= 1;
    let long = [&content[..], b"more"].concat();
    for (left, began) in [
        (&content[..], 4 * MIB),
        (&content[..(5 << 19)], 2 * MIB),
        (&content[..9], MIB),
        (&bent[..(3 << 20)], MIB),
        (&long, MIB),
    ] {
        std::fs::write(&part, left).unwrap();
        assert_eq!(get_file(&scene, put.digest.as_str()).await.unwrap(), began, "{}", left.len());
        assert!(std::fs::read(&file).unwrap() == content, "{}", left.len());
    }
    assert_eq!(parts(&scene), Vec::<PathBuf>::new());
}
