//! The metrics of overlap: what proposals were answered with, and how large and how far the index is.

use prometheus_client::metrics::{counter::Counter, gauge::Gauge};

use super::Families;

/// What a proposal can be answered with.
const VERDICTS: [&str; 6] = ["clear", "asked", "pending", "merged", "discarded", "taken"];

/// Counts what overlap does. Cheap to clone; a clone counts into the same numbers.
#[derive(Clone, Debug)]
pub struct OverlapMetrics {
    verdicts: [Counter; VERDICTS.len()],
    items: Gauge,
    sequence: Gauge,
}

impl OverlapMetrics {
    pub(super) fn new(families: &Families) -> Self {
        let verdict = |verdict| families.overlap_verdicts.get_or_create_owned(&[("verdict", verdict)]);
        Self {
            verdicts: VERDICTS.map(verdict),
            items: families.overlap_items.clone(),
            sequence: families.overlap_sequence.clone(),
        }
    }

    /// A proposal was answered with this verdict, one of `clear`, `asked`, `pending`, `merged`, `discarded` and
    /// `taken`.
    pub fn answered(&self, verdict: &str) {
        let known = VERDICTS.iter().position(|known| *known == verdict);
        if let Some(counter) = known.and_then(|at| self.verdicts.get(at)) {
            counter.inc();
        }
    }

    /// The index has taken in everything up to `sequence`, and holds so many items.
    pub fn took(&self, sequence: u64, items: usize) {
        self.sequence.set(i64::try_from(sequence).unwrap_or(i64::MAX));
        self.items.set(i64::try_from(items).unwrap_or(i64::MAX));
    }
}
