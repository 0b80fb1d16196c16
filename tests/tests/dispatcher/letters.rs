//! Work that could not be used.

use selvedge_contracts::{
    call,
    fault::Code,
    payload::{
        dead::{DeadDiscard, DeadLetter, DeadList, DeadNamed, DeadState, Why},
        plan::{PlanResume, PlanState},
        task::TaskState,
    },
    role::Role,
};
use selvedge_tests::{
    dispatcher::{plan, submit, submit_plan, work},
    wait,
};
use serde_json::json;

use crate::scene::{Scene, refused};

/// A scene whose plan has failed: its one task has used up its only attempt, and another waits for it.
async fn failed() -> (Scene, selvedge_contracts::payload::plan::PlanReply, DeadLetter) {
    let scene = Scene::start_with(2).await;
    let mut wanted = plan("p", &[("a", &[]), ("b", &["a"])]);
    wanted.tasks[0].attempts = 1;
    let found = submit_plan(scene.pia.client(), &wanted).await.unwrap();
    let claimed = scene.ada.claim().await;
    let task = submit(scene.ada.client(), &claimed, json!({ "ok": false })).await.unwrap().task;
    assert_eq!(task.state, TaskState::Failed);
    let found = scene.becomes(&found.plan.id, PlanState::Failed).await;
    let letter = wait::until("its letter", async || {
        let list = DeadList { plan: Some(found.plan.id.clone()), ..DeadList::default() };
        let letters = scene.pia.client().call::<call::DeadList>(&list).await.unwrap().reply.letters;
        letters.into_iter().next().ok_or("none")
    })
    .await;
    (scene, found, letter)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_without_attempts_left_is_a_letter_that_is_replayed_once() {
    let (scene, found, letter) = failed().await;
    assert_eq!(
        (letter.why, letter.output.clone(), letter.past.len()),
        (Why::Exhausted, Some(json!({ "ok": false })), 1)
    );
    assert_eq!((scene.count("dead.*.buried").await, scene.count("plan.*.failed").await), (1, 1));
    let named = DeadNamed { letter: letter.id.clone() };
    let other = scene.member("paul", Role::Planner, "person:paul").await;
    refused(other.client().call::<call::DeadReplay>(&named).await.map(|_| ()), Code::Denied, "may change it");
    let replayed = scene.pia.client().call::<call::DeadReplay>(&named).await.unwrap().reply.letter;
    assert_eq!(replayed.state, DeadState::Replayed);
    refused(scene.pia.client().call::<call::DeadReplay>(&named).await.map(|_| ()), Code::Conflict, "already");
    assert_eq!(work(scene.ada.client()).await, ["a", "b"]);
    scene.becomes(&found.plan.id, PlanState::Done).await;
    assert_eq!(scene.count("task.*.replayed").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_plan_is_resumed_with_all_attempts_anew() {
    let (scene, found, letter) = failed().await;
    let discard = DeadDiscard { letter: letter.id.clone(), reason: "the whole plan goes on".to_owned() };
    let discarded = scene.pia.client().call::<call::DeadDiscard>(&discard).await.unwrap().reply.letter;
    assert_eq!(discarded.state, DeadState::Discarded);
    let named = DeadNamed { letter: letter.id };
    refused(
        scene.pia.client().call::<call::DeadReplay>(&named).await.map(|_| ()),
        Code::Conflict,
        "discarded",
    );
    let resume = PlanResume { plan: found.plan.id.clone() };
    let resumed = scene.pia.client().call::<call::PlanResume>(&resume).await.unwrap().reply;
    assert_eq!((resumed.plan.state, resumed.plan.round), (PlanState::Running, 1));
    assert_eq!(work(scene.ada.client()).await, ["a", "b"]);
    scene.becomes(&found.plan.id, PlanState::Done).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_settled_once_its_plan_was_resumed_and_its_task_is_under_way() {
    let (scene, found, letter) = failed().await;
    let resume = PlanResume { plan: found.plan.id.clone() };
    scene.pia.client().call::<call::PlanResume>(&resume).await.unwrap();
    assert_eq!(work(scene.ada.client()).await, ["a", "b"]);
    let named = DeadNamed { letter: letter.id };
    let settled = wait::until("the letter to be settled", async || {
        let letter = scene.pia.client().call::<call::DeadShow>(&named).await.unwrap().reply.letter;
        if letter.state == DeadState::Open { Err(letter.state) } else { Ok(letter) }
    })
    .await;
    assert_eq!((settled.state, settled.settled_by.unwrap().as_str()), (DeadState::Replayed, "dispatcher"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_handed_in_again_and_again_for_what_one_never_had_leaves_nothing_behind() {
    let scene = Scene::start().await;
    let eve = scene.member("eve", Role::Worker, "person:eve").await;
    submit_plan(scene.pia.client(), &plan("p", &[("a", &[])])).await.unwrap();
    let held = scene.ada.claim().await;
    submit(scene.ada.client(), &held, json!({ "ok": true })).await.unwrap();
    for n in 0..5 {
        let late = submit(eve.client(), &held, json!({ "ok": true, "n": n })).await;
        refused(late, Code::Denied, "no claim of eve");
        let late = submit(scene.ada.client(), &held, json!({ "ok": true, "n": n })).await;
        refused(late, Code::Conflict, "validated");
    }
    let letters =
        scene.pia.client().call::<call::DeadList>(&DeadList::default()).await.unwrap().reply.letters;
    assert_eq!(letters.len(), 1, "the first that ada handed in too late");
    assert_eq!((letters[0].why, &letters[0].spec, letters[0].attempt), (Why::Stale, &None, 1));
}
