//! Records and scratchpads from the command line, on a running `up`.

use serde_json::json;

use crate::machine::Machine;

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_written_over_the_revision_that_is_named_and_keeps_its_history() {
    let machine = Machine::of_up().await;
    machine.agent("ada", "worker").await;
    let put = |value: &'static str, over: &'static [&'static str]| {
        let machine = &machine;
        async move {
            let put = ["memory", "put", "decisions/auth", value, "--as", "ada", "--wait", "30s"];
            machine.run(&[&put[..], over].concat()).await
        }
    };
    let first = put("{\"use\": \"keys\"}", &["--new"]).await.ok();
    assert!(
        first.contains("state       committed") && first.contains("record decisions/auth, new"),
        "{first}"
    );
    let got = machine.run(&["memory", "get", "decisions/auth", "--as", "ada", "-o", "json"]).await.json();
    assert_eq!(got["record"]["value"], json!({"use": "keys"}));
    let revision = got["revision"].as_u64().unwrap();

    let late = put("1", &["--new"]).await;
    assert_eq!(late.code, 13, "{late:?}");
    assert!(late.err.contains(&format!("the record is at revision {revision}")), "{late:?}");
    put("[2]", &["--latest"]).await.ok();
    let history = machine.run(&["memory", "history", "decisions/auth", "-o", "json"]).await.json();
    let values: Vec<_> = history.as_array().unwrap().iter().map(|of| of["record"]["value"].clone()).collect();
    assert_eq!(values, [json!({"use": "keys"}), json!([2])]);
    let now = history[1]["revision"].to_string();
    let got = machine.run(&["memory", "get", "decisions/auth", "--at-least", &now]).await.ok();
    assert!(got.contains(&format!("revision   {now}")), "{got}");
    let listed = machine.run(&["memory", "list", "decisions/"]).await.ok();
    assert!(listed.contains("decisions/auth") && listed.contains("[2]"), "{listed}");
    assert_eq!(machine.run(&["memory", "get", "decisions/none"]).await.code, 3);
    let word = put("tokens", &["--latest"]).await;
    assert!(word.code == 2 && word.err.contains("neither JSON"), "{word:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scratchpad_is_its_agents_own() {
    let machine = Machine::of_up().await;
    machine.agent("ada", "worker").await;
    machine.agent("bob", "worker").await;
    machine.run(&["scratch", "put", "plan/next", "[\"tests\"]", "--as", "ada", "--ttl", "5m"]).await.ok();
    let get = |agent| ["scratch", "get", "plan/next", "-o", "json", "--as", agent];
    assert_eq!(machine.run(&get("ada")).await.json()["value"], json!(["tests"]));
    let others = machine.run(&get("bob")).await;
    assert!(!others.out.contains("tests"), "{others:?}");
    let stale = ["scratch", "put", "plan/next", "2", "--revision", "0", "--as", "ada"];
    assert_eq!(machine.run(&stale).await.code, 4);
}
