//! Facts that no view could take in, so that somebody is told: a view without them says less than the ledger.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

/// Revisions of facts that were left out.
#[derive(Debug, Default)]
pub(super) struct Skipped(Mutex<BTreeSet<u64>>);

impl Skipped {
    /// Most revisions that are kept, the newest: a fact that is read again counts once.
    const KEPT: usize = 10_000;

    /// Takes in that a fact was left out.
    pub(super) fn note(&self, revision: u64) {
        let mut revisions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        revisions.insert(revision);
        if revisions.len() > Self::KEPT {
            revisions.pop_first();
        }
    }

    /// How many were left out, and the revision of the last; nothing if none was.
    pub(super) fn told(&self) -> Option<(usize, u64)> {
        let revisions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        revisions.last().map(|last| (revisions.len(), *last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_that_is_read_again_counts_once() {
        let skipped = Skipped::default();
        assert_eq!(skipped.told(), None);
        [7, 3, 7].into_iter().for_each(|revision| skipped.note(revision));
        assert_eq!(skipped.told(), Some((2, 7)));
    }
}
