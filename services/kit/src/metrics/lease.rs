//! The metrics of leases: what was granted, refused and ended, and what is owned and waited for.

use prometheus_client::metrics::{counter::Counter, gauge::Gauge};
use selvedge_contracts::fault::Code;

use super::Families;

/// Why an acquisition was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseRefusal {
    /// Something stands in its way, or its key was used before.
    Conflict,
    /// It is wrong in itself.
    Invalid,
    /// A bound is reached.
    Busy,
    /// Anything else: who asks may not, or nobody can say now.
    Other,
}

impl From<Code> for LeaseRefusal {
    fn from(code: Code) -> Self {
        match code {
            Code::Conflict => Self::Conflict,
            Code::Invalid => Self::Invalid,
            Code::Busy => Self::Busy,
            Code::NotFound | Code::Denied | Code::Unavailable | Code::Internal => Self::Other,
        }
    }
}

/// How a lease, or a request that waited for one, came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseEnd {
    /// Its holder gave it back or withdrew it.
    Released,
    /// Its time ran out, held or waiting.
    Expired,
    /// An operator took it.
    Forced,
    /// Its session ended.
    SessionEnded,
    /// It could not stand after a takeover, or its pool shrank.
    Dropped,
}

/// Counts what happens to leases. Cheap to clone; a clone counts into the same numbers.
#[derive(Clone, Debug)]
pub struct LeaseMetrics {
    granted: Counter,
    refused: [Counter; 4],
    ended: [Counter; 5],
    takeovers: Counter,
    leases: Gauge,
    waiters: Gauge,
    spaces: Gauge,
}

impl LeaseMetrics {
    pub(super) fn new(families: &Families) -> Self {
        let refused = |reason| families.lease_refusals.get_or_create_owned(&[("reason", reason)]);
        let ended = |how| families.lease_ends.get_or_create_owned(&[("how", how)]);
        Self {
            granted: families.lease_grants.clone(),
            refused: ["conflict", "invalid", "busy", "other"].map(refused),
            ended: ["released", "expired", "forced", "session_ended", "dropped"].map(ended),
            takeovers: families.space_takeovers.clone(),
            leases: families.leases.clone(),
            waiters: families.lease_waiters.clone(),
            spaces: families.spaces_owned.clone(),
        }
    }

    /// Counts a grant that is stored.
    pub fn granted(&self) {
        self.granted.inc();
    }

    /// Counts an acquisition that was refused.
    pub fn refused(&self, reason: LeaseRefusal) {
        if let Some(counter) = self.refused.get(reason as usize) {
            counter.inc();
        }
    }

    /// Counts a lease that is no more.
    pub fn ended(&self, how: LeaseEnd) {
        if let Some(counter) = self.ended.get(how as usize) {
            counter.inc();
        }
    }

    /// Counts a space that was taken over.
    pub fn taken_over(&self) {
        self.takeovers.inc();
    }

    /// Says how many spaces are owned here, how many leases stand in them and how many of those wait.
    pub fn owned(&self, spaces: usize, leases: usize, waiters: usize) {
        let number = |count| i64::try_from(count).unwrap_or(i64::MAX);
        self.spaces.set(number(spaces));
        self.leases.set(number(leases));
        self.waiters.set(number(waiters));
    }
}
