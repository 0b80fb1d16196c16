//! Proposals from files, what is bound to them, sagas, effectors and outcomes that a person settles.

use std::fs;

use futures::StreamExt as _;
use selvedge_tests::{Credential, artifacts, committer, fabric::Fabric, governance, wait::until};
use serde_json::{Value, json};

use crate::machine::Machine;

fn prefix(id: &Value) -> String {
    id.as_str().unwrap().split('_').nth(1).unwrap().chars().take(10).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_says_what_is_proposed_and_so_does_standard_input() {
    let machine = Machine::of_up().await;
    machine.agent("ada", "worker").await;
    let wanted = json!({
        "title": "write it down",
        "effect": { "kind": "memory", "key": "notes/one", "value": { "a": 1 }, "revision": 0 },
    });
    fs::write(machine.path().join("intent.json"), wanted.to_string()).unwrap();
    let propose = ["intent", "propose", "intent.json", "--as", "ada", "--wait", "30s", "-o", "json"];
    let intent = machine.run(&propose).await.json()["intent"].clone();
    assert_eq!((&intent["state"], &intent["title"]), (&json!("committed"), &wanted["title"]));
    let piped = ["intent", "propose", "-", "--as", "ada", "-o", "json"];
    let again = machine.run_with(&piped, &wanted.to_string()).await.json()["intent"].clone();
    assert_eq!(again["id"], intent["id"], "the same content is the same intent");
    let wrong = machine.run_with(&piped, "{\"title\": 7}").await;
    assert!(wrong.code == 2 && wrong.err.contains("does not fit"), "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_bound_to_a_lease_to_what_it_rests_on_and_to_its_undo() {
    let machine = Machine::of_up().await;
    machine.agent("ada", "worker").await;
    machine.repository("seed").await;
    machine.git(".", "x", &["clone", "-q", "--bare", "seed", "record.git"]).await.ok();
    machine.git(".", "x", &["clone", "-q", "record.git", "work"]).await.ok();
    machine.run(&["repository", "set", "record", "record.git"]).await.ok();
    let lease = ["lease", "acquire", "src", "--as", "ada", "-o", "json"];
    let lease = machine.run_in("work", &lease).await.json();
    let lease = if lease["lease"].is_object() { lease["lease"].clone() } else { lease };
    let token =
        format!("{}:{}={}", lease["space"].as_str().unwrap(), lease["id"].as_str().unwrap(), lease["token"]);
    fs::write(machine.path().join("found.md"), "what was found").unwrap();
    let stored = machine.run(&["artifact", "put", "found.md", "--as", "ada", "-o", "json"]).await.json();
    let digest = stored["digest"].as_str().unwrap().to_owned();
    let undo = json!({ "kind": "memory", "key": "undone", "value": 1, "revision": 0 });
    fs::write(machine.path().join("work/undo.json"), undo.to_string()).unwrap();
    fs::create_dir(machine.path().join("work/src")).unwrap();
    fs::write(machine.path().join("work/src/page"), "page\n").unwrap();
    machine.git("work", "x", &["add", "src"]).await.ok();
    machine.git("work", "x", &["commit", "-q", "-m", "a page"]).await.ok();
    let propose = |token: &str| {
        let fixed =
            ["intent", "propose", "git", "--repository", "record", "--branch", "main", "-m", "a page"];
        let bound = ["--commit", "HEAD", "--lease", token, "--input", &digest, "--undo", "undo.json"];
        let all = [&fixed[..], &bound[..], &["--as", "ada", "-o", "json"]].concat();
        machine.command_in("work", &all).output()
    };
    let ran = crate::machine::ran(propose(&token).await.unwrap());
    let intent = ran.json()["intent"].clone();
    assert_eq!(intent["state"], "verified", "{intent}");
    assert_eq!((&intent["tokens"][0]["lease"], &intent["inputs"]), (&lease["id"], &json!([digest])));
    assert_eq!(
        (&intent["undo"]["key"], &intent["effect"]["changes"][0]["path"]),
        (&json!("undone"), &json!("src/page"))
    );
    assert_eq!(intent["effect"]["changes"].as_array().unwrap().len(), 1, "the commit, not the work tree");
    let other = crate::machine::ran(propose(&format!("{token}0")).await.unwrap());
    assert!(other.code == 10 && other.err.contains("held under another token"), "{other:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_is_proposed_from_a_file_and_shown_step_by_step() {
    let machine = Machine::of_up().await;
    machine.agent("ada", "worker").await;
    let step = |key: &str| {
        let effect = json!({ "kind": "memory", "key": key, "value": 1, "revision": 0 });
        let undo = json!({ "kind": "memory", "key": key, "value": null, "revision": 0 });
        json!({ "title": format!("write {key}"), "effect": effect, "undo": undo })
    };
    let saga = json!({ "title": "both", "steps": [step("saga/a"), step("saga/b")] });
    fs::write(machine.path().join("saga.json"), saga.to_string()).unwrap();
    let proposed = machine.run(&["saga", "propose", "saga.json", "--as", "ada", "-o", "json"]).await.json();
    let id = prefix(&proposed["saga"]["id"]);
    until("the saga to be committed", async || {
        let shown = machine.run(&["saga", "show", &id, "-o", "json"]).await.json();
        if shown["status"] == "committed" { Ok(()) } else { Err(shown["status"].clone()) }
    })
    .await;
    let shown = machine.run(&["saga", "show", &id, "--as", "ada"]).await.ok();
    assert!(shown.contains("write saga/a") && shown.contains("record saga/b, new"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_effector_that_answers_nonsense_leaves_an_outcome_that_the_operator_settles() {
    let fabric = Fabric::start().await;
    let machine = Machine::of_operator(&fabric);
    let services = [
        governance::start(&fabric.bus, "g1").await,
        artifacts::start(&fabric.bus, &artifacts::in_folder(&fabric.bus), "a1").await,
        committer::start(&fabric.bus, "c1").await,
    ];
    machine.agent("ada", "worker").await;
    machine.agent("paula", "approver").await;
    machine.run(&["kluster", "effector", "mailer", "--out", "mailer.creds"]).await.ok();
    let credential = Credential::read(&machine.path().join("mailer.creds")).unwrap();
    let client = fabric.bus.connect_as(&credential).await;
    let mut orders = client.queue_subscribe("sv.effect.mailer.*", "mailer".into()).await.unwrap();
    client.flush().await.unwrap();
    let serving = tokio::spawn(async move {
        while let Some(order) = orders.next().await {
            client.publish(order.reply.unwrap(), "what?".into()).await.unwrap();
        }
    });
    let wanted = json!({
        "title": "send it",
        "effect": {
            "kind": "external", "effector": "mailer", "operation": "send", "arguments": {}, "timeout_ms": 500,
        },
    });
    fs::write(machine.path().join("intent.json"), wanted.to_string()).unwrap();
    let propose = ["intent", "propose", "intent.json", "--as", "ada", "-o", "json"];
    let id = prefix(&machine.run(&propose).await.json()["intent"]["id"]);
    machine.run(&["approval", "grant", &id, "--as", "paula", "--yes"]).await.ok();
    let waited = machine.run(&["intent", "wait", &id, "--timeout", "30s", "--as", "ada"]).await;
    assert!(waited.code != 0 && waited.err.contains("cannot be read"), "{waited:?}");
    let settle = ["intent", "settle", &id, "happened", "--note", "the mail is there", "-o", "json"];
    let settled = machine.run(&settle).await.json()["intent"].clone();
    assert_eq!(settled["state"], "committed");
    assert_eq!(settled["receipt"]["note"], "the mail is there");
    machine.run(&["intent", "wait", &id, "--as", "ada"]).await.ok();
    serving.abort();
    for service in services {
        service.drain().await;
    }
}
