//! Taking credentials back, with the operator's keys: nats-server then closes the connections that use
//! them, within a second. The kit refuses ended sessions by itself; this is for what else a stolen key
//! could hear.

use std::{collections::BTreeSet, time::Duration};

use anyhow::Context as _;
use selvedge_contracts::{
    fact::EntityName,
    fault::Fault,
    id::{AgentId, EntityId, Mission, PublicKey},
    payload::{history::FactLine, session::SessionList},
};
use selvedge_kit::{
    authority::{jwt::Life, push},
    client::Client,
    clock::now_ms,
};
use serde::Serialize;

use crate::{connect::Context, exit::Failure, paging};

/// How long the credential that tells the servers is good for, in milliseconds.
const SYSTEM_LIFE_MS: u64 = 60_000;
/// Longest wait for the servers.
const PUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// What was taken back.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Revoked {
    /// Keys whose credentials, signed until now, are worth nothing.
    pub keys: Vec<PublicKey>,
    /// Servers that know it.
    pub servers: Vec<String>,
}

/// Takes back every credential of an agent: those of its identity keys and of all its sessions.
pub(crate) async fn agent(context: &Context, operator: &Client, agent: &AgentId) -> Result<Revoked, Failure> {
    let (keyring, kluster) = context.keys()?;
    let keys: Vec<PublicKey> = keys_of(operator, agent).await?.into_iter().collect();
    let now_ms = now_ms();
    keyring.revoke(&kluster, &keys, now_ms)?;
    let system = keyring.system_credential(Life { now_ms, expires_at_ms: now_ms + SYSTEM_LIFE_MS })?;
    let pushed = push::newest(&context.url()?, &system, &kluster, PUSH_TIMEOUT).await;
    let servers = pushed
        .context("nats-server could not be told of the revoked keys; run it again, or restart nats-server")?;
    Ok(Revoked { keys, servers })
}

/// Every key that a credential of the agent may still be bound to. Histories tell more than states: a
/// renewed session's earlier key, a rotated agent's earlier identity.
async fn keys_of(operator: &Client, agent: &AgentId) -> Result<BTreeSet<PublicKey>, Fault> {
    let facts =
        paging::history(operator, &Mission::kluster(), EntityName::Agent, &EntityId::from(agent)).await?;
    let mut keys: BTreeSet<PublicKey> = facts.iter().filter_map(|fact| key_at(fact, "/state/key")).collect();
    for mission in paging::missions_meant(operator, None).await? {
        let wanted = SessionList {
            mission: Some(mission.clone()),
            agent: Some(agent.clone()),
            ..SessionList::default()
        };
        let sessions = paging::sessions(operator, &wanted).await?;
        for session in sessions.iter().filter(|session| session.expires_at_ms > now_ms()) {
            let facts =
                paging::history(operator, &mission, EntityName::Session, &EntityId::from(&session.id))
                    .await?;
            keys.extend(facts.iter().filter_map(|fact| key_at(fact, "/state/credential_key")));
        }
    }
    Ok(keys)
}

fn key_at(fact: &FactLine, pointer: &str) -> Option<PublicKey> {
    PublicKey::new(fact.payload.pointer(pointer)?.as_str()?).ok()
}
