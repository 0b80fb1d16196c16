//! Confirming that a space is still ours: a paused owner that wakes does not know yet that another took
//! over. Whoever answers without a write reads the owner's key from the stream's leader first; all who
//! ask while one reading is on its way share the next.

use std::sync::{Arc, Mutex, PoisonError};

use selvedge_contracts::fault::Fault;
use selvedge_kit::clock::Deadline;
use tokio::sync::oneshot;

use crate::{error::Miss, owner::Slot, state::Leases};

/// Those who wait for a reading.
#[derive(Default)]
pub(crate) struct Confirmations(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    next: Vec<oneshot::Sender<Option<u64>>>,
    is_reading: bool,
}

/// Longest wait for one reading, in milliseconds.
const READ_MS: u64 = 2_000;

impl Slot {
    /// Confirms that the owner's key still stands at a revision under which this instance owns the space,
    /// read after this call began; answers with that revision.
    ///
    /// # Errors
    /// [`Miss::Lost`] if another owns the space; `unavailable` if the leader does not answer.
    pub(crate) async fn confirm(self: &Arc<Self>, state: &Arc<Leases>) -> Result<u64, Miss> {
        let (asked, read) = oneshot::channel();
        let must_read = {
            let mut waiting = self.confirmations.lock();
            waiting.next.push(asked);
            !std::mem::replace(&mut waiting.is_reading, true)
        };
        if must_read {
            let (slot, state) = (Arc::clone(self), Arc::clone(state));
            // A task of its own: whoever asked may go, and others wait for it.
            let tasks = state.tasks.clone();
            tasks.spawn(async move { slot.read_for_all(&state).await });
        }
        let unread = || Fault::unavailable("the owner of the space cannot be confirmed now; ask again");
        let revision = read.await.ok().flatten().ok_or_else(unread)?;
        self.with(|owned, _| if owned.revision == revision { Ok(revision) } else { Err(Miss::Lost) })
    }

    async fn read_for_all(&self, state: &Leases) {
        let key = self.place.owner_key();
        loop {
            let asked = {
                let mut waiting = self.confirmations.lock();
                let asked = std::mem::take(&mut waiting.next);
                waiting.is_reading = !asked.is_empty();
                asked
            };
            if asked.is_empty() {
                return;
            }
            let read = state.bucket.get(&key, Deadline::in_ms(READ_MS)).await;
            let revision = read.ok().map(|value| value.map_or(0, |value| value.revision));
            for asker in asked {
                let _ = asker.send(revision); // it may have stopped waiting
            }
        }
    }
}

impl Confirmations {
    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
