//! What somebody does in the first minutes, as the README says it.

use std::path::Path;

use selvedge_tests::{
    nats_server_binary,
    wait::{PATIENCE, until},
};
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

use crate::{
    machine::{Machine, ran},
    working::{said, shop, start, submit, worker},
};

const README: &str = include_str!("../../../../README.md");

/// The commands of the README that stand first under a heading that starts so.
fn block(heading: &str) -> &'static str {
    let section = README.split(&format!("## {heading}")).nth(1).unwrap();
    section.split("```sh\n").nth(1).unwrap().split("```").next().unwrap()
}

/// What is pasted, on this folder instead of a fixed one, and with the binary that is tested.
fn pasted(folder: &Path) -> String {
    let lines = block("The first five minutes").lines();
    let (built, rest): (Vec<&str>, Vec<&str>) =
        lines.partition(|line| line.starts_with("cargo ") || line.starts_with("export "));
    assert_eq!(built.len(), 2, "what makes the binary and names it: {built:?}");
    let missions = built[1].split("SELVEDGE_MISSION=").nth(1).unwrap();
    assert_eq!(missions, "demo");
    rest.join("\n").replace("/tmp/fabric", folder.to_str().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_block_of_the_readme_works_when_it_is_pasted_whole() {
    let folder = TempDir::with_prefix("selvedge-paste-").unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_selvedge"));
    // What is started in the background ends with the shell that was pasted into.
    let script = format!(
        "set -e
        trap 'kill $(jobs -p); wait' EXIT
        git init -q -b main seed && cd seed && git commit -q --allow-empty -m first
        {}
        selvedge agent list",
        pasted(&folder.path().join("fabric"))
    );
    let path = format!("{}:/usr/bin:/bin", binary.parent().unwrap().display());
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).current_dir(folder.path()).env_clear().kill_on_drop(true);
    shell.envs([("PATH", path.as_str()), ("SELVEDGE_MISSION", "demo"), ("SELVEDGE_SERVER__PORT", "0")]);
    shell.envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null"), ("USER", "you")]);
    for role in ["AUTHOR", "COMMITTER"] {
        shell.env(format!("GIT_{role}_NAME"), "x").env(format!("GIT_{role}_EMAIL"), "x@example.org");
    }
    shell.env("SELVEDGE_NATS_SERVER", nats_server_binary());
    let ran = tokio::time::timeout(PATIENCE, shell.output()).await.unwrap().unwrap();
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{out}\n{err}");
    for agent in ["pia-", "ada-", "vic-", "ann-"] {
        assert!(out.contains(agent), "{agent}: {out}\n{err}");
    }
}

fn hello() -> serde_json::Value {
    json!({ "id": "hello", "title": "say hello", "checks": [{ "kind": "pointer", "at": "/ok" }] })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_is_asked_by_the_names_that_every_other_verb_takes() {
    let machine = Machine::of_up().await;
    machine.agent("pia", "planner").await;
    let plan = submit(&machine, json!([hello()])).await;
    let of_plan = machine.run(&["log", "plan", &plan]).await.ok();
    assert!(of_plan.contains("plan.submitted/1"), "{of_plan}");
    let of_task = machine.run(&["log", "task", &format!("{plan}/hello")]).await.ok();
    assert!(of_task.contains("nothing"), "{of_task}");
    machine.agent("ada", "worker").await;
    machine.run(&["task", "claim", "--as", "ada"]).await.ok();
    let of_task = machine.run(&["log", "task", &format!("{plan}/hello")]).await.ok();
    assert!(of_task.contains("task.claimed/1"), "{of_task}");
    for verb in ["log", "show"] {
        let none = machine.run(&["task", verb, &format!("{plan}/hallo")]).await;
        let said = format!("plan {plan} has no task hallo; `selvedge plan show {plan}`");
        assert!(none.code == 3 && none.err.contains(&said), "{none:?}");
    }
    let none = machine.run(&["log", "task", &format!("{plan}/hallo")]).await;
    assert!(none.code == 3 && none.err.contains(&format!("no task {plan}/hallo")), "{none:?}");
    let none = machine.run(&["log", "intent", "0a1b2c3d", "--mission", "demo"]).await;
    assert!(none.code == 3 && none.err.contains("no intent 0a1b2c3d in demo"), "{none:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_watches_a_plan_is_told_whose_consent_it_waits_for() {
    let machine = shop().await;
    machine.agent("ann", "approver").await;
    let on = json!({ "kind": "git", "repository": "record", "branch": "main" });
    let hello = json!({ "id": "hello", "title": "say hello",
        "workspace": { "repository": "record", "branch": "main" },
        "checks": [{ "kind": "artifact", "at": "/change" }],
        "effects": [{ "name": "land", "on": on }] });
    let plan = submit(&machine, json!([hello])).await;
    let watching = start(&machine, "watch.log", &["plan", "watch", &plan]);
    let working = worker("echo hello > hello.txt", &["--once"]);
    machine.run(&working).await.ok();
    let heard = until("the watcher to be told", async || {
        let log = said(&machine, "watch.log");
        if log.contains("waits for 1 approval") { Ok(log) } else { Err(log) }
    })
    .await;
    let grant = heard.split("selvedge approval grant ").nth(1).unwrap();
    let intent = grant.split(' ').next().unwrap().to_owned();
    assert!(grant.contains("--as APPROVER"), "{heard}");
    let shown = machine.run(&["plan", "show", &plan]).await.ok();
    assert!(shown.contains("→ committing hello") && shown.contains(&intent), "{shown}");
    machine.run(&["approval", "grant", &intent, "--yes", "--as", "ann"]).await.ok();
    let ended = watching.wait_with_output().await.unwrap();
    assert!(ended.status.success(), "{}", said(&machine, "watch.log"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_for_json_gets_one_document_also_of_what_is_wrong() {
    let machine = Machine::of_up().await;
    machine.agent("pia", "planner").await;
    for wrong in [["plan", "show", "zzzz", "-o", "json"].as_slice(), &["plan", "show", "-o", "jsonl"]] {
        let ran = machine.run(wrong).await;
        let told: serde_json::Value = serde_json::from_str(&ran.err).expect(&ran.err);
        assert_eq!((ran.code, &told["code"]), (2, &json!("invalid")), "{ran:?}");
        assert!(ran.out.is_empty(), "{ran:?}");
    }
    let help = machine.run(&["plan", "--help", "-o", "json"]).await.ok();
    assert!(help.contains("Usage"), "{help}");
    let templates = machine.run(&["worker", "--templates", "-o", "json"]).await.json();
    assert!(templates.as_array().unwrap().iter().any(|it| it["name"] == "claude-code"), "{templates}");
    let plan = submit(&machine, json!([hello()])).await;
    machine.run(&["plan", "cancel", &plan, "--reason", "enough", "--as", "pia"]).await.ok();
    let watched = machine.run(&["plan", "watch", &plan, "-o", "json"]).await;
    let ended: serde_json::Value = serde_json::from_str(&watched.out).expect(&watched.out);
    assert_eq!((watched.code, &ended["plan"]["state"]), (12, &json!("cancelled")), "{watched:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mission_is_known_from_the_environment_and_those_of_eval_do_not_count() {
    let machine = Machine::of_up().await;
    machine.run(&["mission", "create", "eval-0a1b2c3d"]).await.ok();
    machine.run(&["artifact", "list"]).await.ok();
    machine.run(&["mission", "create", "auth"]).await.ok();
    let unsaid = machine.run(&["artifact", "list"]).await;
    assert!(unsaid.code == 2 && unsaid.err.contains("SELVEDGE_MISSION: auth, demo"), "{unsaid:?}");
    for asked in [
        ["artifact", "list"].as_slice(),
        &["agent", "register", "ada", "--role", "worker"],
        &["request", "open", "mend it"],
    ] {
        let mut command = machine.command(asked);
        ran(command.env("SELVEDGE_MISSION", "demo").output().await.unwrap()).ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_variable_is_none_and_what_the_environment_says_is_not_required() {
    let machine = Machine::of_up().await;
    let mut listed = machine.command(&["mission", "list"]);
    ran(listed.env("SELVEDGE_HOME", "").output().await.unwrap()).ok();
    let open = machine.run(&["request", "open", "mend it"]).await;
    assert!(open.code == 2 && open.err.contains("mission"), "{open:?}");
    let help = machine.run(&["request", "open", "--help"]).await.ok();
    assert!(help.contains("Usage: selvedge request open [OPTIONS] <TITLE>"), "{help}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_listed_is_also_shown() {
    let machine = shop().await;
    let opened =
        machine.run(&["request", "open", "mend it", "--mission", "demo", "--text", "all of it"]).await;
    let request = opened.ok().trim().to_owned();
    let shown = machine.run(&["request", "show", &request]).await.ok();
    assert!(shown.contains("mend it") && shown.contains("all of it"), "{shown}");
    assert!(machine.run(&["repository", "show", "record"]).await.ok().contains("record.git"));
    assert!(machine.run(&["mission", "show", "demo"]).await.ok().contains("created"));
    for none in [["repository", "show", "none"], ["mission", "show", "none"]] {
        let ran = machine.run(&none).await;
        assert!(ran.code == 3 && ran.err.contains("there is no"), "{ran:?}");
    }
}
