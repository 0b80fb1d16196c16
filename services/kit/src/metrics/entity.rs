//! The metrics of one sort of entity: what was appended about it, and how far its view is.

use prometheus_client::metrics::{counter::Counter, gauge::Gauge};

use super::Families;

/// How an append came to an end. A lost race is none: it is counted as a conflict, and tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Append {
    /// The fact is in the ledger.
    Stored,
    /// It was there already, from an earlier attempt of the same request.
    Duplicate,
    /// It failed, or its outcome is unknown.
    Failed,
}

/// Counts what happens to one sort of entity. Cheap to clone; a clone counts into the same numbers.
#[derive(Clone, Debug)]
pub struct EntityMetrics {
    stored: Counter,
    duplicate: Counter,
    failed: Counter,
    conflicts: Counter,
    view_revision: Gauge,
    view_lag: Gauge,
}

impl EntityMetrics {
    pub(super) fn new(families: &Families, entity: &'static str) -> Self {
        let appends = |outcome| {
            let labels = [("entity", entity), ("outcome", outcome)];
            families.ledger_appends.get_or_create_owned(&labels)
        };
        let labels = [("entity", entity)];
        Self {
            stored: appends("stored"),
            duplicate: appends("duplicate"),
            failed: appends("failed"),
            conflicts: families.conflicts.get_or_create_owned(&labels),
            view_revision: families.view_revision.get_or_create_owned(&labels),
            view_lag: families.view_lag.get_or_create_owned(&labels),
        }
    }

    /// Counts an append that came to an end.
    pub fn appended(&self, outcome: Append) {
        let counter = match outcome {
            Append::Stored => &self.stored,
            Append::Duplicate => &self.duplicate,
            Append::Failed => &self.failed,
        };
        counter.inc();
    }

    /// Counts an append that was refused because another writer was first.
    pub fn conflicted(&self) {
        self.conflicts.inc();
    }

    /// Says how far the view has followed: up to ledger sequence `revision`, of `last`.
    pub fn viewed(&self, revision: u64, last: u64) {
        self.view_revision.set(gauge(revision));
        self.view_lag.set(gauge(last.saturating_sub(revision)));
    }
}

fn gauge(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
