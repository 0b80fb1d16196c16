//! Uploads in pieces: resumed, repeated, across replicas and their deaths.

use bytes::Bytes;
use selvedge_contracts::{
    call,
    fault::{Code, Fault},
    payload::artifact::{Aborted, Finish, PutAbort, PutChunk, PutFinish, PutStart, Span, Upload},
};
use selvedge_kit::{
    client::{Client, Options},
    transfer,
};
use selvedge_tests::{
    artifacts::{digest, publish, start},
    replica::Replica,
    wait,
};

use crate::scene::{Scene, content, get};

const MIB: u64 = 1 << 20;

pub(crate) async fn begin(client: &Client, content: &[u8]) -> Upload {
    let start = PutStart { digest: Some(digest(content)), size_bytes: Some(content.len() as u64) };
    client.call::<call::ArtifactPutStart>(&start).await.unwrap().reply
}

pub(crate) async fn send(client: &Client, upload: &Upload, offset: u64, piece: Bytes) -> Result<(), Fault> {
    let chunk = PutChunk { upload: upload.upload.clone(), offset };
    client.call_bytes::<call::ArtifactPutChunk>(&chunk, piece, &Options::default()).await.map(drop)
}

pub(crate) async fn finish(client: &Client, upload: &Upload, content: &[u8]) -> Result<Finish, Fault> {
    let finish = PutFinish {
        upload: upload.upload.clone(),
        digest: digest(content),
        size_bytes: content.len() as u64,
    };
    Ok(client.call::<call::ArtifactPutFinish>(&finish).await?.reply)
}

fn piece(content: &Bytes, offset: u64) -> Bytes {
    let start = usize::try_from(offset).unwrap();
    content.slice(start..(start + (1 << 20)).min(content.len()))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_where_it_stopped_in_any_order_and_over_any_replica() {
    let scene = Scene::start().await;
    let _second = start(&scene.fabric.bus, &scene.config, "a2").await;
    let client = scene.client();
    let content = content(4 * (1 << 20) + 100, 1);
    let upload = begin(client, &content).await;
    assert_eq!((upload.chunk_bytes, upload.missing.len()), (1 << 20, 1));
    for offset in [3 * MIB, MIB, MIB] {
        send(client, &upload, offset, piece(&content, offset)).await.unwrap();
    }
    let resumed = begin(client, &content).await;
    assert_eq!(resumed.upload, upload.upload, "the same content is the same upload");
    let gap = |offset, end| Span { offset, end: Some(end) };
    let missing = [gap(0, MIB), gap(2 * MIB, 3 * MIB), gap(4 * MIB, 4 * MIB + 100)];
    assert_eq!(resumed.missing, missing);
    let Finish::Missing { missing: told } = finish(client, &upload, &content).await.unwrap() else {
        panic!("finished with gaps");
    };
    assert_eq!(told, missing);
    for offset in [0, 2 * MIB, 4 * MIB] {
        send(client, &upload, offset, piece(&content, offset)).await.unwrap();
    }
    for _ in 0..2 {
        let Finish::Stored { stored } = finish(client, &upload, &content).await.unwrap() else {
            panic!("not stored");
        };
        assert_eq!(stored.digest, digest(&content));
    }
    assert!(get(client, digest(&content).as_str()).await.unwrap().1 == content);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_unknown_length_is_stored_and_deduplicated() {
    let scene = Scene::start().await;
    let content = content(3 * (1 << 20) + 9, 2);
    for _ in 0..2 {
        let put = transfer::put_stream(scene.client(), content.as_ref(), &|_, _| {}).await.unwrap();
        assert_eq!((put.digest, put.size_bytes), (digest(&content), content.len() as u64));
    }
    let root = std::path::Path::new(&scene.config.url).join("main");
    let files = |folder: &str| walk(&root.join(folder));
    assert_eq!((files("blake3").len(), files("outboard").len(), files("staging").len()), (1, 1, 0));
}

pub(crate) fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_killed_in_the_middle_costs_the_client_nothing_but_time() {
    let mut scene = Scene::start().await;
    let doomed = Replica::artifacts(
        crate::REPLICA,
        &scene.fabric.bus,
        &scene.fabric.bus.url(),
        "doomed",
        &scene.config,
    );
    scene.service.take().unwrap().drain().await;
    let content = content(40 * (1 << 20) + 3, 3);
    let file = scene.fabric.bus.path().join("content");
    std::fs::write(&file, &content).unwrap();
    let staging = std::path::Path::new(&scene.config.url).join("main/staging");
    let client = scene.client().clone();
    let putting = tokio::spawn(async move { transfer::put_file(&client, &file, &|_, _| {}).await });
    wait::until("some pieces to be there", async || match walk(&staging).len() {
        0..8 => Err("not yet"),
        _ => Ok(()),
    })
    .await;
    doomed.kill9();
    assert!(!putting.is_finished(), "it was in the middle");
    let _next = start(&scene.fabric.bus, &scene.config, "next").await;
    let stored = putting.await.unwrap().unwrap();
    assert_eq!(stored.digest, digest(&content));
    publish(scene.client(), "big", &stored.digest).await.unwrap();
    assert!(get(scene.client(), "big").await.unwrap().1 == content);
}

fn staged(scene: &Scene) -> usize {
    walk(&std::path::Path::new(&scene.config.url).join("main/staging")).len()
}

async fn abort(client: &Client, wanted: PutAbort) -> Aborted {
    client.call::<call::ArtifactPutAbort>(&wanted).await.unwrap().reply
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_upload_frees_its_room_at_once_and_nobody_elses() {
    let scene = Scene::start().await;
    let (_, bob) = scene.fabric.worker("bob").await;
    let client = scene.client();
    let (one, two) = (content(3 << 20, 1), content(3 << 20, 2));
    let (first, second) = (begin(client, &one).await, begin(client, &two).await);
    let theirs = begin(&bob.client, &one).await;
    for (client, upload) in [(client, &first), (client, &second), (&bob.client, &theirs)] {
        send(client, upload, 0, piece(&one, 0)).await.unwrap();
    }
    let unknown = PutAbort { upload: Some(theirs.upload.clone()), digest: None };
    assert_eq!(abort(client, unknown).await, Aborted::default(), "nobody else's");
    let of_one = PutAbort { upload: None, digest: Some(digest(&one)) };
    assert_eq!(
        abort(client, of_one).await,
        Aborted { uploads: vec![first.upload.clone()], freed_bytes: MIB }
    );
    assert_eq!(staged(&scene), 4, "two records and two pieces");
    assert_eq!(abort(client, PutAbort::default()).await.uploads, [second.upload]);
    assert_eq!(staged(&scene), 2);
    let late = send(client, &first, MIB, piece(&one, MIB)).await.unwrap_err();
    assert_eq!(late.code, Code::NotFound);
    assert_eq!(begin(client, &one).await.missing.len(), 1, "it may be begun anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn unfinished_uploads_take_a_bounded_room() {
    let scene = Scene::start_with(|config| config.max_staged_bytes = 5 << 20).await;
    let client = scene.client();
    let start = async |mib: Option<u64>, seed: u64| {
        let digest = Some(digest(&seed.to_be_bytes()));
        let start =
            PutStart { digest: digest.filter(|_| mib.is_some()), size_bytes: mib.map(|mib| mib << 20) };
        client.call::<call::ArtifactPutStart>(&start).await.map(|answered| answered.reply)
    };
    let refused = start(Some(6), 0).await.unwrap_err();
    assert_eq!(refused.code, Code::Invalid, "{refused}");
    assert!(refused.details[0].message.contains("artifacts.max_staged_bytes"), "{refused:?}");
    let first = start(Some(3), 1).await.unwrap();
    let refused = start(Some(3), 2).await.unwrap_err();
    assert_eq!(refused.code, Code::Conflict, "{refused}");
    assert!(refused.details[0].message.contains("put --abort"), "{refused:?}");
    assert_eq!(staged(&scene), 1, "what was refused takes no room");
    start(Some(3), 1).await.unwrap();

    let stream = start(None, 0).await.unwrap();
    let bytes = content(1 << 20, 1);
    let chunk = async |offset| send(client, &stream, offset, bytes.clone()).await;
    for offset in [0, MIB] {
        chunk(offset).await.unwrap();
    }
    let refused = chunk(2 * MIB).await.unwrap_err();
    assert_eq!(refused.code, Code::Conflict, "{refused}");
    abort(client, PutAbort { upload: Some(first.upload), digest: None }).await;
    chunk(2 * MIB).await.unwrap();
    assert_eq!(chunk(5 * MIB).await.unwrap_err().code, Code::Invalid, "more than all the room there is");
}
