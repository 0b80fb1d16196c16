//! Intents that look like each other: asked about before they are there, decided once, created or not.

use selvedge_contracts::{
    call,
    fault::{Code, Fault},
    id::CreationId,
    payload::{
        intent::{IntentCancel, IntentReply, IntentState, Propose, SagaPropose, SagaReply, SagaStepWanted},
        overlap::{Answer, CreationState},
    },
    role::Role,
};
use selvedge_governance::IntentLimits;
use selvedge_kit::{
    client::{Client, Options},
    creation::{Asking, asked_about},
};
use selvedge_tests::{
    governance::{memory, propose, wanting},
    overlap::{decide, replica, show},
};
use serde_json::json;

use crate::scene::{Scene, refused};

const TITLE: &str = "Decide how the login page redirects after a logout";

async fn scene() -> Scene {
    Scene::start_under(1, IntentLimits::default(), Asking::Required).await
}

/// The same words under another key, which is another intent.
fn like(key: &str) -> Propose {
    Propose { title: TITLE.to_owned(), ..wanting(memory(key, json!("to where the user came from"))) }
}

/// The refusal of what looks like something else, and the creation that it asks about.
fn asked(outcome: Result<IntentReply, Fault>) -> (Fault, CreationId) {
    let fault = refused(outcome, Code::Conflict, "looks like something that is there");
    let creation = asked_about(&fault).unwrap_or_else(|| panic!("it names no creation: {fault:?}"));
    (fault, creation)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_want_the_same_in_one_instant_one_is_asked_and_decides() {
    let scene = scene().await;
    let overlap = replica(&scene.fabric.bus, "o1").await;
    let bob = scene.member("bob", Role::Planner, "person:bob").await;
    let (ada, bob) = (scene.ada.client(), bob.client());
    let wanted = [like("login/redirect"), like("auth/next-page")];
    let (first, second) = tokio::join!(propose(ada, &wanted[0]), propose(bob, &wanted[1]));
    let (made, refusal, loser, wanted) = match (first, second) {
        (Ok(made), refusal) => (made, refusal, bob, &wanted[1]),
        (refusal, Ok(made)) => (made, refusal, ada, &wanted[0]),
        both => panic!("neither was created: {both:?}"),
    };
    let (fault, creation) = asked(refusal);
    assert!(
        fault.details.iter().any(|detail| detail.message.contains(made.intent.id.as_str())),
        "it tells what it looks like: {fault:?}"
    );
    assert_eq!(scene.count("proposed").await, 1, "nothing of the other one is there");
    let checked = made.intent.checked.clone().expect("the one that is there says what it was held against");
    assert_ne!(checked.creation, creation);

    assert_eq!(asked(propose(loser, wanted).await).1, creation, "asked again, it is the same question");
    decide(loser, &creation, Answer::Proceed).await.unwrap();
    let second = propose(loser, wanted).await.unwrap().intent;
    assert_eq!(second.checked.map(|checked| checked.creation), Some(creation));
    assert_eq!(scene.count("proposed").await, 2);
    overlap.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_merged_or_discarded_is_refused_and_says_into_what() {
    let scene = scene().await;
    let overlap = replica(&scene.fabric.bus, "o1").await;
    let ada = scene.ada.client();
    let first = propose(ada, &like("a")).await.unwrap().intent.checked.unwrap().creation;
    let (_, merged) = asked(propose(ada, &like("b")).await);
    decide(ada, &merged, Answer::Merge(first.clone())).await.unwrap();
    refused(propose(ada, &like("b")).await, Code::Conflict, first.as_str());
    let (_, discarded) = asked(propose(ada, &like("c")).await);
    decide(ada, &discarded, Answer::Discard).await.unwrap();
    refused(propose(ada, &like("c")).await, Code::Conflict, "decided against");
    assert_eq!(scene.count("proposed").await, 1);
    overlap.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_never_looks_like_itself_nor_does_a_new_round() {
    let scene = scene().await;
    let overlap = replica(&scene.fabric.bus, "o1").await;
    let ada = scene.ada.client();
    let wanted = like("a");
    let (one, two) = tokio::join!(propose(ada, &wanted), propose(ada, &wanted));
    let intent = one.unwrap().intent;
    assert_eq!((&two.unwrap().intent.id, scene.count("proposed").await), (&intent.id, 1));
    assert_eq!(propose(ada, &like("a")).await.unwrap().intent.round, 0);
    let cancel = IntentCancel { intent: intent.id.clone(), reason: "not yet".to_owned() };
    ada.call::<call::IntentCancel>(&cancel).await.unwrap();
    let anew = propose(ada, &like("a")).await.unwrap().intent;
    assert_eq!((anew.id, anew.round, anew.state), (intent.id, 1, IntentState::Verified));
    overlap.drain().await;
}

async fn propose_shortly(client: &Client, wanted: &Propose) -> Result<IntentReply, Fault> {
    let options = Options { timeout_ms: Some(3_000), ..Options::default() };
    client.call_with::<call::IntentPropose>(wanted, &options).await.map(|answered| answered.reply)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_answer_nothing_is_there_and_the_same_goes_on_once_there_is_one() {
    let scene = scene().await;
    let ada = scene.ada.client();
    let down = propose_shortly(ada, &like("a")).await.unwrap_err();
    assert!(down.is_retryable() && down.code == Code::Unavailable, "{down:?}");
    assert_eq!(scene.count("*").await, 0, "nothing half done");
    let overlap = replica(&scene.fabric.bus, "o1").await;
    let creation = propose(ada, &like("a")).await.unwrap().intent.checked.unwrap().creation;
    selvedge_tests::wait::until("its creation to be there", async || {
        match show(ada, &creation).await.map(|reply| reply.state) {
            Ok(CreationState::Existing) => Ok(()),
            other => Err(other),
        }
    })
    .await;
    // What goes on with a record that is there is no creation.
    overlap.drain().await;
    let selvedge_contracts::payload::intent::Effect::Memory(record) = like("a").effect else { panic!() };
    let effect = selvedge_contracts::payload::intent::MemoryEffect { revision: 7, ..record };
    let again = wanting(selvedge_contracts::payload::intent::Effect::Memory(effect));
    propose_shortly(ada, &again).await.unwrap();
}

fn saga(steps: &[(&str, &str)]) -> SagaPropose {
    let step = |(title, key): &(&str, &str)| SagaStepWanted {
        title: (*title).to_owned(),
        effect: memory(key, json!("to where the user came from")),
        undo: None,
        inputs: Vec::new(),
        preconditions: Vec::new(),
        tokens: Vec::new(),
    };
    let steps = steps.iter().map(step).collect();
    SagaPropose { title: "After a logout".to_owned(), occurrence: None, steps, expires_after_ms: None }
}

async fn propose_saga(client: &Client, wanted: &SagaPropose) -> Result<SagaReply, Fault> {
    client.call::<call::SagaPropose>(wanted).await.map(|answered| answered.reply)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_of_a_saga_that_looks_like_an_intent_is_asked_about_and_nothing_is_there_before() {
    let scene = scene().await;
    let overlap = replica(&scene.fabric.bus, "o1").await;
    let ada = scene.ada.client();
    let first = propose(ada, &like("login/redirect")).await.unwrap().intent;
    let wanted = saga(&[("Print the almanac of the tides", "almanac/tides"), (TITLE, "auth/next-page")]);
    let fault = propose_saga(ada, &wanted).await.unwrap_err();
    assert!(fault.code == Code::Conflict && fault.message.starts_with("step 1: "), "{fault:?}");
    assert!(fault.details.iter().any(|detail| detail.message.contains(first.id.as_str())), "{fault:?}");
    assert_eq!(scene.count("proposed").await, 1, "nothing of the saga is there");
    let creation = asked_about(&fault).unwrap();
    decide(ada, &creation, Answer::Proceed).await.unwrap();
    let saga = propose_saga(ada, &wanted).await.unwrap();
    let checked: Vec<_> = saga.steps.iter().map(|step| step.checked.clone().unwrap().creation).collect();
    assert_eq!((checked.len(), &checked[1]), (2, &creation));
    assert_eq!(propose_saga(ada, &wanted).await.unwrap().saga.id, saga.saga.id, "the same again is the same");
    overlap.drain().await;
    let again = propose_saga(ada, &wanted).await.unwrap();
    assert_eq!(again.saga.id, saga.saga.id, "of what is there, nobody is asked");
}
