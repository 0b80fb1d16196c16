//! Taking credentials back, with the operator's keys: nats-server then closes the connections that use
//! them, within a second. The kit refuses ended sessions by itself; this is for what else a stolen key
//! could hear.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::Context as _;
use selvedge_contracts::{
    call,
    fact::EntityName,
    fault::{Code, Fault},
    id::{AgentId, EntityId, Mission, PublicKey},
    payload::{
        agent::Agent,
        history::FactLine,
        session::{MAX_CREDENTIAL_TTL_MS, Session, SessionEnd, SessionList, SessionStatus},
    },
};
use selvedge_kit::{
    authority::{Keyring, Kluster, Revoked as Passing, jwt::Life, push},
    client::Client,
    clock::now_ms,
};
use serde::Serialize;
use serde_json::Value;

use crate::{connect::Context, exit::Failure, paging};

/// How long the credential that tells the servers is good for, in milliseconds.
const SYSTEM_LIFE_MS: u64 = 60_000;
/// How often an agent is looked at again for keys that appeared while others were revoked: one round
/// closes its doors, the next finds what was opened before, the last finds nothing.
const MOST_ROUNDS: usize = 5;
/// Longest wait for the servers.
const PUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// What was taken back.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Revoked {
    /// Keys whose credentials, signed until now, are worth nothing.
    pub keys: Vec<PublicKey>,
    /// Servers that know it.
    pub servers: Vec<String>,
}

/// Takes back every credential of an agent: those of its identity keys and of all its sessions.
///
/// Sessions end first, since an open one may renew its credential for a key that was not listed. What a
/// thief starts until the servers know is found by looking again.
///
/// # Errors
/// As [`keys`]; a conflict if new keys keep appearing.
pub(crate) async fn agent(context: &Context, operator: &Client, agent: &AgentId) -> Result<Revoked, Failure> {
    let mut revoked = Revoked::default();
    for _ in 0..MOST_ROUNDS {
        end_sessions(operator, agent).await?;
        let mut found = keys_of(operator, agent).await?;
        if found.iter().all(|key| revoked.keys.contains(key)) {
            return Ok(revoked);
        }
        // All of them once more: with a session that was started meanwhile came a door for the identity
        // key, signed after that key was revoked.
        revoked.servers = keys(context, &context.url()?, &found).await?.servers;
        found.retain(|key| !revoked.keys.contains(key));
        revoked.keys.extend(found);
    }
    Err(Fault::conflict(format!("{agent} still gets new keys; retire it, or rotate its key as the operator"))
        .into())
}

/// Takes back what a rotated agent held before: all but its present identity key, which nobody may have
/// used for a session yet.
///
/// # Errors
/// As [`keys`].
pub(crate) async fn rotated(context: &Context, operator: &Client, agent: &Agent) -> Result<Revoked, Failure> {
    let mut found = keys_of(operator, &agent.id).await?;
    found.remove(&agent.key);
    keys(context, &context.url()?, &found).await
}

/// Takes back the credentials of one session.
///
/// # Errors
/// As [`keys`].
pub(crate) async fn session(
    context: &Context,
    operator: &Client,
    session: &Session,
) -> Result<Revoked, Failure> {
    let found = keys_of_session(operator, session).await?.into_keys().collect();
    keys(context, &context.url()?, &found).await
}

/// Takes back every credential that was signed for these keys until now, and tells the servers.
///
/// # Errors
/// The keys of the folder cannot be used, or no server takes the account's token.
pub(crate) async fn keys(
    context: &Context,
    url: &str,
    keys: &BTreeSet<PublicKey>,
) -> Result<Revoked, Failure> {
    let keys: Vec<PublicKey> = keys.iter().cloned().collect();
    let (keyring, kluster) = context.keys()?;
    keyring.revoke(&kluster, &keys, now_ms())?;
    let servers = tell(url, &keyring, &kluster).await?;
    Ok(Revoked { keys, servers })
}

/// Takes back what ended sessions hold until it ends by itself, as far as the account's token has room,
/// and tells the servers.
///
/// # Errors
/// As [`keys`].
pub(crate) async fn until_they_end(
    context: &Context,
    url: &str,
    keys: &BTreeMap<PublicKey, u64>,
) -> Result<Passing, Failure> {
    let (keyring, kluster) = context.keys()?;
    let most = context.config.server.max_revoked_keys;
    let passing = keyring.revoke_until(&kluster, keys, most, now_ms())?;
    if passing.taken > 0 {
        tell(url, &keyring, &kluster).await?;
    }
    Ok(passing)
}

async fn tell(url: &str, keyring: &Keyring, kluster: &Kluster) -> Result<Vec<String>, Failure> {
    let now_ms = now_ms();
    let system = keyring.system_credential(Life { now_ms, expires_at_ms: now_ms + SYSTEM_LIFE_MS })?;
    let pushed = push::newest(url, &system, kluster, PUSH_TIMEOUT).await;
    Ok(pushed
        .context("nats-server could not be told of the revoked keys; run it again, or restart nats-server")?)
}

/// Ends the agent's open sessions.
async fn end_sessions(operator: &Client, agent: &AgentId) -> Result<(), Fault> {
    let open = SessionList {
        agent: Some(agent.clone()),
        status: Some(SessionStatus::Open),
        ..SessionList::default()
    };
    for session in sessions(operator, open).await? {
        let end = SessionEnd {
            session: Some(session.id),
            mission: Some(session.mission),
            reason: Some("its credentials are revoked".to_owned()),
        };
        match operator.call::<call::SessionEnd>(&end).await {
            // It ended by itself meanwhile.
            Err(Fault { code: Code::Conflict | Code::NotFound, .. }) | Ok(_) => {}
            Err(fault) => return Err(fault),
        }
    }
    Ok(())
}

/// Every key that a credential of the agent may still be bound to. Histories tell more than states: a
/// renewed session's earlier key, a rotated agent's earlier identity.
async fn keys_of(operator: &Client, agent: &AgentId) -> Result<BTreeSet<PublicKey>, Fault> {
    let facts =
        paging::history(operator, &Mission::kluster(), EntityName::Agent, &EntityId::from(agent)).await?;
    let mut keys: BTreeSet<PublicKey> = facts.iter().filter_map(|fact| key_at(fact, "/state/key")).collect();
    let wanted = SessionList { agent: Some(agent.clone()), ..SessionList::default() };
    for session in sessions(operator, wanted).await? {
        keys.extend(keys_of_session(operator, &session).await?.into_keys());
    }
    Ok(keys)
}

/// The sessions of all missions.
pub(crate) async fn sessions(operator: &Client, wanted: SessionList) -> Result<Vec<Session>, Fault> {
    let mut found = Vec::new();
    for mission in paging::missions_meant(operator, None).await? {
        let wanted = SessionList { mission: Some(mission), ..wanted.clone() };
        found.extend(paging::sessions(operator, &wanted).await?);
    }
    Ok(found)
}

/// Every key that a credential of the session may still be bound to, and when that credential ends. One
/// from before a renewal may last longer than the present one: as long as any credential may.
pub(crate) async fn keys_of_session(
    operator: &Client,
    session: &Session,
) -> Result<BTreeMap<PublicKey, u64>, Fault> {
    if session.expires_at_ms.saturating_add(MAX_CREDENTIAL_TTL_MS) <= now_ms() {
        return Ok(BTreeMap::new());
    }
    let id = EntityId::from(&session.id);
    let facts = paging::history(operator, &session.mission, EntityName::Session, &id).await?;
    let now_ms = now_ms();
    let mut keys = BTreeMap::new();
    for fact in &facts {
        let ends_at_ms = fact.payload.pointer("/state/expires_at_ms").and_then(Value::as_u64);
        let ends_at_ms = ends_at_ms.unwrap_or(session.expires_at_ms);
        if let Some(key) = key_at(fact, "/state/credential_key").filter(|_| ends_at_ms > now_ms) {
            let latest = keys.entry(key).or_insert(ends_at_ms);
            *latest = ends_at_ms.max(*latest);
        }
    }
    Ok(keys)
}

fn key_at(fact: &FactLine, pointer: &str) -> Option<PublicKey> {
    PublicKey::new(fact.payload.pointer(pointer)?.as_str()?).ok()
}
