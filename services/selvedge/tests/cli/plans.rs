//! Plans, tasks and dead letters from the command line, on a running `up`.

use serde_json::json;

use crate::machine::Machine;

const PLAN: &str = "\
title: a small plan
tasks:
  - id: write
    title: write it
    description: as the others do
    attempts: 1
    checks: [{kind: pointer, at: /passed, equals: true}]
  - id: release
    title: let it go
    needs: [write]
    gate: {asks: may it go out?}
    checks: [{kind: pointer, at: /passed}, {kind: command, run: [make, test]}]
";

async fn fleet() -> Machine {
    let machine = Machine::of_up().await;
    for (name, role) in [("pia", "planner"), ("ada", "worker"), ("vera", "verifier"), ("olga", "approver")] {
        machine.agent(name, role).await;
    }
    std::fs::write(machine.path().join("plan.yaml"), PLAN).unwrap();
    machine
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_goes_from_its_file_to_its_end() {
    let machine = fleet().await;
    let checked = machine.run(&["plan", "submit", "plan.yaml", "--check", "--as", "pia"]).await.ok();
    assert!(checked.contains("errors  none"), "{checked}");
    let submitted = machine.run(&["plan", "submit", "plan.yaml", "--as", "pia", "-o", "json"]).await.json();
    let id = submitted["plan"]["id"].as_str().unwrap().to_owned();
    let plan: String = id.chars().skip(5).take(12).collect();
    let (write, release) = (format!("{plan}/write"), format!("{plan}/release"));
    let shown = machine.run(&["plan", "show", &plan]).await.ok();
    assert!(
        shown.contains("○ ready      write") && shown.contains("· blocked    release  waits for write"),
        "{shown}"
    );

    let claimed = machine.run(&["task", "claim", "--wait", "10s", "--as", "ada"]).await.ok();
    assert!(claimed.contains("write it") && claimed.contains("as the others do"), "{claimed}");
    machine.run(&["task", "renew", &write, "--as", "ada"]).await.ok();
    let mine = machine.run(&["task", "list", "--mine", "--as", "ada", "-o", "json"]).await.json();
    assert_eq!((mine.as_array().unwrap().len(), &mine[0]["name"]), (1, &json!("write")));
    let done =
        machine.run_with(&["task", "submit", &write, "-", "--as", "ada"], "{\"passed\": true}").await.ok();
    assert!(done.contains("validated") && done.contains("✓ \"/passed\" is true: true"), "{done}");

    assert_eq!(machine.run(&["task", "claim", "--as", "ada"]).await.code, 3, "it waits for a person");
    let asked = machine.run(&["task", "show", &release]).await.ok();
    assert!(asked.contains("may it go out?") && asked.contains("gated"), "{asked}");
    machine.run(&["task", "open", &release, "--as", "olga"]).await.ok();
    machine.run(&["task", "claim", "--wait", "10s", "--as", "ada"]).await.ok();
    let handed_in =
        machine.run_with(&["task", "submit", &release, "-", "--as", "ada"], "{\"passed\": 1}").await.ok();
    assert!(handed_in.contains("submitted"), "{handed_in}");
    let by_worker = machine.run(&["task", "judge", &release, "--passed", "x", "--as", "ada"]).await;
    assert_eq!(by_worker.code, 5, "{by_worker:?}");
    let wrong = machine.run(&["task", "judge", &release, "--as", "vera"]).await;
    assert!(wrong.code == 2 && wrong.err.contains("1 commands"), "{wrong:?}");
    machine.run(&["task", "judge", &release, "--passed", "status 0 in 1 s", "--as", "vera"]).await.ok();

    let watched = machine.run(&["plan", "watch", &plan, "-o", "jsonl"]).await.ok();
    assert_eq!(watched.lines().filter(|line| line.contains("\"validated\"")).count(), 2, "{watched}");
    let listed = machine.run(&["plan", "list", "--state", "done"]).await.ok();
    assert!(listed.contains(&plan) && listed.contains("2/2"), "{listed}");
    let log = machine.run(&["task", "log", &release]).await.ok();
    for what in ["task.opened/1", "task.claimed/1", "task.submitted/1", "task.validated/1"] {
        assert!(log.contains(what), "{log}");
    }
    let dot = machine.run(&["plan", "graph", &plan]).await.ok();
    assert!(dot.contains("\"write\" -> \"release\";"), "{dot}");
    let mermaid = machine.run(&["plan", "graph", &plan, "--format", "mermaid"]).await.ok();
    assert!(mermaid.contains("t0 --> t1"), "{mermaid}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_fails_is_watched_to_its_end_and_its_letter_replayed() {
    let machine = fleet().await;
    machine.run(&["plan", "cap", "queue-default", "2", "--as", "pia"]).await.ok();
    let submitted = machine.run(&["plan", "submit", "plan.yaml", "--as", "pia", "-o", "json"]).await.json();
    let plan: String = submitted["plan"]["id"].as_str().unwrap().chars().skip(5).take(12).collect();
    let write = format!("{plan}/write");
    machine.run(&["task", "claim", "--wait", "10s", "--as", "ada"]).await.ok();
    let caps = machine.run(&["plan", "caps", "-o", "json"]).await.json();
    assert_eq!(caps[0]["used"].as_array().unwrap().len(), 1);
    let wrong =
        machine.run_with(&["task", "submit", &write, "-", "--as", "ada"], "{\"passed\": false}").await;
    assert!(wrong.code == 13 && wrong.out.contains("✗ \"/passed\" is true: false"), "{wrong:?}");
    let watched = machine.run(&["plan", "watch", &plan]).await;
    assert!(watched.code == 13 && watched.out.contains("failed     write attempt 1"), "{watched:?}");
    let letters = machine.run(&["dead", "list", "-o", "json"]).await.json();
    let letter: String = letters[0]["id"].as_str().unwrap().chars().skip(5).take(12).collect();
    let shown = machine.run(&["dead", "show", &letter]).await.ok();
    assert!(shown.contains("exhausted") && shown.contains("\"passed\": false"), "{shown}");
    machine.run(&["dead", "replay", &letter, "--as", "pia"]).await.ok();
    assert_eq!(machine.run(&["dead", "replay", &letter, "--as", "pia"]).await.code, 4);
    assert_eq!(machine.run(&["dead", "discard", &letter, "--reason", "x", "--as", "pia"]).await.code, 4);
    machine.run(&["task", "claim", "--wait", "10s", "--as", "ada"]).await.ok();
    let failed =
        machine.run(&["task", "fail", &write, "--reason", "no", "--final", "--as", "ada"]).await.ok();
    assert!(failed.contains("failed") && failed.contains("no"), "{failed}");
    assert_eq!(machine.run(&["plan", "watch", &plan]).await.code, 13);
    machine.run(&["plan", "resume", &plan, "--as", "pia"]).await.ok();
    machine.run(&["plan", "pause", &plan, "--reason", "lunch", "--as", "pia"]).await.ok();
    let cancelled = machine.run(&["plan", "cancel", &plan, "--reason", "enough", "--as", "pia"]).await.ok();
    assert!(cancelled.contains("cancelled") && cancelled.contains("enough"), "{cancelled}");
    assert_eq!(machine.run(&["plan", "watch", &plan]).await.code, 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_plan_is_refused_with_every_error() {
    let machine = fleet().await;
    let wrong = "title: x\ntasks:\n  - {id: a, title: a, needs: [b], checks: [{kind: rows, at: ''}]}\n  - {id: b, title: b, needs: [a]}\n";
    let refused = machine.run_with(&["plan", "submit", "-", "--as", "pia"], wrong).await;
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.err.contains("/plan/tasks/1/checks") && refused.err.contains("a → b → a"), "{refused:?}");
    let misspelt = machine.run_with(&["plan", "submit", "-", "--as", "pia"], "title: x\ntask: []\n").await;
    assert!(misspelt.code == 2 && misspelt.err.contains("task"), "{misspelt:?}");
}
