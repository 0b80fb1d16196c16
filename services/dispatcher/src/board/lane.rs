//! One queue of a mission, for one role: the plans that have ready tasks in it, and those who wait.

use std::collections::{BTreeSet, VecDeque};

use tokio::sync::oneshot;

use super::Ticket;
use crate::rule::choice::Rank;

/// Somebody who waits for a task.
pub(super) struct Seeker {
    pub(super) answer: oneshot::Sender<Ticket>,
}

/// One queue.
#[derive(Default)]
pub(super) struct Lane {
    ranks: BTreeSet<Rank>,
    /// Those who wait, the longest first: as many as calls may be in flight at once.
    pub(super) waiting: VecDeque<Seeker>,
}

impl Lane {
    pub(super) fn list(&mut self, rank: Rank) {
        self.ranks.insert(rank);
    }

    pub(super) fn unlist(&mut self, rank: &Rank) {
        self.ranks.remove(rank);
    }

    /// Plans with ready tasks, in the order in which they get their turn.
    pub(super) fn ranks(&self) -> impl Iterator<Item = &Rank> {
        self.ranks.iter()
    }

    /// Whether no plan has a ready task in it.
    pub(super) fn is_empty(&self) -> bool {
        self.ranks.is_empty()
    }
}
