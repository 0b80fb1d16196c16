//! What is wrong is refused with its field, its expected shape and the fix; and nothing is half done.

use std::{os::unix::fs::FileExt as _, path::PathBuf};

use bytes::Bytes;
use selvedge_contracts::{
    call,
    fault::{Code, Fault},
    payload::artifact::{Get, Put, PutStart, Verify},
};
use selvedge_kit::{client::Options, transfer};
use selvedge_tests::{
    artifacts::{digest, meant, publish},
    raw::Raw,
};
use serde_json::json;

use crate::{
    scene::{Scene, content, get},
    uploads::{begin, finish, send, walk},
};

fn root(scene: &Scene) -> PathBuf {
    PathBuf::from(&scene.config.url).join("main")
}

fn file_of(scene: &Scene, content: &[u8]) -> PathBuf {
    let digest = digest(content);
    let (shard, rest) = digest.as_str().split_at(2);
    root(scene).join("blake3").join(shard).join(rest)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_digest_is_refused_and_nothing_is_stored() {
    let scene = Scene::start().await;
    let client = scene.client();
    let put = Put { digest: digest(b"announced") };
    let sent = client.call_bytes::<call::ArtifactPut>(&put, "sent".into(), &Options::default()).await;
    let fault = sent.unwrap_err();
    assert_eq!((fault.code, fault.details[0].at.as_str()), (Code::Invalid, "/digest"), "{fault:?}");
    assert!(fault.details[0].message.contains(digest(b"sent").as_str()), "{fault:?}");

    let (announced, sent) = (content(2 << 20, 1), content(2 << 20, 2));
    let upload = begin(client, &announced).await;
    for offset in [0, 1 << 20] {
        let start = usize::try_from(offset).unwrap();
        send(client, &upload, offset, sent.slice(start..start + (1 << 20))).await.unwrap();
    }
    let fault = finish(client, &upload, &announced).await.unwrap_err();
    assert_eq!((fault.code, fault.details[0].at.as_str()), (Code::Invalid, "/digest"), "{fault:?}");
    assert_eq!(walk(&root(&scene)), [root(&scene).join("owner")], "nothing is left of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_upload_and_a_piece_beyond_the_end_are_refused() {
    let scene = Scene::start().await;
    let client = scene.client();
    let content = content((1 << 20) + 10, 1);
    let upload = begin(client, &content).await;
    let at = |fault: Fault| (fault.code, fault.details[0].at.clone());
    let invalid = |at: &str| (Code::Invalid, at.to_owned());
    let whole = content.slice(..1 << 20);
    for (offset, piece, wrong) in [
        (1 << 20, content.slice(..11), "/offset"),
        (2 << 20, content.slice(..1), "/offset"),
        (7, whole.clone(), "/offset"),
        (0, content.slice(..10), "attachment"),
        (0, Bytes::new(), "attachment"),
    ] {
        assert_eq!(at(send(client, &upload, offset, piece).await.unwrap_err()), invalid(wrong), "{offset}");
    }
    send(client, &upload, 0, whole).await.unwrap();
    let cut = finish(client, &upload, &content.slice(..1 << 20)).await.unwrap_err();
    assert_eq!(at(cut), invalid("/digest"), "finished as something else than it was begun as");
    let mut other = upload.clone();
    other.upload = "upload_00000000000000000000000000000000".parse().unwrap();
    let unknown = send(client, &other, 0, content.slice(..1 << 20)).await.unwrap_err();
    assert_eq!(unknown.code, Code::NotFound);
    let huge = PutStart { digest: None, size_bytes: Some(u64::MAX) };
    assert_eq!(client.call::<call::ArtifactPutStart>(&huge).await.unwrap_err().code, Code::Invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn absurd_names_and_references_are_refused_with_what_was_expected() {
    let scene = Scene::start().await;
    let raw = Raw::connect(&scene.fabric.bus, &scene.working.credential).await;
    let ask = async |call: &str, payload: serde_json::Value| {
        let subject = raw.subject("x").replace(".registry.x", &format!(".artifacts.{call}"));
        raw.ask_on(&subject, &[], payload.to_string()).await.fault()
    };
    let digest = digest(b"x");
    for name in
        ["", "/", "../../etc/passwd", "a//b", "A", "a b", "a.b", "*", ">", "ä", "a\0b", &"a/".repeat(200)]
    {
        let fault = ask("publish", json!({"name": name, "digest": digest.as_str()})).await;
        assert_eq!(
            (fault.code, fault.details[0].at.as_str()),
            (Code::Invalid, "/name"),
            "{name:?} {fault:?}"
        );
    }
    for bad in ["a@v0", "a@-1", "a@", "a@v1@v2", "a@1234567", "A@v1"] {
        let fault = ask("show", json!({"artifact": bad})).await;
        assert_eq!(fault.code, Code::Invalid, "{bad:?} {fault:?}");
    }
    let fault = ask("publish", json!({"name": "a", "digest": "1234"})).await;
    assert_eq!(fault.details[0].at, "/digest");
    let fault = ask("get", json!({"artifact": digest.as_str()})).await;
    assert_eq!((fault.code, fault.details[0].at.as_str()), (Code::Invalid, "attachment"), "{fault:?}");
    let unknown = publish(scene.client(), "a", &digest).await.unwrap_err();
    assert_eq!(unknown.code, Code::NotFound, "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn corrupted_and_truncated_content_is_named_and_never_served() {
    let scene = Scene::start().await;
    let client = scene.client();
    let (small, large) = (content(1_000, 1), content((3 << 20) + 5, 2));
    for content in [&small, &large] {
        let put = transfer::put_bytes(client, content.clone()).await.unwrap();
        publish(client, &format!("c{}", content.len()), &put.digest).await.unwrap();
    }
    let refused = async |content: &[u8]| {
        let fault = get(client, digest(content).as_str()).await.unwrap_err();
        assert_eq!(fault.code, Code::Internal, "{fault}");
        assert!(
            fault.message.contains(digest(content).as_str()) && fault.message.contains("corrupted"),
            "{fault}"
        );
        let verify = Verify { artifact: meant(digest(content).as_str()), offset: 0 };
        let fault = client.call::<call::ArtifactVerify>(&verify).await.unwrap_err();
        assert!(fault.message.contains("corrupted"), "{fault}");
    };
    for (content, at) in [(&small, 500), (&large, (2 << 20) + 7)] {
        let file = std::fs::OpenOptions::new().write(true).open(file_of(&scene, content)).unwrap();
        file.write_at(&[content[at] ^ 1], at as u64).unwrap();
        refused(content).await;
    }
    let sound = Get { artifact: meant(digest(&large).as_str()), offset: 0, len: None };
    let (_, piece) =
        client.call_bytes::<call::ArtifactGet>(&sound, Bytes::new(), &Options::default()).await.unwrap();
    assert!(piece == large[..1 << 20], "what is sound of it is still served");

    for content in [&small, &large] {
        transfer::put_bytes(client, content.clone()).await.unwrap();
        assert!(
            get(client, digest(content).as_str()).await.unwrap().1 == *content,
            "putting it again mends it"
        );
        let file = std::fs::OpenOptions::new().write(true).open(file_of(&scene, content)).unwrap();
        file.set_len(content.len() as u64 - 1).unwrap();
    }
    // A replica that knew the content before, and one that never saw it.
    refused(&small).await;
    refused(&large).await;
    let mut scene = scene;
    scene.service.take().unwrap().drain().await;
    scene.service = Some(selvedge_tests::artifacts::start(&scene.fabric.bus, &scene.config, "a2").await);
    let fault = get(scene.client(), digest(&large).as_str()).await.unwrap_err();
    assert!(fault.message.contains("corrupted"), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn content_that_was_cut_to_nothing_is_not_served_as_empty() {
    let scene = Scene::start().await;
    let client = scene.client();
    let put = transfer::put_bytes(client, "hello".into()).await.unwrap();
    publish(client, "a", &put.digest).await.unwrap();
    std::fs::File::create(file_of(&scene, b"hello")).unwrap();
    let fault = get(client, "a").await.unwrap_err();
    assert!(fault.code == Code::Internal && fault.message.contains("corrupted"), "{fault}");
    let again = publish(client, "b", &put.digest).await.unwrap_err();
    assert!(again.message.contains("corrupted"), "a version names no content that is not there: {again}");
    transfer::put_bytes(client, "hello".into()).await.unwrap();
    assert_eq!(get(client, "a").await.unwrap().1, b"hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_outboard_is_made_anew_from_sound_content_alone() {
    let scene = Scene::start().await;
    let content = content((2 << 20) + 5, 2);
    transfer::put_bytes(scene.client(), content.clone()).await.unwrap();
    let outboard = walk(&root(&scene).join("outboard")).remove(0);
    let right = std::fs::read(&outboard).unwrap();
    for broken in [vec![0; right.len()], vec![], right[..32].to_vec()] {
        std::fs::write(&outboard, broken).unwrap();
        let fresh = selvedge_tests::artifacts::start(&scene.fabric.bus, &scene.config, "fresh").await;
        // Either replica may answer; the one that knows it serves it, the other makes it anew.
        for _ in 0..4 {
            assert!(get(scene.client(), digest(&content).as_str()).await.unwrap().1 == content);
        }
        fresh.drain().await;
    }
    let file = std::fs::OpenOptions::new().write(true).open(file_of(&scene, &content)).unwrap();
    file.write_at(&[content[9] ^ 1], 9).unwrap();
    std::fs::remove_file(&outboard).unwrap();
    let verify = Verify { artifact: meant(digest(&content).as_str()), offset: 0 };
    let fault = scene.client().call::<call::ArtifactVerify>(&verify).await.unwrap_err();
    assert!(fault.message.contains("corrupted"), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sparse_content_is_content() {
    let scene = Scene::start().await;
    let path = scene.fabric.bus.path().join("sparse");
    let file = std::fs::File::create(&path).unwrap();
    file.set_len((20 << 20) + 1).unwrap();
    let put = transfer::put_file(scene.client(), &path, &|_, _| {}).await.unwrap();
    assert_eq!(put.size_bytes, (20 << 20) + 1);
    let (_, bytes) = get(scene.client(), put.digest.as_str()).await.unwrap();
    assert!(bytes.len() == (20 << 20) + 1 && bytes.iter().all(|byte| *byte == 0));
}

/// A small file system in memory, unmounted at the end; nothing where mounting is not allowed.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir_all(&at).unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(&at)
            .output();
        mounted.is_ok_and(|mounted| mounted.status.success()).then_some(Self(at))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_leaves_nothing_half_done() {
    let mut disk = None;
    let mut is_mounted = true;
    let scene = Scene::start_with(|config| {
        let at = PathBuf::from(&config.url);
        disk = SmallDisk::mount(at, "3m");
        is_mounted = disk.is_some();
    })
    .await;
    if !is_mounted {
        eprintln!(
            "SKIPPED a_full_disk_is_told_and_leaves_nothing_half_done: this user may not mount a tmpfs"
        );
        return;
    }
    let client = scene.client();
    let fits = transfer::put_bytes(client, content(1 << 20, 1)).await.unwrap();
    let full = |error: transfer::TransferError| match error {
        transfer::TransferError::Fault(fault) => {
            assert!(fault.code == Code::Internal && fault.message.contains("no room"), "{fault}");
        }
        other => panic!("{other:?}"),
    };
    full(transfer::put_bytes(client, content(5 << 20, 2)).await.unwrap_err());
    full(transfer::put_bytes(client, content(1 << 20, 3)).await.unwrap_err());
    assert_eq!(walk(&root(&scene).join("blake3")).len(), 1, "no half of anything under a digest");
    assert_eq!(get(client, fits.digest.as_str()).await.unwrap().1.len(), 1 << 20, "what is there is served");
    std::fs::remove_dir_all(root(&scene).join("staging")).unwrap();
    transfer::put_bytes(client, content(200_000, 3)).await.unwrap();
    drop(disk);
}
