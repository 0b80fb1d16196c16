//! What clients saw, as it happened.

use std::{
    sync::{Mutex, PoisonError},
    time::Instant,
};

use selvedge_contracts::id::LeaseId;

/// What a lease covers, as the checker sees it: which of the paths, and whether it shares them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Covered {
    pub(crate) paths: Vec<usize>,
    pub(crate) is_shared: bool,
}

impl Covered {
    pub(crate) fn clashes(&self, other: &Self) -> bool {
        !(self.is_shared && other.is_shared) && self.paths.iter().any(|path| other.paths.contains(path))
    }
}

/// Microseconds since the run began.
pub(crate) type At = u64;

/// Something that a client knows to have happened between asking and being answered.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) lease: LeaseId,
    pub(crate) asked: At,
    pub(crate) answered: At,
    pub(crate) what: What,
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    /// It was granted, under this token, for so long, from that place in the order of arrival.
    Granted { covered: Covered, token: u64, ttl_ms: u64, first_asked: At, order: u64 },
    /// It was renewed for so long.
    Renewed { ttl_ms: u64 },
    /// Its token counted.
    Valid,
    /// Its token did not count any more.
    NotValid,
    /// It was given back.
    Released,
    /// Another request was refused, or gave up waiting, because of it.
    InTheWay,
    /// It stood in the queue at this place, and would wait there until then.
    Waiting { until: At, order: u64 },
    /// A writer that compares tokens took a write to the path under its token.
    Written { path: usize },
}

/// The history of one run.
pub(crate) struct History {
    began: Instant,
    seen: Mutex<Vec<Seen>>,
}

impl History {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), seen: Mutex::default() }
    }

    pub(crate) fn now(&self) -> At {
        u64::try_from(self.began.elapsed().as_micros()).expect("a short run")
    }

    /// Notes what was asked for at `asked` and answered now.
    pub(crate) fn note(&self, lease: &LeaseId, asked: At, what: What) {
        let seen = Seen { lease: lease.clone(), asked, answered: self.now(), what };
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
    }

    pub(crate) fn grants(&self) -> usize {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().filter(|seen| matches!(seen.what, What::Granted { .. })).count()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
