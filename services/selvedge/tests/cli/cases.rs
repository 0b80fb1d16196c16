//! Cases and handoffs from the command line, on a running `up`.

use serde_json::json;

use crate::machine::Machine;

const PLAN: &str = "\
title: a small plan
arbitration: {}
tasks:
  - id: write
    title: write it
    attempts: 1
    checks: [{kind: pointer, at: /passed, equals: true}]
";

const SMALLER: &str = "\
title: in two steps
tasks:
  - {id: first, title: first, checks: [{kind: pointer, at: /passed}]}
  - {id: second, title: second, needs: [first], checks: [{kind: pointer, at: /passed}]}
";

async fn fleet() -> Machine {
    let machine = Machine::of_up().await;
    for (name, role) in [("pia", "planner"), ("ada", "worker"), ("judy", "arbitrator")] {
        machine.agent(name, role).await;
    }
    std::fs::write(machine.path().join("plan.yaml"), PLAN).unwrap();
    std::fs::write(machine.path().join("smaller.yaml"), SMALLER).unwrap();
    machine
}

async fn hands_in(machine: &Machine, output: &str) -> i32 {
    let claimed = machine.run(&["task", "claim", "--wait", "10s", "--as", "ada", "-o", "json"]).await.json();
    let task = claimed["task"]["id"].as_str().unwrap().to_owned();
    machine.run_with(&["task", "submit", &task, "-", "--as", "ada"], output).await.code
}

/// The case that comes, as people name it.
async fn case(machine: &Machine) -> String {
    let found = machine.run(&["case", "next", "--wait", "10s", "--as", "judy", "-o", "json"]).await.json();
    found["case"]["id"].as_str().unwrap().chars().skip(5).take(12).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_case_is_shown_and_decided_in_every_way() {
    let machine = fleet().await;
    assert_eq!(machine.run(&["case", "next", "--as", "judy"]).await.code, 3);
    let submitted = machine.run(&["plan", "submit", "plan.yaml", "--as", "pia", "-o", "json"]).await.json();
    let plan: String = submitted["plan"]["id"].as_str().unwrap().chars().skip(5).take(12).collect();
    assert_eq!(hands_in(&machine, "{\"passed\": false}").await, 13);
    let first = case(&machine).await;
    let shown = machine.run(&["case", "show", &first]).await.ok();
    for said in ["exhausted", "✗ \"/passed\" is true: false", "\"passed\": false", "attempt 1 by ada"] {
        assert!(shown.contains(said), "{said}: {shown}");
    }
    let of_plan = machine.run(&["plan", "show", &plan]).await.ok();
    assert!(of_plan.contains(&format!("case {first} about write")), "{of_plan}");
    let listed = machine.run(&["case", "list", "--plan", &plan]).await.ok();
    assert!(listed.contains(&first) && listed.contains("arbitrator in default"), "{listed}");

    let decide = async |arguments: &[&str]| {
        let all = [&["case", "decide"], arguments, &["--reason", "because"]].concat();
        machine.run(&all).await
    };
    assert_eq!(decide(&[&first, "retry", "--as", "ada"]).await.code, 5);
    assert_eq!(decide(&[&first, "escalate", "--as", "judy"]).await.code, 4);
    let foreign = decide(&[&first, "retry", "--digest", "0a1b2c3d", "--as", "judy"]).await;
    assert!(foreign.code == 2 && foreign.err.contains("--digest belongs"), "{foreign:?}");
    assert_eq!(decide(&[&first, "split", "--as", "judy"]).await.code, 2);
    decide(&[&first, "retry", "--note", "say yes", "--as", "judy"]).await.ok();
    let told = decide(&[&first, "abort"]).await;
    assert!(told.code == 4 && told.err.contains("was first and decided retry"), "{told:?}");

    let claimed = machine.run(&["task", "claim", "--wait", "10s", "--as", "ada"]).await.ok();
    assert!(claimed.contains("note     say yes (by judy"), "{claimed}");
    let write = format!("{plan}/write");
    machine.run_with(&["task", "submit", &write, "-", "--as", "ada"], "{\"passed\": 2}").await;
    let second = case(&machine).await;
    let split = ["--plan", "smaller.yaml", "--result", "second", "--as", "judy"];
    let split = decide(&[&[second.as_str(), "split"], &split[..]].concat()).await.ok();
    assert!(split.contains("split into"), "{split}");
    assert_eq!(hands_in(&machine, "{\"passed\": 1}").await, 0);
    // The result owes what the task owed.
    assert_eq!(hands_in(&machine, "{\"passed\": true}").await, 0);
    assert_eq!(machine.run(&["plan", "watch", &plan]).await.code, 0);

    let once_more = PLAN.replace("title: a small plan", "title: once more");
    machine.run_with(&["plan", "submit", "-", "--as", "pia"], &once_more).await.ok();
    assert_eq!(hands_in(&machine, "{\"passed\": false}").await, 13);
    let third = case(&machine).await;
    decide(&[&third, "accept", "--as", "judy"]).await.ok();
    let last = PLAN.replace("title: a small plan", "title: the last");
    let submitted =
        machine.run_with(&["plan", "submit", "-", "--as", "pia", "-o", "json"], &last).await.json();
    let plan = submitted["plan"]["id"].as_str().unwrap().to_owned();
    assert_eq!(hands_in(&machine, "{\"passed\": false}").await, 13);
    let fourth = case(&machine).await;
    decide(&[&fourth, "abort"]).await.ok(); // the operator, signed
    assert_eq!(machine.run(&["plan", "watch", &plan]).await.code, 13);
    assert_eq!(machine.run(&["case", "list", "-o", "json"]).await.json(), json!([]));
    let all = machine.run(&["case", "list", "--all", "-o", "json"]).await.json();
    assert_eq!(all.as_array().unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handoff_goes_from_its_file_to_its_end() {
    let machine = fleet().await;
    machine.agent("bob", "worker").await;
    let schema = json!({ "name": "test.any", "schema": { "type": "object", "required": ["n"] } }).to_string();
    machine.run(&["call", "registry.contract_add", &schema, "--as", "pia", "--mission", "demo"]).await.ok();
    let offer = |more: &str| {
        format!(
            "title: count it\nto: {{kind: role, role: worker}}\ninput_contract: {{name: test.any, version: 1}}\n\
             input: {{n: 1}}\noutput_contract: {{name: test.any, version: 1}}\n{more}"
        )
    };
    let offers = async |text: &str| {
        machine
            .run_with(&["handoff", "offer", "-", "--deadline", "1h", "--as", "ada", "-o", "json"], text)
            .await
    };
    let wrong = offers(&offer("capabilities: [rust]\ntask: task_0a1b2c3d0a1b2c3d0a1b2c3d0a1b2c3d\n")).await;
    assert!(
        wrong.code == 4 && wrong.err.contains("/offer/task") && wrong.err.contains("says that it can rust"),
        "{wrong:?}"
    );
    assert_eq!(machine.run_with(&["handoff", "offer", "-", "--as", "ada"], &offer("")).await.code, 2);
    let found = offers(&offer("")).await.json();
    let id: String = found["handoff"]["id"].as_str().unwrap().chars().skip(8).take(12).collect();
    let mine = machine.run(&["handoff", "list", "--to-me", "--as", "bob"]).await.ok();
    assert!(mine.contains(&id) && mine.contains("a worker in the queue default"), "{mine}");
    assert_eq!(machine.run(&["handoff", "accept", &id, "--as", "ada"]).await.code, 5);
    assert_eq!(machine.run(&["handoff", "decline", &id, "--reason", "no", "--as", "bob"]).await.code, 5);
    machine.run(&["handoff", "accept", &id, "--as", "bob"]).await.ok();
    let unfit = machine.run_with(&["handoff", "complete", &id, "-", "--as", "bob"], "{}").await;
    assert!(unfit.code == 4 && unfit.err.contains("/output"), "{unfit:?}");
    machine.run_with(&["handoff", "complete", &id, "-", "--as", "bob"], "{\"n\": 2}").await.ok();
    let shown = machine.run(&["handoff", "show", &id]).await.ok();
    for said in ["offered by ada", "accepted by bob", "completed by bob", "\"n\": 2"] {
        assert!(shown.contains(said), "{said}: {shown}");
    }
    let second = offers(&offer("occurrence: again\n")).await.json();
    let second: String = second["handoff"]["id"].as_str().unwrap().chars().skip(8).take(12).collect();
    assert_eq!(machine.run(&["handoff", "withdraw", &second, "--reason", "no", "--as", "bob"]).await.code, 5);
    machine.run(&["handoff", "withdraw", &second, "--reason", "not needed"]).await.ok();
    let listed =
        machine.run(&["handoff", "list", "--from-me", "--all", "--as", "ada", "-o", "json"]).await.json();
    assert_eq!(listed.as_array().unwrap().len(), 2);
}
