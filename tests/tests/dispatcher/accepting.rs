//! Deciding that an output holds whose task changes something outside.

use selvedge_contracts::{
    call,
    fault::Code,
    id::Digest,
    payload::{
        arbitration::{Arbitration, CaseWhy},
        case::{Case, CaseState, Choice},
        claim::Claim,
        intent::{Accepted, IntentState, Propose},
        lease::{Acquire, Release},
        plan::{PlanSpec, PlanState, Reservation},
        task::{Cause, Claimed, TaskState},
    },
    role::Role,
};
use selvedge_tests::{
    dispatcher::{submit, submit_plan, work},
    governance, wait,
};
use serde_json::{Value, json};

use crate::{
    cases::{decide, judy, show, the_case},
    effects::{governed, task_is},
    scene::{Scene, refused},
    several::{hands_in, record, writing},
};

fn disputed(title: &str, keys: &[&str]) -> PlanSpec {
    let mut wanted = writing(title, keys);
    wanted.tasks[0].attempts = 1;
    wanted.arbitration = Some(Arbitration::default());
    wanted
}

/// The task's only attempt comes to nothing, though it says what it would change.
async fn fails(scene: &Scene, output: Value, wanted: Vec<Propose>) -> Claimed {
    let claimed = scene.ada.claim().await;
    let submit = hands_in(&claimed, output, wanted);
    let task = scene.ada.client().call::<call::TaskSubmit>(&submit).await.unwrap().reply.task;
    assert_eq!(task.state, TaskState::Failed, "{task:?}");
    claimed
}

fn accept(value: &Value) -> Choice {
    Choice::Accept { output: Digest::of_json(value) }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_changes_is_done_in_the_workers_name_and_says_who_decided() {
    let scene = Scene::start_with(2).await;
    let _services = governed(&scene).await;
    let judy = judy(&scene).await;
    for (round, keys) in [(1, &["x"][..]), (2, &["x", "y"])] {
        let found = submit_plan(scene.pia.client(), &disputed(&format!("p{round}"), keys)).await.unwrap();
        let output = json!({ "ok": false, "round": round });
        let offers = keys.iter().map(|key| record(&format!("{key}/{round}"))).collect();
        let held = fails(&scene, output.clone(), offers).await;
        let case = the_case(judy.client()).await;
        assert_eq!(case.outputs[0].effects.len(), keys.len());
        decide(&judy, &case.id, accept(&output)).await.unwrap();
        let done = task_is(&scene, &held, TaskState::Validated).await;
        assert_eq!((done.attempt, done.effects.len()), (2, keys.len()), "an attempt of its own");
        let verdict = done.verdict.as_ref().unwrap();
        assert_eq!(
            (verdict.by.as_str(), &verdict.case),
            (judy.agent.record.id.as_str(), &Some(case.id.clone()))
        );
        for effect in &done.effects {
            assert!(effect.receipt.is_some(), "{effect:?}");
            let intent = governance::show(scene.ada.client(), &effect.intent).await.unwrap().intent;
            let by = Accepted {
                case: case.id.clone(),
                by: judy.agent.record.id.as_str().parse().unwrap(),
                owner: Some("person:judy".parse().unwrap()),
            };
            assert_eq!((intent.state, intent.accepted), (IntentState::Committed, Some(by)));
            let claim = held.task.claim.as_ref().unwrap();
            assert_eq!((&intent.proposer, &intent.owner), (&claim.worker, &claim.owner));
        }
        assert_eq!(work(scene.ada.client()).await, ["b"]);
        scene.becomes(&found.plan.id, PlanState::Done).await;
    }
    assert_eq!((scene.count("memory.*.written").await, scene.count("intent.*.committed").await), (3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_output_whose_effects_come_to_nothing_is_another_case() {
    let scene = Scene::start_with(2).await;
    let _services = governed(&scene).await;
    let judy = judy(&scene).await;
    let found = submit_plan(scene.pia.client(), &disputed("p", &["x"])).await.unwrap();
    let mut stale = record("x/1");
    if let selvedge_contracts::payload::intent::Effect::Memory(memory) = &mut stale.effect {
        memory.revision = 7;
    }
    let output = json!({ "ok": false });
    fails(&scene, output.clone(), vec![stale]).await;
    let first = the_case(judy.client()).await;
    decide(&judy, &first.id, accept(&output)).await.unwrap();
    let second = wait::until("another case", async || match the_case(judy.client()).await {
        case if case.id == first.id => Err(case.state),
        case => Ok(case),
    })
    .await;
    assert_eq!((second.why, second.attempt, second.past.len()), (CaseWhy::Effect, 2, 2));
    assert_eq!(second.past[1].cause, Cause::Effect);
    assert_eq!(show(judy.client(), &first.id).await.state, CaseState::Decided);
    decide(&judy, &second.id, Choice::Retry { note: None }).await.unwrap();
    let again = scene.ada.claim().await;
    let submit = hands_in(&again, json!({ "ok": true }), vec![record("x/1")]);
    scene.ada.client().call::<call::TaskSubmit>(&submit).await.unwrap();
    task_is(&scene, &again, TaskState::Validated).await;
    work(scene.ada.client()).await;
    scene.becomes(&found.plan.id, PlanState::Done).await;
    assert_eq!(scene.count("memory.*.written").await, 1);
}

async fn reserving(scene: &Scene) -> (Case, Claimed, Value) {
    let mut wanted = disputed("p", &["x"]);
    wanted.tasks[0].reserve =
        vec![Reservation { space: "shop".parse().unwrap(), claims: vec![Claim::path("src")] }];
    submit_plan(scene.pia.client(), &wanted).await.unwrap();
    let output = json!({ "ok": false });
    let held = fails(scene, output.clone(), vec![record("x/1")]).await;
    let judy = judy(scene).await;
    (the_case(judy.client()).await, held, output)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_reserves_is_leased_anew_or_the_decision_has_to_wait() {
    let scene = Scene::start_with(2).await;
    let (_leases, _services) = (scene.fabric.leases_replica("l1").await, governed(&scene).await);
    let jim = scene.member("jim", Role::Arbitrator, "person:jim").await;
    let bob = scene.member("bob", Role::Worker, "person:bob").await;
    let (case, held, output) = reserving(&scene).await;
    let before = held.task.claim.as_ref().unwrap().leases[0].token;
    let taking = json!({ "space": "shop", "claims": [{ "path": "src/a" }], "ttl_ms": 60_000 });
    let taking: Acquire = serde_json::from_value(taking).unwrap();
    let taken = wait::until("what the attempt held", async || {
        bob.client().call::<call::LeaseAcquire>(&taking).await.map(|answered| answered.reply.lease)
    })
    .await;
    refused(decide(&jim, &case.id, accept(&output)).await, Code::Conflict, "which is not free");
    assert_eq!(show(jim.client(), &case.id).await.state, CaseState::Open, "nothing was decided");
    let release = Release { space: "shop".parse().unwrap(), lease: taken.id };
    bob.client().call::<call::LeaseRelease>(&release).await.unwrap();
    decide(&jim, &case.id, accept(&output)).await.unwrap();
    let done = task_is(&scene, &held, TaskState::Validated).await;
    let leases = &done.claim.as_ref().unwrap().leases;
    assert!(leases.len() == 1 && leases[0].token > before, "{leases:?}");
    let intent = governance::show(scene.ada.client(), &done.effects[0].intent).await.unwrap().intent;
    assert_eq!((&intent.tokens, intent.state), (leases, IntentState::Committed));
    wait::until("what it held to be free", async || bob.client().call::<call::LeaseAcquire>(&taking).await)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_that_does_not_say_what_to_change_is_refused() {
    let scene = Scene::start_with(1).await;
    let _services = governed(&scene).await;
    let judy = judy(&scene).await;
    let mut wanted = selvedge_tests::dispatcher::plan("p", &[("count", &[]), ("again", &["count"])]);
    let agrees = json!({ "kind": "agrees", "at": "/n", "task": "count", "with": "/n" });
    wanted.tasks[1].checks.push(serde_json::from_value(agrees).unwrap());
    wanted.tasks[1].effects = writing("q", &["x"]).tasks[0].effects.clone();
    wanted.arbitration = Some(Arbitration::default());
    submit_plan(scene.pia.client(), &wanted).await.unwrap();
    let first = scene.ada.claim().await;
    let counted = json!({ "ok": true, "n": 3 });
    submit(scene.ada.client(), &first, counted.clone()).await.unwrap();
    fails(&scene, json!({ "ok": true, "n": 4 }), vec![record("x/1")]).await;
    let case = the_case(judy.client()).await;
    refused(decide(&judy, &case.id, accept(&counted)).await, Code::Conflict, "does not say what exactly");
    decide(&judy, &case.id, accept(&json!({ "ok": true, "n": 4 }))).await.unwrap();
    wait::until("it to be done", async || match scene.count("memory.*.written").await {
        1 => Ok(()),
        other => Err(other),
    })
    .await;
}
