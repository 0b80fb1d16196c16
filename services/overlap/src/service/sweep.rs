//! Ends what nobody ended: creations whose time is over, and checks that nobody recorded. Every replica looks into
//! its own book; what it records is guarded, so that one of them does it.

use std::{sync::Arc, time::Duration};

use selvedge_contracts::{fault::Fault, id::Mission};
use selvedge_kit::{
    clock::{Deadline, now_ms},
    service::Answer,
};
use tracing::warn;

use super::{
    book::{Book, index_id},
    judge, rule,
    state::Overlap,
};

/// How often the book is looked into. Nothing is asked of anybody.
const LOOK: Duration = Duration::from_millis(250);
/// Most creations that are worked on at a look.
const AT_ONCE: usize = 64;
/// Longest work on one of them, in milliseconds.
const WORK_MS: u64 = 5_000;

/// Looks until the service stops.
pub(crate) async fn run(state: Arc<Overlap>) {
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        if state.stop.run_until_cancelled(look.tick()).await.is_none() {
            return;
        }
        // While it is behind, it cannot know what others have ended.
        if !state.order.is_current() {
            continue;
        }
        if state.stop.run_until_cancelled(sweep(&state)).await.is_none() {
            return;
        }
    }
}

async fn sweep(state: &Overlap) {
    let now_ms = now_ms();
    let (due, unjudged) = state.replica.read(|held| {
        let before_ms = now_ms.saturating_sub(state.config.complete_ms);
        // What the index had no room for is compared once it has, and holds up nothing until then.
        let is_held = |number: &u128| held.index.has(&index_id(*number));
        let unjudged: Vec<u128> = held.book.unjudged(before_ms).filter(is_held).take(AT_ONCE).collect();
        (held.book.due(now_ms), unjudged)
    });
    for number in due.into_iter().take(AT_ONCE) {
        if let Err(fault) = expire(state, number, now_ms).await {
            warn!(creation = %Book::id(number), error = %fault, "it expires later");
        }
    }
    for number in unjudged {
        if let Err(fault) = judge::complete(state, number).await {
            warn!(creation = %Book::id(number), error = %fault, "its check is completed later");
        }
    }
}

async fn expire(state: &Overlap, number: u128, now_ms: u64) -> Answer<()> {
    let mission = state.replica.read(|held| {
        let record = held.book.get(number)?;
        Mission::new(held.book.names.name(record.mission)).ok()
    });
    let Some(mission) = mission else { return Ok(()) };
    let id = Book::id(number);
    let writer = state.writer(&mission, &format!("expire:{id}:{now_ms}"), Deadline::in_ms(WORK_MS));
    let recorded = state.record(&writer, &mission, &id, |standing| {
        let standing = standing.ok_or_else(|| Fault::not_found("there is no such creation"))?;
        Ok(rule::expire(standing, now_ms))
    });
    let recorded = recorded.await?;
    // Seen before the next look, so that it is not worked on twice.
    state.order.reaches(recorded.revision, Deadline::in_ms(WORK_MS)).await;
    Ok(())
}
