//! What an operator's own command sets up before anybody can ask the registry: the first operator, and
//! the first mission. Recorded with the operator's provisioning credential, under the same rules and
//! guards as everything else; doing it again changes nothing.

use std::{collections::BTreeMap, sync::Arc};

use selvedge_contracts::{
    envelope::Envelope,
    fact::{AGENT_REGISTERED, EntityName, KEY_BOUND, SESSION_STARTED},
    fault::Fault,
    id::{AgentId, AgentName, EntityId, Mission, Owner, PublicKey, ScopeId},
    payload::{
        Nothing,
        agent::{About, Agent, AgentStatus, Joined, Key},
        session::{Session, SessionStatus},
    },
    role::Role,
};
use selvedge_kit::{
    bus::Bus,
    clock::Deadline,
    ledger::Ledger,
    metrics::Metrics,
    rule::Change,
    service::{Draft, Writer},
    view::{Apply, Feed, View},
};

use crate::state::{agent_entity, in_kluster, session_entity};

/// The operator to be known to the registry.
#[derive(Debug, Clone)]
pub struct Operator {
    /// `operator-<8 hex>`.
    pub agent: AgentId,
    /// Its session, which lasts as long as its credential.
    pub session: ScopeId,
    /// Its key, which is its credential's.
    pub key: PublicKey,
    /// Who answers for it.
    pub owner: Owner,
    /// When its credential ends: Unix time in milliseconds.
    pub expires_at_ms: u64,
}

/// Longest that it may take, in milliseconds.
const INSTALL_MS: u64 = 10_000;

/// Makes the operator an agent of the kluster, with a session for its credential.
///
/// # Errors
/// [`Fault`] if the ledger does not answer or refuses.
pub async fn install_operator(bus: Bus, operator: &Operator, now_ms: u64) -> Result<(), Fault> {
    let (agents, keys, sessions) = <(Arc<View<Agent>>, Arc<View<Key>>, Arc<View<Session>>)>::default();
    let views =
        vec![Arc::clone(&agents) as Arc<dyn Apply>, Arc::clone(&keys) as _, Arc::clone(&sessions) as _];
    let ledger = Ledger::new(bus);
    let feed = Feed::new(ledger.clone(), views, &Metrics::default());
    let entity = agent_entity(&operator.agent);
    let origin = Envelope {
        mission: Mission::kluster().to_string(),
        sender: operator.agent.to_string(),
        session: operator.session.to_string(),
        cause: "operator's command".to_owned(),
        ..Envelope::default()
    };
    let writer = Writer::own(ledger, feed, Deadline::in_ms(INSTALL_MS), origin, &format!("install {entity}"));
    let drafts = || {
        if agents.get(&entity.mission, &entity.id).is_some() {
            return Ok(vec![]);
        }
        let joined = Joined { mission: Mission::kluster(), role: Role::Operator };
        let key_entity = in_kluster(EntityName::Key, EntityId::from(&operator.key));
        let session_entity = session_entity(&Mission::kluster(), &operator.session);
        let drafts = [
            Draft::decide(&agents, entity.clone(), |_| {
                Ok(Change::new(&AGENT_REGISTERED, &joined, agent(operator, now_ms)?).into())
            })?,
            Draft::decide(&keys, key_entity, |_| {
                Ok(Change::new(&KEY_BOUND, &Nothing {}, key(operator, now_ms)).into())
            })?,
            Draft::decide(&sessions, session_entity, |_| {
                Ok(Change::new(&SESSION_STARTED, &Nothing {}, session(operator, now_ms)).into())
            })?,
        ];
        Ok(drafts.into_iter().flatten().collect())
    };
    writer.record_all(&entity, drafts).await
}

fn agent(operator: &Operator, now_ms: u64) -> Result<Agent, Fault> {
    Ok(Agent {
        id: operator.agent.clone(),
        name: AgentName::new("operator").map_err(|error| Fault::internal(error.to_string()))?,
        key: operator.key.clone(),
        owner: operator.owner.clone(),
        roles: BTreeMap::from([(Mission::kluster(), Role::Operator)]),
        about: About { description: Some("a person at the command line".to_owned()), ..About::default() },
        status: AgentStatus::Active,
        registered_at_ms: now_ms,
    })
}

fn key(operator: &Operator, now_ms: u64) -> Key {
    Key { key: operator.key.clone(), agent: operator.agent.clone(), bound_at_ms: now_ms }
}

fn session(operator: &Operator, now_ms: u64) -> Session {
    Session {
        id: operator.session.clone(),
        agent: operator.agent.clone(),
        owner: operator.owner.clone(),
        mission: Mission::kluster(),
        role: Role::Operator,
        task: None,
        calls: None,
        request: None,
        credential_key: operator.key.clone(),
        presence_ttl_ms: 0,
        started_at_ms: now_ms,
        expires_at_ms: operator.expires_at_ms,
        status: SessionStatus::Open,
    }
}
