//! kill -9 at every step of every effect, once and twice: afterwards there is one effect, one fact that says so
//! and the right receipt.

use selvedge_committer::{OF_EVERY_EFFECT, OF_EXTERNAL, OF_HTTP, OF_MEMORY};
use selvedge_contracts::payload::intent::{Intent, IntentState, Propose, Receipt, Repeat};
use selvedge_tests::{
    committer::{Scene, once},
    governance,
};
use serde_json::json;

use crate::{
    REPLICA,
    effector::{Effector, order},
    target::Target,
};

/// Has it carried out by committers that die at `step`, one after the other, then by one that lives; proposes
/// it again at the end. A step that only a second attempt gets to has a first that dies at `before`.
pub(crate) async fn survives(
    scene: &Scene,
    wanted: &Propose,
    step: &str,
    deaths: usize,
    before: Option<&str>,
) -> Intent {
    let mut approved = None;
    let steps = before.into_iter().chain(std::iter::repeat_n(step, deaths));
    for (n, step) in steps.enumerate() {
        let mut dying = scene.dying_committer(&format!("dying{n}"), Some(step));
        let id = match &approved {
            Some(id) => Clone::clone(id),
            None => approved.insert(scene.approved(wanted).await.intent.id).clone(),
        };
        scene.dies_or_ends(&mut dying, &id).await;
        assert!(
            n > 0 || dying.has_ended() || scene.intent(&id).await.state.is_settled(),
            "{step} was not reached"
        );
        if n == 0 {
            until_dead(&mut dying, step).await;
        }
        dying.kill9();
        let replayed = governance::propose(scene.ada.client(), wanted).await.unwrap().intent;
        assert_eq!((&replayed.id, replayed.round), (&id, 0), "proposed again, it is the same intent");
    }
    let id = approved.unwrap();
    let living = scene.committer("living");
    let intent =
        scene.reaches(&id, &[IntentState::Committed, IntentState::Failed, IntentState::Unknown]).await;
    let again = governance::propose(scene.ada.client(), wanted).await.unwrap();
    assert_eq!(again.intent, intent, "proposed again after {step}, it is as it stands");
    assert_eq!(intent.state, IntentState::Committed, "after {step}: {:?}", intent.reasons);
    assert_eq!(scene.counts(&id).await.get("committed"), Some(&1), "after {step}");
    living.kill9();
    intent
}

/// Every step must be one at which a committer really dies.
async fn until_dead(dying: &mut selvedge_tests::replica::Replica, step: &str) {
    selvedge_tests::wait::until(&format!("the committer to die at {step}"), async || {
        if dying.has_ended() { Ok(()) } else { Err("it lives") }
    })
    .await;
}

/// The steps of an effect.
fn steps<'a>(own: &[&'a str]) -> Vec<&'a str> {
    [OF_EVERY_EFFECT, own].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_written_once_whenever_the_committer_dies() {
    let scene = Scene::start(REPLICA).await;
    for step in steps(OF_MEMORY) {
        for deaths in [1, 2] {
            let key = format!("{}-{deaths}", step.replace(':', "-"));
            let wanted = once(governance::memory(&key, json!({ "step": step })), "once");
            let intent = survives(&scene, &wanted, step, deaths, None).await;
            let Some(Receipt::Memory { key: written, replaced: 0 }) = &intent.receipt else {
                panic!("{step}: {:?}", intent.receipt)
            };
            assert_eq!(written.as_str(), key);
            let versions = selvedge_tests::raw::count(&scene.ledger, &format!("demo.memory.{key}.>")).await;
            assert_eq!(versions, 1, "{step}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_a_probe_tells_about_is_sent_once() {
    let (scene, target) = (Scene::start(REPLICA).await, Target::start().await);
    for step in steps(OF_HTTP) {
        for deaths in [1, 2] {
            let path = format!("/orders/{}-{deaths}", step.replace(':', "-"));
            let before = (step == "http:probed").then_some("http:asked");
            let intent = survives(&scene, &once(target.probed(&path), "once"), step, deaths, before).await;
            assert_eq!((target.done(&path), target.asked("POST", &path)), (1, 1), "{step}");
            assert_eq!(target.keys(&path), [intent.id.to_string()], "{step}");
            let Some(Receipt::Http { status, response, .. }) = &intent.receipt else {
                panic!("{step}: {:?}", intent.receipt)
            };
            // Who died after the answer came leaves it to the probe to say that it happened.
            let is_first_hand = status == &Some(201) && response.is_some();
            assert!(
                is_first_hand || (status.is_none() && response.is_none()),
                "{step}: {status:?} {response:?}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_the_target_knows_by_its_key_is_done_once() {
    let (scene, target) = (Scene::start(REPLICA).await, Target::start().await);
    for step in steps(OF_HTTP).into_iter().filter(|step| *step != "http:probed") {
        for deaths in [1, 2] {
            let path = format!("/keyed/{}-{deaths}", step.replace(':', "-"));
            let effect = selvedge_contracts::payload::intent::Effect::Http(target.post(&path, Repeat::ByKey));
            let intent = survives(&scene, &once(effect, "once"), step, deaths, None).await;
            assert_eq!(target.done(&path), 1, "{step}");
            assert!(target.keys(&path).iter().all(|key| *key == intent.id.to_string()), "{step}");
            let Some(Receipt::Http { status: Some(200 | 201), response: Some(_), .. }) = &intent.receipt
            else {
                panic!("{step}: {:?}", intent.receipt)
            };
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_effector_does_it_once() {
    let scene = Scene::start(REPLICA).await;
    let effector = Effector::start(&scene.fabric.bus).await;
    for (repeat, name) in [(Repeat::Unsafe, "unsafe"), (Repeat::ByKey, "by-key")] {
        for step in steps(OF_EXTERNAL)
            .into_iter()
            .filter(|step| repeat == Repeat::Unsafe || *step != "external:probed")
        {
            for deaths in [1, 2] {
                let before = (step == "external:probed").then_some("external:asked");
                let wanted = once(order("send", repeat), &format!("{name} {step} {deaths}"));
                let intent = survives(&scene, &wanted, step, deaths, before).await;
                assert_eq!(effector.done(intent.id.as_str()), 1, "{name} {step}");
                assert!(matches!(intent.receipt, Some(Receipt::External { .. })), "{name} {step}");
            }
        }
    }
}
