//! Completing a check: what is found for a creation at its place, recorded where it must be said.

use std::sync::Arc;

use selvedge_contracts::{
    fault::Fault,
    id::{CreationId, Mission},
    payload::overlap::{Checked, CreationState},
    role::Role,
};
use selvedge_kit::{
    clock::Deadline,
    service::{Answer, Writer},
};

use super::{
    book::Book,
    replica::{Found, Replica},
    rule::{self, Asks},
    shown,
    state::Overlap,
};
use crate::Readable;

/// What came of a check.
#[derive(Debug)]
pub(crate) enum Judgement {
    /// Nothing stands in its way.
    Clear(Checked, u64),
    /// Something is asked about.
    Asked(Checked, u64),
    /// It is not pending at this place any more.
    Moved,
    /// The index has no room for it: nothing that comes later would be compared with it.
    Full,
}

/// Whether "nothing was found" is recorded too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Say {
    /// Always: somebody waits to be told.
    All,
    /// Only what is asked about: the owner's own fact says the rest.
    Asked,
}

/// Longest work on one check that no call waits for, in milliseconds.
const WORK_MS: u64 = 10_000;

/// Checks a pending creation at its place. Everything before that has been taken in.
///
/// # Errors
/// As the ledger answers.
pub(crate) async fn judge(
    state: &Overlap,
    writer: &Writer,
    mission: &Mission,
    id: &CreationId,
    readable: Readable,
    say: Say,
) -> Answer<Judgement> {
    let (number, reader) = (id.number(), readable.clone());
    let judged = match state.compute(move |replica| replica.judge(number, &reader)).await? {
        Found::Judged(judged) => judged,
        Found::Moved => return Ok(Judgement::Moved),
        Found::Full => return Ok(Judgement::Full),
    };
    let shown = shown::recorded(&judged.found, mission);
    state.config.steps.reached("checked");
    if judged.asks == Asks::No && say == Say::Asked && judged.is_of_the_fabric {
        return Ok(Judgement::Clear(judged.found, 0));
    }
    let recorded = state
        .record(writer, mission, id, |standing| {
            let standing = standing.ok_or_else(|| Fault::not_found("there is no such creation"))?;
            Ok(rule::checked(standing, judged.place, &shown, judged.asks))
        })
        .await?;
    let found = if recorded.state.checked.as_ref() == Some(&shown) {
        judged.found
    } else {
        let after = Arc::clone(&recorded.state);
        let look = move |replica: &Replica| replica.read(|held| shown::for_reader(held, &after, &readable));
        state.compute(look).await?.unwrap_or(judged.found)
    };
    Ok(match recorded.state.state {
        CreationState::Asked => Judgement::Asked(found, recorded.revision),
        CreationState::Cleared | CreationState::Existing => Judgement::Clear(found, recorded.revision),
        _ => Judgement::Moved,
    })
}

/// Completes the check of a creation for which no call waits any more, if it is still pending.
///
/// # Errors
/// As the ledger answers; it is tried again then.
pub(crate) async fn complete(state: &Overlap, number: u128) -> Answer<()> {
    let known = state.replica.read(|held| {
        let record = held.book.get(number).filter(|record| record.stands() == CreationState::Pending)?;
        let agent = held.book.names.name(record.agent).to_owned();
        let mission = Mission::new(held.book.names.name(record.mission)).ok()?;
        Some((mission, agent, record.place))
    });
    let Some((mission, agent, place)) = known else {
        return Ok(());
    };
    let readable = state.readable_by(&agent, Role::Worker, &mission);
    let id = Book::id(number);
    let writer = state.writer(&mission, &format!("complete:{id}:{place}"), Deadline::in_ms(WORK_MS));
    judge(state, &writer, &mission, &id, readable, Say::All).await.map(drop)
}

/// Completes it as soon as everything before it has been taken in: whoever asked was told that it is pending.
pub(crate) fn complete_later(state: &Arc<Overlap>, number: u128, revision: u64) {
    let later = Arc::clone(state);
    let stop = state.stop.clone();
    state.tasks.spawn(async move {
        let work = async {
            let deadline = Deadline::in_ms(later.config.pending_ttl_ms);
            if later.order.reaches(revision, deadline).await
                && let Err(fault) = complete(&later, number).await
            {
                tracing::warn!(error = %fault, "a check is completed later");
            }
        };
        let _ = stop.run_until_cancelled(work).await;
    });
}
