//! Making the book and the index anew from the ledger, in the background, while the present ones answer.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use selvedge_contracts::payload::overlap::ReindexReply;
use selvedge_kit::{bus::error_chain, clock::Deadline, ledger::ReadError};
use tokio::sync::watch;
use tracing::{info, warn};

use super::{replica::Held, state::Overlap};

/// How far it is.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    runs: AtomicBool,
    at: AtomicU64,
    of: AtomicU64,
    /// The last fact that the ledger held when the replica started.
    at_start: u64,
    /// Whether the index in use is made from the start of the ledger while it answers.
    pub(crate) is_from_start: bool,
}

impl Progress {
    /// Of a replica that started when this was the ledger's last fact.
    pub(crate) fn new(at_start: u64, is_from_start: bool) -> Self {
        Self { at_start, is_from_start, ..Self::default() }
    }
}

/// Waits until the ledger has been read from its start, if it is.
async fn first(state: &Overlap) {
    if !state.reindex.is_from_start {
        return;
    }
    let of = state.reindex.at_start;
    warn!(
        of,
        "no snapshot is of this model: the index is made anew from the ledger, and answers as far as it is"
    );
    while !state.order.reaches(of, Deadline::in_ms(READ_MS)).await {}
    state.replica.is_new();
    info!(of, "the index holds the whole ledger");
}

/// With fewer facts to go, the rest is read while nothing else is taken in.
const LAST_FACTS: u64 = 1_000;
/// Longest wait at a time for the ledger to be read, in milliseconds.
const READ_MS: u64 = 60_000;
/// Wait before it is tried again, in milliseconds.
const AGAIN_MS: u64 = 2_000;

impl Overlap {
    /// Whether its index is being made: of another generation, or from the start of the ledger.
    pub(crate) fn is_reindexing(&self) -> bool {
        let behind = self.order.watermark() < self.reindex.at_start;
        behind || self.replica.read(|held| held.generation != held.asked_generation())
    }

    /// How far this replica is.
    pub(crate) fn reindexing(&self) -> ReindexReply {
        let (in_use, generation) = self.replica.read(|held| (held.generation, held.asked_generation()));
        let watermark = self.order.watermark();
        let runs = self.reindex.runs.load(Ordering::Relaxed);
        let read = |number: &AtomicU64| if runs { number.load(Ordering::Relaxed) } else { watermark };
        ReindexReply {
            instance: self.instance.clone(),
            generation,
            in_use,
            at: if generation == in_use { watermark } else { read(&self.reindex.at) },
            of: if generation == in_use {
                watermark.max(self.reindex.at_start)
            } else {
                read(&self.reindex.of)
            },
            model_hash: self.basis().model_hash,
        }
    }
}

/// Makes them anew whenever the ledger asks for another generation, until the service stops.
pub(crate) async fn follow(state: Arc<Overlap>, mut asked: watch::Receiver<u32>) {
    if state.stop.run_until_cancelled(first(&state)).await.is_none() {
        return;
    }
    loop {
        let wanted = *asked.borrow_and_update();
        if state.replica.read(|held| held.generation) < wanted {
            let made = state.stop.run_until_cancelled(make_anew(&state, wanted)).await;
            match made {
                None => return,
                Some(Ok(())) => continue, // another one may have been asked for meanwhile
                Some(Err(error)) => {
                    warn!(error = error_chain(&error), "the index is made anew later");
                    let pause = tokio::time::sleep(std::time::Duration::from_millis(AGAIN_MS));
                    if state.stop.run_until_cancelled(pause).await.is_none() {
                        return;
                    }
                    continue;
                }
            }
        }
        match state.stop.run_until_cancelled(asked.changed()).await {
            Some(Ok(())) => {}
            Some(Err(_)) | None => return,
        }
    }
}

async fn make_anew(state: &Overlap, generation: u32) -> Result<(), ReadError> {
    info!(generation, "the index is made anew");
    let mut held = Held::empty(Arc::clone(&state.embedder), generation);
    state.reindex.at.store(0, Ordering::Relaxed);
    state.reindex.of.store(state.order.watermark(), Ordering::Relaxed);
    state.reindex.runs.store(true, Ordering::Relaxed);
    let mut at = 0;
    loop {
        let to = state.order.watermark();
        state.reindex.of.store(to, Ordering::Relaxed);
        let is_last = to.saturating_sub(at) <= LAST_FACTS;
        let held_up = if is_last { Some(state.order.hold().await) } else { None };
        // While it is held up nothing more is taken in: what is there now is all.
        let to = if is_last { state.order.watermark() } else { to };
        at =
            replay_told(state, &mut held, at, to, |at| state.reindex.at.store(at, Ordering::Relaxed)).await?;
        if held_up.is_some() {
            info!(
                generation,
                sequence = held.book.sequence,
                items = held.index.len(),
                "the new index is in use"
            );
            state.replica.replace(held);
            state.reindex.runs.store(false, Ordering::Relaxed);
            return Ok(());
        }
    }
}

/// Takes what was recorded up to a sequence into something that is not in use.
pub(crate) async fn replay(state: &Overlap, held: &mut Held, to: u64) -> Result<(), ReadError> {
    let from = held.book.sequence;
    replay_told(state, held, from, to, |_| ()).await.map(drop)
}

async fn replay_told(
    state: &Overlap,
    held: &mut Held,
    from: u64,
    to: u64,
    tell: impl Fn(u64),
) -> Result<u64, ReadError> {
    let mut at = from;
    while at < to {
        let next = to.min(at.saturating_add(LAST_FACTS));
        let read = state.order.replay(at, next, |fact| {
            if fact.revision <= to {
                held.take(fact);
            }
        });
        at = read.await?.min(to);
        tell(at);
    }
    Ok(at)
}
