//! What already exists that looks like this, from the command line, on a running `up`.

use serde_json::json;

use crate::machine::Machine;

async fn note(machine: &Machine, id: &str, title: &str) -> serde_json::Value {
    let payload = json!({ "what": "note", "id": id, "title": title }).to_string();
    let call = ["call", "overlap.propose", &payload, "--as", "ada", "--mission", "demo"];
    machine.run(&call).await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_looks_like_something_is_shown_decided_and_explained() {
    let machine = Machine::of_up().await;
    machine.agent("ada", "worker").await;
    note(&machine, "n1", "Fix the login form").await;
    let asked = note(&machine, "n2", "Fix the login form!").await;
    assert_eq!(asked["verdict"]["verdict"], "asked", "{asked:#}");
    let id = asked["creation"].as_str().unwrap().to_owned();

    let checked = ["overlap", "check", "--title", "fix login form", "--description", "it loses the password"];
    let table = machine.run(&checked).await.ok();
    for wanted in
        ["SCORE", "note", "existing", "demo", "ada-", "Fix the login form", "words: ", "checked up to"]
    {
        assert!(table.contains(wanted), "{wanted}: {table}");
    }
    let found = machine.run(&[&checked[..], &["-o", "json", "--as", "ada"]].concat()).await.json();
    assert_eq!(found["candidates"].as_array().unwrap().len(), 2, "{found:#}");
    assert_eq!(machine.run(&[&checked[..], &["--fail-at", "similar"]].concat()).await.code, 17);
    let unlike = ["overlap", "check", "--title", "Water the plants", "--fail-at", "similar"];
    assert!(machine.run(&unlike).await.ok().contains("nothing looks like it"));
    assert_eq!(machine.run(&["overlap", "check", "--title", " "]).await.code, 2);
    assert_eq!(machine.run(&["overlap", "check"]).await.code, 2);

    let listed = machine.run(&["overlap", "list", "--state", "asked", "-o", "jsonl"]).await.ok();
    assert!(listed.lines().count() == 1 && listed.contains(&id), "{listed}");
    let hex: String = id.chars().skip("creation_".len()).collect();
    let short: String = hex.chars().take(10).collect();
    let shown = machine.run(&["overlap", "show", &short]).await.ok();
    assert!(shown.contains(" asked\n") && shown.contains("overlap decide"), "{shown}");
    assert_eq!(machine.run(&["overlap", "show", "ffffffffffff"]).await.code, 3);
    let decide = ["overlap", "decide", &short, "--proceed", "--reason", "another form", "--as", "ada"];
    assert!(machine.run(&decide).await.ok().contains("another form"));
    machine.run(&decide).await.ok();
    let other = ["overlap", "decide", &short, "--discard", "--as", "ada", "--output", "json"];
    assert_eq!(machine.run(&other).await.code, 0, "a thing of their own kind is ended by who made it");
    assert_eq!(machine.run(&["overlap", "decide", &hex]).await.code, 2, "an answer is needed");

    let opposite = machine
        .run(&[
            "overlap",
            "explain",
            "Enable the cache of the login page",
            "Disable the cache of the login page",
        ])
        .await
        .ok();
    assert!(opposite.contains("opposite?") && opposite.contains("trigrams"), "{opposite}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_compared_with_what_exists_and_with_itself() {
    let machine = Machine::of_up().await;
    machine.agent("ada", "worker").await;
    note(&machine, "n1", "Migrate the users table").await;
    let plan = json!({ "tasks": [
        { "title": "migrate users table", "description": "", "id": "t1" },
        "Write the changelog",
        { "title": "write the changelog", "paths": ["CHANGELOG.md"] },
    ]});
    std::fs::write(machine.path().join("plan.json"), plan.to_string()).unwrap();
    let check = ["overlap", "check", "--file", "plan.json"];
    let table = machine.run(&check).await.ok();
    assert!(table.contains("0: migrate users table") && table.contains("Migrate the users table"), "{table}");
    assert!(table.contains("1: Write the changelog  2: write the changelog"), "{table}");
    let found = machine.run_with(&["overlap", "check", "--file", "-", "-o", "json"], &plan.to_string()).await;
    let found = found.json();
    let pair = &found["pairs"][0];
    assert_eq!((pair["one"].as_u64(), pair["other"].as_u64()), (Some(1), Some(2)), "{found:#}");
    std::fs::write(machine.path().join("bad.json"), "[{}]").unwrap();
    let bad = machine.run(&["overlap", "check", "--file", "bad.json"]).await;
    assert!(bad.code == 2 && bad.err.contains("item 0 has no `title`"), "{bad:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_is_measured_tuned_and_made_anew() {
    let machine = Machine::of_up().await;
    machine.agent("ada", "worker").await;
    note(&machine, "n1", "Count the sheep").await;
    let stats = machine.run(&["overlap", "stats", "-o", "json"]).await.json();
    assert_eq!((stats["items"].as_u64(), &stats["states"]["existing"]), (Some(1), &json!(1)), "{stats:#}");
    assert!(machine.run(&["overlap", "stats"]).await.ok().contains("asks from likely (default)"));
    assert!(machine.run(&["overlap", "calibrate"]).await.ok().contains("too few decisions"));
    let tuned = machine.run(&["overlap", "tune", "--alert", "off"]).await.ok();
    assert!(tuned.contains("asks from off"), "{tuned}");
    assert_eq!(note(&machine, "n2", "count the sheep").await["verdict"]["verdict"], "clear");
    assert_eq!(machine.run(&["overlap", "tune"]).await.code, 2);
    let upside_down = ["overlap", "tune", "--strong", "1", "--likely", "2", "--similar", "3"];
    assert_eq!(machine.run(&upside_down).await.code, 2);
    let denied = machine.run(&["overlap", "tune", "--alert", "strong", "--as", "ada"]).await;
    assert_eq!(denied.code, 5, "{denied:?}");
    let anew = machine.run(&["overlap", "reindex"]).await.ok();
    assert!(anew.contains("uses index 1"), "{anew}");
    let again = machine.run(&["overlap", "stats", "-o", "json"]).await.json();
    assert_eq!(again["items"].as_u64(), Some(2));
}
