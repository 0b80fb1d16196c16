//! Contracts, missions, requests and sessions from the command line.

use selvedge_tests::fabric::Fabric;
use serde_json::json;

use crate::machine::Machine;

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_does_not_fit_ends_with_2_and_every_violation() {
    let fabric = Fabric::start().await;
    let machine = Machine::of_operator(&fabric);
    let schema = json!({
        "type": "object",
        "properties": { "title": { "type": "string" }, "pages": { "type": "integer" } },
        "required": ["title"],
    });
    std::fs::write(machine.path().join("schema.json"), schema.to_string()).unwrap();
    let added = machine.run(&["contract", "add", "research.summary", "schema.json"]).await.ok();
    assert!(added.starts_with("research.summary/1"), "{added}");
    let again =
        machine.run_with(&["contract", "add", "research.summary", "-"], &schema.to_string()).await.ok();
    assert!(again.starts_with("research.summary/1"), "{again}");

    let check = ["contract", "check", "research.summary/1", "-"];
    assert_eq!(machine.run_with(&check, r#"{"title":"t"}"#).await.ok(), "valid research.summary/1\n");
    let bad = machine.run_with(&check, r#"{"title":1,"pages":"x"}"#).await;
    assert_eq!(bad.code, 2, "{bad:?}");
    assert!(bad.out.lines().any(|line| line.starts_with("/title: ")), "{bad:?}");
    assert!(bad.out.lines().any(|line| line.starts_with("/pages: ")), "{bad:?}");
    let broken = machine.run_with(&check, "{").await;
    assert!(broken.code == 2 && broken.err.contains("not JSON"), "{broken:?}");
    let missing = machine.run_with(&["contract", "check", "nothing", "-"], "{}").await;
    assert_eq!(missing.code, 3, "{missing:?}");

    let shown = machine.run(&["contract", "show", "research.summary", "-o", "json"]).await.json();
    assert_eq!(shown["schema"], schema);
    let listed = machine.run(&["contract", "list"]).await.ok();
    assert!(listed.contains("research.summary") && listed.contains("first"), "{listed}");
    let log = machine.run(&["log", "contract", "research.summary/1"]).await.ok();
    assert!(log.contains("contract.added/1"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_opened_found_and_closed() {
    let fabric = Fabric::start().await;
    let machine = Machine::of_operator(&fabric);
    machine.run(&["mission", "create", "other", "--title", "another"]).await.ok();
    let missions = machine.run(&["mission", "list", "-o", "jsonl"]).await.ok();
    assert_eq!(missions.lines().count(), 2, "{missions}");
    let open = ["request", "open", "mend it", "--mission", "other", "--text", "-"];
    let id = machine.run_with(&open, "all of it").await.ok();
    let listed = machine.run(&["request", "list", "--status", "open", "-o", "json"]).await.json();
    assert_eq!((&listed[0]["id"], &listed[0]["text"]), (&json!(id.trim()), &json!("all of it")));
    let closed = machine.run(&["request", "close", id.trim(), "--reason", "done"]).await.ok();
    assert!(closed.ends_with("is closed\n"), "{closed}");
    let log = machine.run(&["log", "request", id.trim()]).await.ok();
    assert!(log.contains("request.opened/1") && log.contains("request.closed/1"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_session_is_worth_nothing() {
    let fabric = Fabric::start().await;
    let machine = Machine::of_operator(&fabric);
    let made = machine.worker("ada").await;
    let session = made["session"]["id"].as_str().unwrap();
    let open =
        machine.run(&["session", "list", "--agent", "ada", "--status", "open", "-o", "json"]).await.json();
    assert_eq!(open[0]["id"], session);
    let ended = machine.run(&["session", "end", session, "--reason", "enough"]).await.ok();
    assert!(ended.ends_with("is ended\n"), "{ended}");
    let denied = machine.run(&["call", "registry.whoami", "--as", "ada"]).await;
    assert_eq!(denied.code, 5, "{denied:?}");
    let missing = machine.run(&["session", "end", "session_0000000000000000"]).await;
    assert_eq!(missing.code, 3, "{missing:?}");
}
