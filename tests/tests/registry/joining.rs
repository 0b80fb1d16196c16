//! Invites and joining: one key is one agent, an invite is good once.

use nkeys::KeyPair;
use selvedge_contracts::{
    call,
    fault::Code,
    id::{AgentName, InviteId, Mission, Owner},
    payload::{
        agent::{About, AgentStatus, Join},
        invite::{InviteCreate, InviteStatus},
    },
    role::Role,
};
use selvedge_kit::{client::Options, signature::Signer};
use selvedge_tests::{
    fabric::{Fabric, copy},
    raw::{count, facts, ledger},
    wait,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_is_the_same_agent_whatever_it_is_called() {
    let fabric = Fabric::start().await;
    fabric.mission("other").await;
    let key = KeyPair::new_user();
    let first = fabric.join(&fabric.invite(Role::Worker, "person:olga").await, "ada", &key).await.unwrap();
    assert_eq!(first.record.status, AgentStatus::Active);
    let invite = fabric.invite_to("other", Role::Planner, "person:olga").await;
    let again = fabric.join(&invite, "another-name", &key).await.unwrap();
    assert_eq!(again.record.id, first.record.id);
    assert_eq!(again.record.name.as_str(), "ada", "the name stays");
    assert_eq!(again.mission.as_str(), "other");
    let roles: Vec<_> = again.record.roles.iter().map(|(mission, role)| (mission.as_str(), *role)).collect();
    assert_eq!(roles, [("demo", Role::Worker), ("other", Role::Planner)]);
    let ledger = ledger(&fabric.bus).await;
    assert_eq!(count(&ledger, &format!("_.key.{}.>", key.public_key())).await, 1);
    assert_eq!(count(&ledger, "_.agent.*.registered").await, 2, "the operator and ada");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_keys_may_bear_one_name() {
    let fabric = Fabric::start().await;
    let one = fabric.agent("ada", Role::Worker).await;
    let two = fabric.agent("ada", Role::Worker).await;
    assert_ne!(one.record.id, two.record.id);
    assert_eq!(one.record.name, two.record.name);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_asked_at_once_make_one_agent_of_one_key() {
    let fabric = Fabric::start().await;
    let _second = fabric.registry_replica("r2").await;
    let ledger = ledger(&fabric.bus).await;
    for round in 0..10 {
        let key = KeyPair::new_user();
        let one = fabric.invite(Role::Worker, "person:olga").await;
        let two = fabric.invite(Role::Worker, "person:olga").await;
        let (one, two) = tokio::join!(fabric.join(&one, "ada", &key), fabric.join(&two, "eve", &key));
        let (one, two) = (one.unwrap().record, two.unwrap().record);
        assert_eq!(one.id, two.id, "round {round}");
        assert_eq!(count(&ledger, &format!("_.key.{}.>", key.public_key())).await, 1, "round {round}");
        assert_eq!(count(&ledger, &format!("_.agent.{}.registered", one.id)).await, 1, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_is_redeemed_once() {
    let fabric = Fabric::start().await;
    let invite = fabric.invite(Role::Worker, "person:olga").await;
    let (first, second) = (KeyPair::new_user(), KeyPair::new_user());
    let joined = fabric.join(&invite, "ada", &first).await.unwrap();
    let refused = fabric.join(&invite, "eve", &second).await.err().expect("it is used up");
    assert_eq!(refused.code, Code::Denied, "{refused}");
    let again = fabric.join(&invite, "ada", &first).await.unwrap();
    assert_eq!(again.record, joined.record, "its own key finds it redeemed");
    let ledger = ledger(&fabric.bus).await;
    assert_eq!(
        count(&ledger, &format!("_.key.{}.>", second.public_key())).await,
        0,
        "nothing of the refused one"
    );
    let invite = facts(&ledger, "demo.invite.*.redeemed").await;
    assert_eq!(invite.len(), 1);
    assert!(invite[0].envelope.attestation.is_some(), "the signature is kept");
}

/// Somebody left as many batches open as nats-server keeps: what needs one may be asked again.
#[tokio::test(flavor = "multi_thread")]
async fn a_join_that_finds_no_room_for_its_batch_may_be_sent_again() {
    const MOST_OPEN: usize = 50;
    let fabric = Fabric::start().await;
    let invite = fabric.invite(Role::Worker, "person:olga").await;
    let key = KeyPair::new_user();
    let signer = Signer::new(copy(&key), fabric.bus.kluster().account(), None);
    let client = fabric.connect(&invite).await.signing(signer);
    let root = fabric.bus.connect_as_root().await;
    for n in 0..MOST_OPEN {
        let (batch, subject) = (format!("open-{n}"), format!("sv.fact.demo.request.request_{n}.opened"));
        let headers =
            selvedge_tests::raw::header_map(&[("Nats-Batch-Id", &batch), ("Nats-Batch-Sequence", "1")]);
        root.publish_with_headers(subject, headers, "{}".into()).await.unwrap();
    }
    // Behind them in the stream's queue; its guard fails, so that nothing is stored.
    let guard = selvedge_tests::raw::header_map(&[("Nats-Expected-Last-Subject-Sequence", "1")]);
    let answer = root
        .request_with_headers("sv.fact.demo.request.request_mark.opened", guard, "{}".into())
        .await
        .unwrap();
    assert!(answer.payload.starts_with(b"{\"error\""), "{:?}", answer.payload);
    let join = Join { name: AgentName::new("ada").unwrap(), about: About::default() };
    let options = selvedge_kit::client::Options { timeout_ms: Some(1_000), ..Default::default() };
    let refused = client.call_with::<call::Join>(&join, &options).await.unwrap_err();
    assert!(refused.is_retryable(), "{refused}");
    // nats-server gives up on them after ten seconds.
    let joined = wait::until("room for a batch", async || {
        client.call::<call::Join>(&join).await.map_err(|fault| fault.to_string())
    })
    .await;
    assert_eq!(joined.reply.agent.key.as_str(), key.public_key());
}

/// A join is an atomic batch, and nats-server keeps no more than 50 of them open on a stream.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_agents_join_at_once() {
    const AGENTS: usize = 100;
    let fabric = Fabric::start().await;
    let _second = fabric.registry_replica("r2").await;
    let mut asks = vec![];
    for n in 0..AGENTS {
        let invite = fabric.invite(Role::Worker, "person:olga").await;
        let key = KeyPair::new_user();
        let signer = Signer::new(copy(&key), fabric.bus.kluster().account(), None);
        let client = fabric.connect(&invite).await.signing(signer);
        let join = Join { name: AgentName::new(&format!("a{n}")).unwrap(), about: About::default() };
        asks.push(async move { client.call::<call::Join>(&join).await.map(|answer| answer.reply.agent.id) });
    }
    let mut ids: Vec<_> =
        futures::future::join_all(asks).await.into_iter().map(|id| id.expect("joined")).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), AGENTS);
    assert_eq!(count(&ledger(&fabric.bus).await, "_.key.*.bound").await, AGENTS + 1, "and the operator's");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_invite_and_two_keys_at_once_make_one_agent() {
    let fabric = Fabric::start().await;
    let _second = fabric.registry_replica("r2").await;
    let ledger = ledger(&fabric.bus).await;
    for round in 0..10 {
        let invite = fabric.invite(Role::Worker, "person:olga").await;
        let (a, b) = (KeyPair::new_user(), KeyPair::new_user());
        let (one, two) = tokio::join!(fabric.join(&invite, "ada", &a), fabric.join(&invite, "eve", &b));
        let refused = match (one, two) {
            (Ok(_), Err(refused)) | (Err(refused), Ok(_)) => refused,
            (one, two) => panic!("round {round}: {:?} and {:?}", one.err(), two.err()),
        };
        assert_eq!(refused.code, Code::Denied, "{refused}");
        let keys = [&a, &b].map(|key| format!("_.key.{}.>", key.public_key()));
        assert_eq!(count(&ledger, &keys[0]).await + count(&ledger, &keys[1]).await, 1, "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_of_another_owner_cannot_be_taken_over_by_an_invite() {
    let fabric = Fabric::start().await;
    let key = KeyPair::new_user();
    fabric.join(&fabric.invite(Role::Worker, "person:olga").await, "ada", &key).await.unwrap();
    let refused = fabric.join(&fabric.invite(Role::Planner, "person:mallory").await, "ada", &key).await;
    assert_eq!(refused.err().unwrap().code, Code::Conflict);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_join_must_be_signed_and_an_invite_opens_nothing_else() {
    let fabric = Fabric::start().await;
    let invite = fabric.invite(Role::Worker, "person:olga").await;
    let raw = selvedge_tests::raw::Raw::connect(&fabric.bus, &invite).await;
    let refused = raw.bare("join", &serde_json::json!({"name": "ada"})).await.fault();
    assert_eq!((refused.code, refused.details[0].at.as_str()), (Code::Denied, "Agent-Sender"));
    let client = fabric.connect(&invite).await;
    let whoami = client.call::<call::Whoami>(&selvedge_contracts::payload::Nothing {}).await.unwrap().reply;
    assert_eq!(
        (whoami.role, whoami.calls),
        (Role::Join, vec!["registry.whoami".to_owned(), "registry.join".to_owned()])
    );
}

/// An invite lives ten seconds at least; the timer is the server's, so the test waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn an_expired_invite_is_refused_and_recorded() {
    let fabric = Fabric::start().await;
    let create = InviteCreate {
        id: InviteId::new("invite_short").unwrap(),
        mission: Mission::new("demo").unwrap(),
        role: Role::Worker,
        owner: Owner::new("person:olga").unwrap(),
        ttl_ms: 10_000,
    };
    let made = fabric.operator.call::<call::InviteCreate>(&create).await.unwrap().reply.invite;
    assert_eq!(made.status, InviteStatus::Open);
    assert_eq!(made.expires_at_ms, made.created_at_ms + 10_000);
    let ledger = ledger(&fabric.bus).await;
    let expired = wait::until("the invite to expire", async || {
        let found = facts(&ledger, "demo.invite.invite_short.expired").await;
        found.first().cloned().ok_or(found.len())
    })
    .await;
    let late_ms = expired.at_ms.saturating_sub(made.expires_at_ms);
    assert!(expired.at_ms >= made.expires_at_ms && late_ms < 1_000, "{late_ms} ms late");
    assert_eq!(expired.envelope.sender, "registry");
    let credential = fabric.bus.credential(Role::Join, "demo", "invite_short", "invite_short");
    let key = KeyPair::new_user();
    let client = fabric.connect(&credential).await.signing(Signer::new(
        copy(&key),
        fabric.bus.kluster().account(),
        None,
    ));
    let join = Join { name: AgentName::new("ada").unwrap(), about: About::default() };
    let refused = client.call::<call::Join>(&join).await.unwrap_err();
    assert_eq!(refused.code, Code::Denied, "{refused}");
    assert_eq!(count(&ledger, &format!("_.key.{}.>", key.public_key())).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_is_made_once_and_only_where_it_leads_somewhere() {
    let fabric = Fabric::start().await;
    let create = |mission: &str, role, ttl_ms| InviteCreate {
        id: InviteId::new("invite_a").unwrap(),
        mission: Mission::new(mission).unwrap(),
        role,
        owner: Owner::new("person:olga").unwrap(),
        ttl_ms,
    };
    let ask = async |create: InviteCreate| {
        fabric.operator.call::<call::InviteCreate>(&create).await.map(|answer| answer.reply.invite)
    };
    assert_eq!(ask(create("nowhere", Role::Worker, 60_000)).await.unwrap_err().code, Code::NotFound);
    assert_eq!(ask(create("demo", Role::Registry, 60_000)).await.unwrap_err().code, Code::Invalid);
    assert_eq!(ask(create("demo", Role::Worker, 9_999)).await.unwrap_err().code, Code::Invalid);
    let made = ask(create("demo", Role::Worker, 60_000)).await.unwrap();
    assert_eq!(ask(create("demo", Role::Worker, 60_000)).await.unwrap(), made, "the same once more");
    assert_eq!(ask(create("demo", Role::Planner, 60_000)).await.unwrap_err().code, Code::Conflict);
    assert_eq!(count(&ledger(&fabric.bus).await, "demo.invite.>").await, 1);
}

/// A repetition is known by the invite and the idempotency key; who signed it must be looked at too.
#[tokio::test(flavor = "multi_thread")]
async fn another_key_cannot_repeat_a_join() {
    let fabric = Fabric::start().await;
    fabric.mission("other").await;
    let bob = fabric.agent("bob", Role::Worker).await;
    let invite = fabric.invite_to("other", Role::Planner, "person:olga").await;
    let options = Options { idempotency_key: Some("k".into()), ..Options::default() };
    let join = Join { name: AgentName::new("ada").unwrap(), about: About::default() };
    let signer = |key: &KeyPair| Signer::new(copy(key), fabric.bus.kluster().account(), None);
    let key = KeyPair::new_user();
    let ada = fabric.connect(&invite).await.signing(signer(&key));
    let joined = ada.call_with::<call::Join>(&join, &options).await.unwrap().reply;
    let thief = fabric.connect(&invite).await.signing(signer(&bob.key));
    let refused = thief.call_with::<call::Join>(&join, &options).await.expect_err("it is not bob's");
    assert_eq!(refused.code, Code::Denied, "{refused}");
    let again = ada.call_with::<call::Join>(&join, &options).await.expect("her own success").reply;
    assert_eq!((again.agent, again.role), (joined.agent, Role::Planner));
    // After the role was replaced, the repetition opens no door to the one that was.
    let lesser = fabric.invite_to("other", Role::Worker, "person:olga").await;
    fabric.join(&lesser, "ada", &key).await.unwrap();
    let late = ada.call_with::<call::Join>(&join, &options).await.expect_err("no planner any more");
    assert_eq!(late.code, Code::Denied, "{late}");
}
