//! A committer that sleeps through the time it had, and two that are there at once.

use selvedge_contracts::payload::intent::{Effect, IntentState, Receipt, Repeat};
use selvedge_tests::{
    committer::{Scene, once},
    governance,
    wait::until,
};
use serde_json::json;

use crate::{
    REPLICA,
    effector::{Effector, order},
    target::Target,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_committer_that_wakes_after_another_took_over_does_not_act() {
    let (scene, target) = (Scene::start(REPLICA).await, Target::start().await);
    let effector = Effector::start(&scene.fabric.bus).await;
    let by_key = Effect::Http(target.post("/orders/by-key", Repeat::ByKey));
    let cases = [
        ("http:ready", target.probed("/orders/slept")),
        ("http:ready", by_key),
        ("memory:ready", governance::memory("slept", json!(1))),
        ("executing", order("send", Repeat::Unsafe)),
    ];
    for (n, (step, effect)) in cases.into_iter().enumerate() {
        let sleeper = scene.stopping_committer(&format!("sleeper{n}"), step);
        let intent = scene.approved(&once(effect, &n.to_string())).await.intent;
        until("it to fall asleep", async || if sleeper.is_stopped() { Ok(()) } else { Err(step) }).await;
        let other = scene.committer(&format!("other{n}"));
        let committed = scene.reaches(&intent.id, &[IntentState::Committed]).await;
        assert_eq!(committed.execution.unwrap().executor.as_str(), format!("other{n}"), "{step}");
        other.kill9();
        sleeper.resume();
        // It is awake once it has carried out something else.
        let next = scene.approved(&once(governance::memory("awake", json!(n)), "awake")).await;
        let next = scene.reaches(&next.intent.id, &[IntentState::Committed, IntentState::Failed]).await;
        assert_eq!(next.execution.unwrap().executor.as_str(), format!("sleeper{n}"));
        let counts = scene.counts(&intent.id).await;
        assert_eq!((counts.get("committed"), counts.get("failed")), (Some(&1), None), "{step}: {counts:?}");
    }
    assert_eq!((target.done("/orders/slept"), target.asked("POST", "/orders/slept")), (1, 1));
    assert_eq!(target.asked("POST", "/orders/by-key"), 1, "the target would have done it twice");
    assert_eq!(effector.notes.lock().unwrap().log.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_committers_one_carries_each_intent_out() {
    const INTENTS: usize = 12;
    let (scene, target) = (Scene::start(REPLICA).await, Target::start().await);
    let mut wanted = Vec::new();
    for n in 0..INTENTS {
        let effect = Effect::Http(target.post(&format!("/orders/{n}"), Repeat::Unsafe));
        wanted.push(scene.approved(&once(effect, "two")).await.intent.id);
        let record = governance::memory(&format!("two/{n}"), json!(n));
        wanted.push(scene.approved(&once(record, "two")).await.intent.id);
    }
    // Both find all of it at their start, by the sweep and by the follower.
    let (one, two) = tokio::join!(
        selvedge_tests::committer::start(&scene.fabric.bus, "one"),
        selvedge_tests::committer::start(&scene.fabric.bus, "two"),
    );
    for id in &wanted {
        let intent =
            scene.reaches(id, &[IntentState::Committed, IntentState::Failed, IntentState::Unknown]).await;
        assert_eq!(intent.state, IntentState::Committed, "{:?}", intent.reasons);
        let counts = scene.counts(id).await;
        assert_eq!((counts["executing"], counts["committed"]), (1, 1), "{counts:?}");
        if let Some(Receipt::Http { response, .. }) = intent.receipt {
            assert!(response.is_some());
        }
    }
    for n in 0..INTENTS {
        assert_eq!(target.asked("POST", &format!("/orders/{n}")), 1);
    }
    one.drain().await;
    two.drain().await;
}
