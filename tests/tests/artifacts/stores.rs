//! One suite for every kind of store: what is promised of artifacts holds wherever their bytes lie.

use selvedge_artifacts::Config;
use selvedge_contracts::{
    call,
    fault::Code,
    payload::artifact::{PutStart, Verify},
};
use selvedge_kit::transfer;
use selvedge_tests::{
    artifacts::{digest, meant, publish},
    python::{BUCKET, S3},
};

use crate::scene::{Scene, content, get};

/// Bytes that are more than one part of a multipart upload.
const LARGE: usize = (9 << 20) + 12_345;

async fn conforms(change: impl FnOnce(&mut Config)) {
    let scene = Scene::start_with(|config| {
        config.grace_ms = 1;
        change(config);
    })
    .await;
    let client = scene.client();
    for (len, seed) in [(0, 1), (5, 2), (1 << 20, 3), ((1 << 20) + 1, 4), (LARGE, 5)] {
        let content = content(len, seed);
        let put = transfer::put_bytes(client, content.clone()).await.unwrap();
        assert_eq!((&put.digest, put.size_bytes), (&digest(&content), len as u64));
        publish(client, &format!("of/size-{len}"), &put.digest).await.unwrap();
        let (got, bytes) = get(client, &format!("of/size-{len}@v1")).await.unwrap();
        assert!(bytes == content && got.digest == put.digest, "{len}");
        let verify = Verify { artifact: meant(put.digest.as_str()), offset: 0 };
        let verified = client.call::<call::ArtifactVerify>(&verify).await.unwrap().reply;
        assert_eq!(verified.verified_bytes, len as u64);
    }
    let again = PutStart { digest: Some(digest(&content(LARGE, 5))), size_bytes: Some(LARGE as u64) };
    let upload = client.call::<call::ArtifactPutStart>(&again).await.unwrap().reply;
    assert!(upload.stored.is_some() && upload.missing.is_empty(), "stored already: {upload:?}");
    let absent = get(client, &"0".repeat(64)).await.unwrap_err();
    assert_eq!(absent.code, Code::NotFound, "{absent}");

    let unnamed = [content(77, 9), content((2 << 20) + 1, 10)];
    for content in &unnamed {
        transfer::put_bytes(client, content.clone()).await.unwrap();
    }
    let report = crate::gc::collected(&scene, 2).await;
    let mut removed: Vec<_> = report.removed.iter().map(|removed| removed.digest.clone()).collect();
    let mut expected: Vec<_> = unnamed.iter().map(|content| digest(content)).collect();
    removed.sort();
    expected.sort();
    assert_eq!(removed, expected);
    assert_eq!(report.named, 5);
    let rest = crate::gc::gc(&scene, true).await;
    assert_eq!((rest.removed, rest.named), (vec![], 5));
    assert!(get(client, &format!("of/size-{LARGE}")).await.unwrap().1 == content(LARGE, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_conforms() {
    conforms(|_| {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_conforms() {
    conforms(|config| config.url = "memory://".to_owned()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_conforms() {
    let s3 = S3::start().await;
    conforms(|config| {
        config.url = format!("s3://{BUCKET}/some/path");
        config.options = s3.options();
    })
    .await;
}
