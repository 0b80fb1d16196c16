//! How deep values may nest: whatever is recorded can be read, by this replica and by those that come.

use selvedge_contracts::{
    call,
    envelope::MAX_PAYLOAD_DEPTH,
    fault::Code,
    payload::{
        dead::{DeadList, DeadNamed},
        plan::{PlanSpec, PlanState},
        task::{Phase, TaskShow},
    },
};
use selvedge_tests::{
    dispatcher::{plan, show_plan, start, submit, submit_plan},
    wait,
};
use serde_json::{Value, json};

use crate::scene::{Scene, refused};

/// A value of so many arrays in one another.
fn nested(depth: usize) -> Value {
    (0..depth).fold(json!(1), |inner, _| Value::Array(vec![inner]))
}

/// A plan whose task `a` has an input, and a check, nested so deep that the whole request has `depth` levels.
fn deep_plan(depth: usize) -> PlanSpec {
    let mut wanted = plan("deep", &[("a", &[]), ("b", &["a"])]);
    // Of the request are the payload, the plan, its tasks, and the task.
    wanted.tasks[0].input = Some(nested(depth - 4));
    let checks = json!([
        { "kind": "pointer", "at": "/ok", "equals": true },
        // And the checks, and the check.
        { "kind": "pointer", "at": "/none", "equals": nested(depth - 6) },
    ]);
    wanted.tasks[0].checks = serde_json::from_value(checks).unwrap();
    wanted.tasks[0].attempts = 1;
    wanted
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_as_deep_as_it_may_be_is_read_by_every_replica_and_in_every_answer() {
    let scene = Scene::start().await;
    let fault = refused(
        submit_plan(scene.pia.client(), &deep_plan(MAX_PAYLOAD_DEPTH + 1)).await,
        Code::Invalid,
        "too deeply",
    );
    assert!(fault.details[0].at.starts_with("/plan/tasks/0/"), "{fault:?}");
    let found = submit_plan(scene.pia.client(), &deep_plan(MAX_PAYLOAD_DEPTH)).await.unwrap();
    let claimed = scene.ada.claim().await;
    let deep = |depth: usize| json!({ "ok": true, "d": nested(depth - 2) });
    let late = submit(scene.ada.client(), &claimed, deep(MAX_PAYLOAD_DEPTH + 1)).await;
    let fault = refused(late, Code::Invalid, "too deeply");
    assert!(fault.details[0].at.starts_with("/output/d/0"), "{fault:?}");
    submit(scene.ada.client(), &claimed, deep(MAX_PAYLOAD_DEPTH)).await.unwrap();
    let found = scene.becomes(&found.plan.id, PlanState::Failed).await;
    let letter = wait::until("its letter", async || {
        let letters = scene.pia.client().call::<call::DeadList>(&DeadList::default()).await;
        letters.unwrap().reply.letters.into_iter().next().ok_or("none")
    })
    .await;
    assert_eq!(letter.output, Some(deep(MAX_PAYLOAD_DEPTH)));
    let mut passing = plan("passes", &[("a", &[]), ("b", &["a"])]);
    passing.occurrence = Some("2".to_owned());
    let passing = submit_plan(scene.pia.client(), &passing).await.unwrap();
    let claimed = scene.ada.claim().await;
    submit(scene.ada.client(), &claimed, deep(MAX_PAYLOAD_DEPTH)).await.unwrap();
    // Whoever starts knows what was told before: only its own views hold it.
    let mut scene = scene;
    for running in std::mem::take(&mut scene.replicas) {
        running.drain().await;
    }
    scene.replicas.push(start(&scene.fabric.bus, "d9").await);
    let phases = |tasks: &[selvedge_contracts::payload::task::TaskLine]| {
        tasks.iter().map(|line| line.phase).collect::<Vec<_>>()
    };
    let shown = show_plan(scene.pia.client(), &passing.plan.id).await;
    assert_eq!(phases(&shown.tasks), [Phase::Validated, Phase::Ready]);
    assert_eq!(show_plan(scene.pia.client(), &found.plan.id).await.plan.state, PlanState::Failed);
    let show = TaskShow { task: claimed.task.id.clone() };
    let shown = scene.pia.client().call::<call::TaskShow>(&show).await.unwrap().reply;
    assert_eq!(shown.task.unwrap().output.unwrap().value, deep(MAX_PAYLOAD_DEPTH));
    let named = DeadNamed { letter: letter.id };
    let letter = scene.pia.client().call::<call::DeadShow>(&named).await.unwrap().reply.letter;
    assert_eq!(letter.output, Some(deep(MAX_PAYLOAD_DEPTH)));
}
