//! Tasks in whose place a plan stands.

use selvedge_contracts::{
    call,
    fault::Code,
    payload::{
        case::{CaseState, Choice, Decided},
        dead::DeadState,
        plan::{PlanEnd, PlanSpec, PlanState},
        task::Phase,
    },
};
use selvedge_tests::dispatcher::{claim, plan, show_plan, submit_plan, work};
use serde_json::json;

use crate::{
    cases::{becomes, decide, disputed, fails, judy, letter_state, show, the_case},
    scene::{Scene, refused},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_split_into_a_plan_whose_end_is_its_own() {
    let scene = Scene::start_with(2).await;
    let judy = judy(&scene).await;
    let found = submit_plan(scene.pia.client(), &disputed("p", json!({}))).await.unwrap();
    fails(&scene, json!({ "ok": false })).await;
    let case = the_case(judy.client()).await;
    let smaller = plan("smaller", &[("x", &[]), ("y", &["x"])]);
    let split = |spec: &PlanSpec, result: &str| Choice::Split {
        plan: Box::new(spec.clone()),
        result: result.parse().unwrap(),
    };
    let circle = plan("circle", &[("x", &["y"]), ("y", &["x"])]);
    let wrong = refused(decide(&judy, &case.id, split(&circle, "y")).await, Code::Invalid, "x → y → x");
    assert!(wrong.details[0].at.starts_with("/decision/plan/tasks/"), "{wrong:?}");
    refused(decide(&judy, &case.id, split(&smaller, "z")).await, Code::Invalid, "no task of the plan");
    let decided = decide(&judy, &case.id, split(&smaller, "y")).await.unwrap();
    let Some(Decided::Split { plan: into, .. }) = decided.decision.map(|decision| decision.what) else {
        panic!()
    };
    let of = show_plan(scene.pia.client(), &into).await.plan.split_of.unwrap();
    assert_eq!((of.case, of.depth), (case.id.clone(), 1));
    assert_eq!(show_plan(scene.pia.client(), &found.plan.id).await.plan.state, PlanState::Running);
    let end = PlanEnd { plan: into.clone(), reason: "a mistake".to_owned() };
    scene
        .fabric
        .operator
        .clone()
        .in_mission("demo".parse().unwrap())
        .call::<call::PlanCancel>(&end)
        .await
        .unwrap();
    let again = becomes(judy.client(), &case.id, CaseState::Open).await;
    assert_eq!(again.splits, 1);
    decide(&judy, &case.id, split(&smaller, "y")).await.unwrap();
    assert_eq!(work(scene.ada.client()).await, ["x", "y", "b"]);
    let ended = scene.becomes(&found.plan.id, PlanState::Done).await;
    assert!(ended.tasks.iter().all(|line| line.phase == Phase::Validated));
    let over = show(judy.client(), &case.id).await;
    assert_eq!((over.state, over.splits), (CaseState::Decided, 2));
    assert_eq!((scene.count("case.*.split").await, scene.count("case.*.reopened").await), (2, 1));
    assert_eq!(letter_state(&scene, &found).await, DeadState::Discarded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_plan_takes_the_one_in_its_tasks_place_along() {
    let scene = Scene::start_with(2).await;
    let judy = judy(&scene).await;
    let found = submit_plan(scene.pia.client(), &disputed("p", json!({}))).await.unwrap();
    fails(&scene, json!({ "ok": false })).await;
    let case = the_case(judy.client()).await;
    let split = Choice::Split { plan: Box::new(plan("q", &[("x", &[])])), result: "x".parse().unwrap() };
    let decided = decide(&judy, &case.id, split).await.unwrap();
    let Some(Decided::Split { plan: into, .. }) = decided.decision.map(|decision| decision.what) else {
        panic!()
    };
    let end = PlanEnd { plan: found.plan.id.clone(), reason: "enough".to_owned() };
    scene.pia.client().call::<call::PlanCancel>(&end).await.unwrap();
    becomes(judy.client(), &case.id, CaseState::Closed).await;
    scene.becomes(&into, PlanState::Cancelled).await;
    assert_eq!(claim(scene.ada.client()).await.unwrap(), None);
}
