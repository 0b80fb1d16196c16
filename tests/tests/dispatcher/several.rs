//! Tasks that change several things outside: all of it, in order, once each; or nothing that is not undone.

use selvedge_contracts::{
    call,
    fault::Code,
    id::IntentId,
    payload::{
        intent::{Intent, IntentPrecondition, IntentState, Propose, ProposeFor, Receipt, Settle, Settlement},
        overlap::OnBehalf,
        plan::{MAX_EFFECTS, PlanEnd, PlanSpec, PlanState},
        task::{Cause, Claimed, EffectEnd, EffectOffer, TaskState, TaskSubmit},
    },
    role::{Role, Service},
};
use selvedge_kit::{client::Client, credential::Login};
use selvedge_tests::{
    committer,
    dispatcher::{plan, submit_plan, work},
    fabric::connect_bus,
    governance,
    replica::Replica,
    wait,
};
use serde_json::{Value, json};

use crate::{
    REPLICA,
    cases::{decide, judy, the_case},
    effects::{governed, task_is},
    scene::{Member, Scene, refused},
};
use selvedge_contracts::payload::{arbitration::CaseWhy, case::Choice};

/// A plan whose first task changes records below these keys, in this order; all but the last with their undo.
pub(crate) fn writing(title: &str, keys: &[&str]) -> PlanSpec {
    let mut wanted = plan(title, &[("a", &[]), ("b", &["a"])]);
    let effect = |(index, key): (usize, &&str)| {
        let undo = if index + 1 < keys.len() { "required" } else { "optional" };
        json!({ "name": format!("e{index}"), "on": { "kind": "memory", "key": key }, "undo": undo })
    };
    let effects: Vec<Value> = keys.iter().enumerate().map(effect).collect();
    wanted.tasks[0].effects = serde_json::from_value(json!(effects)).unwrap();
    wanted
}

/// The first value of a record; its undo empties it again.
pub(crate) fn record(key: &str) -> Propose {
    let undo = json!({ "kind": "memory", "key": key, "value": null, "revision": 0 });
    Propose {
        undo: Some(serde_json::from_value(undo).unwrap()),
        ..governance::wanting(governance::memory(key, json!({ "text": key })))
    }
}

/// What is handed in for the effects of a task, in the order of its plan.
pub(crate) fn hands_in(claimed: &Claimed, output: Value, wanted: Vec<Propose>) -> TaskSubmit {
    let offer = |(index, propose)| EffectOffer { name: format!("e{index}").parse().unwrap(), propose };
    TaskSubmit {
        task: claimed.task.id.clone(),
        token: claimed.task.claim.as_ref().unwrap().token.clone(),
        output,
        effects: wanted.into_iter().enumerate().map(offer).collect(),
    }
}

async fn hand_in(member: &Member, claimed: &Claimed, wanted: Vec<Propose>) -> Vec<IntentId> {
    let submit = hands_in(claimed, json!({ "ok": true }), wanted);
    let task = member.client().call::<call::TaskSubmit>(&submit).await.unwrap().reply.task;
    assert_eq!(task.state, TaskState::Committing);
    task.effects.into_iter().map(|effect| effect.intent).collect()
}

/// A record that rests on another one being absent: stale once that is written.
fn stale(key: &str, absent: &str) -> Propose {
    let absent = IntentPrecondition {
        entity: selvedge_contracts::fact::EntityName::Memory,
        id: selvedge_contracts::id::RecordKey::new(absent).unwrap().entity_id(),
        revision: 0,
    };
    Propose { undo: None, preconditions: vec![absent], ..record(key) }
}

async fn intents(scene: &Scene, ids: &[IntentId]) -> Vec<Intent> {
    let mut found = Vec::new();
    for id in ids {
        let shown = wait::until("an intent", async || governance::show(scene.ada.client(), id).await).await;
        found.push(shown.intent);
    }
    found
}

async fn states(scene: &Scene, ids: &[IntentId]) -> Vec<IntentState> {
    intents(scene, ids).await.into_iter().map(|intent| intent.state).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_it_is_done_in_order_and_once_and_dependents_get_every_receipt() {
    let scene = Scene::start_with(2).await;
    let _services = governed(&scene).await;
    let found = submit_plan(scene.pia.client(), &writing("p", &["x", "y", "z"])).await.unwrap();
    let held = scene.ada.claim().await;
    let ids = hand_in(&scene.ada, &held, vec![record("x/1"), record("y/1"), record("z/1")]).await;
    let done = task_is(&scene, &held, TaskState::Validated).await;
    assert_eq!(done.effects.iter().map(|effect| effect.intent.clone()).collect::<Vec<_>>(), ids);
    let is_written = |receipt: &Option<Receipt>| matches!(receipt, Some(Receipt::Memory { .. }));
    assert!(done.effects.iter().all(|effect| is_written(&effect.receipt)), "{:?}", done.effects);
    let steps = intents(&scene, &ids).await;
    let saga = steps[0].saga.clone().expect("a saga").saga;
    let scope = held.task.id.scope(1);
    for (place, step) in (0..).zip(&steps) {
        let of = step.saga.as_ref().unwrap();
        assert_eq!((&of.saga, of.step, of.of), (&saga, place, 3));
        assert_eq!(
            (&step.proposer, &step.task),
            (&held.task.claim.as_ref().unwrap().worker, &Some(scope.clone()))
        );
        assert_eq!(step.accepted, None);
    }
    let next = scene.ada.claim().await;
    assert_eq!(next.inputs[0].effects, done.effects);
    let counts = [scene.count("saga.*.proposed").await, scene.count("intent.*.proposed").await];
    assert_eq!(counts, [1, 3], "whichever replica proposed it");
    let counts = [scene.count("intent.*.committed").await, scene.count("memory.*.written").await];
    assert_eq!(counts, [3, 3]);
    assert_eq!(scene.count("task.*.validated").await, 1);
    let _ = found;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_undone_when_a_later_one_fails_and_the_next_attempt_does_it_all() {
    let scene = Scene::start_with(2).await;
    let _services = governed(&scene).await;
    let found = submit_plan(scene.pia.client(), &writing("p", &["x", "y", "z"])).await.unwrap();
    let held = scene.ada.claim().await;
    let ids = hand_in(&scene.ada, &held, vec![record("x/1"), record("y/1"), stale("z/1", "x/1")]).await;
    let again = scene.ada.claim().await;
    let past = &again.task.past[0];
    assert_eq!((again.task.attempt, past.cause), (2, Cause::Effect), "{past:?}");
    let ends: Vec<_> = past.effects.iter().map(|effect| (effect.intent.clone(), effect.end)).collect();
    let [x, y, z] = ids.clone().try_into().unwrap();
    assert_eq!(ends, [(x, EffectEnd::Undone), (y, EffectEnd::Undone), (z, EffectEnd::NotDone)]);
    assert!(past.reason.contains("undone: e0, e1") && past.reason.contains("x:1"), "{}", past.reason);
    use IntentState::{Compensated, Rejected};
    assert_eq!(states(&scene, &ids).await, [Compensated, Compensated, Rejected]);
    assert_eq!(scene.count("task.*.validated").await, 0);
    hand_in(&scene.ada, &again, vec![record("x/2"), record("y/2"), record("z/2")]).await;
    task_is(&scene, &again, TaskState::Validated).await;
    work(scene.ada.client()).await;
    scene.becomes(&found.plan.id, PlanState::Done).await;
    // Two done and undone, then three.
    assert_eq!(scene.count("memory.*.written").await, 2 + 2 + 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_fails_is_a_case_and_nothing_is_done_twice_before_a_person_settled_it() {
    let scene = Scene::start_with(2).await;
    let _services = governed(&scene).await;
    let judy = judy(&scene).await;
    let mut wanted = writing("p", &["w", "x", "x"]);
    wanted.arbitration = Some(serde_json::from_value(json!({})).unwrap());
    let found = submit_plan(scene.pia.client(), &wanted).await.unwrap();
    let held = scene.ada.claim().await;
    // Nothing stands there at that revision, so it cannot be taken back like that.
    let undo = json!({ "kind": "memory", "key": "x/other", "value": null, "revision": 999_999 });
    let stuck = Propose { undo: Some(serde_json::from_value(undo).unwrap()), ..record("x/1") };
    let ids =
        hand_in(&scene.ada, &held, vec![record("w/1"), stuck, Propose { undo: None, ..record("x/1") }]).await;
    let failed = task_is(&scene, &held, TaskState::Failed).await;
    let ends: Vec<_> = failed.past[0].effects.iter().map(|effect| effect.end).collect();
    assert_eq!(ends, [EffectEnd::Stands, EffectEnd::Stuck, EffectEnd::NotDone], "of 3 attempts");
    let case = the_case(judy.client()).await;
    assert_eq!((case.why, &case.past), (CaseWhy::Effect, &failed.past));
    assert!(case.past[0].reason.starts_with("e1, which was done, could not be undone"), "{:?}", case.past);
    let accept = Choice::Accept { output: case.outputs[0].digest.clone() };
    for choice in [Choice::Retry { note: None }, accept] {
        refused(decide(&judy, &case.id, choice).await, Code::Conflict, "is not undone");
    }
    let intent = intents(&scene, &ids[1..2]).await.remove(0);
    let execution = intent.execution.clone().unwrap();
    let settle = Settle {
        intent: intent.id.clone(),
        outcome: Settlement::Happened,
        note: "by hand".to_owned(),
        round: intent.round,
        attempt: execution.attempt,
        executor: execution.executor,
    };
    let operator = scene.fabric.operator.clone().in_mission("demo".parse().unwrap());
    operator.call::<call::IntentSettle>(&settle).await.unwrap();
    wait::until("the rest to be undone, and the decision", async || {
        decide(&judy, &case.id, Choice::Retry { note: None }).await
    })
    .await;
    use IntentState::Compensated;
    assert_eq!(states(&scene, &ids[..2]).await, [Compensated, Compensated]);
    let again = scene.ada.claim().await;
    hand_in(&scene.ada, &again, vec![record("w/2"), record("x/2"), record("x/3")]).await;
    task_is(&scene, &again, TaskState::Validated).await;
    work(scene.ada.client()).await;
    scene.becomes(&found.plan.id, PlanState::Done).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_dies_and_whenever_each_effect_happens_once() {
    let scene = Scene::start_with(0).await;
    let url = scene.fabric.bus.url();
    let start =
        |name: String| Replica::start_service(Service::Dispatcher, REPLICA, &scene.fabric.bus, &url, &name);
    let mut replica = start("k0".to_owned());
    for round in 1..=2 {
        let found = submit_plan(scene.pia.client(), &writing(&format!("p{round}"), &["r"; 3])).await.unwrap();
        let held = scene.ada.claim().await;
        let keys: Vec<Propose> = (0..3).map(|n| record(&format!("r/{round}/{n}"))).collect();
        // Nobody is there to take the proposal; then whoever would have made it again is killed.
        let ids = hand_in(&scene.ada, &held, keys).await;
        replica.kill9();
        let governance = governance::start(&scene.fabric.bus, &format!("g{round}")).await;
        replica = start(format!("proposes{round}"));
        let other = start(format!("beside{round}"));
        intents(&scene, &ids).await;
        // Killed between the proposal and what becomes of it, and again while it is done.
        replica.kill9();
        let committer = committer::start(&scene.fabric.bus, &format!("c{round}")).await;
        other.kill9();
        wait::until("the effects", async || match scene.count("intent.*.committed").await {
            count if count == 3 * round => Ok(()),
            count => Err(count),
        })
        .await;
        replica = start(format!("settles{round}"));
        task_is(&scene, &held, TaskState::Validated).await;
        work(scene.ada.client()).await;
        scene.becomes(&found.plan.id, PlanState::Done).await;
        let counts = [
            scene.count("saga.*.proposed").await,
            scene.count("intent.*.proposed").await,
            scene.count("memory.*.written").await,
        ];
        assert_eq!(counts, [round, 3 * round, 3 * round]);
        governance.drain().await;
        committer.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_dies_while_it_is_undone_the_attempt_ends_once_and_only_then() {
    let scene = Scene::start_with(0).await;
    let url = scene.fabric.bus.url();
    let start =
        |name: &str| Replica::start_service(Service::Dispatcher, REPLICA, &scene.fabric.bus, &url, name);
    let replica = start("accepts");
    submit_plan(scene.pia.client(), &writing("p", &["x", "y", "z"])).await.unwrap();
    let held = scene.ada.claim().await;
    let ids = hand_in(&scene.ada, &held, vec![record("x/1"), record("y/1"), stale("z/1", "y/1")]).await;
    replica.kill9();
    let _governance = governance::start(&scene.fabric.bus, "g1").await;
    let replica = start("proposes");
    intents(&scene, &ids).await;
    replica.kill9();
    let _committer = committer::start(&scene.fabric.bus, "c1").await;
    use IntentState::{Compensated, Rejected};
    wait::until("it to be undone", async || match states(&scene, &ids).await.as_slice() {
        [Compensated, Compensated, Rejected] => Ok(()),
        other => Err(other.to_vec()),
    })
    .await;
    assert_eq!(scene.count("task.*.failed").await, 0, "nobody was there to see it");
    let (_one, _other) = (start("settles"), start("beside"));
    let again = scene.ada.claim().await;
    assert_eq!((again.task.attempt, again.task.past.len()), (2, 1));
    assert_eq!(again.task.past[0].effects[1].end, EffectEnd::Undone);
    let counts = [scene.count("task.*.failed").await, scene.count("saga.*.proposed").await];
    assert_eq!((counts, scene.count("memory.*.written").await), ([1, 1], 4));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proposal_that_comes_after_its_attempt_is_over_is_not_done() {
    let scene = Scene::start().await;
    let _services = governed(&scene).await;
    submit_plan(scene.pia.client(), &writing("p", &["x"])).await.unwrap();
    let held = scene.ada.claim().await;
    let mut stale = record("x/1");
    stale.preconditions = vec![IntentPrecondition {
        entity: selvedge_contracts::fact::EntityName::Mission,
        id: "demo".parse().unwrap(),
        revision: 999_999,
    }];
    let submit = hands_in(&held, json!({ "ok": true }), vec![stale]);
    let accepted = scene.ada.client().call::<call::TaskSubmit>(&submit).await.unwrap().reply;
    let again = scene.ada.claim().await;
    assert_eq!((again.task.attempt, again.task.past[0].cause), (2, Cause::Effect));
    // As a replica sends it that slept meanwhile, and whose worker's mistake is none any more.
    let login = Login::held(scene.fabric.bus.service_credential(Service::Dispatcher, "late"));
    let late = Client::new(connect_bus(&scene.fabric.bus, login).await).in_mission("demo".parse().unwrap());
    let (claim, scope) = (held.task.claim.as_ref().unwrap(), held.task.id.scope(1));
    let bound = IntentPrecondition {
        entity: selvedge_contracts::fact::EntityName::Task,
        id: (&held.task.id).into(),
        revision: accepted.revision,
    };
    let wanted = ProposeFor {
        propose: Propose { preconditions: vec![bound], ..record("x/1") },
        on_behalf: OnBehalf {
            agent: claim.worker.as_str().parse().unwrap(),
            role: Role::Worker,
            owner: claim.owner.clone(),
            session: scope.clone(),
            task: Some(scope),
            request: None,
        },
        accepted: None,
    };
    let proposed = late.call::<call::IntentProposeFor>(&wanted).await.unwrap().reply.intent;
    assert_eq!(proposed.id, accepted.task.effects[0].intent);
    assert_eq!(proposed.state, IntentState::Rejected, "{:?}", proposed.reasons);
    assert!(proposed.reasons.iter().any(|reason| reason.at == "/preconditions/0"), "{:?}", proposed.reasons);
    assert_eq!(scene.count("memory.*.written").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_plan_undoes_what_was_done_of_it() {
    let scene = Scene::start().await;
    let _services = governed(&scene).await;
    let mut wanted = writing("p", &["x", "y"]);
    wanted.tasks[0].effects[1].on =
        serde_json::from_value(json!({ "kind": "external", "effector": "mailer" })).unwrap();
    let found = submit_plan(scene.pia.client(), &wanted).await.unwrap();
    let held = scene.ada.claim().await;
    // Long enough to be approved; then the committer gives up asking an effector that is not there.
    let mail = Propose { expires_after_ms: Some(8_000), ..governance::wanting(governance::external("send")) };
    let ids = hand_in(&scene.ada, &held, vec![record("x/1"), mail]).await;
    let verified = wait::until("its verdict", async || {
        let intent = intents(&scene, &ids[1..]).await.remove(0);
        if intent.state == IntentState::Verified { Ok(intent) } else { Err(intent.state) }
    })
    .await;
    assert_eq!(
        states(&scene, &ids[..1]).await,
        [IntentState::Verified],
        "none begins before all may be done"
    );
    let paula = scene.member("paula", Role::Approver, "person:paul").await;
    governance::approve(&paula.agent, &paula.working, &verified).await.unwrap();
    wait::until("the first", async || match states(&scene, &ids[..1]).await.as_slice() {
        [IntentState::Committed] => Ok(()),
        other => Err(other.to_vec()),
    })
    .await;
    let end = PlanEnd { plan: found.plan.id, reason: "enough".to_owned() };
    scene.pia.client().call::<call::PlanCancel>(&end).await.unwrap();
    let stopped = task_is(&scene, &held, TaskState::Stopped).await;
    let ends: Vec<_> = stopped.past[0].effects.iter().map(|effect| effect.end).collect();
    assert_eq!(
        (stopped.past[0].cause, ends),
        (Cause::Cancelled, vec![EffectEnd::Undone, EffectEnd::NotDone])
    );
    assert_eq!(states(&scene, &ids[..1]).await, [IntentState::Compensated]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_could_not_be_undone_or_wants_too_much_is_refused_with_its_place() {
    let scene = Scene::start().await;
    let mut wanted = writing("p", &["x", "y"]);
    wanted.tasks[0].effects[0].undo = selvedge_contracts::payload::plan::UndoWish::Optional;
    let fault = refused(
        submit_plan(scene.pia.client(), &wanted).await,
        Code::Invalid,
        "only the last may do without",
    );
    assert_eq!(fault.details[0].at, "/plan/tasks/0/effects/0/undo");
    let many = writing("p", &["x"; MAX_EFFECTS + 1]);
    let fault = refused(submit_plan(scene.pia.client(), &many).await, Code::Invalid, "");
    assert_eq!(fault.details[0].at, "/plan/tasks/0/effects", "{fault:?}");
    submit_plan(scene.pia.client(), &writing("p", &["x"; MAX_EFFECTS])).await.unwrap();
    let held = scene.ada.claim().await;
    let without = (0..MAX_EFFECTS).map(|n| Propose { undo: None, ..record(&format!("x/{n}")) }).collect();
    let submit = hands_in(&held, json!({ "ok": true }), without);
    let fault = scene.ada.client().call::<call::TaskSubmit>(&submit).await.unwrap_err();
    let fault = refused::<()>(Err(fault), Code::Invalid, "asks for what takes it back");
    assert_eq!(fault.details.len(), MAX_EFFECTS - 1);
    assert_eq!(fault.details[0].at, "/effects/0/propose/undo");
}
