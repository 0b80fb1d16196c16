//! The same request twice is one fact and one answer; and a reader may demand what a writer just wrote.

use nkeys::KeyPair;
use selvedge_contracts::{
    call::{self, CallType},
    fault::{Code, Fault},
    id::Mission,
    payload::{
        agent::{About, AgentRotate, AgentShow, Register},
        contract::ContractAdd,
        mission::MissionCreate,
        request::{RequestClose, RequestOpen},
        session::{SessionEnd, SessionStatus, TaskGrant},
    },
    role::Role,
};
use selvedge_kit::{
    client::{Answered, Client, Options},
    signature::encode_base64url,
};
use selvedge_tests::{
    fabric::{Fabric, plain_session, public},
    now_ms,
    raw::{Raw, count, ledger},
};
use serde_json::json;

async fn keyed<C: CallType>(
    client: &Client,
    key: &str,
    request: &C::Request,
) -> Result<Answered<C::Reply>, Fault> {
    let options = Options { idempotency_key: Some(key.to_owned()), ..Options::default() };
    client.call_with::<C>(request, &options).await
}

fn about(model: &str) -> Register {
    Register { about: About { model: Some(model.to_owned()), ..About::default() } }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_gets_its_own_answer_also_after_the_state_moved_on() {
    let fabric = Fabric::start().await;
    let _second = fabric.registry_replica("r2").await;
    let (agent, working) = fabric.worker("ada").await;
    let first = keyed::<call::Register>(&working.client, "k1", &about("one")).await.unwrap();
    let second = keyed::<call::Register>(&working.client, "k2", &about("two")).await.unwrap();
    assert!(second.as_of > first.as_of);
    for _ in 0..10 {
        let again = keyed::<call::Register>(&working.client, "k1", &about("one")).await.unwrap();
        assert_eq!((again.reply, again.as_of), (first.reply.clone(), first.as_of));
    }
    let shown = working
        .client
        .call::<call::AgentShow>(&AgentShow { agent: agent.record.id.clone() })
        .await
        .unwrap()
        .reply;
    assert_eq!(
        shown.agent.about.model.as_deref(),
        Some("two"),
        "the repetition did not undo what came after"
    );
    assert_eq!(count(&ledger(&fabric.bus).await, &format!("_.agent.{}.updated", agent.record.id)).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_at_once_on_three_replicas_is_one_fact() {
    let fabric = Fabric::start().await;
    let _replicas = [fabric.registry_replica("r2").await, fabric.registry_replica("r3").await];
    let planner = fabric.agent("pia", Role::Planner).await;
    let planning = fabric.session(&planner, plain_session()).await.unwrap();
    let ledger = ledger(&fabric.bus).await;
    for round in 0..5 {
        let open = RequestOpen { title: format!("r{round}"), text: String::new() };
        let key = format!("k{round}");
        let asks = (0..8).map(|_| keyed::<call::RequestOpen>(&planning.client, &key, &open));
        let answers = futures::future::join_all(asks).await;
        let ids: std::collections::BTreeSet<_> =
            answers.into_iter().map(|answer| answer.unwrap().reply.request.id).collect();
        assert_eq!(ids.len(), 1, "round {round}");
    }
    assert_eq!(count(&ledger, "demo.request.*.opened").await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_can_be_repeated() {
    let fabric = Fabric::start().await;
    let ledger = ledger(&fabric.bus).await;
    let (agent, working) = fabric.worker("ada").await;
    let planner = fabric.agent("pia", Role::Planner).await;
    let planning = fabric.session(&planner, plain_session()).await.unwrap();
    let demo = fabric.operator.clone().in_mission(Mission::new("demo").unwrap());

    let mission = MissionCreate { mission: Mission::new("alpha").unwrap(), title: String::new() };
    let one = keyed::<call::MissionCreate>(&fabric.operator, "m", &mission).await.unwrap().reply;
    assert_eq!(keyed::<call::MissionCreate>(&fabric.operator, "m", &mission).await.unwrap().reply, one);

    let start = selvedge_contracts::payload::session::SessionStart {
        credential_key: public(&KeyPair::new_user()),
        ..plain_session()
    };
    let one = keyed::<call::SessionStart>(&agent.door, "s", &start).await.unwrap().reply.session;
    assert_eq!(keyed::<call::SessionStart>(&agent.door, "s", &start).await.unwrap().reply.session, one);
    assert_eq!(count(&ledger, &format!("demo.session.{}.>", one.id)).await, 1);

    let grant = TaskGrant {
        task: "task_x-1".parse().unwrap(),
        agent: agent.record.id.clone(),
        credential_key: public(&KeyPair::new_user()),
        expires_at_ms: now_ms() + 60_000,
        presence_ttl_ms: None,
        request: None,
        calls: None,
    };
    let one = keyed::<call::TaskGrant>(&demo, "t", &grant).await.unwrap().reply.session;
    assert_eq!(keyed::<call::TaskGrant>(&demo, "t", &grant).await.unwrap().reply.session, one);

    let open = RequestOpen { title: "one".to_owned(), text: String::new() };
    let opened = keyed::<call::RequestOpen>(&planning.client, "o", &open).await.unwrap().reply;
    let close = RequestClose { request: opened.request.id.clone(), reason: "answered".to_owned() };
    let closed = keyed::<call::RequestClose>(&planning.client, "c", &close).await.unwrap().reply;
    assert_eq!(keyed::<call::RequestClose>(&planning.client, "c", &close).await.unwrap().reply, closed);
    assert_eq!(
        keyed::<call::RequestOpen>(&planning.client, "o", &open).await.unwrap().reply,
        opened,
        "open, as it was then"
    );
    assert_eq!(count(&ledger, "demo.request.>").await, 2);

    let end = SessionEnd { session: Some(working.session.id.clone()), ..SessionEnd::default() };
    for _ in 0..2 {
        let ended = keyed::<call::SessionEnd>(&demo, "e", &end).await.unwrap().reply.session;
        assert_eq!(ended.status, SessionStatus::Ended);
    }
    assert_eq!(count(&ledger, &format!("demo.session.{}.ended", working.session.id)).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_rotation_is_its_own_success_and_undoes_nothing() {
    let fabric = Fabric::start().await;
    let agent = fabric.agent("ada", Role::Worker).await;
    let rotation = |key: &KeyPair| {
        let proof = key.sign(AgentRotate::proof_text(&agent.record.id, &public(key)).as_bytes()).unwrap();
        AgentRotate { agent: agent.record.id.clone(), key: public(key), proof: encode_base64url(&proof) }
    };
    let (b, c) = (KeyPair::new_user(), KeyPair::new_user());
    // The reply was lost: the agent asks again, and can only sign with the key that it had.
    let first = keyed::<call::AgentRotate>(&agent.door, "b", &rotation(&b)).await.unwrap().reply;
    let again =
        keyed::<call::AgentRotate>(&agent.door, "b", &rotation(&b)).await.expect("its own success").reply;
    assert_eq!((&again.agent.key, &first.agent.key), (&public(&b), &public(&b)));
    // The old key's holder cannot use that to bring in another key.
    let forged = keyed::<call::AgentRotate>(&agent.door, "b", &rotation(&KeyPair::new_user())).await;
    assert_eq!(forged.expect_err("not its own").code, Code::Denied);
    // An operator's rekey, repeated after the next one, does not bring the earlier key back.
    keyed::<call::AgentRekey>(&fabric.operator, "c", &rotation(&c)).await.unwrap();
    let d = KeyPair::new_user();
    keyed::<call::AgentRekey>(&fabric.operator, "d", &rotation(&d)).await.unwrap();
    let late = keyed::<call::AgentRekey>(&fabric.operator, "c", &rotation(&c)).await;
    assert_eq!(late.expect_err("replaced since").code, Code::Conflict);
    let shown = fabric
        .operator
        .call::<call::AgentShow>(&AgentShow { agent: agent.record.id.clone() })
        .await
        .unwrap()
        .reply;
    assert_eq!(shown.agent.key, public(&d));
    let rotations = count(&ledger(&fabric.bus).await, &format!("_.agent.{}.rotated", agent.record.id)).await;
    assert_eq!(rotations, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_request_is_repeatable_by_its_header() {
    let fabric = Fabric::start().await;
    let planner = fabric.agent("pia", Role::Planner).await;
    let planning = fabric.session(&planner, plain_session()).await.unwrap();
    let raw = Raw::connect(&fabric.bus, &planning.credential).await;
    let body = json!({"title": "one"}).to_string();
    let ask = async |headers: &[(&str, &str)]| {
        raw.ask("request_open", headers, body.clone()).await.json()["request"]["id"].clone()
    };
    assert_eq!(ask(&[("Idempotency-Key", "k")]).await, ask(&[("Idempotency-Key", "k")]).await);
    assert_eq!(ask(&[("Nats-Msg-Id", "i")]).await, ask(&[("Nats-Msg-Id", "i")]).await);
    assert_ne!(ask(&[]).await, ask(&[]).await, "without a key it cannot be known again");
    assert_eq!(count(&ledger(&fabric.bus).await, "demo.request.*.opened").await, 4);
}

/// What is refused of a key that was used with another payload.
fn is_reuse(fault: &Fault, at: &str, key: &str) {
    assert_eq!(fault.code, Code::Conflict, "{fault}");
    let words = "this idempotency key was used with another payload";
    assert!(fault.message.contains(words) && fault.message.contains(key), "{fault}");
    assert_eq!(fault.details[0].at, at);
    assert!(fault.details[0].message.contains("choose a new key"), "{fault:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_with_another_payload_is_refused_by_every_replica_and_after_a_restart() {
    let mut fabric = Fabric::start().await;
    let second = fabric.registry_replica("r2").await;
    let (agent, working) = fabric.worker("ada").await;
    let first = keyed::<call::Register>(&working.client, "k-one", &about("one")).await.unwrap();
    for _ in 0..10 {
        let refused = keyed::<call::Register>(&working.client, "k-one", &about("two")).await;
        is_reuse(&refused.expect_err("another payload"), "idempotency_key", "k-one");
    }
    keyed::<call::Register>(&working.client, "k-two", &about("two")).await.expect("a key of its own");
    // Whoever serves now has read it all from the ledger.
    second.drain().await;
    fabric.registry.take().unwrap().drain().await;
    fabric.registry = Some(fabric.registry_replica("r3").await);
    let refused = keyed::<call::Register>(&working.client, "k-one", &about("two")).await;
    is_reuse(&refused.expect_err("another payload"), "idempotency_key", "k-one");
    let again = keyed::<call::Register>(&working.client, "k-one", &about("one")).await.unwrap();
    assert_eq!((again.reply, again.as_of), (first.reply, first.as_of), "its own repetition still counts");
    assert_eq!(count(&ledger(&fabric.bus).await, &format!("_.agent.{}.updated", agent.record.id)).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_payloads_at_once_under_one_key_one_is_recorded() {
    let fabric = Fabric::start().await;
    let _replicas = [fabric.registry_replica("r2").await, fabric.registry_replica("r3").await];
    let planner = fabric.agent("pia", Role::Planner).await;
    let planning = fabric.session(&planner, plain_session()).await.unwrap();
    for round in 0..5 {
        let key = format!("k{round}");
        let opens: Vec<_> =
            (0..8).map(|n| RequestOpen { title: format!("t{}", n % 4), text: String::new() }).collect();
        let asks = opens.iter().map(|open| keyed::<call::RequestOpen>(&planning.client, &key, open));
        let answers = futures::future::join_all(asks).await;
        let titles: std::collections::BTreeSet<_> = answers
            .into_iter()
            .zip(&opens)
            .filter_map(|(answer, open)| match answer {
                Ok(answered) => {
                    assert_eq!(answered.reply.request.title, open.title, "the answer to its own payload");
                    Some(open.title.clone())
                }
                Err(fault) => {
                    is_reuse(&fault, "idempotency_key", &key);
                    None
                }
            })
            .collect();
        assert_eq!(titles.len(), 1, "round {round}: {titles:?}");
    }
    assert_eq!(count(&ledger(&fabric.bus).await, "demo.request.*.opened").await, 5);
}

/// Forms and spelling are no difference; a signed request, a contract and a bare id are held to theirs.
#[tokio::test(flavor = "multi_thread")]
async fn a_payload_is_compared_as_a_value() {
    let fabric = Fabric::start().await;
    let planner = fabric.agent("pia", Role::Planner).await;
    let planning = fabric.session(&planner, plain_session()).await.unwrap();
    let raw = Raw::connect(&fabric.bus, &planning.credential).await;
    let open = RequestOpen { title: "é".to_owned(), text: "x".to_owned() };
    let one = keyed::<call::RequestOpen>(&planning.client, "k", &open).await.unwrap().reply.request.id;
    let spelled = "{\n \"text\": \"x\", \"title\": \"\\u00e9\" }";
    let bare = raw.ask("request_open", &[("Idempotency-Key", "k")], spelled).await.json();
    assert_eq!(bare["request"]["id"], one.as_str());
    let enveloped = json!({"kind": "registry.request_open/1", "idempotency_key": "k", "payload": {"title": "é", "text": "x"}});
    assert_eq!(raw.bare("request_open", &enveloped).await.json()["payload"]["request"]["id"], one.as_str());
    let other = raw.ask("request_open", &[("Idempotency-Key", "k")], r#"{"title":"é"}"#).await;
    is_reuse(&other.fault(), "idempotency_key", "k");

    let by_id = raw.ask("request_open", &[("Nats-Msg-Id", "i")], r#"{"title":"a"}"#).await.json();
    assert_eq!(by_id["request"]["title"], "a");
    is_reuse(&raw.ask("request_open", &[("Nats-Msg-Id", "i")], r#"{"title":"b"}"#).await.fault(), "id", "i");

    // Signing again makes a new nonce, and the same payload stays the same request.
    let start = plain_session();
    let session = keyed::<call::SessionStart>(&planner.door, "s", &start).await.unwrap().reply.session;
    assert_eq!(keyed::<call::SessionStart>(&planner.door, "s", &start).await.unwrap().reply.session, session);
    let other = keyed::<call::SessionStart>(&planner.door, "s", &plain_session()).await;
    is_reuse(&other.expect_err("another credential's key"), "idempotency_key", "s");

    let add = |schema| ContractAdd { name: "research.summary".parse().unwrap(), schema };
    let (text, number) = (add(json!({"type": "string"})), add(json!({"type": "number"})));
    let added = keyed::<call::ContractAdd>(&planning.client, "c", &text).await.unwrap().reply;
    assert_eq!(keyed::<call::ContractAdd>(&planning.client, "c", &text).await.unwrap().reply, added);
    for _ in 0..2 {
        let other = keyed::<call::ContractAdd>(&planning.client, "c", &number).await;
        is_reuse(&other.expect_err("another schema"), "idempotency_key", "c");
        // Also when that schema has been added under a key of its own.
        keyed::<call::ContractAdd>(&planning.client, "d", &number).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_belongs_to_its_caller_and_call() {
    let fabric = Fabric::start().await;
    let (_, ada) = fabric.worker("ada").await;
    let (_, bob) = fabric.worker("bob").await;
    let one = keyed::<call::Register>(&ada.client, "k", &about("a")).await.unwrap().reply.agent;
    let two = keyed::<call::Register>(&bob.client, "k", &about("b")).await.unwrap().reply.agent;
    assert_ne!(one.id, two.id);
    assert_eq!(two.about.model.as_deref(), Some("b"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_may_demand_what_was_just_written_from_any_replica() {
    let fabric = Fabric::start().await;
    let _replicas = [fabric.registry_replica("r2").await, fabric.registry_replica("r3").await];
    let (agent, working) = fabric.worker("ada").await;
    for round in 0..100 {
        let model = format!("m{round}");
        let written = working.client.call::<call::Register>(&about(&model)).await.unwrap();
        let options = Options { at_least: written.as_of, ..Options::default() };
        let show = AgentShow { agent: agent.record.id.clone() };
        let read = working.client.call_with::<call::AgentShow>(&show, &options).await.unwrap();
        assert!(read.as_of >= written.as_of, "{} is before {}", read.as_of, written.as_of);
        assert_eq!(read.reply, written.reply);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revision_from_the_future_is_not_waited_for() {
    let fabric = Fabric::start().await;
    let (agent, working) = fabric.worker("ada").await;
    let raw = Raw::connect(&fabric.bus, &working.credential).await;
    let body = json!({"kind": "registry.agent_show/1", "payload": {"agent": agent.record.id}, "at_least": 1_000_000});
    let fault = raw.bare("agent_show", &body).await.fault();
    assert!(fault.code == Code::Invalid && fault.message.contains("1000000"), "{fault}");
    let by_header = raw
        .ask("agent_show", &[("Sv-At-Least", "soon")], json!({"agent": agent.record.id}).to_string())
        .await
        .fault();
    assert_eq!(by_header.details[0].at, "Sv-At-Least");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_replica_wrote_the_next_one_acts_on_at_once() {
    let fabric = Fabric::start().await;
    let _replicas = [fabric.registry_replica("r2").await, fabric.registry_replica("r3").await];
    for round in 0..10 {
        let mission = format!("m{round}");
        fabric.mission(&mission).await;
        let key = KeyPair::new_user();
        let demo = fabric.join(&fabric.invite(Role::Worker, "person:olga").await, "ada", &key).await.unwrap();
        fabric.session(&demo, plain_session()).await.expect("a session right after joining");
        let there = fabric
            .join(&fabric.invite_to(&mission, Role::Planner, "person:olga").await, "ada", &key)
            .await
            .unwrap();
        let planning =
            fabric.session(&there, plain_session()).await.expect("a session in the second mission");
        let open = RequestOpen { title: "one".to_owned(), text: String::new() };
        let opened = planning.client.call::<call::RequestOpen>(&open).await.unwrap().reply.request;
        let serving = selvedge_contracts::payload::session::SessionStart {
            request: Some(opened.id),
            ..plain_session()
        };
        fabric.session(&there, serving).await.expect("a session that serves the request");
    }
}
