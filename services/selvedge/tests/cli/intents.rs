//! Intents and approvals from the command line, on a running `up`.

use std::fs;

use serde_json::{Value, json};

use crate::machine::Machine;

/// With ada, who works, olga, who approves, a record, and a checkout of it in `work`.
async fn started() -> Machine {
    let machine = Machine::of_up().await;
    machine.agent("ada", "worker").await;
    machine.agent("olga", "approver").await;
    machine.repository("seed").await;
    fs::write(machine.path().join("seed/kept"), "one\n").unwrap();
    fs::write(machine.path().join("seed/moved"), "m\n".repeat(20)).unwrap();
    machine.git("seed", "x", &["add", "-A"]).await.ok();
    machine.git("seed", "x", &["commit", "-q", "-m", "second"]).await.ok();
    machine.git(".", "x", &["clone", "-q", "--bare", "seed", "record.git"]).await.ok();
    machine.git(".", "x", &["clone", "-q", "record.git", "work"]).await.ok();
    machine.run(&["repository", "set", "record", "record.git"]).await.ok();
    let listed = machine.run(&["repository", "list", "--as", "ada"]).await.ok();
    assert!(listed.contains("record.git"), "{listed}");
    machine
}

async fn propose_git(machine: &Machine, message: &str) -> Value {
    let git = ["intent", "propose", "git", "--repository", "record", "--branch", "main", "-m", message];
    let proposed = machine.run_in("work", &[&git[..], &["--as", "ada", "-o", "json"]].concat()).await;
    proposed.json()["intent"].clone()
}

/// What a person types.
fn prefix(intent: &Value) -> String {
    intent["id"].as_str().unwrap().chars().skip("intent_".len()).take(10).collect()
}

async fn head(machine: &Machine) -> String {
    machine.git("record.git", "x", &["log", "-1", "--format=%B", "main"]).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_proposed_looked_at_approved_by_another_owner_and_made() {
    let machine = started().await;
    let work = machine.path().join("work");
    fs::write(work.join("kept"), "two\n").unwrap();
    fs::rename(work.join("moved"), work.join("elsewhere")).unwrap();
    fs::write(work.join("new"), "n\n").unwrap();
    let intent = propose_git(&machine, "Write two").await;
    assert_eq!(intent["state"], "verified");
    let again = propose_git(&machine, "Write two").await;
    assert_eq!(again["id"], intent["id"], "the same content is the same intent");
    let id = prefix(&intent);

    let inbox = machine.run(&["approval", "list", "--mine", "--as", "olga"]).await.ok();
    assert!(inbox.contains("git record:main") && inbox.contains("approver 1 of 1"), "{inbox}");
    let shown = machine.run(&["approval", "show", &id, "--as", "olga", "--in", "work"]).await.ok();
    for part in ["-one", "+two", "rename from moved", "rename to elsewhere", "+n", "    Write two"] {
        assert!(shown.contains(part), "{part:?} is missing of\n{shown}");
    }
    let next = format!("next: selvedge approval grant {id}");
    assert!(shown.contains(&next) && !shown.contains("approval show"), "{shown}");
    assert!(!shown.contains('\u{1b}'), "no colours where there is no terminal");

    let silent = machine.run(&["approval", "grant", &id, "--as", "olga"]).await;
    assert!(silent.code == 2 && silent.err.contains("--yes"), "{silent:?}");
    let own = machine.run(&["approval", "grant", &id, "--as", "ada", "--yes"]).await;
    assert!(own.code == 5 && own.err.contains("another owner"), "{own:?}");
    assert!(own.out.is_empty() && own.err.lines().count() == 1, "told once, and nothing before it: {own:?}");
    let waited = machine.run(&["intent", "wait", &id, "--timeout", "50ms", "--as", "ada"]).await;
    assert_eq!(waited.code, 16, "{waited:?}");
    assert!(!head(&machine).await.contains("Write two"));

    machine.run(&["approval", "grant", &id, "--as", "olga", "--yes"]).await.ok();
    let settled = machine.run(&["intent", "wait", &id, "--timeout", "30s", "--as", "ada"]).await.ok();
    assert!(settled.contains("granted by olga-") && settled.contains("came of it: commit "), "{settled}");
    assert!(head(&machine).await.starts_with("Write two\n"));
    assert_eq!(machine.git("record.git", "x", &["show", "main:kept"]).await.ok(), "two\n");
    assert_eq!(
        machine.git("record.git", "x", &["ls-tree", "--name-only", "main"]).await.ok(),
        "elsewhere\nkept\nnew\n"
    );
    let listed = machine.run(&["intent", "list", "--state", "committed", "-o", "json"]).await.json();
    assert_eq!(listed[0]["intent"]["id"], intent["id"]);
    machine.git("work", "x", &["stash", "-q", "-u"]).await.ok();
    machine.git("work", "x", &["pull", "-q"]).await.ok();
    let blamed = machine.run_in("work", &["blame", "kept"]).await.ok();
    assert!(blamed.contains("ada-") && blamed.contains("olga-"), "{blamed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn denied_cancelled_and_refused_intents_end_with_codes_of_their_own() {
    let machine = started().await;
    fs::write(machine.path().join("work/kept"), "denied\n").unwrap();
    let denied = prefix(&propose_git(&machine, "To be denied").await);
    let deny = ["approval", "deny", &denied, "--reason", "the tests are missing", "--as", "olga"];
    machine.run(&deny).await.ok();
    let waited = machine.run(&["intent", "wait", &denied, "--as", "ada"]).await;
    assert!(waited.code == 10 && waited.err.contains("the tests are missing"), "{waited:?}");

    fs::write(machine.path().join("work/kept"), "cancelled\n").unwrap();
    let cancelled = prefix(&propose_git(&machine, "To be cancelled").await);
    let cancel = ["intent", "cancel", &cancelled, "--reason", "by hand", "--as", "ada"];
    machine.run(&cancel).await.ok();
    assert_eq!(machine.run(&["intent", "wait", &cancelled, "--as", "ada"]).await.code, 12);

    machine.git("work", "x", &["checkout", "-q", "."]).await.ok();
    let nothing = ["intent", "propose", "git", "--repository", "record", "--branch", "main", "-m", "x"];
    let nothing = machine.run_in("work", &[&nothing[..], &["--as", "ada"]].concat()).await;
    assert!(nothing.code == 2 && nothing.err.contains("nothing differs"), "{nothing:?}");
    assert_eq!(machine.run(&["intent", "show", "00000000"]).await.code, 3);
    assert_eq!(machine.run(&["intent", "show", "0000"]).await.code, 2);
    let settle = ["intent", "settle", &denied, "happened", "--note", "x"];
    assert_eq!(machine.run(&settle).await.code, 4, "nobody tried it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_shown_with_its_body_and_its_secrets_by_name() {
    let machine = started().await;
    fs::write(machine.path().join("ticket.json"), "{\"text\": \"help\"}").unwrap();
    let http = [
        "intent",
        "propose",
        "http",
        "POST",
        "https://api.example.org/tickets",
        "--body",
        "ticket.json",
        "--secret",
        "Authorization=ticket-token",
        "--by-key",
        "--as",
        "ada",
        "-o",
        "json",
    ];
    let intent = machine.run(&http).await.json();
    let shown = machine.run(&["approval", "show", &prefix(&intent["intent"]), "--as", "olga"]).await.ok();
    for part in ["POST https://api.example.org/tickets", "<secret ticket-token>", "{\"text\": \"help\"}"] {
        assert!(shown.contains(part), "{part:?} is missing of\n{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_approvals_are_rotated_and_former_ones_forgotten() {
    let machine = Machine::of_up().await;
    let rotated = machine.run(&["approval", "rotate-keys", "-o", "json"]).await.json();
    let keys = rotated["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 2, "{rotated}");
    let active = rotated["active"].as_str().unwrap();
    let former = keys.iter().find_map(|key| key.as_str().filter(|key| *key != active)).unwrap();
    let forget = ["approval", "rotate-keys", "--forget", former, "-o", "json"];
    assert_eq!(machine.run(&forget).await.json()["keys"], json!([active]));
    let forget = machine.run(&["approval", "rotate-keys", "--forget", active]).await;
    assert!(forget.code == 1 && forget.err.contains("rotate first"), "{forget:?}");
}
