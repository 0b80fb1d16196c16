//! Sessions and tasks' credentials: what they open, and how they end.

use std::time::{Duration, Instant};

use nkeys::KeyPair;
use selvedge_contracts::{
    call,
    fault::Code,
    id::{Mission, ScopeId},
    payload::{
        Nothing,
        agent::Register,
        session::{CredentialRenew, SessionEnd, SessionList, SessionStart, SessionStatus, TaskGrant},
    },
    role::Role,
};
use selvedge_kit::{client::Client, credential::Login, service::Running, signature::Signer};
use selvedge_tests::{
    Credential,
    fabric::{Fabric, Working, connect_bus, copy, plain_session, public},
    now_ms,
    raw::{Raw, count, facts, ledger},
    wait,
};
use serde_json::json;

fn narrowed(calls: &[&str]) -> SessionStart {
    SessionStart { calls: Some(calls.iter().map(|call| (*call).to_owned()).collect()), ..plain_session() }
}

async fn whoami(client: &Client) -> Result<selvedge_contracts::payload::agent::Whoami, Code> {
    client.call::<call::Whoami>(&Nothing {}).await.map(|answer| answer.reply).map_err(|fault| fault.code)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_what_was_asked_for() {
    let fabric = Fabric::start().await;
    let agent = fabric.agent("ada", Role::Worker).await;
    let before_ms = now_ms();
    let wanted = SessionStart { ttl_ms: Some(20_000), presence_ttl_ms: Some(5_000), ..plain_session() };
    let Working { session, credential, client, .. } = fabric.session(&agent, wanted).await.unwrap();
    assert_eq!(
        (&session.agent, session.role, session.status),
        (&agent.record.id, Role::Worker, SessionStatus::Open)
    );
    assert_eq!(
        (session.presence_ttl_ms, session.credential_key.clone()),
        (5_000, credential.public_key().unwrap())
    );
    assert!((before_ms + 20_000..=now_ms() + 20_000).contains(&session.expires_at_ms));
    assert_eq!(credential.claims().unwrap().expires_at_ms().unwrap() / 1_000, session.expires_at_ms / 1_000);
    let me = whoami(&client).await.unwrap();
    assert_eq!((me.scope.as_str(), me.expires_at_ms), (session.id.as_str(), Some(session.expires_at_ms)));
    assert!(
        me.calls.contains(&"registry.heartbeat".to_owned())
            && !me.calls.contains(&"registry.agent_retire".to_owned())
    );
    let fact = facts(&ledger(&fabric.bus).await, &format!("demo.session.{}.started", session.id)).await;
    let attestation = fact[0].envelope.attestation.clone().expect("the signature is kept");
    assert!(attestation.subject.ends_with(".door-key.registry.session_start"), "{}", attestation.subject);
    assert!(attestation.header.contains(agent.record.key.as_str()) && attestation.key_revision > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_goes_on_without_losing_a_request() {
    let fabric = Fabric::start().await;
    let (_, working) = fabric.worker("ada").await;
    let old = working.credential.clone();
    let fresh = KeyPair::new_user();
    let renew = CredentialRenew { credential_key: public(&fresh), ttl_ms: Some(60_000) };
    let asking = async {
        for _ in 0..200 {
            whoami(&working.client).await.expect("no request is lost");
        }
    };
    let renewing = async {
        let reply = working.client.call::<call::CredentialRenew>(&renew).await.unwrap().reply;
        assert_eq!(
            (&reply.session.id, &reply.session.credential_key),
            (&working.session.id, &public(&fresh))
        );
        let credential = Credential::new(reply.credential.jwt.unwrap(), &fresh).unwrap();
        working.login.replace(credential);
        working.client.bus().reconnect().await;
        reply.session
    };
    let begun_at_ms = now_ms();
    let ((), renewed) = tokio::join!(asking, renewing);
    let granted = begun_at_ms + 60_000..=now_ms() + 60_000;
    assert!(granted.contains(&renewed.expires_at_ms), "{} is not within {granted:?}", renewed.expires_at_ms);
    fabric.connect(&old).await; // the old key pair is good until its own time ends
    let lines = facts(&ledger(&fabric.bus).await, &format!("demo.session.{}.>", working.session.id)).await;
    assert_eq!(lines.iter().map(|fact| fact.fact.kind.as_str()).collect::<Vec<_>>(), ["started", "renewed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_says_nothing_is_lost_within_its_ttl_and_one_second() {
    let fabric = Fabric::start().await;
    let agent = fabric.agent("ada", Role::Worker).await;
    let quiet = fabric
        .session(&agent, SessionStart { presence_ttl_ms: Some(1_000), ..plain_session() })
        .await
        .unwrap();
    let loud = fabric
        .session(&agent, SessionStart { presence_ttl_ms: Some(2_000), ..plain_session() })
        .await
        .unwrap();
    let said_at_ms = now_ms();
    let ledger = ledger(&fabric.bus).await;
    let lost = wait::until("the session to be lost", async || {
        let beat = loud.client.call::<call::Heartbeat>(&Nothing {}).await.unwrap().reply;
        assert!(beat.present_until_ms > now_ms() && beat.expires_at_ms == loud.session.expires_at_ms);
        let found = facts(&ledger, &format!("demo.session.{}.lost", quiet.session.id)).await;
        found.first().cloned().ok_or(found.len())
    })
    .await;
    let after_ms = lost.at_ms - quiet.session.started_at_ms;
    assert!((1_000..2_000).contains(&after_ms), "lost {after_ms} ms after its start");
    assert_eq!(whoami(&quiet.client).await.unwrap_err(), Code::Denied);
    // The other one beats for longer than its TTL, and lives.
    wait::until("more than its TTL to pass", async || {
        loud.client.call::<call::Heartbeat>(&Nothing {}).await.expect("it lives");
        let passed_ms = now_ms() - said_at_ms;
        if passed_ms > 2_500 { Ok(()) } else { Err(passed_ms) }
    })
    .await;
    assert_eq!(count(&ledger, &format!("demo.session.{}.lost", loud.session.id)).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_sessions_credential_is_denied_at_once_on_every_replica() {
    let fabric = Fabric::start().await;
    let replicas: Vec<Running> =
        vec![fabric.registry_replica("r2").await, fabric.registry_replica("r3").await];
    let (_, working) = fabric.worker("ada").await;
    let raw = Raw::connect(&fabric.bus, &working.credential).await;
    raw.bare("whoami", &json!({})).await.json();
    let end = SessionEnd { reason: Some("done".to_owned()), ..SessionEnd::default() };
    let ended = working.client.call::<call::SessionEnd>(&end).await.unwrap().reply.session;
    assert_eq!(ended.status, SessionStatus::Ended);
    let ended_at = Instant::now();
    // The queue group hands requests to any replica: a second after the end, none may let one through.
    let mut denied = 0;
    while denied < 200 {
        let answer = raw.bare("whoami", &json!({})).await;
        match answer.header("Nats-Service-Error-Code") {
            Some("403") => denied += 1,
            other => {
                assert!(ended_at.elapsed() < Duration::from_secs(1), "still {other:?}");
                denied = 0;
            }
        }
    }
    assert_eq!(
        raw.client.connection_state(),
        async_nats::connection::State::Connected,
        "its connection is alive"
    );
    for replica in replicas {
        replica.drain().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_ended_by_itself_or_an_operator() {
    let fabric = Fabric::start().await;
    let (_, ada) = fabric.worker("ada").await;
    let (_, bob) = fabric.worker("bob").await;
    let of_bob = SessionEnd { session: Some(bob.session.id.clone()), ..SessionEnd::default() };
    let refused = ada.client.call::<call::SessionEnd>(&of_bob).await.unwrap_err();
    assert_eq!(refused.code, Code::Denied, "{refused}");
    let nobody = SessionEnd { session: Some(ScopeId::new("session_none").unwrap()), ..SessionEnd::default() };
    assert_eq!(fabric.operator.call::<call::SessionEnd>(&nobody).await.unwrap_err().code, Code::NotFound);
    let by_operator = SessionEnd { mission: Some(Mission::new("demo").unwrap()), ..of_bob };
    let ended = fabric.operator.call::<call::SessionEnd>(&by_operator).await.unwrap().reply.session;
    assert_eq!((ended.id, ended.status), (bob.session.id.clone(), SessionStatus::Ended));
    assert_eq!(whoami(&bob.client).await.unwrap_err(), Code::Denied);
    assert_eq!(whoami(&ada.client).await.unwrap().scope, ada.session.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_by_agent_and_state_in_pages_and_in_the_own_mission_alone() {
    let fabric = Fabric::start().await;
    fabric.mission("other").await;
    let agent = fabric.agent("ada", Role::Worker).await;
    let mut ids = vec![];
    for _ in 0..5 {
        ids.push(fabric.session(&agent, plain_session()).await.unwrap());
    }
    let (_, bob) = fabric.worker("bob").await;
    ids[0].client.call::<call::SessionEnd>(&SessionEnd::default()).await.unwrap();
    let mut open: Vec<_> = ids[1..].iter().map(|working| working.session.id.clone()).collect();
    open.sort();
    let base = SessionList {
        agent: Some(agent.record.id.clone()),
        status: Some(SessionStatus::Open),
        limit: Some(3),
        ..SessionList::default()
    };
    let first = bob.client.call::<call::SessionList>(&base).await.unwrap().reply;
    let rest = SessionList { after: first.sessions.last().map(|session| session.id.clone()), ..base };
    let rest = bob.client.call::<call::SessionList>(&rest).await.unwrap().reply;
    let seen: Vec<_> =
        first.sessions.iter().chain(&rest.sessions).map(|session| session.id.clone()).collect();
    assert_eq!((first.sessions.len(), first.more, rest.more), (3, true, false));
    assert_eq!(seen, open);
    let elsewhere = SessionList { mission: Some(Mission::new("other").unwrap()), ..SessionList::default() };
    let refused = bob.client.call::<call::SessionList>(&elsewhere).await.unwrap_err();
    assert_eq!(refused.code, Code::Denied, "another mission's sessions are not bob's to see: {refused}");
    assert_eq!(fabric.operator.call::<call::SessionList>(&elsewhere).await.unwrap().reply.sessions, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrowed_session_makes_no_other_calls() {
    let fabric = Fabric::start().await;
    let agent = fabric.agent("ada", Role::Worker).await;
    let wide =
        fabric.session(&agent, narrowed(&["registry.whoami", "registry.agent_retire"])).await.err().unwrap();
    assert_eq!(
        (wide.code, wide.details[0].at.as_str()),
        (Code::Invalid, "/calls/1"),
        "a list narrows, never widens"
    );
    let working = fabric.session(&agent, narrowed(&["registry.whoami", "registry.heartbeat"])).await.unwrap();
    assert_eq!(whoami(&working.client).await.unwrap().calls, ["registry.whoami", "registry.heartbeat"]);
    working.client.call::<call::Heartbeat>(&Nothing {}).await.unwrap();
    let about = Register { about: Default::default() };
    let refused = working.client.call::<call::Register>(&about).await.unwrap_err();
    assert_eq!(refused.code, Code::Denied, "{refused}");
    let refused = working.client.call::<call::SessionList>(&SessionList::default()).await.unwrap_err();
    assert_eq!(refused.code, Code::Denied, "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tasks_credential_ends_with_its_task() {
    let fabric = Fabric::start().await;
    let agent = fabric.agent("ada", Role::Worker).await;
    let demo = fabric.operator.clone().in_mission(Mission::new("demo").unwrap());
    let key = KeyPair::new_user();
    let grant = |task: &str, after_ms| TaskGrant {
        task: ScopeId::new(task).unwrap(),
        agent: agent.record.id.clone(),
        credential_key: public(&key),
        expires_at_ms: now_ms() + after_ms,
        presence_ttl_ms: None,
        request: None,
        calls: None,
    };
    let ask = async |grant: &TaskGrant| demo.call::<call::TaskGrant>(grant).await.map(|answer| answer.reply);
    assert_eq!(ask(&grant("session_x", 60_000)).await.unwrap_err().code, Code::Invalid, "no task's id");
    assert_eq!(ask(&grant("task_x-1", 90_000_000)).await.unwrap_err().code, Code::Invalid, "too far off");
    let wanted = grant("task_x-1", 60_000);
    let granted = ask(&wanted).await.unwrap();
    assert_eq!(
        (granted.session.task.as_ref().unwrap().as_str(), granted.session.expires_at_ms),
        ("task_x-1", wanted.expires_at_ms)
    );
    let credential = Credential::new(granted.credential.jwt.unwrap(), &key).unwrap();
    let client = fabric.connect(&credential).await;
    let me = whoami(&client).await.unwrap();
    assert_eq!(
        (me.scope.as_str(), me.role, me.agent.as_str()),
        ("task_x-1", Role::Worker, agent.record.id.as_str())
    );
    client.call::<call::Register>(&Register { about: Default::default() }).await.unwrap();
    let end = SessionEnd { session: Some(ScopeId::new("task_x-1").unwrap()), ..SessionEnd::default() };
    demo.call::<call::SessionEnd>(&end).await.unwrap();
    wait::until_within(Duration::from_secs(1), "the credential to be denied", async || {
        match whoami(&client).await {
            Err(Code::Denied) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let over = ask(&wanted).await.unwrap_err();
    assert_eq!(over.code, Code::Conflict, "the task is over: {over}");
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_made_under_a_task_carry_it() {
    let fabric = Fabric::start().await;
    let agent = fabric.agent("ada", Role::Worker).await;
    let demo = fabric.operator.clone().in_mission(agent.mission.clone());
    let key = KeyPair::new_user();
    let grant = TaskGrant {
        task: ScopeId::new("task_x-1").unwrap(),
        agent: agent.record.id.clone(),
        credential_key: public(&key),
        expires_at_ms: now_ms() + 60_000,
        presence_ttl_ms: None,
        request: None,
        calls: None,
    };
    let granted = demo.call::<call::TaskGrant>(&grant).await.unwrap().reply;
    let login = Login::held(Credential::new(granted.credential.jwt.unwrap(), &key).unwrap());
    let client = Client::new(connect_bus(&fabric.bus, login).await);
    let about = Register {
        about: selvedge_contracts::payload::agent::About {
            model: Some("m".to_owned()),
            ..Default::default()
        },
    };
    client.call::<call::Register>(&about).await.unwrap();
    let fact =
        facts(&ledger(&fabric.bus).await, &format!("_.agent.{}.updated", agent.record.id)).await.remove(0);
    assert_eq!(
        (fact.envelope.task.as_str(), fact.envelope.session.as_str(), fact.envelope.mission.as_str()),
        ("task_x-1", "task_x-1", "demo")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_credential_is_refused_by_the_server() {
    let fabric = Fabric::start().await;
    let agent = fabric.agent("ada", Role::Worker).await;
    // The registry mints for ten seconds at least, so the operator's key mints the short one.
    let working = fabric.session(&agent, plain_session()).await.unwrap();
    let life = selvedge_tests::Life { now_ms: now_ms() - 60_000, expires_at_ms: now_ms() - 1_000 };
    let (id, session) = (agent.record.id.as_str(), working.session.id.as_str());
    let expired = fabric.bus.credential_for(Role::Worker, "demo", id, session, life);
    let error = fabric.bus.try_connect_as(&expired).await.expect_err("it is expired");
    assert!(error.to_string().to_lowercase().contains("authorization"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_start_of_a_session_renews_the_door() {
    let fabric = Fabric::start().await;
    let agent = fabric.agent("ada", Role::Worker).await;
    let start = |client: Client| async move {
        client.call::<call::SessionStart>(&plain_session()).await.expect("a session").reply
    };
    let first = start(agent.door.clone()).await;
    let door = first.door.expect("a fresh door");
    let held_until_ms = agent.door_credential.claims().unwrap().expires_at_ms().unwrap();
    assert!(door.expires_at_ms + 1_000 > held_until_ms, "{} after {held_until_ms}", door.expires_at_ms);
    let fresh = Credential::new(door.jwt.expect("signed by the registry"), &agent.key).unwrap();
    assert_eq!(fresh.identity().unwrap(), agent.door_credential.identity().unwrap(), "the same door");
    let signer = || Signer::new(copy(&agent.key), fabric.bus.kluster().account(), None);
    let through_it = start(fabric.connect(&fresh).await.signing(signer())).await;
    assert!(through_it.door.is_some());
    // A renewal is asked for under the session, which may be narrower than its agent.
    let working = fabric.session(&agent, plain_session()).await.unwrap();
    let renew = CredentialRenew { credential_key: public(&KeyPair::new_user()), ttl_ms: None };
    let renewed = working.client.call::<call::CredentialRenew>(&renew).await.unwrap().reply;
    assert_eq!(renewed.door, None);
}
