//! One lease in the memory of its space.

use std::sync::Arc;

use selvedge_contracts::{
    id::PoolName,
    payload::lease::{Lease, LeaseState},
};

use crate::{claim::Cover, index::Key, pool::Slots};

/// What the next look at a waiting request waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Watch {
    /// The removal of this lease, which it clashes with.
    Lease(Key),
    /// A change of this pool.
    Pool(PoolName),
}

/// A lease, and what the space knows of it beside its record.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The record as it was written last.
    pub(crate) lease: Arc<Lease>,
    /// What it covers, claim by claim.
    pub(crate) covers: Arc<[Cover]>,
    /// The slots it claims.
    pub(crate) slots: Slots,
    /// Revision of the record, once it is stored.
    pub(crate) stored: Option<u64>,
    /// Highest revision of an expiry marker of its key that was seen while the record was on its way.
    pub(crate) erased: u64,
    /// What it waits for; absent while held.
    pub(crate) watch: Option<Watch>,
}

impl Entry {
    /// Replaces the record by one that is yet to be stored.
    pub(crate) fn rewrite(&mut self, lease: Lease) -> Arc<Lease> {
        self.lease = Arc::new(lease);
        self.stored = None;
        Arc::clone(&self.lease)
    }

    /// Makes a waiting request held from now on; its token is so much more than the sequence it gets.
    pub(crate) fn grant(&mut self, token_offset: u64, now_ms: u64) -> Arc<Lease> {
        let lease = self.lease.as_ref().clone();
        self.watch = None;
        self.rewrite(Lease {
            state: LeaseState::Held,
            token: None,
            token_offset,
            since_ms: now_ms,
            expires_at_ms: now_ms.saturating_add(lease.ttl_ms),
            ..lease
        })
    }
}
