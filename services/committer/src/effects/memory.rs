//! Canonical records: the record's fact and the fact that the intent is committed are one atomic write, so
//! there is nothing to find out after a crash.
//!
//! A record is written if it stands at the revision that the effect states. An undo of the same key cannot
//! state one, since what its do writes has no revision before it is written: it replaces exactly the record
//! that the do wrote, and nothing else. Whoever proposes it states the value that is to stand there again.

use selvedge_contracts::{
    fact::{EntityName, MEMORY_WRITTEN},
    fault::Fault,
    payload::{
        intent::{Effect, Intent, MemoryEffect, Receipt},
        memory::{Record, Written},
    },
    subject::Entity,
};
use selvedge_kit::{
    clock::now_ms,
    rule::{Change, Verdict},
    service::Draft,
};

use super::{Carried, Outcome, Side, Work};
use crate::{
    record::{self, End},
    state::entity,
};

pub(crate) async fn carry_out(work: &Work<'_>, effect: &MemoryEffect) -> Carried {
    let at =
        Entity { mission: work.intent.mission.clone(), name: EntityName::Memory, id: effect.key.entity_id() };
    let writer = work.state.writer(work.intent, "memory", work.deadline);
    // A view that is behind must not make a record stale that is not.
    if let Err(fault) = writer.refresh(&at).await {
        return Carried::Ended(Outcome::Later(fault.to_string()));
    }
    work.reached("memory:ready");
    let about = entity(&work.intent.mission, &work.intent.id);
    let (now_ms, mut stale) = (now_ms(), None);
    let recorded = writer.record_all(&about, || {
        stale = None;
        let mut replaced = 0;
        let written = Draft::decide_at(&work.state.records, at.clone(), |record, revision| {
            replaced = revision;
            write(record, revision, work.intent, effect, work.side, now_ms)
                .inspect_err(|why| stale = Some(why.clone()))
        })?;
        let end = End::Done(Receipt::Memory { key: effect.key.clone(), replaced });
        let ended = Draft::decide(&work.state.intents, about.clone(), |current| {
            record::end(current, work.intent, &end)
        })?;
        // Neither without the other.
        Ok(ended.into_iter().zip(written).flat_map(|(ended, written)| [ended, written]).collect())
    });
    let recorded = recorded.await;
    match (recorded, stale) {
        (Ok(()), _) => {
            work.reached("memory:written");
            Carried::Recorded
        }
        (Err(_), Some(stale)) => Carried::Ended(Outcome::refused("/revision", stale.message)),
        (Err(fault), None) => Carried::Ended(Outcome::Again(fault.to_string())),
    }
}

/// The record with the new value, if it still is what is to be replaced.
fn write(
    current: Option<&Record>,
    revision: u64,
    intent: &Intent,
    effect: &MemoryEffect,
    side: Side,
    now_ms: u64,
) -> Result<Verdict<Record>, Fault> {
    let is_own = current.is_some_and(|record| record.intent == intent.id);
    let is_as_stated =
        if replaces_its_own(intent, effect, side) { is_own } else { revision == effect.revision };
    if !is_as_stated {
        return Err(Fault::conflict(match replaces_its_own(intent, effect, side) {
            true => format!("the record is at revision {revision}, which another intent wrote since"),
            false => format!("the record is at revision {revision}, not {}", effect.revision),
        }));
    }
    let record = Record {
        key: effect.key.clone(),
        mission: intent.mission.clone(),
        value: effect.value.clone(),
        intent: intent.id.clone(),
        author: intent.proposer.clone(),
        sources: effect.sources.clone(),
        written_at_ms: now_ms,
    };
    Ok(Change::new(&MEMORY_WRITTEN, &Written { replaced: revision }, record).into())
}

/// Whether it undoes what this very intent wrote.
fn replaces_its_own(intent: &Intent, effect: &MemoryEffect, side: Side) -> bool {
    side == Side::Undo && matches!(&intent.effect, Effect::Memory(done) if done.key == effect.key)
}

#[cfg(test)]
mod tests {
    use selvedge_contracts::{
        id::{IntentId, RecordKey},
        payload::intent::IntentState,
    };
    use serde_json::json;

    use super::*;
    use crate::fixture;

    fn put(key: &str, revision: u64) -> MemoryEffect {
        let key = RecordKey::new(key).unwrap();
        MemoryEffect { key, value: Some(json!(1)), revision, sources: Vec::new() }
    }

    fn written(verdict: Result<Verdict<Record>, Fault>) -> Record {
        match verdict.unwrap() {
            Verdict::Changed(change) => change.state,
            Verdict::Same => panic!("nothing written"),
        }
    }

    #[test]
    fn a_record_is_replaced_only_at_the_stated_revision() {
        let intent = fixture::intent(IntentState::Executing);
        let record = written(write(None, 0, &intent, &put("k", 0), Side::Do, 7));
        assert_eq!((record.value, &record.intent, record.written_at_ms), (Some(json!(1)), &intent.id, 7));
        let stale = write(None, 9, &intent, &put("k", 5), Side::Do, 7).unwrap_err();
        assert_eq!(stale.message, "the record is at revision 9, not 5");
        let absent = write(None, 0, &intent, &put("k", 5), Side::Do, 7).unwrap_err();
        assert_eq!(absent.message, "the record is at revision 0, not 5");
    }

    #[test]
    fn an_undo_replaces_what_its_do_wrote_and_nothing_else() {
        let intent = fixture::intent(IntentState::Compensating);
        let mine = written(write(None, 0, &intent, &put("k", 0), Side::Do, 7));
        written(write(Some(&mine), 12, &intent, &put("k", 0), Side::Undo, 8));
        let theirs = Record { intent: IntentId::of(&blake3::hash(b"other")), ..mine };
        let stuck = write(Some(&theirs), 15, &intent, &put("k", 15), Side::Undo, 8).unwrap_err();
        assert_eq!(stuck.message, "the record is at revision 15, which another intent wrote since");
        // Another key is an effect like every other.
        written(write(None, 0, &intent, &put("other", 0), Side::Undo, 8));
        assert!(write(None, 4, &intent, &put("other", 0), Side::Undo, 8).is_err());
    }
}
