//! Plans that look like each other: asked about before they are there, decided once, recorded or not.

use selvedge_contracts::{
    call,
    fault::{Code, Fault},
    id::CreationId,
    payload::{
        case::{CaseDecide, CaseList, Choice, Decided},
        overlap::{Answer, CreationState},
        plan::{PlanEnd, PlanReply, PlanResume, PlanSpec, PlanState, PlanSubmit},
    },
    role::Role,
};
use selvedge_kit::{
    client::{Client, Options as Asked},
    creation::{Asking, asked_about, parts_asked_about},
};
use selvedge_tests::{
    Options,
    dispatcher::{submit, submit_plan},
    overlap::{decide, replica, show},
    wait::until,
};
use serde_json::json;

use crate::scene::{Scene, refused};

/// Replicas that ask, and nobody yet who answers.
async fn scene(replicas: usize) -> Scene {
    Scene::start_asking(Options::LAZY, replicas, Asking::Required).await
}

/// The same words under other names, which is another plan.
fn like(name: &str) -> PlanSpec {
    let check = json!({ "kind": "pointer", "at": "/ok", "equals": true });
    let task =
        |id: String, title: &str| json!({ "id": id, "title": title, "attempts": 1, "checks": [check] });
    let tasks = [
        task(format!("{name}-form"), "Fix the form of the login page"),
        task(format!("{name}-redirect"), "Decide where the login page redirects to after a logout"),
    ];
    serde_json::from_value(json!({ "title": "Rework the login page", "tasks": tasks })).unwrap()
}

/// The refusal of what looks like something else, and the creation that it asks about.
fn asked(outcome: Result<PlanReply, Fault>) -> (Fault, CreationId) {
    let fault = refused(outcome, Code::Conflict, "like something that is there");
    let creation = asked_about(&fault).unwrap_or_else(|| panic!("it names no creation: {fault:?}"));
    (fault, creation)
}

fn creation(reply: &PlanReply) -> CreationId {
    reply.plan.checked.clone().expect("it says what it was held against").creation
}

async fn comes_to(client: &Client, creation: &CreationId, wanted: CreationState) {
    until(&format!("{creation} to be {wanted}"), async || {
        match show(client, creation).await.map(|reply| reply.state) {
            Ok(state) if state == wanted => Ok(()),
            other => Err(other),
        }
    })
    .await;
}

async fn cancel(client: &Client, reply: &PlanReply) {
    let end = PlanEnd { plan: reply.plan.id.clone(), reason: "another way was found".to_owned() };
    client.call::<call::PlanCancel>(&end).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_like_another_ones_is_asked_about_and_recorded_only_once_its_planner_proceeds() {
    let scene = scene(1).await;
    let _overlap = replica(&scene.fabric.bus, "o1").await;
    let paul = scene.member("paul", Role::Planner, "person:paul").await;
    let first = submit_plan(scene.pia.client(), &like("a")).await.unwrap();
    let wanted = like("b");
    let (fault, creation_id) = asked(submit_plan(paul.client(), &wanted).await);
    let told = fault.details.iter().any(|detail| detail.message.contains(first.plan.id.as_str()));
    assert!(told, "it tells what it looks like: {fault:?}");
    assert_eq!(asked(submit_plan(paul.client(), &wanted).await).1, creation_id, "it is the same question");
    assert_eq!(scene.count("plan.*.submitted").await, 1, "nothing of the other one is there");
    decide(paul.client(), &creation_id, Answer::Proceed).await.unwrap();
    let second = submit_plan(paul.client(), &wanted).await.unwrap();
    assert_eq!(creation(&second), creation_id);
    assert_eq!(scene.count("plan.*.submitted").await, 2);
    comes_to(paul.client(), &creation_id, CreationState::Existing).await;
    let other = selvedge_tests::dispatcher::plan("Print the almanac of the harbour", &[("tides", &[])]);
    submit_plan(paul.client(), &other).await.expect("what is like nothing is not asked about");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_discarded_leaves_nothing_and_what_is_merged_is_open_again_after_a_cancel() {
    let scene = scene(1).await;
    let _overlap = replica(&scene.fabric.bus, "o1").await;
    let pia = scene.pia.client();
    let first = submit_plan(pia, &like("a")).await.unwrap();
    let (_, discarded) = asked(submit_plan(pia, &like("b")).await);
    decide(pia, &discarded, Answer::Discard).await.unwrap();
    refused(submit_plan(pia, &like("b")).await, Code::Conflict, "decided against");
    let (_, merged) = asked(submit_plan(pia, &like("c")).await);
    decide(pia, &merged, Answer::Merge(creation(&first))).await.unwrap();
    refused(submit_plan(pia, &like("c")).await, Code::Conflict, creation(&first).as_str());
    assert_eq!(scene.count("plan.*.*").await, 1);
    cancel(pia, &first).await;
    comes_to(pia, &merged, CreationState::Cleared).await;
    comes_to(pia, &creation(&first), CreationState::Removed).await;
    let anew = submit_plan(pia, &like("c")).await.unwrap();
    assert_eq!(creation(&anew), merged);
    let again = submit_plan(pia, &like("a")).await.unwrap();
    assert_eq!(again.plan.state, PlanState::Cancelled, "the same plan is that one, and nobody is asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_failed_is_gone_for_others_until_it_is_resumed_and_one_that_is_done_stays() {
    let scene = scene(1).await;
    let _overlap = replica(&scene.fabric.bus, "o1").await;
    let pia = scene.pia.client();
    let first = submit_plan(pia, &like("a")).await.unwrap();
    let held = scene.ada.claim().await;
    submit(scene.ada.client(), &held, json!({ "ok": false })).await.unwrap();
    let held = scene.ada.claim().await;
    submit(scene.ada.client(), &held, json!({ "ok": true })).await.unwrap();
    scene.becomes(&first.plan.id, PlanState::Failed).await;
    comes_to(pia, &creation(&first), CreationState::Removed).await;
    pia.call::<call::PlanResume>(&PlanResume { plan: first.plan.id.clone() }).await.unwrap();
    comes_to(pia, &creation(&first), CreationState::Existing).await;
    asked(submit_plan(pia, &like("b")).await);
    let held = scene.ada.claim().await;
    submit(scene.ada.client(), &held, json!({ "ok": true })).await.unwrap();
    scene.becomes(&first.plan.id, PlanState::Done).await;
    asked(submit_plan(pia, &like("c")).await);
    assert_eq!(show(pia, &creation(&first)).await.unwrap().state, CreationState::Existing);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_plan_at_once_over_two_replicas_is_one_plan_and_is_never_asked_about() {
    let scene = scene(2).await;
    let (_one, _two) = (replica(&scene.fabric.bus, "o1").await, replica(&scene.fabric.bus, "o2").await);
    let paul = scene.member("paul", Role::Planner, "person:paul").await;
    let wanted = like("a");
    let senders = (0..10).map(|n| if n % 2 == 0 { scene.pia.client() } else { paul.client() });
    let found = futures::future::join_all(senders.map(|client| submit_plan(client, &wanted))).await;
    let ids: std::collections::BTreeSet<_> =
        found.into_iter().map(|found| found.expect("the same plan is never asked about").plan.id).collect();
    assert_eq!((ids.len(), scene.count("plan.*.submitted").await), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_answer_nothing_is_recorded_and_the_same_goes_on_once_there_is_one() {
    let scene = scene(1).await;
    let pia = scene.pia.client();
    let options = Asked { timeout_ms: Some(3_000), ..Asked::default() };
    let submit = PlanSubmit { plan: like("a") };
    let down = pia.call_with::<call::PlanSubmit>(&submit, &options).await.map(|answered| answered.reply);
    let down = refused(down, Code::Unavailable, "once the service overlap answers");
    assert!(down.is_retryable(), "{down:?}");
    assert_eq!(scene.count("plan.*.*").await, 0);
    let _overlap = replica(&scene.fabric.bus, "o1").await;
    let made = submit_plan(pia, &like("a")).await.unwrap();
    comes_to(pia, &creation(&made), CreationState::Existing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_in_the_place_of_a_task_is_not_asked_about_and_is_there_for_others() {
    let scene = scene(1).await;
    let _overlap = replica(&scene.fabric.bus, "o1").await;
    let judy = scene.member("judy", Role::Arbitrator, "person:judy").await;
    let mut wanted = like("a");
    wanted.arbitration = Some(serde_json::from_value(json!({})).unwrap());
    submit_plan(scene.pia.client(), &wanted).await.unwrap();
    let held = scene.ada.claim().await;
    submit(scene.ada.client(), &held, json!({ "ok": false })).await.unwrap();
    let case = until("a case", async || {
        let found = judy.client().call::<call::CaseList>(&CaseList::default()).await.unwrap().reply.cases;
        found.first().map(|line| line.id.clone()).ok_or(found)
    })
    .await;
    let choice = Choice::Split { plan: Box::new(like("b")), result: "b-form".parse().unwrap() };
    let choice = CaseDecide { case, decision: choice, reason: "in two steps".to_owned() };
    let decided = judy.client().call::<call::CaseDecide>(&choice).await.unwrap().reply.case;
    let Some(Decided::Split { plan: into, .. }) = decided.decision.map(|decision| decision.what) else {
        panic!("it was not split")
    };
    let demo = selvedge_contracts::id::Mission::new("demo").unwrap();
    let id = CreationId::of(&demo, &selvedge_contracts::id::KindName::plan(), into.as_str());
    until("it to be there for others", async || {
        let (fault, _) = asked(submit_plan(scene.pia.client(), &like("c")).await);
        let told = fault.details.iter().any(|detail| detail.message.contains(id.as_str()));
        if told { Ok(()) } else { Err(fault) }
    })
    .await;
}

/// A plan whose tasks have these titles, called after their place.
fn of(title: &str, tasks: &[&str]) -> PlanSpec {
    let check = json!({ "kind": "pointer", "at": "/ok" });
    let task =
        |(n, title): (usize, &&str)| json!({ "id": format!("t{n}"), "title": title, "checks": [check] });
    let tasks: Vec<_> = tasks.iter().enumerate().map(task).collect();
    serde_json::from_value(json!({ "title": title, "tasks": tasks })).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_task_that_stands_in_another_plan_is_asked_about_by_its_name() {
    let scene = scene(1).await;
    let _overlap = replica(&scene.fabric.bus, "o1").await;
    let pia = scene.pia.client();
    let first = of("Renew the shop", &["Fix the form of the login page", "Paint the boathouse green"]);
    let first = submit_plan(pia, &first).await.unwrap();
    let wanted =
        of("Print the almanac of the harbour", &["Draw the tides", "Fix the form of the login page"]);
    let (fault, whole) = asked(submit_plan(pia, &wanted).await);
    let parts = parts_asked_about(&fault);
    let [(name, task)] = &parts[..] else { panic!("{fault:?}") };
    assert_eq!(name, "t1");
    let told = fault.details.iter().any(|detail| {
        detail.at == "/overlap/parts/t1/candidates/0"
            && detail.message.contains(&format!("{}/t0", first.plan.id))
    });
    assert!(told, "{fault:?}");
    assert_eq!(scene.count("plan.*.submitted").await, 1);
    decide(pia, task, Answer::Proceed).await.unwrap();
    let second = submit_plan(pia, &wanted).await.unwrap();
    assert_eq!(creation(&second), whole);
    comes_to(pia, task, CreationState::Existing).await;
    cancel(pia, &second).await;
    comes_to(pia, task, CreationState::Removed).await;
    cancel(pia, &first).await;
    let gone = of("Something else", &["Fix the form of the login page"]);
    until("the task to be forgotten with its plans", async || submit_plan(pia, &gone).await.map(drop)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tasks_of_a_plan_that_nobody_proposed_are_there_for_others() {
    let before = Scene::start_asking(Options::LAZY, 1, Asking::Off).await;
    let pia = before.pia.client();
    let first = submit_plan(pia, &of("Renew the shop", &["Fix the form of the login page"])).await.unwrap();
    let _overlap = replica(&before.fabric.bus, "o1").await;
    let check = selvedge_contracts::payload::overlap::Check {
        title: "fix form of login page".to_owned(),
        what: Some(selvedge_contracts::id::KindName::task()),
        ..Default::default()
    };
    let found = pia.call::<call::OverlapCheck>(&check).await.unwrap().reply.candidates;
    assert_eq!(found[0].id, format!("{}/t0", first.plan.id));
    assert!(found[0].part_of.is_some() && found[0].state == CreationState::Existing, "{found:?}");
}
