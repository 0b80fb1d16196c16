//! `worker` and `verifier`: commands do the tasks of a plan over a real repository, and others check them.

use std::{path::PathBuf, process::Stdio};

use selvedge_tests::wait::until;
use serde_json::{Value, json};
use tokio::process::Child;

use crate::machine::Machine;

/// A machine with a record of one file, its planner, two workers and a verifier.
pub(crate) async fn shop() -> Machine {
    let machine = Machine::of_up().await;
    for (name, role) in [("pia", "planner"), ("ada", "worker"), ("bob", "worker"), ("vera", "verifier")] {
        machine.agent(name, role).await;
    }
    machine.repository("seed").await;
    std::fs::write(machine.path().join("seed/count"), "1\n").unwrap();
    machine.git("seed", "x", &["add", "."]).await.ok();
    machine.git("seed", "x", &["commit", "-q", "-m", "a count"]).await.ok();
    machine.git(".", "x", &["clone", "-q", "--bare", "seed", "record.git"]).await.ok();
    machine.run(&["repository", "set", "record", "record.git"]).await.ok();
    machine
}

/// A plan of these tasks; gives what its tasks are named by.
pub(crate) async fn submit(machine: &Machine, tasks: Value) -> String {
    let plan = json!({ "title": "a plan", "occurrence": format!("{:?}", std::time::Instant::now()), "tasks": tasks });
    let submitted =
        machine.run_with(&["plan", "submit", "-", "--as", "pia", "-o", "json"], &plan.to_string()).await;
    submitted.json()["plan"]["id"].as_str().unwrap().chars().skip(5).take(12).collect()
}

pub(crate) async fn task(machine: &Machine, plan: &str, name: &str) -> Value {
    machine.run(&["task", "show", &format!("{plan}/{name}"), "-o", "json"]).await.json()
}

/// Waits until a task stands so.
pub(crate) async fn becomes(machine: &Machine, plan: &str, name: &str, phase: &str) -> Value {
    until(&format!("{name} to be {phase}"), async || {
        let shown = task(machine, plan, name).await;
        if shown["line"]["phase"] == phase { Ok(shown) } else { Err(shown) }
    })
    .await
}

/// A worker or verifier as a process, in a process group of its own; what it tells goes into `<name>.log`.
pub(crate) fn start(machine: &Machine, log: &str, arguments: &[&str]) -> Child {
    let log = std::fs::File::create(machine.path().join(log)).unwrap();
    let mut command = machine.command(arguments);
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("A_SECRET", "hidden from commands");
    command.stdout(log.try_clone().unwrap()).stderr(log).stdin(Stdio::null());
    command.spawn().unwrap()
}

pub(crate) fn said(machine: &Machine, log: &str) -> String {
    std::fs::read_to_string(machine.path().join(log)).unwrap_or_default()
}

pub(crate) fn worker<'a>(script: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["worker", "--as", "ada"], more, &["--", "sh", "-c", script]].concat()
}

/// Ends a process of ours in order.
pub(crate) async fn stop(mut child: Child) -> Option<i32> {
    let pid = i32::try_from(child.id().unwrap()).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM).unwrap();
    child.wait().await.unwrap().code()
}

fn workspace() -> Value {
    json!({ "repository": "record", "branch": "main" })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_over_a_repository_is_done_by_a_worker_and_checked_by_a_verifier() {
    let machine = shop().await;
    let plan = submit(
        &machine,
        json!([
            { "id": "count", "title": "count on", "workspace": workspace(),
              "checks": [{ "kind": "pointer", "at": "/counted", "equals": true },
                         { "kind": "artifact", "at": "/change" },
                         { "kind": "command", "run": ["grep", "-qx", "2", "count"] },
                         { "kind": "command", "run": ["sh", "-c", "echo looked; cat count; test -f made/here"] }] },
            { "id": "tell", "title": "tell of it", "needs": ["count"],
              "checks": [{ "kind": "pointer", "at": "/seen", "equals": true }] },
        ]),
    )
    .await;
    let script = "set -e; cat >/dev/null; test -z \"$A_SECRET\"; case $SELVEDGE_TASK_FILE in *-count-*)
        echo 2 > count; mkdir made; echo x > made/here; git add count; git commit -qm counted
        echo '{\"counted\": true}' > $SELVEDGE_OUTPUT;;
      *) grep -q counted $SELVEDGE_INPUTS/count.json; echo '{\"seen\": true}';;
    esac";
    let working = start(&machine, "worker.log", &worker(script, &[]));
    let verifying = start(&machine, "verifier.log", &["verifier", "--as", "vera"]);
    let shown = becomes(&machine, &plan, "tell", "validated").await;
    assert_eq!(shown["task"]["output"]["value"], json!({ "seen": true }));
    let shown = task(&machine, &plan, "count").await;
    let findings = shown["task"]["verdict"]["findings"].as_array().unwrap();
    let seen: Vec<&str> = findings.iter().map(|finding| finding["seen"].as_str().unwrap()).collect();
    let base = machine.git("seed", "x", &["rev-parse", "HEAD"]).await.ok();
    for part in ["status 0 after", base.trim(), "change ", "tree ", "log ", "looked\n2"] {
        assert!(seen[3].contains(part), "{part}: {seen:?}");
    }
    assert!(seen[2].starts_with("landlock: ") || seen[2].starts_with("cooperative: "), "{seen:?}");
    let ledger = machine.run(&["task", "log", &format!("{plan}/count")]).await.ok();
    assert!(ledger.contains("task.submitted/1") && ledger.contains("task.validated/1"), "{ledger}");
    assert_eq!(stop(working).await, Some(0), "{}", said(&machine, "worker.log"));
    let told = said(&machine, "worker.log");
    assert!(told.contains("preparing") && told.contains("a checkout of record main"), "{told}");
    assert_eq!(stop(verifying).await, Some(0), "{}", said(&machine, "verifier.log"));
    let record = machine.git("record.git", "x", &["rev-parse", "main"]).await.ok();
    assert_eq!(record, base, "nobody but the committer writes it");
    let left: Vec<PathBuf> = left_rooms(&machine);
    assert_eq!(left, Vec::<PathBuf>::new(), "workspaces are removed");
}

/// Folders of attempts that are there.
pub(crate) fn left_rooms(machine: &Machine) -> Vec<PathBuf> {
    let entries = |path: PathBuf| -> Vec<PathBuf> {
        std::fs::read_dir(path).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
    };
    let agents = entries(machine.home().join("agents/main"));
    let work = agents.into_iter().map(|agent| agent.join("work"));
    work.flat_map(|work| [entries(work.join("runs")), entries(work.join("kept"))].concat()).collect()
}
