//! Effectors: who may be one, and orders that nobody hears.

use selvedge_contracts::payload::intent::{IntentState, Repeat};
use selvedge_kit::{bus::BusError, clock::Deadline, credential::Login};
use selvedge_tests::{
    committer::{Scene, once},
    fabric::connect_bus,
    now_ms,
};

use crate::{
    REPLICA,
    effector::{Effector, order},
};

const ENDS: &[IntentState] = &[IntentState::Committed, IntentState::Failed, IntentState::Unknown];

#[tokio::test(flavor = "multi_thread")]
async fn an_order_waits_for_its_effector_and_a_refusal_is_told() {
    let scene = Scene::start(REPLICA).await;
    let _committer = scene.committer("c1");
    let waiting = scene.approved(&once(order("send", Repeat::Unsafe), "early")).await;
    scene.reaches(&waiting.intent.id, &[IntentState::Executing]).await;
    let effector = Effector::start(&scene.fabric.bus).await;
    let sent = scene.reaches(&waiting.intent.id, ENDS).await;
    assert_eq!(
        (sent.state, effector.done(sent.id.as_str())),
        (IntentState::Committed, 1),
        "{:?}",
        sent.reasons
    );
    effector.notes.lock().unwrap().refused.push("send");
    let refused = scene.approved(&once(order("send", Repeat::Unsafe), "late")).await;
    let refused = scene.reaches(&refused.intent.id, ENDS).await;
    assert_eq!((refused.state, refused.reasons[0].message.as_str()), (IntentState::Failed, "not today"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_the_committer_gives_orders() {
    let scene = Scene::start(REPLICA).await;
    let bus = &scene.fabric.bus;
    let _effector = Effector::start(bus).await;
    let other = bus.kluster().effector_credential(&"other".parse().unwrap(), now_ms()).unwrap();
    for credential in [&scene.ada.working.credential, &scene.paula.working.credential, &other] {
        let bus = connect_bus(bus, Login::held(credential.clone())).await;
        let asked =
            bus.request("sv.effect.mailer.execute", Default::default(), "{}".into(), Deadline::in_ms(5_000));
        assert!(matches!(asked.await, Err(BusError::Denied { .. })), "{:?}", bus.me());
    }
}
