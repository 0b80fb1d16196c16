//! The ledger: one append function, always guarded by the entity's own filter, and the reads.
//!
//! Writers: every service, through [`Ledger::append`] and [`Ledger::append_batch`] alone. Subjects:
//! `sv.fact.<mission>.<entity>.<id>.<kind>`. A guard with any other filter than the entity's would let
//! two writers slip past each other on three replicas, so nothing here lets a caller choose it.

mod append;
mod read;
mod record;
mod request;

pub use append::NewFact;
pub(crate) use append::{FactMessage, MAX_BATCH};
pub use read::ReadError;
pub(crate) use read::{Extent, Wait};
pub use record::{FactRecord, Unreadable};
pub(crate) use record::{Stored, sequence};
pub use request::RequestDigest;

pub use crate::jetstream::AppendError;

use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{bus::Bus, clock::Deadline};

/// The ledger of one kluster.
#[derive(Clone)]
pub struct Ledger {
    bus: Bus,
    batches: Arc<Semaphore>,
}

/// Batches that one process has open at once. nats-server keeps 50 open on a stream, for all processes
/// together, and stores them one after the other in milliseconds each: more at once only wait longer, and
/// those that wait too long are sent again and make it worse.
const OPEN_BATCHES: usize = 8;

impl Ledger {
    /// The ledger behind this connection.
    pub fn new(bus: Bus) -> Self {
        Self { bus, batches: Arc::new(Semaphore::new(OPEN_BATCHES)) }
    }

    /// Waits for the right to open a batch; nothing if that takes until the deadline.
    pub(crate) async fn room_for_batch(&self, deadline: Deadline) -> Option<SemaphorePermit<'_>> {
        tokio::time::timeout(deadline.remaining(), self.batches.acquire()).await.ok()?.ok()
    }

    /// The connection it uses.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }
}
