//! Agents: register, show, list, retire, rotate, rekey.

use nkeys::KeyPair;
use selvedge_contracts::{
    call,
    fault::Code,
    id::{AgentId, Mission},
    payload::{
        Nothing,
        agent::{About, AgentList, AgentReply, AgentRetire, AgentRotate, AgentShow, AgentStatus, Register},
        request::RequestOpen,
        session::{CredentialRenew, SessionStatus},
    },
    role::Role,
};
use selvedge_kit::signature::{Signer, encode_base64url};
use selvedge_tests::{
    Credential,
    fabric::{Agent, Fabric, copy, plain_session, public},
    raw::{count, facts, ledger},
    wait,
};

fn about(model: &str) -> Register {
    Register { about: About { model: Some(model.to_owned()), ..About::default() } }
}

fn retire(agent: &AgentId) -> AgentRetire {
    AgentRetire { agent: agent.clone(), reason: "its work is done".to_owned() }
}

/// The rotation of `agent`'s key to `key`, proved by `prover`.
fn rotation(agent: &AgentId, key: &KeyPair, prover: &KeyPair) -> AgentRotate {
    let proof = prover.sign(AgentRotate::proof_text(agent, &public(key)).as_bytes()).unwrap();
    AgentRotate { agent: agent.clone(), key: public(key), proof: encode_base64url(&proof) }
}

async fn shown(fabric: &Fabric, agent: &AgentId) -> AgentReply {
    fabric.operator.call::<call::AgentShow>(&AgentShow { agent: agent.clone() }).await.unwrap().reply
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_updates_what_it_says_of_itself_and_nothing_else() {
    let fabric = Fabric::start().await;
    let (agent, working) = fabric.worker("ada").await;
    let updated = working.client.call::<call::Register>(&about("m1")).await.unwrap();
    assert_eq!(updated.reply.agent.about.model.as_deref(), Some("m1"));
    assert_eq!(updated.reply.revision, updated.as_of);
    assert_eq!(
        selvedge_contracts::payload::agent::Agent { about: About::default(), ..updated.reply.agent.clone() },
        agent.record
    );
    let same = working.client.call::<call::Register>(&about("m1")).await.unwrap().reply;
    assert_eq!(same, updated.reply, "nothing to record");
    assert_eq!(shown(&fabric, &agent.record.id).await, updated.reply);
    assert_eq!(count(&ledger(&fabric.bus).await, &format!("_.agent.{}.updated", agent.record.id)).await, 1);
    let nobody = AgentShow { agent: AgentId::new("nobody-00000000").unwrap() };
    assert_eq!(working.client.call::<call::AgentShow>(&nobody).await.unwrap_err().code, Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_are_listed_in_pages_and_by_mission_and_role() {
    let fabric = Fabric::start().await;
    let mut wanted = vec![];
    for (name, role) in
        [("ada", Role::Worker), ("bob", Role::Worker), ("cleo", Role::Planner), ("dan", Role::Verifier)]
    {
        wanted.push(fabric.agent(name, role).await.record.id);
    }
    let ask = async |list: AgentList| {
        let page = fabric.operator.call::<call::AgentList>(&list).await.unwrap().reply;
        (page.agents.into_iter().map(|agent| agent.id).collect::<Vec<_>>(), page.more)
    };
    let (mut seen, mut after) = (vec![], None);
    loop {
        let (page, more) = ask(AgentList {
            mission: Some(Mission::new("demo").unwrap()),
            limit: Some(2),
            after,
            ..AgentList::default()
        })
        .await;
        assert_eq!(more, seen.is_empty(), "two pages of two");
        after = page.last().cloned();
        seen.extend(page);
        if !more {
            break;
        }
    }
    assert_eq!(seen, wanted);
    let (workers, more) = ask(AgentList { role: Some(Role::Worker), ..AgentList::default() }).await;
    assert_eq!((workers.as_slice(), more), (&wanted[..2], false));
    let elsewhere = AgentList { mission: Some(Mission::new("elsewhere").unwrap()), ..AgentList::default() };
    assert_eq!(ask(elsewhere).await, (vec![], false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retired_agent_is_shut_out_and_its_record_stays() {
    let fabric = Fabric::start().await;
    let (agent, working) = fabric.worker("ada").await;
    let id = &agent.record.id;
    let not_yours = working.client.call::<call::AgentRetire>(&retire(id)).await.unwrap_err();
    assert_eq!(not_yours.code, Code::Denied, "nats-server refuses a worker: {not_yours}");
    let retired = fabric.operator.call::<call::AgentRetire>(&retire(id)).await.unwrap().reply;
    assert_eq!(retired.agent.status, AgentStatus::Retired);
    assert_eq!(fabric.operator.call::<call::AgentRetire>(&retire(id)).await.unwrap().reply, retired);

    let refused = working.client.call::<call::Whoami>(&Nothing {}).await.unwrap_err();
    assert_eq!(
        refused.code,
        Code::Denied,
        "at once, also before the follower has ended the session: {refused}"
    );
    let door = fabric.session(&agent, plain_session()).await.err().unwrap();
    assert_eq!((door.code, door.message.contains("retired")), (Code::Denied, true), "{door}");
    let ledger = ledger(&fabric.bus).await;
    let ended = wait::until("its session to end", async || {
        let found = facts(&ledger, &format!("demo.session.{}.ended", working.session.id)).await;
        found.first().cloned().ok_or(found.len())
    })
    .await;
    assert_eq!(ended.envelope.sender, "registry");
    let fact = facts(&ledger, &format!("_.agent.{id}.retired")).await;
    assert_eq!((fact.len(), &ended.envelope.cause), (1, &fact[0].envelope.id));
    assert_eq!(shown(&fabric, id).await, retired, "the record stays");
    let again = fabric.invite(Role::Worker, "person:olga").await;
    assert_eq!(fabric.join(&again, "ada", &agent.key).await.err().unwrap().code, Code::Denied);
}

/// The agent after its rotation to `key`, with its new door.
async fn after_rotation(fabric: &Fabric, agent: &Agent, key: &KeyPair, jwt: String) -> Agent {
    let door_credential = Credential::new(jwt, key).unwrap();
    let signer = Signer::new(copy(key), fabric.bus.kluster().account(), None);
    let door = fabric.connect(&door_credential).await.signing(signer);
    Agent {
        record: shown(fabric, &agent.record.id).await.agent,
        key: copy(key),
        mission: agent.mission.clone(),
        door,
        door_credential,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_ends_the_old_one_and_its_sessions() {
    let fabric = Fabric::start().await;
    let (agent, working) = fabric.worker("ada").await;
    let (id, new) = (agent.record.id.clone(), KeyPair::new_user());
    let unproved =
        agent.door.call::<call::AgentRotate>(&rotation(&id, &new, &KeyPair::new_user())).await.unwrap_err();
    assert_eq!((unproved.code, unproved.details[0].at.as_str()), (Code::Denied, "/proof"));
    let bob = fabric.agent("bob", Role::Worker).await;
    let foreign = bob.door.call::<call::AgentRotate>(&rotation(&id, &new, &new)).await.unwrap_err();
    assert_eq!(foreign.code, Code::Denied, "{foreign}");
    let taken = agent.door.call::<call::AgentRotate>(&rotation(&id, &bob.key, &bob.key)).await.unwrap_err();
    assert_eq!(taken.code, Code::Conflict, "a key belongs to one agent: {taken}");

    let rotated = agent.door.call::<call::AgentRotate>(&rotation(&id, &new, &new)).await.unwrap().reply;
    assert_eq!((&rotated.agent.id, &rotated.agent.key), (&id, &public(&new)));
    let refused = fabric.session(&agent, plain_session()).await.err().unwrap();
    assert_eq!(refused.code, Code::Denied, "the old key's signature: {refused}");
    let (mission, door) = rotated.doors.into_iter().next().unwrap();
    assert_eq!(mission.as_str(), "demo");
    let renewed = after_rotation(&fabric, &agent, &new, door.jwt.unwrap()).await;
    let session = fabric.session(&renewed, plain_session()).await.expect("the new key opens the new door");
    wait::until("the old session to end", async || {
        match working.client.call::<call::Whoami>(&Nothing {}).await {
            Err(fault) if fault.code == Code::Denied => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let ledger = ledger(&fabric.bus).await;
    assert_eq!(count(&ledger, &format!("demo.session.{}.ended", working.session.id)).await, 1);
    session.client.call::<call::Whoami>(&Nothing {}).await.expect("the new session goes on");
    let retaken = fabric.join(&fabric.invite(Role::Worker, "person:olga").await, "eve", &agent.key).await;
    assert_eq!(retaken.err().unwrap().code, Code::Conflict, "the old key stays bound to its agent");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_key_is_replaced_once_however_many_ask_at_once() {
    let fabric = Fabric::start().await;
    let _second = fabric.registry_replica("r2").await;
    for round in 0..10 {
        let agent = fabric.agent("ada", Role::Worker).await;
        let new = [KeyPair::new_user(), KeyPair::new_user()];
        let rotations = new.each_ref().map(|key| rotation(&agent.record.id, key, key));
        let asks = rotations.iter().map(|rotation| agent.door.call::<call::AgentRotate>(rotation));
        let won: Vec<_> = futures::future::join_all(asks)
            .await
            .into_iter()
            .flatten()
            .map(|answer| answer.reply.agent.key)
            .collect();
        assert_eq!(won.len(), 1, "round {round}: both were signed by the key that the first one replaced");
        assert_eq!(shown(&fabric, &agent.record.id).await.agent.key, won[0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_replaces_a_lost_key() {
    let fabric = Fabric::start().await;
    let (agent, working) = fabric.worker("ada").await;
    let (id, new) = (agent.record.id.clone(), KeyPair::new_user());
    let rekeyed = fabric.operator.call::<call::AgentRekey>(&rotation(&id, &new, &new)).await.unwrap().reply;
    assert_eq!(rekeyed.agent.key, public(&new));
    let door = rekeyed.doors[&agent.mission].jwt.clone().unwrap();
    let renewed = after_rotation(&fabric, &agent, &new, door).await;
    fabric.session(&renewed, plain_session()).await.expect("a session by the new key");
    let ledger = ledger(&fabric.bus).await;
    wait::until("the old session to end", async || {
        match count(&ledger, &format!("demo.session.{}.ended", working.session.id)).await {
            1 => Ok(()),
            other => Err(other),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_slips_past_a_rotation_on_another_replica_is_worth_nothing() {
    let fabric = Fabric::start().await;
    let _second = fabric.registry_replica("r2").await;
    for round in 0..15 {
        let agent = fabric.agent("ada", Role::Worker).await;
        let (id, new) = (agent.record.id.clone(), KeyPair::new_user());
        let rekey = rotation(&id, &new, &new);
        let (rotated, started) = tokio::join!(
            fabric.operator.call::<call::AgentRekey>(&rekey),
            fabric.session(&agent, plain_session())
        );
        rotated.unwrap();
        // Started with the old key: refused, or ended, but not open.
        let Ok(working) = started else { continue };
        wait::until("the old key's session to end", async || {
            match working.client.call::<call::Whoami>(&Nothing {}).await {
                Err(fault) if fault.code == Code::Denied => Ok(()),
                other => Err(format!("round {round}: {other:?}")),
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_session_of_a_retired_agent_ends_once_on_two_replicas() {
    const SESSIONS: usize = 20;
    let fabric = Fabric::start().await;
    let _second = fabric.registry_replica("r2").await;
    let agent = fabric.agent("ada", Role::Worker).await;
    for _ in 0..SESSIONS {
        fabric.session(&agent, plain_session()).await.unwrap();
    }
    fabric.operator.call::<call::AgentRetire>(&retire(&agent.record.id)).await.unwrap();
    let ledger = ledger(&fabric.bus).await;
    wait::until("all sessions to end", async || match count(&ledger, "demo.session.*.ended").await {
        SESSIONS => Ok(()),
        other => Err(other),
    })
    .await;
    let list = selvedge_contracts::payload::session::SessionList {
        mission: Some(agent.mission.clone()),
        ..Default::default()
    };
    let sessions = fabric.operator.call::<call::SessionList>(&list).await.unwrap().reply.sessions;
    assert_eq!(sessions.iter().filter(|session| session.status == SessionStatus::Ended).count(), SESSIONS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_was_replaced_is_worth_nothing() {
    let fabric = Fabric::start().await;
    fabric.mission("other").await;
    let agent = fabric.agent("pia", Role::Planner).await;
    let planning = fabric.session(&agent, plain_session()).await.unwrap();
    let elsewhere = fabric.invite_to("other", Role::Planner, "person:olga").await;
    let elsewhere = fabric.join(&elsewhere, "pia", &agent.key).await.unwrap();
    let elsewhere = fabric.session(&elsewhere, plain_session()).await.unwrap();
    let lesser = fabric.invite(Role::Worker, "person:olga").await;
    let worker = fabric.join(&lesser, "pia", &agent.key).await.unwrap();
    assert_eq!(worker.record.roles.get(&agent.mission), Some(&Role::Worker));
    // At once: nobody has to wait for the follower that ends the session.
    let open = RequestOpen { title: "still a planner".to_owned(), text: String::new() };
    let opened = planning.client.call::<call::RequestOpen>(&open).await.expect_err("no planner any more");
    assert_eq!(opened.code, Code::Denied, "{opened}");
    let renew = CredentialRenew { credential_key: public(&KeyPair::new_user()), ttl_ms: None };
    let renewed = planning.client.call::<call::CredentialRenew>(&renew).await.expect_err("nor renewed");
    assert_eq!(renewed.code, Code::Denied, "{renewed}");
    let ledger = ledger(&fabric.bus).await;
    let ended = wait::until("the session to end", async || match facts(&ledger, "*.session.*.ended").await {
        ended if ended.is_empty() => Err("none ended"),
        ended => Ok(ended),
    })
    .await;
    let ended: Vec<_> = ended.iter().map(|fact| fact.fact.entity.id.as_str()).collect();
    assert_eq!(ended, [planning.session.id.as_str()], "that one alone");
    elsewhere.client.call::<call::RequestOpen>(&open).await.expect("a planner in the other mission");
    let working = fabric.session(&worker, plain_session()).await.expect("a session in the new role");
    assert_eq!(working.session.role, Role::Worker);
    working.client.call::<call::Whoami>(&Nothing {}).await.expect("a worker");
}
