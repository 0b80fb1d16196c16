//! The collision suite from the command line, on a running `up`.

use serde_json::{Value, json};

use crate::machine::Machine;

#[tokio::test(flavor = "multi_thread")]
async fn everything_holds_on_a_fresh_up_and_the_report_says_so_in_json_and_in_junit() {
    let machine = Machine::of_up().await;
    let eval = ["eval", "all", "--trials", "1", "--seed", "7", "--junit", "eval.xml", "-o", "json"];
    let run = machine.run(&eval).await;
    assert_eq!(run.code, 0, "{run:?}");
    let report: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!((&report["verdict"], &report["seed"]), (&json!("held"), &json!(7)), "{report}");
    let cases = report["cases"].as_array().unwrap();
    for suite in ["race", "staleness", "replay", "escalation", "compensation"] {
        assert!(cases.iter().filter(|case| case["suite"] == suite).count() >= 3, "{suite}");
    }
    for case in cases {
        assert_eq!((&case["verdict"], &case["held"]), (&json!("held"), &case["trials"]), "{case}");
        assert!(case["invariant"].as_str().is_some_and(|invariant| !invariant.is_empty()), "{case}");
    }
    let mission = report["mission"].as_str().unwrap();
    assert!(mission.starts_with("eval-"), "{mission}");
    let agents = machine.run(&["agent", "list", "--mission", mission, "-o", "json"]).await.json();
    let states: Vec<_> = agents.as_array().unwrap().iter().map(|agent| agent["status"].clone()).collect();
    assert!(states.len() >= 9 && states.iter().all(|status| status == "retired"), "{agents}");
    let xml = std::fs::read_to_string(machine.path().join("eval.xml")).unwrap();
    assert!(xml.starts_with("<?xml") && xml.trim_end().ends_with("</testsuites>"), "{xml}");
    assert_eq!(xml.matches("<testcase ").count(), cases.len());
    assert!(!xml.contains("<failure") && !xml.contains("<error"), "{xml}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seed_tries_the_same_again_and_what_cannot_be_tried_has_a_code_of_its_own() {
    let machine = Machine::of_up().await;
    let tried = async |seed: &str| {
        let eval = ["eval", "compensation", "--trials", "2", "--seed", seed, "-o", "jsonl"];
        let out = machine.run(&eval).await.ok();
        let lines = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|case| case["tried_digest"].clone()).collect::<Vec<_>>()
    };
    let first = tried("11").await;
    assert!(first.len() >= 3 && first == tried("11").await);
    assert_ne!(first, tried("12").await);
    let shown = machine.run(&["eval", "race", "--trials", "1", "--agents", "2"]).await.ok();
    assert!(shown.contains("✓ lease-paths") && shown.contains("all held; --seed "), "{shown}");
    let late = machine.run(&["eval", "race", "--timeout", "400ms", "--trials", "500"]).await;
    assert_eq!(late.code, 21, "{late:?}");
    for wrong in [&["eval", "chaos"][..], &["eval", "--trials", "0"], &["eval", "--agents", "1"]] {
        assert_eq!(machine.run(wrong).await.code, 2, "{wrong:?}");
    }
    let nowhere = machine.path().join("nowhere");
    let keyless = machine.run(&["eval", "race", "--home", nowhere.to_str().unwrap()]).await;
    assert!(keyless.code == 2 && keyless.err.contains("operator's keys"), "{keyless:?}");
}
