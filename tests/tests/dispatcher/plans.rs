//! Plans, from their submission to their end.

use selvedge_contracts::{
    call,
    fault::Code,
    payload::{
        plan::{MAX_NEEDS, PlanEnd, PlanList, PlanResume, PlanShow, PlanSpec, PlanState, PlanSubmit},
        task::{Phase, TaskFail, TaskList, TaskOpen, TaskShow},
    },
    role::Role,
};
use selvedge_tests::{
    dispatcher::{claim, plan, show_plan, submit, submit_plan, work},
    wait,
};
use serde_json::json;

use crate::scene::{Scene, refused};

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_done_in_the_order_of_its_needs_with_two_facts_a_task() {
    let scene = Scene::start().await;
    let wanted = plan("diamond", &[("d", &["b", "c"]), ("b", &["a"]), ("c", &["a"]), ("a", &[])]);
    let submitted = submit_plan(scene.pia.client(), &wanted).await.unwrap();
    let phases: Vec<_> = submitted.tasks.iter().map(|line| line.phase).collect();
    assert_eq!(phases, [Phase::Blocked, Phase::Blocked, Phase::Blocked, Phase::Ready]);
    let done = work(scene.ada.client()).await;
    assert!(done.first().unwrap() == "a" && done.last().unwrap() == "d" && done.len() == 4, "{done:?}");
    let ended = scene.becomes(&submitted.plan.id, PlanState::Done).await;
    assert!(ended.tasks.iter().all(|line| line.phase == Phase::Validated));
    assert_eq!((scene.count("task.*.claimed").await, scene.count("task.*.validated").await), (4, 4));
    assert_eq!((scene.count("task.*.*").await, scene.count("plan.*.*").await), (8, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_handed_in_is_the_input_of_what_needs_it_pinned_to_digest_and_revision() {
    let scene = Scene::start().await;
    submit_plan(scene.pia.client(), &plan("p", &[("a", &[]), ("b", &["a"])])).await.unwrap();
    let first = scene.ada.claim().await;
    let handed_in = submit(scene.ada.client(), &first, json!({ "ok": true, "n": 7 })).await.unwrap();
    let second = scene.ada.claim().await;
    let input = &second.inputs[0];
    assert_eq!((input.input.task.as_str(), input.input.revision), ("a", handed_in.revision));
    assert_eq!(input.value, Some(json!({ "ok": true, "n": 7 })));
    assert_eq!(input.input.digest, handed_in.task.output.unwrap().digest);
    assert_eq!(second.task.claim.unwrap().inputs, std::slice::from_ref(&input.input));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_may_need_as_many_others_as_its_claim_can_pin() {
    let scene = Scene::start().await;
    let fan = |wide: usize| {
        let names: Vec<String> = (0..wide).map(|n| format!("a-task-of-the-fan-{n}")).collect();
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut tasks: Vec<(&str, &[&str])> = all.iter().map(|name| (*name, &[][..])).collect();
        tasks.push(("last", &all));
        plan("fan", &tasks)
    };
    let fault = refused(submit_plan(scene.pia.client(), &fan(MAX_NEEDS + 1)).await, Code::Invalid, "");
    assert_eq!(fault.details[0].at, format!("/plan/tasks/{}/needs", MAX_NEEDS + 1));
    let submitted = submit_plan(scene.pia.client(), &fan(MAX_NEEDS)).await.unwrap();
    for _ in 0..MAX_NEEDS {
        let claimed = scene.ada.claim().await;
        submit(scene.ada.client(), &claimed, json!({ "ok": true, "said": "x".repeat(900) })).await.unwrap();
    }
    let last = scene.ada.claim().await;
    assert_eq!((last.spec.id.as_str(), last.inputs.len()), ("last", MAX_NEEDS));
    assert_eq!(last.task.claim.as_ref().unwrap().inputs.len(), MAX_NEEDS);
    let fail = TaskFail {
        task: last.task.id.clone(),
        token: last.task.claim.unwrap().token,
        reason: "no".into(),
        is_final: true,
        is_returned: false,
    };
    scene.ada.client().call::<call::TaskFail>(&fail).await.unwrap();
    // Its dead letter says all of it again.
    wait::until("its dead letter", async || match scene.count("dead.*.*").await {
        1 => Ok(()),
        other => Err(other),
    })
    .await;
    scene.becomes(&submitted.plan.id, PlanState::Failed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_is_wrong_is_listed_and_nothing_recorded() {
    let scene = Scene::start().await;
    let mut wanted = plan("p", &[("a", &["b"]), ("b", &["a"]), ("c", &["a", "x"])]);
    wanted.tasks[2].checks.clear();
    wanted.pools = vec!["gpu".parse().unwrap()];
    let fault = refused(submit_plan(scene.pia.client(), &wanted).await, Code::Invalid, "a → b → a");
    let places: Vec<_> = fault.details.iter().map(|detail| detail.at.as_str()).collect();
    let expected = ["/plan/pools/0", "/plan/tasks/2/checks", "/plan/tasks/2/needs/1", "/plan/tasks/0/needs"];
    assert_eq!(places, expected);
    let checked = PlanSubmit { plan: wanted };
    let checked = scene.ada.client().call::<call::PlanCheck>(&checked).await.unwrap().reply;
    assert_eq!(checked.errors, fault.details);
    assert_eq!(scene.count("plan.*.*").await, 0);
    let too_many: Vec<_> = (0..1_001).map(|n| json!({ "id": format!("t{n}"), "title": "t" })).collect();
    let too_many: PlanSpec = serde_json::from_value(json!({ "title": "t", "tasks": too_many })).unwrap();
    refused(submit_plan(scene.pia.client(), &too_many).await, Code::Invalid, "1000");
    let unready = plan("p", &[("a", &[])]);
    refused(submit_plan(scene.ada.client(), &unready).await, Code::Denied, "may not publish");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_plan_again_is_the_same_plan_whoever_sends_it() {
    let scene = Scene::start_with(2).await;
    let paul = scene.member("paul", Role::Planner, "person:paul").await;
    let wanted = plan("p", &[("a", &[])]);
    let senders = (0..10).map(|n| if n % 2 == 0 { scene.pia.client() } else { paul.client() });
    let found = futures::future::join_all(senders.map(|client| submit_plan(client, &wanted))).await;
    let ids: std::collections::BTreeSet<_> = found.into_iter().map(|found| found.unwrap().plan.id).collect();
    assert_eq!((ids.len(), scene.count("plan.*.submitted").await), (1, 1));
    work(scene.ada.client()).await;
    let plan_id = ids.into_iter().next().unwrap();
    scene.becomes(&plan_id, PlanState::Done).await;
    let again = submit_plan(scene.pia.client(), &wanted).await.unwrap();
    assert_eq!((again.plan.state, again.plan.id.clone()), (PlanState::Done, plan_id.clone()));
    let once_more = PlanSpec { occurrence: Some("2".to_owned()), ..wanted };
    assert_ne!(submit_plan(scene.pia.client(), &once_more).await.unwrap().plan.id, plan_id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_plan_gives_nothing_out_and_a_cancelled_one_takes_nothing() {
    let scene = Scene::start().await;
    let other = scene.member("paul", Role::Planner, "person:paul").await;
    let found =
        submit_plan(scene.pia.client(), &plan("p", &[("a", &[]), ("b", &[]), ("c", &["b"])])).await.unwrap();
    let end = PlanEnd { plan: found.plan.id.clone(), reason: "lunch".to_owned() };
    let resume = PlanResume { plan: found.plan.id.clone() };
    refused(other.client().call::<call::PlanPause>(&end).await.map(|_| ()), Code::Denied, "may change it");
    let held = scene.ada.claim().await;
    scene.pia.client().call::<call::PlanPause>(&end).await.unwrap();
    assert_eq!(claim(scene.ada.client()).await.unwrap(), None);
    submit(scene.ada.client(), &held, json!({ "ok": true })).await.expect("what is claimed goes on");
    scene.pia.client().call::<call::PlanResume>(&resume).await.unwrap();
    let held = scene.ada.claim().await;
    let cancelled = scene.pia.client().call::<call::PlanCancel>(&end).await.unwrap().reply.plan;
    assert_eq!(cancelled.state, PlanState::Cancelled);
    let late = submit(scene.ada.client(), &held, json!({ "ok": true })).await;
    refused(late, Code::Conflict, "");
    selvedge_tests::wait::until("the task to be stopped", async || {
        match scene.count("task.*.stopped").await {
            1 => Ok(()),
            count => Err(count),
        }
    })
    .await;
    let shown = show_plan(scene.pia.client(), &found.plan.id).await;
    let phases: Vec<_> = shown.tasks.iter().map(|line| line.phase).collect();
    assert_eq!(phases, [Phase::Validated, Phase::Stopped, Phase::Stopped]);
    let never = TaskShow { task: shown.tasks[2].id.clone() };
    let never = scene.pia.client().call::<call::TaskShow>(&never).await.unwrap().reply;
    assert_eq!((never.line.phase, never.task), (Phase::Stopped, None));
    refused(
        scene.pia.client().call::<call::PlanResume>(&resume).await.map(|_| ()),
        Code::Conflict,
        "occurrence",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gated_task_waits_for_the_signed_consent_of_somebody_else() {
    let scene = Scene::start().await;
    let paula = scene.member("paula", Role::Approver, "person:paul").await;
    let own = scene.member("own", Role::Approver, "person:pia").await;
    let mut wanted = plan("p", &[("a", &[])]);
    wanted.tasks[0].gate = serde_json::from_value(json!({ "asks": "may it go out?" })).unwrap();
    let found = submit_plan(scene.pia.client(), &wanted).await.unwrap();
    assert_eq!(found.tasks[0].phase, Phase::Gated);
    assert_eq!(claim(scene.ada.client()).await.unwrap(), None);
    let open = TaskOpen { task: found.tasks[0].id.clone() };
    refused(own.client().call::<call::TaskOpen>(&open).await.map(|_| ()), Code::Denied, "somebody else");
    refused(
        scene.ada.client().call::<call::TaskOpen>(&open).await.map(|_| ()),
        Code::Denied,
        "may not publish",
    );
    paula.client().call::<call::TaskOpen>(&open).await.unwrap();
    let claimed = scene.ada.claim().await;
    assert_eq!(claimed.task.opened.unwrap().by.as_str(), paula.agent.record.id.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_show_what_is_under_way() {
    let scene = Scene::start().await;
    for title in ["one", "two", "three"] {
        submit_plan(scene.pia.client(), &plan(title, &[("a", &[]), ("b", &["a"])])).await.unwrap();
    }
    let held = scene.ada.claim().await;
    let list =
        async |wanted: TaskList| scene.ada.client().call::<call::TaskList>(&wanted).await.unwrap().reply;
    assert_eq!(list(TaskList::default()).await.tasks.len(), 6);
    let mine = list(TaskList { mine: true, ..TaskList::default() }).await.tasks;
    assert_eq!(mine.iter().map(|line| &line.id).collect::<Vec<_>>(), [&held.task.id]);
    assert_eq!(list(TaskList { phase: Some(Phase::Ready), ..TaskList::default() }).await.tasks.len(), 2);
    let page = list(TaskList { limit: Some(4), ..TaskList::default() }).await;
    assert!(page.more && page.tasks.len() == 4);
    let rest = list(TaskList { after: Some(page.tasks[3].id.clone()), ..TaskList::default() }).await;
    assert!(!rest.more && rest.tasks.len() == 2);
    let plans = scene.ada.client().call::<call::PlanList>(&PlanList::default()).await.unwrap().reply.plans;
    assert_eq!(plans.iter().map(|line| line.running).sum::<usize>(), 1);
    let ready = list(TaskList { phase: Some(Phase::Blocked), ..TaskList::default() }).await.tasks;
    let show = TaskShow { task: ready[0].id.clone() };
    let shown = scene.ada.client().call::<call::TaskShow>(&show).await.unwrap().reply;
    assert_eq!((shown.revision, shown.task, shown.line.waits_for.len()), (0, None, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_too_large_for_one_message_is_recorded_shown_and_changed_all_the_same() {
    let scene = Scene::start().await;
    let name = |n: usize| format!("{:0>60}", format!("t{n}"));
    let task = |n: usize| {
        let needs: Vec<_> = (n.saturating_sub(3)..n).map(name).collect();
        json!({ "id": name(n), "title": "a title of some length, as people write them", "needs": needs,
            "checks": [{ "kind": "pointer", "at": "" }] })
    };
    let tasks: Vec<_> = (0..1_000).map(task).collect();
    let wanted: PlanSpec = serde_json::from_value(json!({ "title": "large", "tasks": tasks })).unwrap();
    let found = submit_plan(scene.pia.client(), &wanted).await.expect("what is recorded is not refused");
    assert!(found.more && !found.tasks.is_empty(), "{} lines", found.tasks.len());
    let (mut lines, mut more) = (found.tasks, found.more);
    while more {
        let after = lines.last().map(|line| line.name.clone());
        let page = PlanShow { plan: found.plan.id.clone(), after };
        let page = scene.pia.client().call::<call::PlanShow>(&page).await.unwrap().reply;
        lines.extend(page.tasks);
        more = page.more;
    }
    let names: Vec<_> = lines.iter().map(|line| line.name.clone()).collect();
    assert_eq!(names, wanted.tasks.iter().map(|task| task.id.clone()).collect::<Vec<_>>());
    let end = PlanEnd { plan: found.plan.id, reason: "enough".to_owned() };
    let paused = scene.pia.client().call::<call::PlanPause>(&end).await.unwrap().reply;
    assert_eq!(paused.plan.state, PlanState::Paused);
}
