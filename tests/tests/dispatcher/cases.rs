//! Disagreements, and who decides them.

use selvedge_contracts::{
    call,
    fault::{Code, Fault},
    id::{CaseId, Digest},
    payload::{
        arbitration::{Arbitration, CaseWhy},
        case::{Case, CaseDecide, CaseLine, CaseList, CaseShow, CaseState, Choice, Decided},
        contract::ContractAdd,
        dead::{DeadList, DeadNamed, DeadState},
        mission::MissionCreate,
        plan::{ContractPin, PlanReply, PlanResume, PlanSpec, PlanState},
        task::{Cause, Claimed, Phase, TaskFail, TaskState},
    },
    role::Role,
};
use selvedge_kit::client::Client;
use selvedge_tests::{
    dispatcher::{claim, plan, show_plan, submit, submit_plan, work},
    raw::{Raw, facts},
    wait,
};
use serde_json::{Value, json};

use crate::scene::{Member, Scene, refused};

pub(crate) fn arbitration(said: Value) -> Option<Arbitration> {
    Some(serde_json::from_value(said).unwrap())
}

/// A plan of one task with one attempt, and one that needs it, that waits for decisions.
pub(crate) fn disputed(title: &str, said: Value) -> PlanSpec {
    let mut wanted = plan(title, &[("a", &[]), ("b", &["a"])]);
    wanted.tasks[0].attempts = 1;
    wanted.arbitration = arbitration(said);
    wanted
}

/// The task's only attempt comes to nothing.
pub(crate) async fn fails(scene: &Scene, output: Value) -> Claimed {
    let claimed = scene.ada.claim().await;
    let task = submit(scene.ada.client(), &claimed, output).await.unwrap().task;
    assert_eq!(task.state, TaskState::Failed, "{task:?}");
    claimed
}

async fn open_cases(client: &Client) -> Vec<CaseLine> {
    client.call::<call::CaseList>(&CaseList::default()).await.unwrap().reply.cases
}

/// The one case that is open, as it is shown.
pub(crate) async fn the_case(client: &Client) -> Case {
    let line = wait::until("a case", async || match open_cases(client).await.as_slice() {
        [only] => Ok(only.clone()),
        other => Err(other.to_vec()),
    })
    .await;
    show(client, &line.id).await
}

pub(crate) async fn show(client: &Client, case: &CaseId) -> Case {
    client.call::<call::CaseShow>(&CaseShow { case: case.clone() }).await.unwrap().reply.case
}

pub(crate) async fn decide(by: &Member, case: &CaseId, decision: Choice) -> Result<Case, Fault> {
    let decide = CaseDecide { case: case.clone(), decision, reason: "because".to_owned() };
    by.client().call::<call::CaseDecide>(&decide).await.map(|answered| answered.reply.case)
}

pub(crate) async fn becomes(client: &Client, case: &CaseId, wanted: CaseState) -> Case {
    wait::until("the case's state", async || {
        let found = show(client, case).await;
        if found.state == wanted { Ok(found) } else { Err(found) }
    })
    .await
}

pub(crate) async fn judy(scene: &Scene) -> Member {
    scene.member("judy", Role::Arbitrator, "person:judy").await
}

pub(crate) async fn letter_state(scene: &Scene, found: &PlanReply) -> DeadState {
    let list = DeadList { plan: Some(found.plan.id.clone()), ..DeadList::default() };
    scene.pia.client().call::<call::DeadList>(&list).await.unwrap().reply.letters[0].state
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exhausted_task_is_a_case_that_a_plan_waits_for_and_a_retry_goes_on_with_a_note() {
    let scene = Scene::start_with(2).await;
    let judy = judy(&scene).await;
    let found = submit_plan(scene.pia.client(), &disputed("p", json!({}))).await.unwrap();
    fails(&scene, json!({ "ok": false })).await;
    let case = the_case(judy.client()).await;
    assert_eq!((case.why, case.attempt, case.past.len()), (CaseWhy::Exhausted, 1, 1));
    assert_eq!(case.outputs[0].value, Some(json!({ "ok": false })));
    let shown = show_plan(scene.pia.client(), &found.plan.id).await;
    assert_eq!((shown.plan.state, shown.cases.len()), (PlanState::Running, 1));
    assert_eq!((&shown.cases[0].id, shown.tasks[0].phase), (&case.id, Phase::Failed));
    let note = Some("say that it is ok".to_owned());
    let decided = decide(&judy, &case.id, Choice::Retry { note: note.clone() }).await.unwrap();
    assert_eq!(decided.state, CaseState::Decided);
    assert_eq!(letter_state(&scene, &found).await, DeadState::Replayed);
    let claimed = scene.ada.claim().await;
    assert_eq!((claimed.task.attempt, claimed.task.note.as_ref().map(|note| note.text.clone())), (2, note));
    submit(scene.ada.client(), &claimed, json!({ "ok": true })).await.unwrap();
    assert_eq!(work(scene.ada.client()).await, ["b"]);
    let ended = scene.becomes(&found.plan.id, PlanState::Done).await;
    assert!(ended.cases.is_empty());
    assert_eq!((scene.count("case.*.opened").await, scene.count("case.*.decided").await), (1, 1));
    assert_eq!((scene.count("plan.*.failed").await, scene.count("task.*.replayed").await), (0, 1));
    let fact = facts(&scene.ledger, "demo.case.*.decided").await.remove(0);
    let signed = fact.envelope.attestation.expect("who decided signed it");
    assert!(signed.subject.ends_with(".dispatcher.case_decide") && signed.key_revision > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_says_nothing_fails_and_goes_on_when_somebody_decides() {
    let scene = Scene::start_with(2).await;
    let judy = judy(&scene).await;
    let mut wanted = disputed("p", json!({}));
    wanted.arbitration = None;
    let found = submit_plan(scene.pia.client(), &wanted).await.unwrap();
    fails(&scene, json!({ "ok": false })).await;
    scene.becomes(&found.plan.id, PlanState::Failed).await;
    let case = the_case(judy.client()).await;
    decide(&judy, &case.id, Choice::Retry { note: None }).await.unwrap();
    assert_eq!(work(scene.ada.client()).await, ["a", "b"]);
    scene.becomes(&found.plan.id, PlanState::Done).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_arbitrators_race_and_one_decision_stands() {
    let scene = Scene::start_with(2).await;
    let (judy, jim) = (judy(&scene).await, scene.member("jim", Role::Arbitrator, "person:jim").await);
    for round in 0..5 {
        let wanted = disputed(&format!("p{round}"), json!({}));
        submit_plan(scene.pia.client(), &wanted).await.unwrap();
        fails(&scene, json!({ "ok": false })).await;
        let case = the_case(judy.client()).await;
        let (one, other) = tokio::join!(
            decide(&judy, &case.id, Choice::Retry { note: None }),
            decide(&jim, &case.id, Choice::Abort)
        );
        let told = match (one, other) {
            (Ok(_), Err(told)) | (Err(told), Ok(_)) => told,
            both => panic!("not one of them: {both:?}"),
        };
        refused::<()>(Err(told), Code::Conflict, "was first and decided");
        work(scene.ada.client()).await;
    }
    assert_eq!(scene.count("case.*.decided").await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_decision_sent_again_is_one_and_another_role_has_no_say() {
    let scene = Scene::start_with(2).await;
    let judy = judy(&scene).await;
    submit_plan(scene.pia.client(), &disputed("p", json!({}))).await.unwrap();
    fails(&scene, json!({ "ok": false })).await;
    let case = the_case(judy.client()).await;
    refused(decide(&scene.ada, &case.id, Choice::Abort).await, Code::Denied, "may not publish");
    refused(decide(&scene.pia, &case.id, Choice::Abort).await, Code::Denied, "may not publish");
    let olga = scene.member("olga", Role::Approver, "person:paul").await;
    refused(decide(&olga, &case.id, Choice::Abort).await, Code::Denied, "asks for the decision of");
    refused(decide(&judy, &case.id, Choice::Escalate).await, Code::Conflict, "last step");
    let unknown = CaseId::new(&format!("case_{}", "0".repeat(32))).unwrap();
    refused(decide(&judy, &unknown, Choice::Abort).await, Code::NotFound, "case_list");
    for _ in 0..4 {
        decide(&judy, &case.id, Choice::Abort).await.unwrap();
    }
    assert_eq!(scene.count("case.*.decided").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_output_validates_the_task_with_who_overruled_what() {
    let scene = Scene::start_with(2).await;
    let judy = judy(&scene).await;
    let schema = json!({ "type": "object", "required": ["n"] });
    let name: selvedge_contracts::id::ContractName = "test.n".parse().unwrap();
    let add = ContractAdd { name: name.clone(), schema };
    scene.pia.client().call::<call::ContractAdd>(&add).await.unwrap();
    let mut wanted = disputed("p", json!({}));
    wanted.tasks[0].attempts = 2;
    wanted.tasks[0].output_contract = Some(ContractPin { name, version: 1 });
    let found = submit_plan(scene.pia.client(), &wanted).await.unwrap();
    let bare = json!({ "ok": false });
    let claimed = scene.ada.claim().await;
    submit(scene.ada.client(), &claimed, bare.clone()).await.unwrap();
    let second = json!({ "ok": false, "n": 1 });
    fails(&scene, second.clone()).await;
    let case = the_case(judy.client()).await;
    let values: Vec<_> = case.outputs.iter().map(|output| output.value.clone().unwrap()).collect();
    assert_eq!(values, [second.clone(), bare.clone()], "the newest first");
    let accept = |value: &Value| Choice::Accept { output: Digest::of_json(value) };
    let own = scene.member("otto", Role::Arbitrator, "person:olga").await;
    refused(decide(&own, &case.id, accept(&second)).await, Code::Denied, "nobody accepts");
    refused(decide(&judy, &case.id, accept(&bare)).await, Code::Invalid, "satisfies test.n/1");
    refused(decide(&judy, &case.id, accept(&json!("x"))).await, Code::Invalid, "none of the case's");
    let decided = decide(&judy, &case.id, accept(&second)).await.unwrap();
    let Some(Decided::Accept { overruled, .. }) = decided.decision.map(|decision| decision.what) else {
        panic!()
    };
    assert!(overruled.len() == 1 && overruled[0].check.contains("/ok"), "{overruled:?}");
    let b = scene.ada.claim().await;
    assert_eq!(b.inputs[0].value, Some(second), "what needs it goes on with it");
    submit(scene.ada.client(), &b, json!({ "ok": true })).await.unwrap();
    scene.becomes(&found.plan.id, PlanState::Done).await;
    assert_eq!(letter_state(&scene, &found).await, DeadState::Discarded);
    let fact = facts(&scene.ledger, "demo.task.*.validated").await.remove(0);
    let state: Value = serde_json::from_slice::<Value>(&fact.envelope.payload).unwrap()["state"].take();
    assert_eq!(state["verdict"]["case"], json!(case.id));
    assert_eq!(state["verdict"]["by"], json!(judy.agent.record.id));
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_that_disagree_are_a_case_with_both_and_no_failure() {
    let scene = Scene::start_with(2).await;
    let judy = judy(&scene).await;
    let bob = scene.member("bob", Role::Worker, "person:bob").await;
    let mut wanted = plan("p", &[("count", &[]), ("again", &["count"]), ("use", &["again"])]);
    let agrees = json!({ "kind": "agrees", "at": "/n", "task": "count", "with": "/n" });
    wanted.tasks[1].checks.push(serde_json::from_value(agrees).unwrap());
    wanted.arbitration = arbitration(json!({}));
    let found = submit_plan(scene.pia.client(), &wanted).await.unwrap();
    let first = scene.ada.claim().await;
    let counted = submit(scene.ada.client(), &first, json!({ "ok": true, "n": 3 })).await.unwrap();
    let second = bob.claim().await;
    let task = submit(bob.client(), &second, json!({ "ok": true, "n": 4 })).await.unwrap().task;
    assert_eq!(
        (task.state, task.past[0].cause),
        (TaskState::Failed, Cause::Conflict),
        "at once, of 3 attempts"
    );
    let case = the_case(judy.client()).await;
    assert_eq!(
        (case.why, case.outputs.len(), case.inputs[0].revision),
        (CaseWhy::Conflict, 2, counted.revision)
    );
    let [newer, older] = case.outputs.as_slice() else { panic!() };
    assert!(newer.revision > older.revision && older.is_validated && !newer.is_validated);
    assert_eq!((newer.task.as_str(), older.task.as_str()), ("again", "count"));
    assert_eq!(newer.inputs[0].digest, older.digest, "it rests on the other one");
    let accept = |digest: &Digest| Choice::Accept { output: digest.clone() };
    decide(&judy, &case.id, accept(&older.digest)).await.unwrap();
    let used = scene.ada.claim().await;
    assert_eq!(used.inputs[0].value, Some(json!({ "ok": true, "n": 3 })));
    submit(scene.ada.client(), &used, json!({ "ok": true })).await.unwrap();
    scene.becomes(&found.plan.id, PlanState::Done).await;
    let mut wrong = wanted.clone();
    wrong.title = "q".to_owned();
    wrong.tasks[1].needs.clear();
    refused(submit_plan(scene.pia.client(), &wrong).await, Code::Invalid, "does not need count");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blown_precondition_is_a_case_before_anybody_works_in_vain_and_a_retry_waives_it() {
    let scene = Scene::start_with(2).await;
    let judy = judy(&scene).await;
    let create = MissionCreate { mission: "pinned".parse().unwrap(), title: String::new() };
    let made = scene.fabric.operator.call::<call::MissionCreate>(&create).await.unwrap();
    let mut wanted = disputed("p", json!({}));
    let pin = |revision: u64| json!([{ "entity": "mission", "id": "pinned", "revision": revision }]);
    wanted.tasks[0].preconditions = serde_json::from_value(pin(made.as_of)).unwrap();
    wanted.tasks[1].preconditions = serde_json::from_value(pin(made.as_of + 1)).unwrap();
    let found = submit_plan(scene.pia.client(), &wanted).await.unwrap();
    let claimed = scene.ada.claim().await;
    submit(scene.ada.client(), &claimed, json!({ "ok": true })).await.expect("it stands");
    assert_eq!(claim(scene.ada.client()).await.unwrap(), None, "b is given to nobody");
    let case = the_case(judy.client()).await;
    assert_eq!((case.why, case.name.as_str(), case.attempt), (CaseWhy::Precondition, "b", 1));
    let said = format!("is at revision {}: it is at revision {}", made.as_of + 1, made.as_of);
    assert!(case.past[0].reason.contains(&said), "{:?}", case.past);
    decide(&judy, &case.id, Choice::Retry { note: None }).await.unwrap();
    assert_eq!(work(scene.ada.client()).await, ["b"]);
    scene.becomes(&found.plan.id, PlanState::Done).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_precondition_that_is_blown_meanwhile_ends_the_attempt_for_good() {
    let scene = Scene::start_with(1).await;
    let judy = judy(&scene).await;
    let mut wanted = disputed("p", json!({}));
    wanted.tasks[0].attempts = 3;
    let pin = json!([{ "entity": "mission", "id": "later", "revision": 0 }]);
    wanted.tasks[0].preconditions = serde_json::from_value(pin).unwrap();
    submit_plan(scene.pia.client(), &wanted).await.unwrap();
    let claimed = scene.ada.claim().await;
    let create = MissionCreate { mission: "later".parse().unwrap(), title: String::new() };
    scene.fabric.operator.call::<call::MissionCreate>(&create).await.unwrap();
    let task = submit(scene.ada.client(), &claimed, json!({ "ok": true })).await.unwrap().task;
    assert_eq!((task.state, task.past[0].cause), (TaskState::Failed, Cause::Precondition));
    let case = the_case(judy.client()).await;
    assert_eq!(case.why, CaseWhy::Precondition);
    let accept = Choice::Accept { output: case.outputs[0].digest.clone() };
    decide(&judy, &case.id, accept).await.unwrap();
    assert_eq!(work(scene.ada.client()).await, ["b"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_worker_and_one_out_of_time_are_cases_of_their_own_sorts() {
    let scene = Scene::start_with(2).await;
    let judy = judy(&scene).await;
    let mut wanted = disputed("slow", json!({ "cases": ["timeout", "lost"] }));
    wanted.tasks.remove(1);
    wanted.tasks[0].timeout_ms = 1_000;
    let slow = submit_plan(scene.pia.client(), &wanted).await.unwrap();
    scene.ada.claim().await;
    let case = the_case(judy.client()).await;
    assert_eq!((case.why, case.outputs.len(), &case.plan), (CaseWhy::Timeout, 0, &slow.plan.id));
    decide(&judy, &case.id, Choice::Abort).await.unwrap();
    scene.becomes(&slow.plan.id, PlanState::Failed).await;
    assert_eq!(letter_state(&scene, &slow).await, DeadState::Discarded);
    wanted.title = "lost".to_owned();
    wanted.tasks[0].timeout_ms = 60_000;
    let lost = submit_plan(scene.pia.client(), &wanted).await.unwrap();
    scene.ada.claim_for(2_000).await.unwrap();
    assert_eq!(the_case(judy.client()).await.why, CaseWhy::Lost);
    wanted.title = "none".to_owned();
    let none = submit_plan(scene.pia.client(), &wanted).await.unwrap();
    let given_up = scene.ada.claim().await;
    let fail = TaskFail {
        task: given_up.task.id.clone(),
        token: given_up.task.claim.as_ref().unwrap().token.clone(),
        reason: "no".to_owned(),
        is_final: true,
        is_returned: false,
    };
    scene.ada.client().call::<call::TaskFail>(&fail).await.unwrap();
    scene.becomes(&none.plan.id, PlanState::Failed).await;
    assert_eq!(open_cases(judy.client()).await.len(), 1, "{lost:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_the_task_go_on_settles_its_case() {
    let scene = Scene::start_with(2).await;
    let judy = judy(&scene).await;
    let mut wanted = disputed("p", json!({}));
    wanted.arbitration = None;
    let found = submit_plan(scene.pia.client(), &wanted).await.unwrap();
    fails(&scene, json!({ "ok": false })).await;
    let case = the_case(judy.client()).await;
    let replay = DeadNamed { letter: case.letter.clone() };
    scene.pia.client().call::<call::DeadReplay>(&replay).await.unwrap();
    let decided = show(judy.client(), &case.id).await;
    let decision = decided.decision.unwrap();
    assert_eq!((decided.state, decision.what), (CaseState::Decided, Decided::Retry { note: None }));
    assert_eq!(decision.by.as_str(), scene.pia.agent.record.id.as_str());
    refused(decide(&judy, &case.id, Choice::Abort).await, Code::Conflict, "was first");
    fails(&scene, json!({ "ok": false })).await;
    scene.becomes(&found.plan.id, PlanState::Failed).await;
    let second = the_case(judy.client()).await;
    assert_eq!(
        (second.attempt, second.past.len(), second.outputs.len()),
        (2, 2, 1),
        "one output, handed in twice"
    );
    let resume = PlanResume { plan: found.plan.id.clone() };
    scene.pia.client().call::<call::PlanResume>(&resume).await.unwrap();
    let closed = becomes(judy.client(), &second.id, CaseState::Closed).await;
    assert_eq!(closed.decision, None);
    refused(decide(&judy, &second.id, Choice::Abort).await, Code::Conflict, "closed");
    assert_eq!(work(scene.ada.client()).await, ["a", "b"]);
    scene.becomes(&found.plan.id, PlanState::Done).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_with_its_place() {
    let scene = Scene::start().await;
    let judy = judy(&scene).await;
    let mut wanted = disputed("p", json!({ "to": "worker" }));
    wanted.tasks[1].arbitration = arbitration(json!({ "escalate": [{ "to": "planner", "after_ms": 100 }] }));
    let fault = refused(submit_plan(scene.pia.client(), &wanted).await, Code::Invalid, "decides no cases");
    let places: Vec<_> = fault.details.iter().map(|detail| detail.at.as_str()).collect();
    assert_eq!(places, ["/plan/arbitration/to", "/plan/tasks/1/arbitration/escalate/0/to"]);
    submit_plan(scene.pia.client(), &disputed("q", json!({}))).await.unwrap();
    fails(&scene, json!({ "ok": false })).await;
    let case = the_case(judy.client()).await;
    let long = CaseDecide { case: case.id.clone(), decision: Choice::Abort, reason: "x".repeat(1_001) };
    let long = judy.client().call::<call::CaseDecide>(&long).await;
    assert_eq!(refused(long.map(|_| ()), Code::Invalid, "").details[0].at, "/reason");
    let raw = Raw::connect(&scene.fabric.bus, &judy.working.credential).await;
    let subject = raw.subject("whoami").replace(".registry.whoami", ".dispatcher.case_decide");
    for body in
        [json!({ "case": case.id, "reason": "x", "decision": { "kind": "guess" } }), json!({ "case": 7 })]
    {
        let unsigned = raw.ask_on(&subject, &[], body.to_string()).await.fault();
        assert!(matches!(unsigned.code, Code::Denied | Code::Invalid), "{unsigned:?}");
    }
    assert_eq!(show(judy.client(), &case.id).await.state, CaseState::Open);
}
