//! Proposals, and how they end.

use selvedge_contracts::{
    call,
    fact::INTENT_EXECUTING,
    fault::{Code, Fault},
    payload::intent::{
        Effect, ExternalEffect, Intent, IntentCancel, IntentList, IntentReply, IntentState, Intents, Propose,
        SagaPropose, SagaStepWanted, Waiting,
    },
    role::Role,
};
use selvedge_governance::IntentLimits;
use selvedge_kit::{client::Client, creation::Asking};
use selvedge_tests::{
    governance::{approve, external, memory, propose, redeem, show, wanting},
    wait,
};
use serde_json::json;

use crate::scene::{Scene, refused};

async fn cancel(client: &Client, intent: &Intent) -> Result<IntentReply, Fault> {
    let cancel = IntentCancel { intent: intent.id.clone(), reason: "no more".to_owned() };
    client.call::<call::IntentCancel>(&cancel).await.map(|answered| answered.reply)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_no_approval_is_verified_in_the_same_call_and_redeemed() {
    let scene = Scene::start().await;
    let wanted = wanting(memory("a/b", json!(1)));
    let found = scene.ada.propose(&wanted).await;
    let decision = found.intent.decision.as_ref().unwrap();
    assert_eq!((found.intent.state, decision.requirement.approvals), (IntentState::Verified, 0));
    assert!(decision.seen.iter().any(|seen| seen.id.as_str() == scene.ada.agent.record.id.as_str()));
    assert_eq!(show(scene.ada.client(), &found.intent.id).await.unwrap(), found);
    assert_eq!(scene.ada.propose(&wanted).await, found, "again, it stands as it is");
    let bob = scene.member("bob", Role::Planner, "person:bob").await;
    assert_eq!(bob.propose(&wanted).await, found, "whoever asks");
    assert_eq!((scene.count("proposed").await, scene.count("*").await), (1, 2));
    let redeemed = redeem(&scene.committer, &found).await.unwrap();
    assert_eq!(redeemed.highest_token, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_has_more_open_intents_than_they_may_nor_more_that_came_to_nothing() {
    let limits = IntentLimits { open_per_owner: 2, open_per_mission: 3, vain_per_owner: 2 };
    let scene = Scene::start_under(1, limits, Asking::Off).await;
    let bob = scene.member("bob", Role::Planner, "person:bob").await;
    let wanted = |key: &str| wanting(memory(key, json!(1)));
    let first = scene.ada.propose(&wanted("a")).await;
    scene.ada.propose(&wanted("b")).await;
    let full = propose(scene.ada.client(), &wanted("c")).await;
    refused(full, Code::Conflict, "person:olga has 2 intents in demo that are not over, and may have 2");
    assert_eq!(scene.ada.propose(&wanted("a")).await, first, "what is there is answered as it stands");
    bob.propose(&wanted("c")).await;
    refused(propose(bob.client(), &wanted("d")).await, Code::Conflict, "demo has 3 intents");
    let step = SagaStepWanted {
        title: "a step".to_owned(),
        effect: memory("s", json!(1)),
        undo: None,
        inputs: Vec::new(),
        preconditions: Vec::new(),
        tokens: Vec::new(),
    };
    let saga =
        SagaPropose { title: "s".to_owned(), occurrence: None, steps: vec![step], expires_after_ms: None };
    refused(bob.client().call::<call::SagaPropose>(&saga).await, Code::Conflict, "demo has 3 intents");
    cancel(scene.ada.client(), &first.intent).await.unwrap();
    propose(scene.ada.client(), &wanted("a")).await.unwrap();
    cancel(scene.ada.client(), &first.intent).await.unwrap();
    let vain = propose(scene.ada.client(), &wanted("a")).await;
    refused(vain, Code::Conflict, "2 intents of person:olga in demo came to nothing within an hour");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_irreversible_effect_waits_for_an_approver_of_another_owner() {
    let scene = Scene::start().await;
    let paula = scene.approver().await;
    let found = scene.ada.propose(&wanting(external("send"))).await;
    assert_eq!((found.intent.state, found.intent.is_ready()), (IntentState::Verified, false));
    refused(redeem(&scene.committer, &found).await, Code::Conflict, "not to be executed");
    let approved = approve(&paula.agent, &paula.working, &found.intent).await.unwrap();
    assert_eq!((approved.intent.state, approved.intent.is_ready()), (IntentState::Approved, true));
    redeem(&scene.committer, &approved).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_in_itself_is_refused_with_every_place_and_not_recorded() {
    let scene = Scene::start().await;
    let Effect::External(external) = external("send") else { unreachable!() };
    let arguments = json!({ "n": u64::MAX, "big": "x".repeat(70_000) });
    let wanted = Propose {
        title: "two\nlines".to_owned(),
        occurrence: Some("saga_1/0".to_owned()),
        ..wanting(Effect::External(ExternalEffect { arguments, ..external }))
    };
    let fault = refused(propose(scene.ada.client(), &wanted).await, Code::Invalid, "2^53");
    let places: Vec<_> = fault.details.iter().map(|detail| detail.at.as_str()).collect();
    assert_eq!(places, ["/title", "/effect/arguments", "/effect/arguments/n", "/occurrence"]);
    assert_eq!(scene.count("*").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wanted_repetition_names_another_occurrence() {
    let scene = Scene::start().await;
    let wanted = wanting(memory("a", json!(1)));
    let first = scene.ada.propose(&wanted).await.intent;
    let again = Propose { occurrence: Some("2".to_owned()), ..wanted };
    assert_ne!(scene.ada.propose(&again).await.intent.id, first.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn time_runs_out_and_the_next_proposal_is_a_new_round() {
    let scene = Scene::start().await;
    let paula = scene.approver().await;
    let wanted = Propose { expires_after_ms: Some(1_000), ..wanting(external("send")) };
    let found = scene.ada.propose(&wanted).await.intent;
    let expired = wait::until("it to expire by its timer", async || {
        let now = show(scene.ada.client(), &found.id).await.unwrap().intent;
        if now.state == IntentState::Expired { Ok(now) } else { Err(now.state) }
    })
    .await;
    assert_eq!(scene.count("expired").await, 1);
    refused(paula.approve(&found).await, Code::Conflict, "it is expired");
    let again = scene.ada.propose(&wanting(external("send"))).await.intent;
    assert_eq!((expired.round, again.round, again.state), (0, 1, IntentState::Verified));
}

#[tokio::test(flavor = "multi_thread")]
async fn its_owner_or_an_operator_takes_it_back_until_it_is_executed() {
    let scene = Scene::start().await;
    let bob = scene.member("bob", Role::Worker, "person:bob").await;
    let twin = scene.member("twin", Role::Worker, "person:olga").await;
    let found = scene.ada.propose(&wanting(external("send"))).await.intent;
    refused(cancel(bob.client(), &found).await, Code::Denied, "may cancel it");
    let cancelled = cancel(twin.client(), &found).await.unwrap();
    assert_eq!(cancelled.intent.state, IntentState::Cancelled);
    assert!(cancelled.intent.reasons[0].message.contains("no more"));
    assert_eq!(cancel(scene.ada.client(), &found).await.unwrap(), cancelled, "again is the same");
    let next = scene.ada.propose(&wanting(memory("a", json!(1)))).await;
    let executing = Intent { state: IntentState::Executing, ..next.intent.clone() };
    let revision = scene.record(INTENT_EXECUTING.kind, &executing, next.revision).await;
    wait::until("the fact to be seen", async || {
        let seen = show(scene.ada.client(), &executing.id).await.unwrap().revision;
        if seen == revision { Ok(()) } else { Err(seen) }
    })
    .await;
    refused(cancel(scene.ada.client(), &executing).await, Code::Conflict, "executing");
    let taken = IntentReply { intent: executing, revision };
    refused(redeem(&scene.committer, &taken).await, Code::Conflict, "not to be executed");
    refused(redeem(&scene.committer, &next).await, Code::Conflict, "look at it again");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inbox_shows_what_one_may_approve_and_pages_go_on() {
    let scene = Scene::start().await;
    let (paula, own) = (scene.approver().await, scene.member("own", Role::Approver, "person:olga").await);
    let list = async |client: &Client, wanted: IntentList| -> Intents {
        client.call::<call::IntentList>(&wanted).await.unwrap().reply
    };
    let inbox = IntentList { waiting: Some(Waiting::ForMe), ..IntentList::default() };
    for operation in ["a", "b", "c"] {
        scene.ada.propose(&wanting(external(operation))).await;
    }
    scene.ada.propose(&wanting(memory("free", json!(1)))).await;
    let waiting = list(paula.client(), inbox.clone()).await.intents;
    assert_eq!(waiting.len(), 3);
    assert_eq!(list(own.client(), inbox.clone()).await.intents, [], "not the proposer's own");
    assert_eq!(list(scene.ada.client(), inbox.clone()).await.intents, []);
    paula.approve(&waiting[0].intent).await.unwrap();
    let left = list(paula.client(), inbox.clone()).await.intents;
    assert_eq!(left, waiting[1..]);
    let for_any = IntentList { waiting: Some(Waiting::ForApproval), ..IntentList::default() };
    assert_eq!(list(own.client(), for_any).await.intents, left);
    let approved = IntentList { state: Some(IntentState::Approved), ..IntentList::default() };
    assert_eq!(list(own.client(), approved).await.intents.len(), 1);
    let (mut after, mut all) = (None, Vec::new());
    loop {
        let page = list(own.client(), IntentList { after, limit: Some(3), ..IntentList::default() }).await;
        all.extend(page.intents.iter().map(|found| found.intent.id.clone()));
        after = all.last().cloned();
        if !page.more {
            break;
        }
    }
    assert!(all.len() == 4 && all.is_sorted(), "{all:?}");
}
