//! The book and the index as one file, and back. A line of text says what it is; then come the length of the book
//! and its blake3, the book as JSON, and the index as it writes itself (which checks itself).

use std::{
    io::{BufReader, BufWriter, Read, Write},
    sync::Arc,
    time::Duration,
};

use selvedge_contracts::payload::overlap::{RefusedSnapshot, SnapshotState};
use selvedge_kit::{
    bus::error_chain,
    clock::{Deadline, now_ms},
    ledger::{FactRecord, Ledger, ReadError},
};
use tempfile::NamedTempFile;
use tracing::{info, warn};

use super::{
    book::Book,
    reindex,
    replica::Held,
    state::Overlap,
    store::{Kept, Store, StoreError},
};
use crate::{Embedder, Index, Settings, SnapshotError};

/// First line: another format, another number.
const HEAD: &[u8; 20] = b"selvedge overlap 4\n\n";
/// Largest book that is read: more than the largest index can fill.
const MAX_BOOK_BYTES: u64 = 8 << 30;
/// Longest wait until the ledger says which fact is where, in milliseconds.
const LEDGER_MS: u64 = 10_000;
/// How often it is looked whether a snapshot is due.
const LOOK: Duration = Duration::from_secs(1);

/// Why a snapshot is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    /// It cannot be kept or fetched.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The index's part.
    #[error(transparent)]
    Index(#[from] SnapshotError),
    /// It cannot be written or read.
    #[error("cannot write or read it")]
    File(#[from] std::io::Error),
    /// It was written by another version.
    #[error("it is of another format")]
    Format,
    /// The book's part.
    #[error("its book is damaged: {0}")]
    Book(&'static str),
    /// The ledger cannot be asked.
    #[error("cannot ask the ledger whether it was made from it")]
    Ledger(#[from] ReadError),
    /// It was made from another ledger, or from facts that this one has lost since.
    #[error("it was made from other facts than the ledger holds")]
    OtherFacts,
}

impl Unusable {
    /// Whether it would do for another model, or another version.
    const fn is_of_another_version(&self) -> bool {
        let of_index = matches!(self, Self::Index(SnapshotError::Other(_) | SnapshotError::Version { .. }));
        of_index || matches!(self, Self::Format)
    }
}

/// Writes what is held.
pub(crate) fn write(held: &Held, out: &mut dyn Write) -> Result<(), Unusable> {
    let book = serde_json::to_vec(&held.book).map_err(|_| Unusable::Book("it cannot be written"))?;
    out.write_all(HEAD)?;
    out.write_all(&held.generation.to_le_bytes())?;
    out.write_all(&(book.len() as u64).to_le_bytes())?;
    out.write_all(blake3::hash(&book).as_bytes())?;
    out.write_all(&book)?;
    held.index.snapshot(out)?;
    out.flush()?;
    Ok(())
}

/// Reads what was held.
pub(crate) fn read(embedder: Arc<dyn Embedder>, from: &mut dyn Read) -> Result<Held, Unusable> {
    let mut head = [0; HEAD.len()];
    from.read_exact(&mut head)?;
    if head != *HEAD {
        return Err(Unusable::Format);
    }
    let (mut generation, mut length, mut hash) = ([0; 4], [0; 8], [0; 32]);
    from.read_exact(&mut generation)?;
    from.read_exact(&mut length)?;
    from.read_exact(&mut hash)?;
    let length = u64::from_le_bytes(length);
    if length > MAX_BOOK_BYTES {
        return Err(Unusable::Book("its length is none"));
    }
    let mut book = Vec::new();
    from.take(length).read_to_end(&mut book)?;
    if *blake3::hash(&book).as_bytes() != hash {
        return Err(Unusable::Book("its bytes are not those that were written"));
    }
    let book: Book = serde_json::from_slice(&book).map_err(|_| Unusable::Book("it cannot be read"))?;
    let index = Index::restore(embedder, Settings::default(), from)?;
    Ok(Held { book, index, generation: u32::from_le_bytes(generation) })
}

/// What there was to go on from.
#[derive(Default)]
pub(crate) struct Restored {
    /// What was held last, from the newest snapshot that can be used; nothing if none can: the ledger is read from its
    /// start then.
    pub(crate) last: Option<(Held, SnapshotState)>,
    /// Those that could not be used.
    pub(crate) refused: Vec<RefusedSnapshot>,
    /// Whether one of them was made by another model or another version.
    pub(crate) is_outdated: bool,
}

/// Goes on from the newest snapshot that can be used.
pub(crate) async fn restore(store: &Store, embedder: &Arc<dyn Embedder>, ledger: &Ledger) -> Restored {
    let mut restored = Restored::default();
    let kept = match store.list().await {
        Ok(kept) => kept,
        Err(error) => {
            warn!(
                error = error_chain(&error),
                "cannot list the snapshots: the ledger is read from its start"
            );
            return restored;
        }
    };
    for snapshot in kept {
        match fetch(store, embedder, ledger, &snapshot).await {
            Ok(held) => {
                let (sequence, size_bytes) = (held.book.sequence, snapshot.size_bytes);
                info!(sequence, size_bytes, items = held.index.len(), "went on from a snapshot");
                restored.last = Some((held, SnapshotState { sequence, size_bytes, at_ms: now_ms() }));
                return restored;
            }
            Err(error) => {
                let (sequence, reason) = (snapshot.sequence, error_chain(&error));
                warn!(
                    sequence,
                    reason = reason.as_str(),
                    "a snapshot is of no use: an older one, or the ledger from its start, is read"
                );
                restored.is_outdated |= error.is_of_another_version();
                restored.refused.push(RefusedSnapshot { sequence, reason });
            }
        }
    }
    restored
}

/// What a snapshot holds, if the ledger still holds the facts that it was made from.
async fn fetch(
    store: &Store,
    embedder: &Arc<dyn Embedder>,
    ledger: &Ledger,
    snapshot: &Kept,
) -> Result<Held, Unusable> {
    let last = ledger.at(snapshot.sequence, Deadline::in_ms(LEDGER_MS)).await?.ok_or(Unusable::OtherFacts)?;
    let (file, embedder) = (store.get(snapshot).await?, Arc::clone(embedder));
    let held = tokio::task::spawn_blocking(move || {
        read(embedder, &mut BufReader::with_capacity(1 << 20, file.into_file()))
    });
    let held = held.await.unwrap_or(Err(Unusable::Book("reading it broke off")))?;
    if held.book.sequence != snapshot.sequence || held.book.last != digest(&last) {
        return Err(Unusable::OtherFacts);
    }
    Ok(held)
}

/// By what a fact is known again: blake3 over what it is about and all that it says.
pub(crate) fn digest(fact: &FactRecord) -> [u8; 32] {
    let entity = &fact.fact.entity;
    let mut hasher = blake3::Hasher::new();
    let mut add = |part: &[u8]| {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    };
    add(entity.mission.as_str().as_bytes());
    add(entity.id.as_str().as_bytes());
    add(fact.fact.kind.as_bytes());
    add(fact.envelope.id.as_bytes());
    add(&fact.envelope.payload);
    *hasher.finalize().as_bytes()
}

/// Whether enough was taken in since the last one.
pub(crate) fn is_due(state: &Overlap) -> bool {
    let at = state.replica.read(|held| held.book.sequence);
    let last = state.last_snapshot().map_or(0, |snapshot| snapshot.sequence);
    at.saturating_sub(last) >= state.config.snapshot_facts
}

/// Writes a snapshot whenever enough facts were taken in, until the service stops.
pub(crate) async fn keep(state: Arc<Overlap>) {
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        if state.stop.run_until_cancelled(look.tick()).await.is_none() {
            return;
        }
        if !is_due(&state) {
            continue;
        }
        if let Err(error) = save(&state).await {
            warn!(error = error_chain(&error), "no snapshot was written");
        }
    }
}

/// Writes a snapshot. What is held goes on taking in and answering: what the last snapshot held is read into memory
/// once more, brought up to date from the ledger, and written from there. That takes the memory twice for as long.
/// Where there is no last one that fits, what is held is written itself.
pub(crate) async fn save(state: &Overlap) -> Result<(), Unusable> {
    match beside(state).await {
        Some(held) => {
            let written = tokio::task::spawn_blocking({
                let steps = state.config.steps.clone();
                move || {
                    steps.reached("snapshot");
                    to_file(&held)
                }
            });
            keep_file(state, written.await.unwrap_or(Err(BROKEN))).await
        }
        None => save_held(state).await,
    }
}

const BROKEN: Unusable = Unusable::Book("writing it broke off");

/// The last snapshot, brought up to what has been taken in by now; nothing if there is none of the index in use.
async fn beside(state: &Overlap) -> Option<Held> {
    state.last_snapshot()?;
    let generation = state.replica.read(|held| held.generation);
    let (mut held, _) = restore(&state.store, &state.embedder, &state.ledger).await.last?;
    if held.generation != generation {
        return None;
    }
    let to = state.order.watermark();
    match reindex::replay(state, &mut held, to).await {
        Ok(()) => Some(held),
        Err(error) => {
            warn!(error = error_chain(&error), "a snapshot cannot be brought up to date");
            None
        }
    }
}

/// Writes what is held now, and nothing is taken in meanwhile. Checks go on: whoever takes in waits here, and not for
/// the readers, behind whom further readers would wait.
pub(crate) async fn save_held(state: &Overlap) -> Result<(), Unusable> {
    let held_up = state.order.hold().await;
    let replica = Arc::clone(&state.replica);
    let written = tokio::task::spawn_blocking(move || replica.read(to_file));
    let written = written.await.unwrap_or(Err(BROKEN));
    drop(held_up);
    keep_file(state, written).await
}

fn to_file(held: &Held) -> Result<(u64, NamedTempFile), Unusable> {
    let mut file = NamedTempFile::new()?;
    write(held, &mut BufWriter::with_capacity(1 << 20, file.as_file_mut()))?;
    Ok((held.book.sequence, file))
}

async fn keep_file(state: &Overlap, written: Result<(u64, NamedTempFile), Unusable>) -> Result<(), Unusable> {
    let (sequence, mut file) = written?;
    let size_bytes = state.store.put(sequence, &mut file).await?;
    let saved = SnapshotState { sequence, size_bytes, at_ms: now_ms() };
    *state.snapshot.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(saved);
    Ok(())
}
