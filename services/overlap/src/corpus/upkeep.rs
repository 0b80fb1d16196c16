//! What is done every so many slots, at points that the changes alone decide: vectors move from the tail to
//! their cells, and slots are renumbered once most of them are empty. What takes long of it is worked out before
//! the change that makes it due is applied, while checks go on.

use super::{Corpus, Ids};
use crate::{
    cells::training,
    item::Change,
    packed::{Entry, pack, unpack},
    vector::Vector,
};

/// Slots between two upkeeps: the tail is at most so much longer than it must be.
const SLOTS: u32 = 1_024;

/// Vectors that move into cells in one upkeep: more than come between two, so that the many that stand in the
/// tail when cells are made are gone soon, and few enough for checks to wait.
const SETTLED: usize = 8 * SLOTS as usize;

/// Empty slots that are kept at least: renumbering reads everything.
const EMPTY: usize = 65_536;

/// What an upkeep will do.
pub(crate) struct Upkeep {
    /// New centroids, while there were none.
    centroids: Vec<Vector>,
    /// Slots, and the cells that their vectors move to.
    moves: Vec<(u32, u32)>,
}

impl Corpus {
    /// The upkeep that a change will make due, if it does.
    pub(crate) fn prepare(&self, change: &Change) -> Option<Upkeep> {
        let takes_slot = matches!(change, Change::Insert(_) | Change::Edit(_));
        if !takes_slot || self.since_upkeep + 1 < SLOTS || self.refuse(change).is_err() {
            return None;
        }
        let is_first = self.cells.centroids.is_empty();
        if is_first && self.len() < self.settings.flat {
            return None;
        }
        let tail = self.cells.tail_in_order();
        let trained = if is_first { training::centroids(&tail, self.settings.cells) } else { Vec::new() };
        let centroids = if is_first { &trained } else { &self.cells.centroids };
        let settling: Vec<_> =
            tail.into_iter().filter(|(slot, _)| !self.stays(*slot)).take(SETTLED).collect();
        let moves = training::nearest(&settling, centroids);
        Some(Upkeep { centroids: trained, moves })
    }

    /// How many changes can be made for certain without one becoming due.
    pub(crate) fn before_upkeep(&self) -> usize {
        SLOTS.saturating_sub(self.since_upkeep + 1) as usize
    }

    /// Whether a slot's vector stands in the tail, however many there are.
    fn stays(&self, slot: u32) -> bool {
        slot >= self.floor() || self.watched.contains(slot)
    }

    /// Does what is due.
    pub(crate) fn keep_up(&mut self, upkeep: Option<Upkeep>) {
        if self.since_upkeep < SLOTS {
            return;
        }
        self.since_upkeep = 0;
        if self.slots.len() > 2 * self.len() + EMPTY {
            self.renumber();
        } else if let Some(Upkeep { centroids, moves }) = upkeep {
            if !centroids.is_empty() {
                self.cells.open(centroids);
            }
            moves.into_iter().for_each(|(slot, cell)| self.settle(slot, cell));
            self.cells.tail.shrink();
        }
    }

    /// Moves a slot's vector to a cell.
    fn settle(&mut self, number: u32, cell: u32) {
        let Some(slot) = self.slots.get_mut(number as usize).filter(|slot| slot.text.is_some()) else {
            return;
        };
        let old = slot.place;
        let Some((place, moved)) = self.cells.settle(old, number, cell) else { return };
        slot.place = place;
        if let Some(moved) = moved.and_then(|moved| self.slots.get_mut(moved as usize)) {
            moved.place = old;
        }
    }

    /// Gives every item a new slot, without gaps, in the old order.
    fn renumber(&mut self) {
        let mut next = 0..;
        let numbers: Vec<Option<u32>> =
            self.slots.iter().map(|slot| slot.text.as_ref().and_then(|_| next.next())).collect();
        let number = |slot: u32| numbers.get(slot as usize).copied().flatten();
        let terms = self.words.renumber(number);
        for slot in &mut self.slots {
            let renumbered = |(term, is_in_title): Entry| {
                Some((terms.get(term as usize).copied().flatten()?, is_in_title))
            };
            let mut entries: Vec<Entry> = unpack(&slot.words).filter_map(renumbered).collect();
            entries.sort_unstable();
            slot.words = pack(&entries);
        }
        self.trigrams.renumber(number);
        self.cells.renumber(number);
        self.watched.renumber(number);
        let lengths = std::mem::take(&mut self.lengths).into_iter().zip(&numbers);
        self.lengths = lengths.filter_map(|(length, number)| number.map(|_| length)).collect();
        self.slots.retain(|slot| slot.text.is_some());
        self.ids = Ids::of(&self.slots);
    }
}
