//! What tasks change outside: done once, in the worker's name, after their output holds.

use selvedge_contracts::{
    call,
    fault::Code,
    payload::{
        claim::Claim,
        intent::{Intent, IntentState, Propose, Receipt},
        plan::{PlanEnd, PlanSpec, PlanState, Reservation},
        task::{Cause, Claimed, EffectOffer, TaskReply, TaskShow, TaskState, TaskSubmit},
    },
    role::{Role, Service},
};
use selvedge_kit::service::Running;
use selvedge_tests::{
    committer,
    dispatcher::{plan, submit_plan, work},
    governance::{self, wanting},
    replica::Replica,
    wait,
};
use serde_json::{Value, json};

use crate::{
    REPLICA,
    scene::{Member, Scene, refused},
};

/// A plan whose first task declares one effect on the mission's memory, or of an effector.
fn declaring(title: &str, on: Value) -> PlanSpec {
    let mut wanted = plan(title, &[("a", &[]), ("b", &["a"])]);
    wanted.tasks[0].effects = serde_json::from_value(json!([{ "name": "note", "on": on }])).unwrap();
    wanted
}

fn on_memory() -> Value {
    json!({ "kind": "memory", "key": "notes" })
}

fn on_mailer() -> Value {
    json!({ "kind": "external", "effector": "mailer" })
}

fn note(key: &str) -> Propose {
    wanting(governance::memory(key, json!({ "text": "x" })))
}

async fn hand_in(
    member: &Member,
    claimed: &Claimed,
    propose: Propose,
) -> Result<TaskReply, selvedge_contracts::fault::Fault> {
    let submit = TaskSubmit {
        task: claimed.task.id.clone(),
        token: claimed.task.claim.as_ref().unwrap().token.clone(),
        output: json!({ "ok": true }),
        effects: vec![EffectOffer { name: "note".parse().unwrap(), propose }],
    };
    member.client().call::<call::TaskSubmit>(&submit).await.map(|answered| answered.reply)
}

/// Waits until a task stands so.
pub(crate) async fn task_is(
    scene: &Scene,
    claimed: &Claimed,
    wanted: TaskState,
) -> selvedge_contracts::payload::task::Task {
    wait::until("the task's state", async || {
        let show = TaskShow { task: claimed.task.id.clone() };
        let task = scene.pia.client().call::<call::TaskShow>(&show).await.unwrap().reply.task.unwrap();
        if task.state == wanted { Ok(task) } else { Err((task.state, task.past)) }
    })
    .await
}

pub(crate) async fn governed(scene: &Scene) -> (Running, Running) {
    let bus = &scene.fabric.bus;
    (governance::start(bus, "g1").await, committer::start(bus, "c1").await)
}

async fn intent_of(scene: &Scene, reply: &TaskReply) -> Intent {
    wait::until("the intent", async || {
        governance::show(scene.ada.client(), &reply.task.effects[0].intent).await
    })
    .await
    .intent
}

#[tokio::test(flavor = "multi_thread")]
async fn an_effect_is_done_once_in_the_workers_name_and_dependents_get_its_receipt() {
    let scene = Scene::start_with(2).await;
    let (_leases, _services) = (scene.fabric.leases_replica("l1").await, governed(&scene).await);
    let mut wanted = declaring("p", on_memory());
    wanted.tasks[0].reserve =
        vec![Reservation { space: "shop".parse().unwrap(), claims: vec![Claim::path("src")] }];
    let found = submit_plan(scene.pia.client(), &wanted).await.unwrap();
    let held = scene.ada.claim().await;
    refused(hand_in(&scene.ada, &held, note("other")).await, Code::Invalid, "its key is other");
    let handed_in = hand_in(&scene.ada, &held, note("notes/a")).await.unwrap();
    assert_eq!(handed_in.task.state, TaskState::Committing);
    let done = task_is(&scene, &held, TaskState::Validated).await;
    assert!(matches!(&done.effects[0].receipt, Some(Receipt::Memory { .. })), "{:?}", done.effects);
    let intent = intent_of(&scene, &handed_in).await;
    let scope = held.task.id.scope(1);
    assert_eq!(
        (&intent.proposer, &intent.owner),
        (&held.task.claim.as_ref().unwrap().worker, &held.task.claim.as_ref().unwrap().owner)
    );
    assert_eq!((intent.role, &intent.session, &intent.task), (Role::Worker, &scope, &Some(scope.clone())));
    assert_eq!(intent.tokens, held.task.claim.as_ref().unwrap().leases, "done under its leases");
    let next = scene.ada.claim().await;
    assert_eq!(next.inputs[0].effects, done.effects);
    let last = hand_in(&scene.ada, &next, note("notes/a")).await;
    refused(last, Code::Invalid, "declares no such effect");
    work(scene.ada.client()).await;
    assert_eq!((scene.count("intent.*.committed").await, scene.count("memory.*.written").await), (1, 1));
    let _ = found;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_to_nothing_ends_the_attempt_and_a_denial_is_final() {
    let scene = Scene::start().await;
    let _services = governed(&scene).await;
    let paula = scene.member("paula", Role::Approver, "person:paul").await;
    submit_plan(scene.pia.client(), &declaring("stale", on_memory())).await.unwrap();
    // The record is not as the worker believes.
    let mut stale = note("notes/a");
    if let selvedge_contracts::payload::intent::Effect::Memory(memory) = &mut stale.effect {
        memory.revision = 7;
    }
    let held = scene.ada.claim().await;
    hand_in(&scene.ada, &held, stale).await.unwrap();
    let again = scene.ada.claim().await;
    assert_eq!((again.task.attempt, again.task.past[0].cause), (2, Cause::Effect), "{:?}", again.task.past);
    hand_in(&scene.ada, &again, note("notes/a")).await.unwrap();
    task_is(&scene, &again, TaskState::Validated).await;
    work(scene.ada.client()).await;

    let found = submit_plan(scene.pia.client(), &declaring("denied", on_mailer())).await.unwrap();
    let held = scene.ada.claim().await;
    let accepted = hand_in(&scene.ada, &held, wanting(governance::external("send"))).await.unwrap();
    let intent = wait::until("its verdict", async || {
        let intent = intent_of(&scene, &accepted).await;
        if intent.state == IntentState::Verified { Ok(intent) } else { Err(intent.reasons) }
    })
    .await;
    assert_eq!(task_is(&scene, &held, TaskState::Committing).await.attempt, 1);
    governance::deny(&paula.working, &intent).await.unwrap();
    let failed = task_is(&scene, &held, TaskState::Failed).await;
    assert_eq!(
        (failed.attempt, failed.past[0].cause),
        (1, Cause::Effect),
        "a person said no: once is enough"
    );
    scene.becomes(&found.plan.id, PlanState::Failed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_plan_calls_off_what_waits_for_an_approval() {
    let scene = Scene::start().await;
    let _services = governed(&scene).await;
    let found = submit_plan(scene.pia.client(), &declaring("p", on_mailer())).await.unwrap();
    let held = scene.ada.claim().await;
    let accepted = hand_in(&scene.ada, &held, wanting(governance::external("send"))).await.unwrap();
    intent_of(&scene, &accepted).await;
    let end = PlanEnd { plan: found.plan.id, reason: "enough".to_owned() };
    scene.pia.client().call::<call::PlanCancel>(&end).await.unwrap();
    task_is(&scene, &held, TaskState::Stopped).await;
    assert_eq!(intent_of(&scene, &accepted).await.state, IntentState::Cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_dies_after_the_verdict_leaves_an_effect_that_happens_once() {
    let scene = Scene::start_with(0).await;
    let url = scene.fabric.bus.url();
    let start =
        |name: String| Replica::start_service(Service::Dispatcher, REPLICA, &scene.fabric.bus, &url, &name);
    let mut replica = start("k0".to_owned());
    for round in 1..=2 {
        let wanted = declaring(&format!("p{round}"), on_memory());
        let found = submit_plan(scene.pia.client(), &wanted).await.unwrap();
        let held = scene.ada.claim().await;
        // Nobody is there to take the proposal; then whoever would have made it again is killed.
        let accepted = hand_in(&scene.ada, &held, note(&format!("notes/r{round}"))).await.unwrap();
        assert_eq!(accepted.task.state, TaskState::Committing);
        replica.kill9();
        let governance = governance::start(&scene.fabric.bus, &format!("g{round}")).await;
        replica = start(format!("proposes{round}"));
        intent_of(&scene, &accepted).await;
        // Killed once more between the proposal and what becomes of it.
        replica.kill9();
        let committer = committer::start(&scene.fabric.bus, &format!("c{round}")).await;
        wait::until("the effect", async || match scene.count("intent.*.committed").await {
            count if count == round => Ok(()),
            count => Err(count),
        })
        .await;
        replica = start(format!("settles{round}"));
        task_is(&scene, &held, TaskState::Validated).await;
        work(scene.ada.client()).await;
        scene.becomes(&found.plan.id, PlanState::Done).await;
        assert_eq!(
            (scene.count("intent.*.committed").await, scene.count("memory.*.written").await),
            (round, round)
        );
        governance.drain().await;
        committer.drain().await;
    }
}
