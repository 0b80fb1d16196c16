//! The ledger: one append function, always guarded by the entity's own filter, and the reads.
//!
//! Writers: every service, through [`Ledger::append`] and [`Ledger::append_batch`] alone. Subjects:
//! `sv.fact.<mission>.<entity>.<id>.<kind>`. A guard with any other filter than the entity's would let
//! two writers slip past each other on three replicas, so nothing here lets a caller choose it.

mod append;
mod read;
mod record;

pub use append::NewFact;
pub use read::ReadError;
pub(crate) use record::sequence;
pub use record::{FactRecord, RequestDigest, Unreadable};

pub use crate::jetstream::AppendError;

use crate::bus::Bus;

/// The ledger of one kluster.
#[derive(Clone)]
pub struct Ledger {
    bus: Bus,
}

impl Ledger {
    /// The ledger behind this connection.
    pub fn new(bus: Bus) -> Self {
        Self { bus }
    }

    /// The connection it uses.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }
}
