//! What agents offer to each other.

use futures::future::join_all;
use selvedge_contracts::{
    call::{self, CallType as _},
    envelope::{Envelope, Form},
    fault::{Code, Fault},
    id::HandoffId,
    payload::{
        agent::{About, Register},
        artifact::Put,
        contract::ContractAdd,
        handoff::{
            Handoff, HandoffAccept, HandoffComplete, HandoffEnd, HandoffList, HandoffOffer, HandoffShow,
            HandoffState, Offer, offer_text,
        },
        mission::MissionCreate,
    },
    role::{Role, Service},
    sender,
};
use selvedge_kit::{
    client::Options,
    signature::{Signer, decode_base64url, encode_base64url, verify_text},
};
use selvedge_tests::{
    artifacts,
    dispatcher::{plan, submit_plan},
    fabric::copy,
    now_ms,
    raw::{Raw, facts},
    replica::Replica,
    wait,
};
use serde_json::{Value, json};

use crate::{
    REPLICA,
    scene::{Member, Scene, refused},
};

/// A scene with the contracts `test.in/1` (a number `n`) and `test.out/1` (a text `said`), and with bob, who says
/// that he can do rust.
async fn scene(replicas: usize) -> (Scene, Member) {
    let scene = Scene::start_with(replicas).await;
    for (name, field, sort) in [("test.in", "n", "integer"), ("test.out", "said", "string")] {
        let schema =
            json!({ "type": "object", "required": [field], "properties": { field: { "type": sort } } });
        let add = ContractAdd { name: name.parse().unwrap(), schema };
        scene.pia.client().call::<call::ContractAdd>(&add).await.unwrap();
    }
    let bob = scene.member("bob", Role::Worker, "person:bob").await;
    says(&bob, &["rust"]).await;
    (scene, bob)
}

/// Answers with the revision from which on it is known.
async fn says(member: &Member, capabilities: &[&str]) -> u64 {
    let capabilities = capabilities.iter().map(ToString::to_string).collect();
    let about = About { capabilities, ..About::default() };
    member.client().call::<call::Register>(&Register { about }).await.unwrap().as_of
}

/// An offer that fits, to one agent, with some fields otherwise.
fn offer(to: &Member, more: Value) -> Offer {
    let mut offer = json!({
        "title": "say it", "to": { "kind": "agent", "agent": to.agent.record.id }, "input": { "n": 1 },
        "input_contract": { "name": "test.in", "version": 1 },
        "output_contract": { "name": "test.out", "version": 1 }, "capabilities": ["rust"],
        "deadline_at_ms": now_ms() + 600_000,
    });
    for (name, value) in more.as_object().unwrap() {
        offer[name] = value.clone();
    }
    serde_json::from_value(offer).unwrap()
}

fn signer(scene: &Scene, by: &Member) -> Signer {
    Signer::new(copy(&by.agent.key), scene.fabric.bus.kluster().account(), None)
}

fn signed(scene: &Scene, by: &Member, offer: &Offer) -> HandoffOffer {
    let text = offer_text(&by.agent.mission, &by.agent.record.id, offer);
    let signature = encode_base64url(&signer(scene, by).sign_text(&text).unwrap());
    HandoffOffer { offer: offer.clone(), signature }
}

async fn offers(scene: &Scene, by: &Member, offer: &Offer) -> Result<Handoff, Fault> {
    let wanted = signed(scene, by, offer);
    by.client().call::<call::HandoffOffer>(&wanted).await.map(|answered| answered.reply.handoff)
}

async fn accepts(by: &Member, handoff: &HandoffId) -> Result<Handoff, Fault> {
    accepts_at(by, handoff, 0).await
}

/// Accepts by way of a replica that knows all up to a revision.
async fn accepts_at(by: &Member, handoff: &HandoffId, at_least: u64) -> Result<Handoff, Fault> {
    let accept = HandoffAccept { handoff: handoff.clone() };
    let options = Options { at_least, ..Options::default() };
    let answered = by.client().call_with::<call::HandoffAccept>(&accept, &options).await;
    answered.map(|answered| answered.reply.handoff)
}

async fn declines(by: &Member, handoff: &HandoffId) -> Result<Handoff, Fault> {
    let end = HandoffEnd { handoff: handoff.clone(), reason: "no time".to_owned() };
    by.client().call::<call::HandoffDecline>(&end).await.map(|answered| answered.reply.handoff)
}

async fn withdraws(by: &Member, handoff: &HandoffId) -> Result<Handoff, Fault> {
    let end = HandoffEnd { handoff: handoff.clone(), reason: "not needed".to_owned() };
    by.client().call::<call::HandoffWithdraw>(&end).await.map(|answered| answered.reply.handoff)
}

async fn completes(by: &Member, handoff: &HandoffId, output: Value) -> Result<Handoff, Fault> {
    let complete = HandoffComplete { handoff: handoff.clone(), output, artifacts: Vec::new() };
    by.client().call::<call::HandoffComplete>(&complete).await.map(|answered| answered.reply.handoff)
}

async fn show(by: &Member, handoff: &HandoffId) -> Handoff {
    let show = HandoffShow { handoff: handoff.clone() };
    by.client().call::<call::HandoffShow>(&show).await.unwrap().reply.handoff
}

async fn becomes(by: &Member, handoff: &HandoffId, wanted: HandoffState) -> Handoff {
    wait::until("the handoff's state", async || {
        let show = HandoffShow { handoff: handoff.clone() };
        let found = by.client().call::<call::HandoffShow>(&show).await.map(|found| found.reply.handoff);
        match found {
            Ok(found) if found.state == wanted => Ok(found),
            other => Err(other),
        }
    })
    .await
}

fn places(fault: &Fault) -> Vec<&str> {
    fault.details.iter().map(|detail| detail.at.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handoff_goes_from_its_offer_to_its_end_and_anybody_can_check_who_signed_it() {
    let (scene, bob) = scene(2).await;
    let found = offers(&scene, &scene.ada, &offer(&bob, json!({}))).await.unwrap();
    assert_eq!((found.state, &found.from), (HandoffState::Offered, &scene.ada.agent.record.id));
    refused(completes(&bob, &found.id, json!({ "said": "x" })).await, Code::Conflict, "nobody has accepted");
    let accepted = accepts(&bob, &found.id).await.unwrap();
    assert_eq!(accepted.receiver.as_ref().unwrap().by, bob.agent.record.id);
    assert_eq!(accepts(&bob, &found.id).await.unwrap(), accepted, "once");
    let wrong = refused(completes(&bob, &found.id, json!({ "said": 7 })).await, Code::Conflict, "string");
    assert_eq!(places(&wrong), ["/output/said"]);
    let done = completes(&bob, &found.id, json!({ "said": "one" })).await.unwrap();
    assert_eq!(done.result.as_ref().unwrap().output, json!({ "said": "one" }));
    assert_eq!(completes(&bob, &found.id, json!({ "said": "one" })).await.unwrap(), done);
    refused(completes(&bob, &found.id, json!({ "said": "two" })).await, Code::Conflict, "completed by");
    let states: Vec<_> =
        show(&scene.pia, &found.id).await.history.into_iter().map(|step| step.state).collect();
    assert_eq!(states, [HandoffState::Offered, HandoffState::Accepted, HandoffState::Completed]);
    assert_eq!(scene.count("handoff.*.*").await, 3);
    let text = offer_text(&done.mission, &done.from, &done.offer);
    verify_text(&done.key, &text, &decode_base64url(&done.signature).unwrap()).unwrap();
    for fact in facts(&scene.ledger, "demo.handoff.*.*").await {
        let kept = fact.envelope.attestation.expect("each step is signed");
        assert!(kept.subject.contains(".dispatcher.handoff_") && kept.key_revision > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_reason_alone_refuses_an_offer_with_its_place() {
    let (scene, bob) = scene(1).await;
    let eve = scene.member("eve", Role::Worker, "person:eve").await;
    let olga = scene.member("olga", Role::Approver, "person:paul").await;
    let unknown = json!({ "name": "test.none", "version": 1 });
    let pin = json!([{ "entity": "mission", "id": "demo", "revision": 0 }]);
    let stranger = json!({ "kind": "agent", "agent": "nobody-0a1b2c3d" });
    let role = |role: &str| json!({ "kind": "role", "role": role });
    let task = format!("task_{}", "0".repeat(32));
    let cases = [
        (json!({ "input": { "n": "one" } }), "/offer/input/n", "integer"),
        (json!({ "input": { "n": 1, "x": "x".repeat(70_000) } }), "/offer/input", "artifacts.put"),
        (json!({ "input": { "n": u64::MAX } }), "/offer/input/n", "2^53"),
        (json!({ "input_contract": unknown }), "/offer/input_contract", "no contract test.none/1"),
        (json!({ "output_contract": unknown }), "/offer/output_contract", "no contract test.none/1"),
        (json!({ "preconditions": pin }), "/offer/preconditions/0", "mission demo is at revision 0"),
        (json!({ "deadline_at_ms": 1 }), "/offer/deadline_at_ms", "passed"),
        (json!({ "deadline_at_ms": u64::MAX >> 12 }), "/offer/deadline_at_ms", "30 days"),
        (json!({ "capabilities": ["rust", "sql"] }), "/offer/capabilities/1", "it says: rust"),
        (json!({ "task": task }), "/offer/task", "no such task"),
        (json!({ "to": stranger }), "/offer/to/agent", "no agent"),
        (
            json!({ "to": { "kind": "agent", "agent": scene.ada.agent.record.id } }),
            "/offer/to/agent",
            "yourself",
        ),
        (json!({ "to": role("approver") }), "/offer/to/role", "takes no handoffs"),
        (json!({ "to": role("verifier"), "capabilities": [] }), "/offer/to/role", "no other verifier"),
    ];
    for (more, at, says) in cases {
        let fault = refused(offers(&scene, &scene.ada, &offer(&bob, more)).await, Code::Conflict, says);
        assert_eq!(places(&fault), [at], "{fault:?}");
    }
    let says_nothing = offers(&scene, &scene.ada, &offer(&eve, json!({}))).await;
    assert_eq!(places(&refused(says_nothing, Code::Conflict, "it says: nothing")), ["/offer/capabilities/0"]);
    let approver = offers(&scene, &scene.ada, &offer(&olga, json!({ "capabilities": [] }))).await;
    assert_eq!(places(&refused(approver, Code::Conflict, "takes no handoffs")), ["/offer/to"]);
    let gone = scene.fabric.operator.call::<call::AgentRetire>(&retire(&eve)).await.unwrap().as_of;
    let wanted = signed(&scene, &scene.ada, &offer(&eve, json!({ "capabilities": [] })));
    let options = Options { at_least: gone, ..Options::default() };
    let retired = scene.ada.client().call_with::<call::HandoffOffer>(&wanted, &options).await;
    assert_eq!(places(&refused(retired, Code::Conflict, "retired")), ["/offer/to"]);
    assert_eq!(scene.count("handoff.*.*").await, 0);
}

fn retire(member: &Member) -> selvedge_contracts::payload::agent::AgentRetire {
    serde_json::from_value(json!({ "agent": member.agent.record.id, "reason": "a test" })).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_reasons_are_told_together_and_nothing_is_recorded() {
    let (scene, bob) = scene(1).await;
    let store = artifacts::in_folder(&scene.fabric.bus);
    let _artifacts = artifacts::start(&scene.fabric.bus, &store, "a1").await;
    let wrong = json!({
        "input": { "n": "one" }, "output_contract": { "name": "test.none", "version": 1 },
        "preconditions": [{ "entity": "mission", "id": "demo", "revision": 0 }], "deadline_at_ms": 1,
        "capabilities": ["sql"], "artifacts": ["0".repeat(64)], "task": format!("task_{}", "0".repeat(32)),
    });
    let fault =
        refused(offers(&scene, &scene.ada, &offer(&bob, wrong)).await, Code::Conflict, "it says: rust");
    let expected = [
        "/offer/input/n",
        "/offer/output_contract",
        "/offer/task",
        "/offer/deadline_at_ms",
        "/offer/preconditions/0",
        "/offer/artifacts/0",
        "/offer/capabilities/0",
    ];
    assert_eq!(places(&fault), expected, "{fault:#?}");
    assert_eq!(scene.count("handoff.*.*").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_it_comes_with_must_be_stored_and_readable_and_may_continue_a_task() {
    let (scene, bob) = scene(1).await;
    let store = artifacts::in_folder(&scene.fabric.bus);
    let _artifacts = artifacts::start(&scene.fabric.bus, &store, "a1").await;
    submit_plan(scene.pia.client(), &plan("p", &[("a", &[])])).await.unwrap();
    let claimed = scene.ada.claim().await;
    let digest = artifacts::digest(b"hello");
    let put = Put { digest: digest.clone() };
    bob.client().call_bytes::<call::ArtifactPut>(&put, "hello".into(), &Options::default()).await.unwrap();
    let more = json!({ "artifacts": [digest], "task": claimed.task.id });
    let found = offers(&scene, &scene.ada, &offer(&bob, more)).await.unwrap();
    accepts(&bob, &found.id).await.unwrap();
    let missing = HandoffComplete {
        handoff: found.id.clone(),
        output: json!({ "said": "x" }),
        artifacts: vec!["0".repeat(64).parse().unwrap()],
    };
    let refusal = bob.client().call::<call::HandoffComplete>(&missing).await;
    assert_eq!(places(&refused(refusal.map(|_| ()), Code::Conflict, "")), ["/artifacts/0"]);
    completes(&bob, &found.id, json!({ "said": "x" })).await.unwrap();
    let of_task = HandoffList { task: Some(claimed.task.id), all: true, ..HandoffList::default() };
    let listed = scene.pia.client().call::<call::HandoffList>(&of_task).await.unwrap().reply.handoffs;
    assert_eq!(listed.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_senders_own_signature_of_this_very_offer_counts() {
    let (scene, bob) = scene(1).await;
    let good = offer(&bob, json!({}));
    let mut other = signed(&scene, &scene.ada, &good);
    other.offer.title = "something else".to_owned();
    let by_bob = signed(&scene, &bob, &good);
    let by_bob = HandoffOffer { offer: good.clone(), ..by_bob };
    let garbage = HandoffOffer { offer: good.clone(), signature: "*".repeat(86) };
    for (wanted, says) in [(other, "does not match"), (by_bob, "does not match"), (garbage, "base64url")] {
        let answer = scene.ada.client().call::<call::HandoffOffer>(&wanted).await;
        let fault = refused(answer.map(|_| ()), Code::Denied, says);
        assert_eq!(places(&fault), ["/signature"]);
    }
    let short = HandoffOffer { offer: good.clone(), signature: "x".to_owned() };
    let short = scene.ada.client().call::<call::HandoffOffer>(&short).await;
    assert_eq!(places(&refused(short.map(|_| ()), Code::Invalid, "")), ["/signature"]);
    assert_eq!(scene.count("handoff.*.*").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_envelope_that_is_sent_again_is_the_same_handoff_and_nobody_elses() {
    let (scene, bob) = scene(2).await;
    let wanted = signed(&scene, &scene.ada, &offer(&bob, json!({})));
    let raw = Raw::connect(&scene.fabric.bus, &scene.ada.working.credential).await;
    let subject = raw.subject("whoami").replace(".registry.whoami", ".dispatcher.handoff_offer");
    let envelope = Envelope {
        kind: call::HandoffOffer::CALL.request_kind().to_string(),
        payload: serde_json::to_vec(&wanted).unwrap(),
        id: "sent-once".to_owned(),
        ..Envelope::default()
    };
    let (body, _) = envelope.write(Form::Json).unwrap();
    let header = signer(&scene, &scene.ada).sign(&subject, &body, now_ms()).unwrap();
    let headers = [(sender::HEADER, header.as_str()), ("Content-Type", "application/json")];
    let first = raw.ask_on(&subject, &headers, body.clone()).await.json();
    let id: HandoffId = serde_json::from_value(first["payload"]["handoff"]["id"].clone()).unwrap();
    declines(&bob, &id).await.unwrap();
    for _ in 0..4 {
        let again = raw.ask_on(&subject, &headers, body.clone()).await.json();
        assert_eq!(again["payload"]["handoff"]["id"], json!(id));
    }
    let stolen = Raw::connect(&scene.fabric.bus, &bob.working.credential).await;
    let stolen_subject = stolen.subject("whoami").replace(".registry.whoami", ".dispatcher.handoff_offer");
    let fault = stolen.ask_on(&stolen_subject, &headers, body).await.fault();
    assert!(matches!(fault.code, Code::Invalid | Code::Denied), "{fault:?}");
    assert_eq!((scene.count("handoff.*.offered").await, scene.count("handoff.*.*").await), (1, 2));
    let once_more = offer(&bob, json!({ "occurrence": "2" }));
    assert_ne!(offers(&scene, &scene.ada, &once_more).await.unwrap().id, id);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_the_addressee_answers_and_nobody_but_the_sender_takes_it_back() {
    let (scene, bob) = scene(2).await;
    let eve = scene.member("eve", Role::Worker, "person:eve").await;
    let found = offers(&scene, &scene.ada, &offer(&bob, json!({}))).await.unwrap();
    refused(accepts(&eve, &found.id).await, Code::Denied, "and not to eve");
    refused(declines(&eve, &found.id).await, Code::Denied, "and not to eve");
    refused(accepts(&scene.ada, &found.id).await, Code::Denied, "and not to ada");
    refused(withdraws(&eve, &found.id).await, Code::Denied, "may take it back");
    accepts(&bob, &found.id).await.unwrap();
    refused(completes(&eve, &found.id, json!({ "said": "x" })).await, Code::Denied, "has accepted it");
    refused(declines(&bob, &found.id).await, Code::Conflict, "has accepted it");
    refused(withdraws(&bob, &found.id).await, Code::Denied, "may take it back");
    let withdrawn = withdraws(&scene.ada, &found.id).await.unwrap();
    assert_eq!((withdrawn.state, withdrawn.reason.as_deref()), (HandoffState::Withdrawn, Some("not needed")));
    refused(completes(&bob, &found.id, json!({ "said": "x" })).await, Code::Conflict, "withdrawn by ada");
    let unknown = HandoffId::new(&format!("handoff_{}", "0".repeat(64))).unwrap();
    refused(accepts(&bob, &unknown).await, Code::NotFound, "handoff_list");
    let olga = scene.member("olga", Role::Approver, "person:paul").await;
    refused(accepts(&olga, &found.id).await, Code::Denied, "may not publish");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_to_whom_it_is_offered_the_first_able_one_has_it() {
    let (scene, bob) = scene(2).await;
    let mut able = Vec::new();
    for name in ["kim", "lea", "max"] {
        let member = scene.member(name, Role::Worker, "person:kim").await;
        says(&member, &["rust", "sql"]).await;
        able.push(member);
    }
    let all = json!({ "to": { "kind": "role", "role": "worker", "queue": "db" }, "capabilities": ["sql"] });
    for round in 0..4 {
        let mut more = all.clone();
        more["occurrence"] = json!(round.to_string());
        let found = offers(&scene, &scene.ada, &offer(&bob, more)).await.unwrap();
        let fault = refused(accepts(&bob, &found.id).await, Code::Conflict, "does not say that it can");
        assert_eq!(places(&fault), ["/offer/capabilities/0"]);
        refused(declines(&able[0], &found.id).await, Code::Denied, "leave it to the others");
        let waiting =
            HandoffList { to_me: true, queue: Some("db".parse().unwrap()), ..HandoffList::default() };
        let listed = able[0].client().call::<call::HandoffList>(&waiting).await.unwrap().reply.handoffs;
        assert!(listed.iter().any(|line| line.id == found.id), "{listed:?}");
        let answers = join_all(able.iter().map(|member| accepts(member, &found.id))).await;
        let (first, told): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        assert_eq!(first.len(), 1);
        for told in told {
            refused(told, Code::Conflict, "was first and has accepted it");
        }
    }
    assert_eq!(scene.count("handoff.*.accepted").await, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_moves_between_offer_and_accept_makes_it_stale() {
    let (scene, bob) = scene(2).await;
    let pin = json!({ "preconditions": [{ "entity": "mission", "id": "later", "revision": 0 }] });
    let found = offers(&scene, &scene.ada, &offer(&bob, pin)).await.unwrap();
    let known = says(&bob, &["go"]).await;
    let unable = refused(accepts_at(&bob, &found.id, known).await, Code::Conflict, "it says: go");
    assert_eq!(places(&unable), ["/offer/capabilities/0"]);
    assert_eq!(show(&bob, &found.id).await.state, HandoffState::Offered, "that may change back");
    let create = MissionCreate { mission: "later".parse().unwrap(), title: String::new() };
    scene.fabric.operator.call::<call::MissionCreate>(&create).await.unwrap();
    let moved =
        refused(accepts_at(&bob, &found.id, known).await, Code::Conflict, "mission later is at revision 0");
    assert_eq!(places(&moved), ["/offer/preconditions/0", "/offer/capabilities/0"]);
    let stale = show(&bob, &found.id).await;
    assert_eq!(stale.state, HandoffState::Stale);
    assert!(stale.reason.unwrap().contains("mission later"));
    says(&bob, &["rust"]).await;
    refused(accepts(&bob, &found.id).await, Code::Conflict, "it is stale");
    assert_eq!((scene.count("handoff.*.stale").await, scene.count("handoff.*.accepted").await), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_passes_for_what_is_offered_and_for_what_is_accepted() {
    let (scene, bob) = scene(0).await;
    let url = scene.fabric.bus.url();
    let start =
        |name: &str| Replica::start_service(Service::Dispatcher, REPLICA, &scene.fabric.bus, &url, name);
    let replica = start("k0");
    let soon = |title: &str| json!({ "deadline_at_ms": now_ms() + 6_000, "title": title });
    let offered = offers(&scene, &scene.ada, &offer(&bob, soon("one"))).await.unwrap();
    let accepted = offers(&scene, &scene.ada, &offer(&bob, soon("two"))).await.unwrap();
    accepts(&bob, &accepted.id).await.unwrap();
    replica.kill9();
    let (_one, _other) = (start("k1"), start("k2"));
    for id in [&offered.id, &accepted.id] {
        let expired = becomes(&bob, id, HandoffState::Expired).await;
        let last = expired.history.last().unwrap();
        assert_eq!(last.by.as_str(), "dispatcher");
        assert!(last.at_ms >= expired.offer.deadline_at_ms);
    }
    refused(accepts(&bob, &offered.id).await, Code::Conflict, "it is expired");
    refused(completes(&bob, &accepted.id, json!({ "said": "x" })).await, Code::Conflict, "it is expired");
    assert_eq!(scene.count("handoff.*.expired").await, 2, "once each, of two replicas");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_delivered_again_changes_nothing_also_once_things_moved_on() {
    let (scene, bob) = scene(2).await;
    let wanted = offer(&bob, json!({}));
    let made = join_all((0..6).map(|_| offers(&scene, &scene.ada, &wanted))).await;
    let id = made[0].as_ref().unwrap().id.clone();
    assert!(made.iter().all(|made| made.as_ref().unwrap().id == id));
    let options = Options { idempotency_key: Some("k".to_owned()), ..Options::default() };
    let accept = HandoffAccept { handoff: id.clone() };
    bob.client().call_with::<call::HandoffAccept>(&accept, &options).await.unwrap();
    withdraws(&scene.ada, &id).await.unwrap();
    let again = bob.client().call_with::<call::HandoffAccept>(&accept, &options).await.unwrap();
    assert_eq!(again.reply.handoff.state, HandoffState::Accepted, "its own success, as it was");
    let later = offers(&scene, &scene.ada, &wanted).await.unwrap();
    assert_eq!((later.id, later.state), (id, HandoffState::Withdrawn));
    assert_eq!(scene.count("handoff.*.*").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_with_its_place() {
    let (scene, bob) = scene(1).await;
    let good = serde_json::to_value(signed(&scene, &scene.ada, &offer(&bob, json!({})))).unwrap();
    let raw = Raw::connect(&scene.fabric.bus, &scene.ada.working.credential).await;
    let subject = raw.subject("whoami").replace(".registry.whoami", ".dispatcher.handoff_offer");
    let ask = async |body: &Value| {
        let body = body.to_string();
        let header = signer(&scene, &scene.ada).sign(&subject, body.as_bytes(), now_ms()).unwrap();
        raw.ask_on(&subject, &[(sender::HEADER, header.as_str())], body).await.fault()
    };
    let with = |pointer: &str, value: Value| {
        let mut body = good.clone();
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    for (body, at) in [
        (with("/offer/title", json!("x".repeat(201))), "/offer/title"),
        (with("/offer/title", json!(7)), "/offer/title"),
        (with("/offer/deadline_at_ms", json!("soon")), "/offer/deadline_at_ms"),
        (with("/offer/input_contract", json!({ "name": "X", "version": 0 })), "/offer/input_contract"),
        (with("/offer/capabilities", json!(vec!["x"; 17])), "/offer/capabilities"),
        (with("/signature", json!(null)), "/signature"),
    ] {
        let fault = ask(&body).await;
        assert!(
            fault.code == Code::Invalid && places(&fault).iter().all(|found| found.starts_with(at)),
            "{fault:?}"
        );
    }
    let unknown = ask(&with("/offer/to", json!({ "kind": "anybody" }))).await;
    assert_eq!(unknown.code, Code::Invalid);
    let unsigned = raw.ask_on(&subject, &[], good.to_string()).await.fault();
    assert_eq!(unsigned.code, Code::Denied);
    assert_eq!(scene.count("handoff.*.*").await, 0);
}
