//! What trials want done to the world, and what the ledger says became of it.

use selvedge_contracts::{
    call,
    fact::EntityName,
    fault::Fault,
    id::{IntentId, RecordKey},
    payload::{
        intent::{Intent, IntentReply, IntentState},
        memory::RecordReply,
    },
};
use selvedge_kit::{
    client::{Client, Options},
    ledger::FactRecord,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    agent::Agent,
    arena::{Arena, ask, ask_with, until},
    error::Miss,
};

/// A value for a record that stands at `revision`.
pub(crate) fn memory(key: &str, value: impl Into<Value>, revision: u64) -> Value {
    let value: Value = value.into();
    json!({ "kind": "memory", "key": key, "value": value, "revision": revision })
}

/// Proposes an effect; `more` are other fields of the proposal.
pub(crate) async fn propose(
    client: &Client,
    tag: &str,
    effect: Value,
    more: Value,
) -> Result<IntentReply, Fault> {
    ask::<call::IntentPropose>(client, proposal(tag, effect, more)).await
}

/// The proposal of an effect.
pub(crate) fn proposal(tag: &str, effect: Value, more: Value) -> Value {
    let mut wanted = json!({ "title": tag, "effect": effect, "occurrence": tag });
    if let (Some(wanted), Value::Object(more)) = (wanted.as_object_mut(), more) {
        wanted.extend(more);
    }
    wanted
}

/// What a fact says of its entity's state.
pub(crate) fn state_after<S: DeserializeOwned>(fact: &FactRecord) -> Result<S, Miss> {
    #[derive(serde::Deserialize)]
    struct After<S> {
        state: S,
    }
    let unreadable = |error| Miss::Unable(format!("revision {}: {error}", fact.revision));
    serde_json::from_slice::<After<S>>(&fact.envelope.payload).map(|after| after.state).map_err(unreadable)
}

/// What happened, in order: the last tokens of the facts' subjects.
pub(crate) fn kinds(facts: &[FactRecord]) -> Vec<&str> {
    facts.iter().map(|fact| fact.fact.kind.as_str()).collect()
}

/// How often something happened.
pub(crate) fn count(facts: &[FactRecord], kind: &str) -> usize {
    facts.iter().filter(|fact| fact.fact.kind == kind).count()
}

/// All facts of an intent.
pub(crate) async fn facts(arena: &Arena, intent: &IntentId) -> Result<Vec<FactRecord>, Miss> {
    arena.history(EntityName::Intent, intent).await
}

/// Waits until the ledger says that an intent is in one of these states.
pub(crate) async fn reaches(
    arena: &Arena,
    intent: &IntentId,
    wanted: impl Fn(IntentState) -> bool,
) -> Result<Intent, Miss> {
    until("an intent's end", async || {
        let facts = facts(arena, intent).await?;
        let Some(last) = facts.last() else { return Ok(Err("no facts".to_owned())) };
        let state: Intent = state_after(last)?;
        Ok(if wanted(state.state) { Ok(state) } else { Err(kinds(&facts).join(", ")) })
    })
    .await
}

/// Waits until an intent is settled.
pub(crate) async fn settled(arena: &Arena, intent: &IntentId) -> Result<Intent, Miss> {
    reaches(arena, intent, IntentState::is_settled).await
}

/// Writes a record and answers with its revision.
pub(crate) async fn write(
    arena: &Arena,
    agent: &Agent,
    tag: &str,
    key: &str,
    (value, revision): (Value, u64),
) -> Result<u64, Miss> {
    let proposed = propose(agent.client(), tag, memory(key, value, revision), json!({})).await?;
    let intent = settled(arena, &proposed.intent.id).await?;
    if intent.state != IntentState::Committed {
        return Err(Miss::Broken(format!("a plain write is {}: {:?}", intent.state.name(), intent.reasons)));
    }
    Ok(versions(arena, key).await?.last().map_or(0, |fact| fact.revision))
}

/// Every version of a record, by the ledger.
pub(crate) async fn versions(arena: &Arena, key: &str) -> Result<Vec<FactRecord>, Miss> {
    arena.history(EntityName::Memory, RecordKey::new(key)?.entity_id()).await
}

/// A record as the committer answers, at least as new as a revision.
pub(crate) async fn read(client: &Client, key: &str, at_least: u64) -> Result<(RecordReply, u64), Fault> {
    let options = Options { at_least, ..Options::default() };
    let request = serde_json::from_value(json!({ "key": key })).map_err(|e| Fault::invalid(e.to_string()))?;
    let answered = client.call_with::<call::MemoryGet>(&request, &options).await?;
    Ok((answered.reply, answered.as_of))
}

/// The value of a record as it stands, by the ledger.
pub(crate) async fn value(arena: &Arena, key: &str) -> Result<Value, Miss> {
    let versions = versions(arena, key).await?;
    let Some(last) = versions.last() else { return Ok(Value::Null) };
    let state: Value = state_after(last)?;
    Ok(state.get("value").cloned().unwrap_or_default())
}

/// Proposes with an idempotency key.
pub(crate) async fn propose_as(client: &Client, wanted: Value, key: &str) -> Result<IntentReply, Fault> {
    let options = Options { idempotency_key: Some(key.to_owned()), ..Options::default() };
    ask_with::<call::IntentPropose>(client, wanted, &options).await
}
