//! Calls about scratchpads: an agent's own entries, which nobody else reads and which die by themselves.
//!
//! Keys of the bucket: `<mission>.<agent>.<key with : for />`; only this service writes them.

use std::sync::Arc;

use bytes::Bytes;
use selvedge_contracts::{
    call,
    fault::Fault,
    id::RecordKey,
    payload::{
        intent::MAX_VALUE_BYTES,
        memory::{DEFAULT_SCRATCH_TTL_MS, MAX_SCRATCH_ENTRIES, ScratchGet, ScratchPut, ScratchReply},
    },
};
use selvedge_kit::{
    bucket::{AppendError, Expect},
    bus::error_chain,
    clock::Deadline,
    service::{Answer, Call, Route, Routes},
};
use serde_json::Value;

use crate::state::Committer;

/// Which handler serves which call.
pub(crate) fn routes() -> Routes<Committer> {
    vec![Route::wait::<call::ScratchPut, _>(put), Route::wait::<call::ScratchGet, _>(get)]
}

/// Longest wait for one answer of the bucket, in milliseconds.
const STEP_MS: u64 = 2_000;

async fn put(state: Arc<Committer>, call: Arc<Call>, request: ScratchPut) -> Answer<ScratchReply> {
    let (pad, deadline) = (pad(&call)?, call.deadline());
    let key = key_in(&pad, &request.key);
    let bytes = request.value.as_ref().map(bounded).transpose()?;
    let mut attempt = 0;
    loop {
        match put_once(&state, &pad, &key, &request, bytes.clone(), deadline).await? {
            Some(revision) => {
                return Ok(ScratchReply { key: request.key, value: request.value, revision });
            }
            // Somebody wrote it meanwhile, or it died.
            None if deadline.has_passed() => return Err(Fault::busy("the entry keeps changing; try again")),
            None => deadline.back_off(attempt).await,
        }
        attempt += 1;
    }
}

/// Looks at the entry, and writes or removes exactly that; nothing if it has changed in between.
async fn put_once(
    state: &Committer,
    pad: &str,
    key: &str,
    request: &ScratchPut,
    bytes: Option<Bytes>,
    deadline: Deadline,
) -> Result<Option<u64>, Fault> {
    let (found, last) = state.scratch.look(key, step(deadline)).await.map_err(unanswered)?;
    let at = found.as_ref().map_or(0, |entry| entry.revision);
    if let Some(wanted) = request.revision.filter(|wanted| *wanted != at) {
        let message = format!("the entry is at revision {at}, not {wanted}");
        return Err(Fault::conflict(message.clone()).at("/revision", message));
    }
    let written = match bytes {
        Some(bytes) => {
            if found.is_none() {
                has_room(state, pad, deadline).await?;
            }
            let ttl_ms = request.ttl_ms.unwrap_or(DEFAULT_SCRATCH_TTL_MS);
            state.scratch.put(key, bytes, ttl_ms, Expect::Revision(last), step(deadline)).await
        }
        None if found.is_none() => Ok(0),
        None => state.scratch.delete_at(key, Expect::Revision(last), step(deadline)).await.map(|()| 0),
    };
    match written {
        Ok(revision) => Ok(Some(revision)),
        Err(AppendError::Contended) => Ok(None),
        Err(error) => {
            Err(Fault::unavailable(format!("the scratchpad does not answer: {}", error_chain(&error))))
        }
    }
}

/// The value as it is kept.
fn bounded(value: &Value) -> Result<Bytes, Fault> {
    let bytes = Bytes::from(value.to_string());
    if bytes.len() <= MAX_VALUE_BYTES {
        return Ok(bytes);
    }
    let message = format!("is {} bytes of JSON, at most {MAX_VALUE_BYTES} are kept", bytes.len());
    Err(Fault::invalid("the value is too large").at("/value", message))
}

async fn get(state: Arc<Committer>, call: Arc<Call>, request: ScratchGet) -> Answer<ScratchReply> {
    let key = key_in(&pad(&call)?, &request.key);
    let found = state.scratch.get(&key, step(call.deadline())).await.map_err(unanswered)?;
    let Some(entry) = found else { return Ok(ScratchReply { key: request.key, value: None, revision: 0 }) };
    let value: Value = serde_json::from_slice(&entry.bytes)
        .map_err(|error| Fault::internal(format!("the entry cannot be read: {error}")))?;
    Ok(ScratchReply { key: request.key, value: Some(value), revision: entry.revision })
}

/// Refuses one entry more than an agent may have. Several puts at once may each find the last place free.
async fn has_room(state: &Committer, pad: &str, deadline: Deadline) -> Result<(), Fault> {
    let count = state.scratch.count_under(pad, step(deadline)).await.map_err(unanswered)?;
    if count < MAX_SCRATCH_ENTRIES {
        return Ok(());
    }
    Err(Fault::conflict(format!(
        "a scratchpad holds at most {MAX_SCRATCH_ENTRIES} entries, those that ended within ten minutes among them"
    )))
}

/// First tokens of the keys of the caller's scratchpad.
fn pad(call: &Call) -> Result<String, Fault> {
    Ok(format!("{}.{}", call.mission(), call.agent_id()?))
}

fn key_in(pad: &str, key: &RecordKey) -> String {
    format!("{pad}.{}", key.entity_id())
}

fn step(deadline: Deadline) -> Deadline {
    deadline.at_most_ms(STEP_MS)
}

fn unanswered(reason: String) -> Fault {
    Fault::unavailable(format!("the scratchpad does not answer: {reason}"))
}
