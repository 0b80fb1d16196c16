//! A plan in the place of a task owes what the task owed.

use selvedge_contracts::{
    fault::Code,
    payload::{
        case::{CaseState, Choice},
        plan::PlanState,
        task::{Phase, TaskState},
    },
};
use selvedge_tests::dispatcher::{plan, submit, submit_plan, task_spec};
use serde_json::json;

use crate::{
    cases::{decide, judy, show, the_case},
    scene::{Scene, refused},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_split_does_not_get_around_the_checks_of_its_task() {
    let scene = Scene::start_with(2).await;
    let judy = judy(&scene).await;
    let mut wanted = plan("p", &[("n", &[]), ("a", &["n"]), ("b", &["a"])]);
    wanted.tasks[1] = task_spec(json!({ "id": "a", "title": "a", "needs": ["n"], "attempts": 1, "checks": [
        { "kind": "pointer", "at": "/x", "equals": 1 },
        { "kind": "agrees", "at": "/n", "task": "n", "with": "/n" },
    ] }));
    wanted.arbitration = Some(serde_json::from_value(json!({})).unwrap());
    let found = submit_plan(scene.pia.client(), &wanted).await.unwrap();
    let first = scene.ada.claim().await;
    submit(scene.ada.client(), &first, json!({ "ok": true, "n": 7 })).await.unwrap();
    let failing = scene.ada.claim().await;
    let failed = submit(scene.ada.client(), &failing, json!({ "x": 2, "n": 7 })).await.unwrap().task;
    assert_eq!(failed.state, TaskState::Failed);
    let case = the_case(judy.client()).await;
    // One whose checks ask for nothing.
    let mut easy = plan("easy", &[("r", &[])]);
    easy.tasks[0] = task_spec(
        json!({ "id": "r", "title": "r", "attempts": 1, "checks": [{ "kind": "pointer", "at": "" }] }),
    );
    let split = |title: &str| {
        let mut spec = easy.clone();
        spec.title = title.to_owned();
        Choice::Split { plan: Box::new(spec), result: "r".parse().unwrap() }
    };
    decide(&judy, &case.id, split("easy")).await.unwrap();
    let easily = scene.ada.claim().await;
    let junk = submit(scene.ada.client(), &easily, json!({ "junk": true, "n": 7 })).await.unwrap().task;
    assert_eq!(
        junk.state,
        TaskState::Failed,
        "the check of the task in whose place it stands is its own: {junk:?}"
    );
    let again = crate::cases::becomes(judy.client(), &case.id, CaseState::Open).await;
    // Nor around what has to agree with a task of the other plan.
    decide(&judy, &again.id, split("once more")).await.unwrap();
    let apart = scene.ada.claim().await;
    let apart = submit(scene.ada.client(), &apart, json!({ "x": 1, "n": 8 })).await.unwrap().task;
    assert_eq!(
        apart.state,
        TaskState::Validated,
        "in its own plan there is nothing that it has to agree with"
    );
    let again = crate::cases::becomes(judy.client(), &case.id, CaseState::Open).await;
    decide(&judy, &again.id, split("at last")).await.unwrap();
    let good = scene.ada.claim().await;
    submit(scene.ada.client(), &good, json!({ "x": 1, "n": 7 })).await.unwrap();
    let last = scene.ada.claim().await;
    submit(scene.ada.client(), &last, json!({ "ok": true })).await.unwrap();
    let ended = scene.becomes(&found.plan.id, PlanState::Done).await;
    assert!(ended.tasks.iter().all(|line| line.phase == Phase::Validated));
    assert_eq!(show(judy.client(), &case.id).await.state, CaseState::Decided);
    let shown = selvedge_tests::dispatcher::show_task(scene.pia.client(), &failed.id).await.task;
    let found: Vec<_> =
        shown.unwrap().verdict.unwrap().findings.into_iter().map(|f| (f.check, f.passed)).collect();
    assert!(found.len() >= 3 && found.iter().all(|(_, passed)| *passed), "evidence: {found:?}");
    refused(decide(&judy, &case.id, Choice::Abort).await, Code::Conflict, "was first");
}
