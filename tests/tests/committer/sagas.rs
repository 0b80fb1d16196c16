//! Sagas: done in order, undone in reverse, once each, whoever dies meanwhile.

use selvedge_committer::{OF_EVERY_EFFECT, OF_EXTERNAL};
use selvedge_contracts::{
    call,
    fault::Code,
    id::IntentId,
    payload::intent::{
        Effect, Intent, IntentList, IntentState, Repeat, SagaPropose, SagaStepWanted, Settle, Settlement,
        Waiting,
    },
};
use selvedge_tests::{
    committer::{Scene, start},
    governance,
    wait::until,
};
use serde_json::json;

use crate::{
    REPLICA,
    effector::{Effector, order},
};

fn step(effect: Effect, undo: Option<Effect>) -> SagaStepWanted {
    SagaStepWanted {
        title: "a step".into(),
        effect,
        undo,
        inputs: Vec::new(),
        preconditions: Vec::new(),
        tokens: Vec::new(),
    }
}

/// Proposes the steps and has them approved, the last one last.
async fn approved(scene: &Scene, occurrence: &str, steps: Vec<SagaStepWanted>) -> Vec<IntentId> {
    let wanted = SagaPropose {
        title: "a saga".into(),
        occurrence: Some(occurrence.to_owned()),
        steps,
        expires_after_ms: None,
    };
    let proposed = scene.ada.client().call::<call::SagaPropose>(&wanted).await.unwrap().reply;
    for id in &proposed.saga.steps {
        scene.approve(&governance::show(scene.ada.client(), id).await.unwrap()).await;
    }
    proposed.saga.steps
}

fn mail(operation: &str, undo: &str) -> SagaStepWanted {
    step(order(operation, Repeat::ByKey), Some(order(undo, Repeat::ByKey)))
}

fn settlement(intent: &Intent, outcome: Settlement) -> Settle {
    let execution = intent.execution.clone().unwrap();
    Settle {
        intent: intent.id.clone(),
        outcome,
        note: "asked them".into(),
        round: intent.round,
        attempt: execution.attempt,
        executor: execution.executor,
    }
}

async fn states(scene: &Scene, steps: &[IntentId]) -> Vec<IntentState> {
    let mut states = Vec::new();
    for id in steps {
        states.push(scene.intent(id).await.state);
    }
    states
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_are_done_in_order() {
    let scene = Scene::start(REPLICA).await;
    let effector = Effector::start(&scene.fabric.bus).await;
    let committer = start(&scene.fabric.bus, "c1").await;
    let steps = vec![mail("a", "undo-a"), mail("b", "undo-b"), mail("c", "undo-c")];
    let steps = approved(&scene, "in order", steps).await;
    scene.reaches(&steps[2], &[IntentState::Committed]).await;
    let log: Vec<_> = effector.notes.lock().unwrap().log.iter().map(|(what, _)| what.clone()).collect();
    assert_eq!(log, ["a", "b", "c"]);
    assert_eq!(states(&scene, &steps).await, [IntentState::Committed; 3]);
    committer.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_undoes_what_was_done_in_reverse_and_once_each_whenever_the_committer_dies() {
    let scene = Scene::start(REPLICA).await;
    let effector = Effector::start(&scene.fabric.bus).await;
    effector.notes.lock().unwrap().refused.push("fails");
    let own = OF_EXTERNAL.iter().filter(|step| **step != "external:probed");
    for died_at in OF_EVERY_EFFECT.iter().chain(own) {
        let before = effector.notes.lock().unwrap().log.len();
        // Three deaths, wherever they strike: at the do of one step, at the undo of another.
        let mut steps: Option<Vec<IntentId>> = None;
        for n in 0..3 {
            let mut dying = scene.dying_committer(&format!("dying{n}"), Some(died_at));
            let known = match &steps {
                Some(steps) => steps.clone(),
                None => {
                    let name = |what: &str| format!("{what}-{died_at}").replace(':', "-");
                    let wanted = vec![
                        step(
                            governance::memory(&name("k"), json!(1)),
                            Some(governance::memory(&name("k"), json!(0))),
                        ),
                        mail("a", "undo-a"),
                        mail("b", "undo-b"),
                        step(order("fails", Repeat::ByKey), None),
                    ];
                    steps.insert(approved(&scene, died_at, wanted).await).clone()
                }
            };
            scene
                .dies_or(&mut dying, async || {
                    states(&scene, &known).await.first() == Some(&IntentState::Compensated)
                })
                .await;
            dying.kill9();
        }
        let steps = steps.unwrap();
        let living = scene.committer("living");
        scene.reaches(&steps[0], &[IntentState::Compensated]).await;
        use IntentState::{Compensated, Failed};
        assert_eq!(
            states(&scene, &steps).await,
            [Compensated, Compensated, Compensated, Failed],
            "{died_at}"
        );
        let log: Vec<_> =
            effector.notes.lock().unwrap().log[before..].iter().map(|(what, _)| what.clone()).collect();
        assert_eq!(log, ["a", "b", "undo-b", "undo-a"], "{died_at}");
        for id in &steps[..3] {
            let counts = scene.counts(id).await;
            assert_eq!((counts["committed"], counts["compensated"]), (1, 1), "{died_at}: {counts:?}");
        }
        living.kill9();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_fails_stops_loudly_until_a_person_settles_it() {
    let scene = Scene::start(REPLICA).await;
    let effector = Effector::start(&scene.fabric.bus).await;
    effector.notes.lock().unwrap().refused.extend(["fails", "undo-b"]);
    let committer = start(&scene.fabric.bus, "c1").await;
    let steps = vec![mail("a", "undo-a"), mail("b", "undo-b"), step(order("fails", Repeat::ByKey), None)];
    let steps = approved(&scene, "stuck", steps).await;
    let stuck = scene.reaches(&steps[1], &[IntentState::Stuck]).await;
    assert_eq!(stuck.reasons[0].message, "not today");
    let waiting = IntentList { waiting: Some(Waiting::ForSettlement), ..IntentList::default() };
    let listed = scene.operator.call::<call::IntentList>(&waiting).await.unwrap().reply.intents;
    assert_eq!(listed.iter().map(|reply| &reply.intent.id).collect::<Vec<_>>(), [&steps[1]]);
    assert_eq!(scene.intent(&steps[0]).await.state, IntentState::Committed, "what was before it waits");
    let settle = async |intent: &Intent, outcome| {
        let wanted = settlement(intent, outcome);
        scene.operator.call::<call::IntentSettle>(&wanted).await.unwrap().reply.intent
    };
    // It is tried again, and is stuck again: the operator hears of it.
    settle(&stuck, Settlement::DidNot).await;
    let first = stuck.execution.as_ref().unwrap().attempt;
    let again = until("another attempt to be stuck", async || {
        let intent = scene.intent(&steps[1]).await;
        let attempt = intent.execution.as_ref().unwrap().attempt;
        if intent.state == IntentState::Stuck && attempt > first { Ok(intent) } else { Err(intent.state) }
    })
    .await;
    // What was found out about the first one settles nothing any more, though the same instance made both.
    let late = settlement(&stuck, Settlement::Happened);
    assert_eq!(late.executor, again.execution.as_ref().unwrap().executor);
    let refused = scene.operator.call::<call::IntentSettle>(&late).await.unwrap_err();
    assert_eq!((refused.code, refused.details[0].at.as_str()), (Code::Conflict, "/attempt"));
    assert!(again.execution.as_ref().unwrap().attempt > stuck.execution.unwrap().attempt);
    let undone = settle(&again, Settlement::Happened).await;
    assert_eq!(undone.state, IntentState::Compensated);
    scene.reaches(&steps[0], &[IntentState::Compensated]).await;
    let log: Vec<_> = effector.notes.lock().unwrap().log.iter().map(|(what, _)| what.clone()).collect();
    assert_eq!(log, ["a", "b", "undo-a"]);
    committer.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_whose_outcome_nobody_knows_is_settled_before_others_are_undone() {
    let scene = Scene::start(REPLICA).await;
    let effector = Effector::start(&scene.fabric.bus).await;
    let target = crate::target::Target::start().await;
    let committer = start(&scene.fabric.bus, "c1").await;
    let silent = Effect::Http(target.post("/silent/s", Repeat::Unsafe));
    let steps = vec![mail("a", "undo-a"), step(silent, None)];
    let steps = approved(&scene, "unknown", steps).await;
    let unknown = scene.reaches(&steps[1], &[IntentState::Unknown]).await;
    assert_eq!(scene.intent(&steps[0]).await.state, IntentState::Committed, "it waits");
    assert_eq!(effector.notes.lock().unwrap().log.len(), 1);
    let wanted = settlement(&unknown, Settlement::DidNot);
    scene.operator.call::<call::IntentSettle>(&wanted).await.unwrap();
    scene.reaches(&steps[0], &[IntentState::Compensated]).await;
    assert_eq!(target.asked("POST", "/silent/s"), 1);
    committer.drain().await;
}
