//! Workers and verifiers beside each other, and without a bus for a while.

use selvedge_kit::creation::Asking;
use selvedge_tests::{Options, artifacts, dispatcher, fabric::Fabric, raw, wait::until};
use serde_json::{Value, json};

use crate::{
    machine::Machine,
    working::{becomes, said, start, stop, submit, task, worker},
};

/// A task whose command a verifier runs.
fn checked(name: &str, command: &str) -> Value {
    json!({ "id": name, "title": name, "attempts": 1, "checks": [
        { "kind": "pointer", "at": "/ok" }, { "kind": "command", "run": ["sh", "-c", command] },
    ] })
}

async fn fleet(fabric: &Fabric) -> Machine {
    let machine = Machine::of_operator(fabric);
    for (name, role) in [("pia", "planner"), ("ada", "worker"), ("vera", "verifier"), ("vito", "verifier")] {
        machine.agent(name, role).await;
    }
    machine
}

/// How often this happened to tasks, as the ledger says.
async fn count(fabric: &Fabric, happened: &str) -> usize {
    let ledger = raw::ledger(&fabric.bus).await;
    raw::count(&ledger, &format!("demo.task.*.{happened}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn two_verifiers_at_one_queue_judge_each_task_once() {
    const TASKS: usize = 8;
    let fabric = Fabric::start().await;
    let _services = [
        dispatcher::start_with(&fabric.bus, "d1", Asking::Off).await,
        dispatcher::start_with(&fabric.bus, "d2", Asking::Off).await,
        artifacts::start(&fabric.bus, &artifacts::in_folder(&fabric.bus), "a1").await,
    ];
    let machine = fleet(&fabric).await;
    let shared = machine.path().join("shared");
    std::fs::create_dir(&shared).unwrap();
    let place = shared.display().to_string();
    let tasks: Vec<Value> =
        (0..TASKS).map(|n| checked(&format!("t{n}"), &format!("echo > {place}/t{n}-$$"))).collect();
    let plan = submit(&machine, json!(tasks)).await;
    let verifying = ["vera", "vito"]
        .map(|name| start(&machine, &format!("{name}.log"), &["verifier", "--as", name, "--write", &place]));
    let working = start(&machine, "ada.log", &worker("cat >/dev/null; echo '{\"ok\": 1}'", &["--cap", "4"]));
    for n in 0..TASKS {
        becomes(&machine, &plan, &format!("t{n}"), "validated").await;
    }
    assert_eq!((count(&fabric, "validated").await, count(&fabric, "submitted").await), (TASKS, TASKS));
    assert_eq!(count(&fabric, "exhausted").await + count(&fabric, "failed").await, 0);
    stop(working).await;
    for child in verifying {
        assert_eq!(stop(child).await, Some(0));
    }
    // Two may have looked at one task by way of two replicas; then one of them was told, and nothing broke.
    let looked = std::fs::read_dir(&shared).unwrap().count();
    let logs = [said(&machine, "vera.log"), said(&machine, "vito.log")].concat();
    let (passed, left) = (logs.matches("passed").count(), logs.matches("another was first").count());
    assert_eq!(passed, TASKS, "{logs}");
    assert!(looked >= TASKS && looked <= passed + left + TASKS, "{looked} looks; {logs}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_that_is_away_for_a_while_costs_neither_what_is_worked_on_nor_what_is_checked() {
    let mut fabric = Fabric::start_with(Options::DURABLE).await;
    let _services = [
        dispatcher::start_with(&fabric.bus, "d1", Asking::Off).await,
        artifacts::start(&fabric.bus, &artifacts::in_folder(&fabric.bus), "a1").await,
    ];
    let machine = fleet(&fabric).await;
    let shared = machine.path().join("shared");
    std::fs::create_dir(&shared).unwrap();
    let place = shared.display().to_string();
    let waiting =
        |name: &str| format!("echo > {place}/at-{name}; until [ -e {place}/go-{name} ]; do sleep 0.1; done");
    let plan = submit(&machine, json!([checked("a", &waiting("check"))])).await;
    let script = format!("cat >/dev/null; {}; echo '{{\"ok\": 1}}'", waiting("work"));
    let more = ["--cap", "2", "--ttl", "2m", "--write", &place];
    let working = start(&machine, "ada.log", &worker(&script, &more));
    let verifying =
        start(&machine, "vera.log", &["verifier", "--as", "vera", "--cap", "2", "--write", &place]);
    // Away while the command works, and again while the check runs.
    for (who, log) in [("work", "ada.log"), ("check", "vera.log")] {
        until("it to be at work", async || {
            if shared.join(format!("at-{who}")).exists() { Ok(()) } else { Err(said(&machine, log)) }
        })
        .await;
        let before = said(&machine, log).matches("away").count();
        fabric.bus.kill9_server(0);
        until("it to miss the bus", async || {
            let log = said(&machine, log);
            if log.matches("away").count() > before { Ok(()) } else { Err(log) }
        })
        .await;
        std::fs::write(shared.join(format!("go-{who}")), "").unwrap();
        fabric.bus.restart_server(0).await;
    }
    let shown = becomes(&machine, &plan, "a", "validated").await;
    assert_eq!((&shown["task"]["attempt"], &shown["task"]["past"]), (&json!(1), &Value::Null), "{shown}");
    assert_eq!((count(&fabric, "claimed").await, count(&fabric, "validated").await), (1, 1));
    assert_eq!(stop(working).await, Some(0), "{}", said(&machine, "ada.log"));
    assert_eq!(stop(verifying).await, Some(0), "{}", said(&machine, "vera.log"));
    assert_eq!(task(&machine, &plan, "a").await["line"]["attempt"], 1);
}
