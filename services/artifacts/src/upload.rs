//! Putting uploads together: pieces in order, hashed on their way into an object that appears under its
//! digest only if that is the digest announced.
//!
//! It goes on in the background, so that content of any size finishes: a caller that asks before its end
//! is told how far it is and asks again. If the replica dies, nothing is lost but the time: the pieces are
//! there, and whoever is asked next begins anew.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{StreamExt as _, stream};
use selvedge_contracts::{
    fault::Fault,
    id::Digest,
    payload::artifact::{Finish, MAX_SPANS, PutFinish, Stored},
};
use selvedge_kit::clock::Deadline;
use tokio::sync::{Semaphore, watch};
use tokio_util::task::TaskTracker;
use tracing::debug;

use crate::{
    error::StoreError,
    pins::{Pin, Pins},
    store::{Piece, Place, Store, Writing, hash_of, missing},
    tree::{Groups, Hashed},
};

/// Uploads put together at once; each holds a few pieces and one part in memory.
const AT_ONCE: usize = 2;
/// Pieces read ahead.
const READ_AHEAD: usize = 2;
/// Longest that one call waits for the end: less than the call's own limit and a client's patience.
const LONGEST_WAIT: Duration = Duration::from_secs(3);
/// Longest wait for a pin, in milliseconds.
const PIN_MS: u64 = 5_000;

/// How far an upload is.
#[derive(Debug, Clone)]
enum Progress {
    Working(u64),
    Done(Result<Finish, Fault>),
}

/// The uploads that this replica puts together.
#[derive(Clone)]
pub(crate) struct Uploads(Arc<Shared>);

struct Shared {
    store: Store,
    pins: Arc<Pins>,
    working: Mutex<HashMap<Place, (PutFinish, watch::Receiver<Progress>)>>,
    room: Semaphore,
    /// The service's own, so that a stop waits for what is being put together.
    tasks: TaskTracker,
}

impl Uploads {
    pub(crate) fn new(store: Store, pins: Arc<Pins>, tasks: TaskTracker) -> Self {
        Self(Arc::new(Shared {
            store,
            pins,
            working: Mutex::default(),
            room: Semaphore::new(AT_ONCE),
            tasks,
        }))
    }

    /// Puts an upload together, or goes on waiting for the one that is at it.
    ///
    /// # Errors
    /// Invalid if the pieces are not what was announced; else as the store says.
    pub(crate) async fn finish(&self, place: &Place, wanted: &PutFinish) -> Result<Finish, Fault> {
        let mut progress = self.progress(place, wanted)?;
        let done = progress.wait_for(|progress| matches!(progress, Progress::Done(_)));
        let waited = tokio::time::timeout(LONGEST_WAIT, done).await.map(|seen| seen.map(|seen| seen.clone()));
        let seen = match waited {
            Ok(Ok(seen)) => seen,
            Ok(Err(_)) => return Err(Fault::unavailable("putting it together broke off; finish again")),
            Err(_) => progress.borrow().clone(),
        };
        match seen {
            Progress::Working(done_bytes) => Ok(Finish::Working { done_bytes }),
            Progress::Done(outcome) => outcome,
        }
    }

    fn progress(&self, place: &Place, wanted: &PutFinish) -> Result<watch::Receiver<Progress>, Fault> {
        let mut working = self.0.working.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((begun, progress)) = working.get(place) {
            if begun != wanted {
                return Err(Fault::busy(
                    "the upload is being finished as something else; try again in a moment",
                ));
            }
            return Ok(progress.clone());
        }
        let (tell, progress) = watch::channel(Progress::Working(0));
        working.insert(place.clone(), (wanted.clone(), progress.clone()));
        let (shared, place, wanted) = (Arc::clone(&self.0), place.clone(), wanted.clone());
        self.0.tasks.spawn(async move {
            let _ended = Ended { shared: &shared, place: &place };
            let outcome = shared.put_together(&place, &wanted, &tell).await;
            debug!(upload = %place.upload, is_stored = matches!(outcome, Ok(Finish::Stored { .. })), "upload finished");
            tell.send_replace(Progress::Done(outcome));
        });
        Ok(progress)
    }
}

/// Takes the upload out of those worked on, however the work ends.
struct Ended<'a> {
    shared: &'a Shared,
    place: &'a Place,
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.shared.working.lock().unwrap_or_else(PoisonError::into_inner).remove(self.place);
    }
}

impl Shared {
    async fn put_together(
        &self,
        place: &Place,
        wanted: &PutFinish,
        tell: &watch::Sender<Progress>,
    ) -> Result<Finish, Fault> {
        let _room = self.room.acquire().await.map_err(|_| Fault::unavailable("stopping; finish again"))?;
        let pieces = self.store.pieces(place).await?;
        let gaps = missing(&pieces, Some(wanted.size_bytes), MAX_SPANS);
        if !gaps.is_empty() {
            return Ok(Finish::Missing { missing: gaps });
        }
        let mut writing = match self.store.size(&wanted.digest).await? {
            Some(_) => None,
            None => Some(self.store.writing(&wanted.digest).await?),
        };
        let copied = self.copy(place, &pieces, writing.as_mut(), tell).await;
        let hashed = match copied {
            Ok(hashed) => hashed,
            Err(error) => {
                give_up(writing).await;
                return Err(error.into());
            }
        };
        if hashed.digest != hash_of(&wanted.digest) || hashed.size_bytes != wanted.size_bytes {
            give_up(writing).await;
            self.store.end(place).await?;
            return Err(mismatch(wanted, &hashed));
        }
        let pinned_until_ms = self.store_verified(place, wanted, &pieces, writing, &hashed, tell).await?;
        self.store.end(place).await?;
        let stored = Stored { digest: wanted.digest.clone(), size_bytes: wanted.size_bytes, pinned_until_ms };
        Ok(Finish::Stored { stored })
    }

    /// Pins, then makes sure that the content is there: in this order, so that a sweep sees the pin or
    /// this sees the gap that the sweep made.
    async fn store_verified(
        &self,
        place: &Place,
        wanted: &PutFinish,
        pieces: &[Piece],
        writing: Option<Writing>,
        hashed: &Hashed,
        tell: &watch::Sender<Progress>,
    ) -> Result<u64, Fault> {
        let pin = async || {
            let pinned =
                self.pins.pin(&wanted.digest, &place.mission, &place.caller, Deadline::in_ms(PIN_MS));
            pinned.await.map(Pin::until_ms)
        };
        let until_ms = match pin().await {
            Ok(until_ms) => until_ms,
            Err(fault) => {
                give_up(writing).await;
                return Err(fault);
            }
        };
        let writing = match writing {
            Some(writing) => writing,
            None if self.store.is_sound(&wanted.digest).await? => {
                self.store.settle(&wanted.digest).await?;
                return Ok(until_ms);
            }
            None => {
                let mut writing = self.store.writing(&wanted.digest).await?;
                let copied = self.copy(place, pieces, Some(&mut writing), tell).await;
                match copied {
                    Ok(again) if again == *hashed => writing,
                    outcome => {
                        writing.abort().await;
                        outcome?;
                        return Err(Fault::busy("a piece was sent again meanwhile; finish again"));
                    }
                }
            }
        };
        self.store.put_outboard(&wanted.digest, hashed).await?;
        writing.complete().await?;
        self.store.forget(&wanted.digest);
        // Large content takes long to complete: the first pin may be near its end.
        let until_ms = pin().await?;
        if self.store.size(&wanted.digest).await?.is_none() && !self.store.recover(&wanted.digest).await? {
            return Err(Fault::unavailable("the content was collected meanwhile; finish again"));
        }
        Ok(until_ms)
    }

    /// Reads the pieces in order, hashes them, and writes them on if there is something to write to.
    async fn copy(
        &self,
        place: &Place,
        pieces: &[Piece],
        mut writing: Option<&mut Writing>,
        tell: &watch::Sender<Progress>,
    ) -> Result<Hashed, StoreError> {
        let read = |piece: Piece| async move { self.store.piece(place, piece).await };
        let mut reading = stream::iter(pieces.iter().copied().map(read)).buffered(READ_AHEAD);
        let mut groups = Groups::new();
        let mut done_bytes = 0;
        while let Some(bytes) = reading.next().await {
            // A piece that vanished shortens the content, which its digest tells.
            let bytes = bytes?.unwrap_or_default();
            groups.push(&bytes);
            done_bytes += bytes.len() as u64;
            if let Some(writing) = writing.as_mut() {
                writing.push(bytes).await?;
            }
            tell.send_replace(Progress::Working(done_bytes));
        }
        Ok(groups.finish())
    }
}

async fn give_up(writing: Option<Writing>) {
    if let Some(writing) = writing {
        writing.abort().await;
    }
}

/// The refusal of content that is not what was announced.
pub(crate) fn not_as_announced(announced: &Digest, found: &blake3::Hash) -> Fault {
    Fault::invalid("the content is not what was announced; nothing was stored")
        .at("/digest", format!("announced {announced}, but its blake3 is {found}"))
}

fn mismatch(wanted: &PutFinish, hashed: &Hashed) -> Fault {
    let fault = not_as_announced(&wanted.digest, &hashed.digest);
    if hashed.size_bytes == wanted.size_bytes {
        return fault;
    }
    let (announced, found) = (wanted.size_bytes, hashed.size_bytes);
    fault.at("/size_bytes", format!("announced {announced} bytes, but {found} came"))
}
