//! A stock NATS client of another language: nats-py, with nothing of ours but a `.creds` file.

#![allow(
    clippy::too_many_lines,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop where they fail"
)]

use std::{path::Path, process::Stdio, time::Duration};

use selvedge_tests::{fabric::Fabric, python::interpreter};
use serde_json::Value;
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn nats_py_registers_calls_is_denied_and_reads_committed_facts() {
    let fabric = Fabric::start().await;
    let (agent, working) = fabric.worker("snake").await;
    let creds = fabric.bus.path().join("demo.creds");
    working.credential.write(&creds).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/story.py");
    let run = Command::new(interpreter())
        .arg(script)
        .args([fabric.bus.url().as_str(), creds.to_str().unwrap()])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(60), run)
        .await
        .expect("in time")
        .expect("python: run `make python`");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let seen: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"));
    let id = agent.record.id.as_str();
    let expected = [
        ("whoami", id.into()),
        ("role", "worker".into()),
        ("program", "story.py".into()),
        ("repeated", true.into()),
        ("fact_kind", "agent.updated/1".into()),
        ("fact_sender", id.into()),
        ("fact_revision", true.into()),
        ("fact_state", "story.py".into()),
        ("bad_payload", "invalid".into()),
        ("answered", Value::Null),
        ("denied", seen["expected_denied"].clone()),
    ];
    for (field, value) in expected {
        assert_eq!(seen[field], value, "{field} in {seen}");
    }
}
