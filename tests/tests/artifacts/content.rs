//! Content goes in and comes out as it was, whatever its size.

use selvedge_contracts::payload::artifact::VersionState;
use selvedge_kit::transfer;
use selvedge_tests::artifacts::{digest, publish};

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
