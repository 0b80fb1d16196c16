//! Artifacts from the command line.

use std::{fs, os::unix::fs::FileExt as _};

use selvedge_tests::{
    artifacts::{digest, in_folder, start},
    fabric::Fabric,
};
use serde_json::json;

use crate::machine::Machine;

#[tokio::test(flavor = "multi_thread")]
async fn content_goes_in_and_comes_out_by_files_and_by_pipes() {
    let fabric = Fabric::start().await;
    let _service = start(&fabric.bus, &in_folder(&fabric.bus), "a1").await;
    let machine = Machine::of_operator(&fabric);
    let large: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    fs::write(machine.path().join("large.bin"), &large).unwrap();
    let put = ["artifact", "put", "large.bin", "--name", "build/output", "-o", "json"];
    let put = machine.run(&put).await.json();
    assert_eq!((&put["name"], &put["version"]["version"]), (&json!("build/output"), &json!(1)));
    assert_eq!(put["version"]["digest"], digest(&large).as_str());
    let got = machine.run(&["artifact", "get", "build/output@v1", "copy.bin"]).await.ok();
    assert!(got.contains("v1") && got.contains(digest(&large).as_str()), "{got}");
    assert!(fs::read(machine.path().join("copy.bin")).unwrap() == large);

    let text = "a line\n".repeat(300_000);
    let put = ["artifact", "put", "-", "--name", "notes", "--content-type", "text/plain"];
    let put = machine.run_with(&put, &text).await.ok();
    assert!(put.contains("notes@v1") && put.contains("text/plain"), "{put}");
    let got = machine.run(&["artifact", "get", "notes"]).await;
    assert!(got.code == 0 && got.out == text, "{}: {}", got.code, got.err);
    assert_eq!(got.err, "", "no bar where there is no terminal");

    let listed = machine.run(&["artifact", "list", "-o", "jsonl"]).await.ok();
    assert_eq!(listed.lines().count(), 2, "{listed}");
    let listed = machine.run(&["artifact", "list", "--prefix", "build/"]).await.ok();
    assert!(listed.contains("build/output") && !listed.contains("notes"), "{listed}");
    let sound = machine.run(&["artifact", "verify", "build/output"]).await.ok();
    assert!(sound.contains("is sound: 12000000 bytes"), "{sound}");
    let log = machine.run(&["log", "artifact", "build:output"]).await.ok();
    assert!(log.contains("artifact.published/1"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_publishes_under_its_own_name_and_history_shows_every_version() {
    let fabric = Fabric::start().await;
    let _service = start(&fabric.bus, &in_folder(&fabric.bus), "a1").await;
    let machine = Machine::of_operator(&fabric);
    let made = machine.worker("ada").await;
    for content in ["one", "two"] {
        let put = ["artifact", "put", "-", "--name", "research/x", "--as", "ada"];
        machine.run_with(&put, content).await.ok();
    }
    let history = machine.run(&["artifact", "history", "research/x", "-o", "json"]).await.json();
    assert_eq!(history.as_array().unwrap().len(), 2);
    assert_eq!(history[1]["producer"], made["agent"]["id"]);
    assert_eq!(history[1]["digest"], digest(b"two").as_str());
    let own = machine.run(&["artifact", "judge", "research/x@v1", "valid", "--as", "ada"]).await;
    assert_eq!(own.code, 5, "{own:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_by_exit_code_and_leaves_no_file() {
    let fabric = Fabric::start().await;
    let config = in_folder(&fabric.bus);
    let _service = start(&fabric.bus, &config, "a1").await;
    let machine = Machine::of_operator(&fabric);
    machine.run_with(&["artifact", "put", "-", "--name", "a"], "content").await.ok();
    for (arguments, code, says) in [
        (&["artifact", "get", "nothing", "out"][..], 3, "no artifact nothing"),
        (&["artifact", "get", "../a", "out"], 2, "research/auth-analysis"),
        (&["artifact", "put", "missing.bin"], 1, "cannot read missing.bin"),
        (&["artifact", "put", "-", "--name", "A"], 2, "artifact_name"),
        (&["artifact", "put", "-", "--contract", "x"], 2, "--name"),
        (&["artifact", "put", "-", "--name", "b", "--contract", "x"], 3, "no contract x"),
    ] {
        let ran = machine.run_with(arguments, "x").await;
        assert!(ran.code == code && ran.err.contains(says), "{arguments:?}: {ran:?}");
    }
    let stored = digest(b"content");
    let (shard, rest) = stored.as_str().split_at(2);
    let file = std::path::Path::new(&config.url).join("main/blake3").join(shard).join(rest);
    fs::OpenOptions::new().write(true).open(file).unwrap().write_at(b"K", 0).unwrap();
    for verb in [&["artifact", "get", "a", "out"][..], &["artifact", "verify", "a"]] {
        let ran = machine.run(verb).await;
        assert!(
            ran.code == 1 && ran.err.contains("corrupted") && ran.err.contains(stored.as_str()),
            "{ran:?}"
        );
    }
    let left: Vec<_> =
        fs::read_dir(machine.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [".selvedge"], "no half of a file");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unfinished_upload_is_abandoned_by_its_file() {
    let fabric = Fabric::start().await;
    let _service = start(&fabric.bus, &in_folder(&fabric.bus), "a1").await;
    let machine = Machine::of_operator(&fabric);
    let content = vec![7; 3 << 20];
    fs::write(machine.path().join("large.bin"), &content).unwrap();
    let begin = json!({"digest": digest(&content).as_str(), "size_bytes": content.len()}).to_string();
    for _ in 0..2 {
        machine.run(&["call", "artifacts.put_start", &begin, "--mission", "demo"]).await.ok();
        let aborted = machine.run(&["artifact", "put", "large.bin", "--abort"]).await.ok();
        assert!(aborted.contains("abandoned 1 uploads, 0 bytes"), "{aborted}");
    }
    let none = machine.run(&["artifact", "put", "--abort"]).await.ok();
    assert!(none.contains("abandoned 0 uploads"), "{none}");
}

#[tokio::test(flavor = "multi_thread")]
async fn gc_says_what_it_would_remove_and_removes_it() {
    let fabric = Fabric::start().await;
    let config = selvedge_artifacts::Config { grace_ms: 1, ..in_folder(&fabric.bus) };
    let _service = start(&fabric.bus, &config, "a1").await;
    let machine = Machine::of_operator(&fabric);
    machine.run_with(&["artifact", "put", "-"], "unnamed").await.ok();
    machine.run_with(&["artifact", "put", "-", "--name", "a"], "named").await.ok();
    let dry = selvedge_tests::wait::until("the pin to die", async || {
        let dry = machine.run(&["artifact", "gc", "--dry-run", "-o", "json"]).await.json();
        if dry["removed"].as_array().unwrap().len() == 1 { Ok(dry) } else { Err(dry) }
    })
    .await;
    assert_eq!(dry["removed"][0]["digest"], digest(b"unnamed").as_str());
    let swept = machine.run(&["artifact", "gc"]).await.ok();
    assert!(swept.contains("removed 1 contents, 7 bytes; kept 1 named"), "{swept}");
    assert_eq!(machine.run(&["artifact", "get", "a"]).await.ok(), "named");
}

#[tokio::test(flavor = "multi_thread")]
async fn content_goes_through_named_pipes_and_leaves_them_pipes() {
    let fabric = Fabric::start().await;
    let _service = start(&fabric.bus, &in_folder(&fabric.bus), "a1").await;
    let machine = Machine::of_operator(&fabric);
    let pipe = machine.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let sent: Vec<u8> = (0..600_000_u32).flat_map(u32::to_le_bytes).collect();
    let writing = std::thread::spawn({
        let (pipe, sent) = (pipe.clone(), sent.clone());
        move || fs::write(pipe, sent)
    });
    machine.run(&["artifact", "put", "pipe", "--name", "piped"]).await.ok();
    writing.join().unwrap().unwrap();
    let reading = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read(pipe)
    });
    machine.run(&["artifact", "get", "piped", "pipe"]).await.ok();
    assert!(reading.join().unwrap().unwrap() == sent);
    let kind = fs::symlink_metadata(&pipe).unwrap().file_type();
    assert!(std::os::unix::fs::FileTypeExt::is_fifo(&kind), "{kind:?}");
}
