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
    let seen = seen_by("story.py", &fabric.bus.url(), &creds).await;
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

/// What a script prints that speaks to the bus under a credential.
async fn seen_by(script: &str, url: &str, creds: &Path) -> Value {
    let run = Command::new(interpreter())
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(script))
        .args([url, creds.to_str().unwrap()])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(60), run)
        .await
        .expect("in time")
        .expect("python: run `make python`");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_inspects_streams_with_a_stock_client_and_changes_nothing() {
    let fabric = Fabric::start().await;
    fabric.worker("ada").await;
    let creds = fabric.bus.path().join("operator.creds");
    fabric.operator_credential.write(&creds).unwrap();
    let seen = seen_by("inspect_streams.py", &fabric.bus.url(), &creds).await;
    let names = seen["streams"].as_array().unwrap();
    for stream in
        ["LEDGER", "AUDIT", "KV_leases", "KV_claims", "KV_presence", "KV_scratch", "TIMERS_registry"]
    {
        assert!(names.contains(&stream.into()), "{stream} in {seen}");
    }
    assert_eq!(seen["listed"], names.len());
    assert!(seen["ledger_messages"].as_u64().unwrap() > 0, "{seen}");
    assert!(seen["first"].as_str().unwrap().starts_with("sv.fact."), "{seen}");
    assert!(seen["newest"].as_str().unwrap().starts_with("agent."), "{seen}");
    assert!(seen["consumers"].as_array().unwrap().contains(&"committer_intents".into()), "{seen}");
    assert_eq!((&seen["services"][0], &seen["direct"]), (&"registry".into(), &true.into()));
    assert_eq!(seen["denied"].as_array().unwrap().len(), 3, "{seen}");
}
