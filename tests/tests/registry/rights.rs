//! Who tries to be another, to go on after the end, or to reach further than its credential.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use nkeys::KeyPair;
use selvedge_contracts::{
    call,
    fault::Code,
    payload::{
        Nothing,
        agent::{AgentRetire, Register},
    },
    role::Service,
    sender::HEADER,
};
use selvedge_kit::{clock::Deadline, signature::Signer};
use selvedge_tests::{
    fabric::{Agent, Fabric, copy, public},
    now_ms,
    raw::{Raw, count, header_map, ledger},
    wait,
};
use serde_json::{Value, json};

/// The newest records of the audit stream under `filter`.
async fn audited(fabric: &Fabric, filter: &str) -> Vec<(String, Value)> {
    let jetstream = async_nats::jetstream::new(fabric.bus.connect_as_root().await);
    let stream = jetstream.get_stream("AUDIT").await.unwrap();
    let mut found = vec![];
    for sequence in 1..=stream.get_info().await.unwrap().state.last_sequence {
        let message = stream.get_raw_message(sequence).await.unwrap();
        if message.subject.as_str().starts_with(filter) {
            found.push((message.subject.to_string(), serde_json::from_slice(&message.payload).unwrap()));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subject_that_is_not_ones_own_is_denied_at_once() {
    let fabric = Fabric::start().await;
    fabric.mission("other").await;
    let (agent, working) = fabric.worker("ada").await;
    let (_, bob) = fabric.worker("bob").await;
    let ledger = ledger(&fabric.bus).await;
    let recorded = count(&ledger, ">").await;
    let started = Instant::now();
    // A call of another role, through the client, whose deadline is five seconds.
    let retire = AgentRetire { agent: agent.record.id.clone(), reason: "r".to_owned() };
    let refused = working.client.call::<call::AgentRetire>(&retire).await.unwrap_err();
    assert_eq!((refused.code, refused.message.contains("agent_retire")), (Code::Denied, true), "{refused}");
    // Another mission.
    let elsewhere = working.client.clone().in_mission("other".parse().unwrap());
    let refused = elsewhere.call::<call::Whoami>(&Nothing {}).await.unwrap_err();
    assert_eq!(refused.code, Code::Denied, "{refused}");
    // Another agent's own subject.
    let foreign = Raw::connect(&fabric.bus, &bob.credential).await.subject("whoami");
    let denied =
        working.client.bus().request(&foreign, header_map(&[]), "{}".into(), Deadline::in_ms(5_000)).await;
    assert!(denied.unwrap_err().to_string().contains("may not publish"));
    assert!(started.elapsed() < Duration::from_millis(1_500), "three refusals took {:?}", started.elapsed());
    assert_eq!(count(&ledger, ">").await, recorded);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_credential_is_worth_nothing_within_a_second() {
    let fabric = Fabric::start().await;
    let (_, working) = fabric.worker("ada").await;
    working.client.call::<call::Whoami>(&Nothing {}).await.unwrap();
    let token = fabric
        .bus
        .keyring()
        .revoke(fabric.bus.kluster(), &[working.credential.public_key().unwrap()], now_ms())
        .unwrap();
    fabric.bus.push(&token).await;
    let options = selvedge_kit::client::Options { timeout_ms: Some(300), ..Default::default() };
    wait::until_within(Duration::from_secs(1), "the connection to be cut", async || {
        match working.client.call_with::<call::Whoami>(&Nothing {}, &options).await {
            Err(fault) => Ok(fault),
            Ok(_) => Err("it still gets answers"),
        }
    })
    .await;
    fabric.bus.try_connect_as(&working.credential).await.expect_err("it is taken back");
}

/// A signed `session_start` as the agent would send it, sent through a plain client.
struct Signed {
    raw: Raw,
    subject: String,
    body: String,
    header: String,
}

async fn signed(fabric: &Fabric, agent: &Agent, at_ms: u64) -> Signed {
    let raw = Raw::connect(&fabric.bus, &agent.door_credential).await;
    let subject = raw.subject("session_start");
    let body = json!({"credential_key": public(&KeyPair::new_user())}).to_string();
    let signer = Signer::new(copy(&agent.key), fabric.bus.kluster().account(), None);
    let header = signer.sign(&subject, body.as_bytes(), at_ms).unwrap();
    Signed { raw, subject, body, header }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_signature_counts_for_its_own_message_and_once() {
    let fabric = Fabric::start().await;
    let agent = fabric.agent("ada", selvedge_contracts::role::Role::Worker).await;
    let ledger = ledger(&fabric.bus).await;
    let Signed { raw, subject, body, header } = signed(&fabric, &agent, now_ms()).await;
    let send =
        async |body: &str, header: &str| raw.ask_on(&subject, &[(HEADER, header)], body.to_owned()).await;
    let other = json!({"credential_key": public(&KeyPair::new_user())}).to_string();
    let stolen = send(&other, &header).await.fault();
    assert_eq!(
        (stolen.code, stolen.details[0].at.as_str()),
        (Code::Invalid, HEADER),
        "another payload: {stolen}"
    );
    let first = send(&body, &header).await.json();
    let again = send(&body, &header).await.json();
    assert_eq!(first["session"], again["session"], "the same message is the same request");
    assert_eq!(count(&ledger, "demo.session.*.started").await, 1);
    // Under another call's subject, by another agent, with the name of another key.
    let elsewhere =
        raw.ask_on(&raw.subject("agent_rotate"), &[(HEADER, &header)], body.clone()).await.fault();
    assert_eq!(elsewhere.code, Code::Invalid, "{elsewhere}");
    let bob = fabric.agent("bob", selvedge_contracts::role::Role::Worker).await;
    let bobs = signed(&fabric, &bob, now_ms()).await;
    let borrowed = bobs.raw.ask_on(&bobs.subject, &[(HEADER, &header)], body.clone()).await.fault();
    assert_eq!(borrowed.code, Code::Invalid, "{borrowed}");
    let renamed = header.replace(agent.record.key.as_str(), bob.record.key.as_str());
    assert_eq!(send(&body, &renamed).await.fault().code, Code::Invalid);
    let signer = Signer::new(copy(&bob.key), fabric.bus.kluster().account(), None);
    let by_bob = signer.sign(&subject, body.as_bytes(), now_ms()).unwrap();
    assert_eq!(
        send(&body, &by_bob).await.fault().code,
        Code::Denied,
        "a sound signature, but not by this agent"
    );
    assert_eq!(count(&ledger, "demo.session.*.started").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_counts_for_thirty_seconds() {
    let fabric = Fabric::start().await;
    let agent = fabric.agent("ada", selvedge_contracts::role::Role::Worker).await;
    for at_ms in [now_ms() - 31_000, now_ms() + 32_000] {
        let Signed { raw, subject, body, header } = signed(&fabric, &agent, at_ms).await;
        let fault = raw.ask_on(&subject, &[(HEADER, &header)], body).await.fault();
        assert_eq!((fault.code, fault.details[0].at.as_str()), (Code::Invalid, HEADER), "{fault}");
        assert!(fault.details[0].message.contains("30 s"), "{fault:?}");
    }
    let Signed { raw, subject, body, header } = signed(&fabric, &agent, now_ms() - 25_000).await;
    assert!(raw.ask_on(&subject, &[(HEADER, &header)], body).await.json()["session"].is_object());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_is_no_signature_is_refused() {
    let fabric = Fabric::start().await;
    let agent = fabric.agent("ada", selvedge_contracts::role::Role::Worker).await;
    let Signed { raw, subject, body, header } = signed(&fabric, &agent, now_ms()).await;
    let mut cut = header.clone();
    cut.truncate(header.len() / 2);
    for (bad, code) in [
        ("nonsense", Code::Invalid),
        (&cut, Code::Invalid),
        ("{\"v\":1}", Code::Invalid),
        ("{\"v\":2}", Code::Denied),
        (&"x".repeat(5_000), Code::Invalid),
    ] {
        let fault = raw.ask_on(&subject, &[(HEADER, bad)], body.clone()).await.fault();
        assert_eq!((fault.code, fault.details[0].at.as_str()), (code, HEADER), "{bad}: {fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_cannot_be_steered_into_another_agents_inbox() {
    let fabric = Fabric::start().await;
    let (_, mallory) = fabric.worker("mallory").await;
    let (_, victim) = fabric.worker("ada").await;
    let victim_raw = Raw::connect(&fabric.bus, &victim.credential).await;
    let raw = Raw::connect(&fabric.bus, &mallory.credential).await;
    let prefix = |raw: &Raw| raw.me.inbox_prefix();
    let mut inbox = victim_raw.client.subscribe(format!("{}.>", prefix(&victim_raw))).await.unwrap();
    victim_raw.bare("whoami", &json!({})).await.json();
    inbox.next().await.unwrap(); // so the subscription stands
    let ledger = ledger(&fabric.bus).await;
    let recorded = count(&ledger, ">").await;
    let targets = [
        format!("{}.stolen", prefix(&victim_raw)),
        prefix(&raw),
        format!("{}1.x", prefix(&raw)),
        victim_raw.subject("session_end"),
        "sv.fact.demo.session.x.ended".to_owned(),
        "$JS.API.STREAM.INFO.LEDGER".to_owned(),
    ];
    for target in &targets {
        for (call, body) in [("whoami", "{}"), ("register", "{\"about\":{\"model\":\"m\"}}")] {
            raw.client.publish_with_reply(raw.subject(call), target.clone(), body.into()).await.unwrap();
        }
    }
    // The service answers in order: once mallory has its own answer, all those before were judged.
    raw.bare("whoami", &json!({})).await.json();
    let records = wait::until("the audit records", async || {
        let found = audited(&fabric, &format!("sv.audit.registry.demo.{}.", raw.me.agent)).await;
        if found.len() == 2 * targets.len() { Ok(found) } else { Err(found.len()) }
    })
    .await;
    for ((subject, record), target) in records.iter().zip(targets.iter().flat_map(|target| [target, target]))
    {
        assert!(record["message"].as_str().unwrap().contains(target.as_str()), "{subject}: {record}");
        assert_eq!(record["code"], "denied");
    }
    victim_raw.bare("whoami", &json!({})).await.json();
    let first = inbox.next().await.unwrap();
    assert!(
        !first.subject.as_str().ends_with(".stolen"),
        "the victim's next message is its own answer: {}",
        first.subject
    );
    assert_eq!(count(&ledger, ">").await, recorded, "nothing was done");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_calls_are_audited_and_the_audit_is_bounded() {
    let fabric = Fabric::start().await;
    let (agent, working) = fabric.worker("ada").await;
    working.client.call::<call::SessionEnd>(&Default::default()).await.unwrap();
    let about = Register { about: Default::default() };
    let refused = working.client.call::<call::Register>(&about).await.unwrap_err();
    assert_eq!(refused.code, Code::Denied);
    let prefix = format!("sv.audit.registry.demo.{}.", agent.record.id);
    let (subject, record) = wait::until("the audit record", async || {
        let mut found = audited(&fabric, &prefix).await;
        found.pop().ok_or("none yet")
    })
    .await;
    assert_eq!(subject, format!("{prefix}register"));
    assert_eq!((&record["code"], &record["message"]), (&json!("denied"), &json!(refused.message)));
    assert!(record["at_ms"].as_u64().unwrap().abs_diff(now_ms()) < 10_000);
    assert!(record["subject"].as_str().unwrap().contains(working.session.id.as_str()));
    let jetstream = async_nats::jetstream::new(fabric.bus.connect_as_root().await);
    let config = jetstream.get_stream("AUDIT").await.unwrap().cached_info().config.clone();
    assert!(config.max_messages > 0 && config.max_bytes > 0 && config.max_age > Duration::ZERO, "{config:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_cannot_make_a_consumer_nor_write_what_is_not_its_own() {
    let fabric = Fabric::start().await;
    let credential = fabric.bus.service_credential(Service::Registry, "rogue");
    let login = selvedge_kit::credential::Login::held(credential);
    let bus = selvedge_tests::fabric::connect_bus(&fabric.bus, login).await;
    let ledger = ledger(&fabric.bus).await;
    let recorded = count(&ledger, ">").await;
    for subject in [
        "$JS.API.CONSUMER.CREATE.LEDGER",
        "$JS.API.CONSUMER.CREATE.LEDGER.mine.sv.fact.>",
        "$JS.API.CONSUMER.DURABLE.CREATE.LEDGER.mine",
        "$JS.API.STREAM.PURGE.LEDGER",
        "$JS.API.STREAM.DELETE.LEDGER",
        "$JS.API.STREAM.UPDATE.LEDGER",
        "sv.fact.demo.intent.i.committed",
        "sv.live.demo.session.s.ended",
        "sv.due.registry.invite.demo.invite_a.expiry",
        "sv.audit.committer.demo.a.x",
        "sv.req.demo.ada-00000000.worker-s.registry.whoami",
    ] {
        let started = Instant::now();
        let denied =
            bus.request(subject, header_map(&[]), "{}".into(), Deadline::in_ms(5_000)).await.unwrap_err();
        assert!(denied.to_string().contains("may not publish"), "{subject}: {denied}");
        assert!(started.elapsed() < Duration::from_secs(1), "{subject}: {:?}", started.elapsed());
    }
    assert_eq!(count(&ledger, ">").await, recorded);
}

/// A live or due message that a client made up reaches nobody: neither a view nor a follower.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_cannot_make_up_a_fact() {
    let fabric = Fabric::start().await;
    let (_, ada) = fabric.worker("ada").await;
    let (_, bob) = fabric.worker("bob").await;
    let raw = Raw::connect(&fabric.bus, &bob.credential).await;
    for prefix in ["sv.live", "sv.fact"] {
        let subject = format!("{prefix}.demo.session.{}.ended", ada.session.id);
        raw.client.publish(subject, "{}".into()).await.unwrap();
    }
    raw.bare("whoami", &json!({})).await.json(); // the server has judged them
    ada.client.call::<call::Whoami>(&Nothing {}).await.expect("its session goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_message_does_not_count_anew_under_a_key_that_nobody_signed() {
    let fabric = Fabric::start().await;
    let agent = fabric.agent("ada", selvedge_contracts::role::Role::Worker).await;
    let Signed { raw, subject, body, header } = signed(&fabric, &agent, now_ms()).await;
    let mut sessions = std::collections::BTreeSet::new();
    for added in [("Idempotency-Key", "a"), ("Idempotency-Key", "b"), ("Nats-Msg-Id", "c")] {
        let answer = raw.ask_on(&subject, &[(HEADER, &header), added], body.clone()).await.json();
        sessions.insert(answer["session"]["id"].to_string());
    }
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    assert_eq!(count(&ledger(&fabric.bus).await, "demo.session.*.started").await, 1);
}
