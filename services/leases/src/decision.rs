//! What the rules answer with: an outcome, and what is to be written for it to be true.

use std::sync::Arc;

use selvedge_contracts::{
    id::{Caller, LeaseId, Mission, ScopeId},
    payload::lease::{Acquire, Blocker, Lease, Pool},
};

/// A request for a lease, and who makes it.
#[derive(Debug, Clone)]
pub(crate) struct Want {
    /// Derived from the caller and its idempotency key: a repetition finds its own lease.
    pub(crate) id: LeaseId,
    /// Its mission.
    pub(crate) mission: Mission,
    /// Who asks.
    pub(crate) holder: Caller,
    /// Under which credential.
    pub(crate) session: ScopeId,
    /// The task that the credential is for.
    pub(crate) task: Option<ScopeId>,
    /// What is asked for.
    pub(crate) request: Acquire,
}

/// An outcome, and the writes that make it true, in the order in which they must be stored. The space has
/// changed already: if one of them fails, it must be dropped and loaded again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub(crate) struct Decision<T> {
    /// What is to be answered, once the writes are stored.
    pub(crate) outcome: T,
    /// In order; none if nothing changed.
    pub(crate) writes: Vec<Write>,
}

/// One write of the bucket, guarded like all writes of its space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Write {
    /// This record under the lease's key. Once stored it is reported back with `Space::stored`, as the
    /// very same `Arc`. A held record under the id of a request that waits is that request's grant: wake it.
    Put(Arc<Lease>),
    /// No record under this lease's key any more.
    Remove(Arc<Lease>, Removal),
    /// This record under the pool's key.
    PutPool(Arc<Pool>),
}

/// Why a lease's record goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removal {
    /// Its holder gave it back, or waits no longer.
    Released,
    /// It waited until its deadline.
    GaveUp,
    /// An operator took it.
    Forced,
    /// Its session is over.
    SessionEnded,
    /// It waits for more slots than its pool has since it shrank.
    Impossible,
    /// Its grant was never answered, and what it followed from was lost.
    Unanswered,
}

/// How an acquisition stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Acquired {
    /// Held; its token is absent until its record is stored. Without writes: it was before, or is being
    /// stored (token absent).
    Held(Arc<Lease>),
    /// In the queue. Without writes: it was before.
    Waiting(Arc<Lease>, Vec<Blocker>),
}

/// What the server's expiry marker of a lease's key means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expired {
    /// Nothing: a later record stands, or there is no such lease any more.
    Stale,
    /// Cannot be said before the record now on its way is stored: `Space::stored` says it then.
    Undecided,
    /// The lease is free; these are granted now.
    Freed(Vec<Write>),
    /// The marker erased a record whose deadline has not passed (it crossed a renewal): put it there again.
    WriteAgain(Vec<Write>),
}
