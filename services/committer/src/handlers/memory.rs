//! Calls about canonical records.

use std::sync::Arc;

use selvedge_contracts::{
    call,
    envelope::MAX_BODY_BYTES,
    fact::EntityName,
    fault::Fault,
    id::{EntityId, Mission, RecordKey},
    payload::{
        DEFAULT_PAGE, MAX_PAGE,
        memory::{MemoryGet, MemoryHistory, MemoryList, Record, RecordReply, Records},
    },
    subject::Entity,
};
use selvedge_kit::{
    bus::error_chain,
    ledger::FactRecord,
    service::{Answer, Call, Route, Routes},
};
use serde::{Deserialize, de::IgnoredAny};

use crate::state::Committer;

/// Which handler serves which call.
pub(crate) fn routes() -> Routes<Committer> {
    vec![
        Route::read::<call::MemoryGet>(get),
        Route::read::<call::MemoryList>(list),
        Route::wait::<call::MemoryHistory, _>(history),
    ]
}

/// Bytes of one page's records: half of what a message may hold.
const MAX_PAGE_BYTES: usize = MAX_BODY_BYTES / 2;

/// A record that was deleted is answered too: whoever writes it anew names its revision.
fn get(state: &Committer, call: &Call, request: MemoryGet) -> Answer<RecordReply> {
    let found = state.records.get(call.mission(), &request.key.entity_id());
    let found = found.ok_or_else(|| no_record(&request.key, call.mission()))?;
    Ok(RecordReply { record: found.state.as_ref().clone(), revision: found.revision })
}

fn list(state: &Committer, call: &Call, request: MemoryList) -> Answer<Records> {
    let prefix = request.prefix.unwrap_or_default();
    let after = request.after.as_ref().map(RecordKey::entity_id);
    let keep = |record: &Record| record.value.is_some() && record.key.as_str().starts_with(&prefix);
    let (found, more) = state.records.page(call.mission(), after.as_ref(), page_size(request.limit), keep);
    // Record and revision of one reading.
    let entry = |id: &EntityId| state.records.get(call.mission(), id);
    let replies = found.iter().filter_map(|record| entry(&record.key.entity_id()));
    let replies =
        replies.map(|entry| RecordReply { record: entry.state.as_ref().clone(), revision: entry.revision });
    Ok(fitting(replies.collect(), more))
}

async fn history(state: Arc<Committer>, call: Arc<Call>, request: MemoryHistory) -> Answer<Records> {
    let id = request.key.entity_id();
    if state.records.state(call.mission(), &id).is_none() {
        return Err(no_record(&request.key, call.mission()));
    }
    let entity = Entity { mission: call.mission().clone(), name: EntityName::Memory, id };
    let limit = page_size(request.limit);
    let facts = call.ledger().history(&entity, request.after, limit + 1, call.deadline()).await;
    let facts = facts.map_err(|error| Fault::unavailable(error_chain(&error)))?;
    let more = facts.len() > limit;
    let versions = facts.iter().take(limit).map(version).collect::<Result<_, _>>()?;
    Ok(fitting(versions, more))
}

fn version(fact: &FactRecord) -> Result<RecordReply, Fault> {
    #[derive(Deserialize)]
    struct After {
        #[serde(rename = "change")]
        _change: IgnoredAny,
        state: Record,
    }
    let read = serde_json::from_slice::<After>(&fact.envelope.payload);
    let After { state, .. } =
        read.map_err(|error| Fault::internal(format!("revision {}: {error}", fact.revision)))?;
    Ok(RecordReply { record: state, revision: fact.revision })
}

/// As many of the records as one reply holds, one at least.
fn fitting(mut records: Vec<RecordReply>, more: bool) -> Records {
    let mut bytes = 0;
    let fit = records.iter().take_while(|record| {
        bytes += serde_json::to_vec(record).map_or(0, |json| json.len());
        bytes <= MAX_PAGE_BYTES
    });
    let fit = fit.count().max(1);
    let more = more || records.len() > fit;
    records.truncate(fit);
    Records { records, more }
}

fn no_record(key: &RecordKey, mission: &Mission) -> Fault {
    Fault::not_found(format!("there is no record {key} in the mission {mission}"))
}

fn page_size(limit: Option<u32>) -> usize {
    limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE) as usize
}
