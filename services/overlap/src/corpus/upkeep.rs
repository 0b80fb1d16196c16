//! What is done every so many slots, at points that the changes alone decide: vectors move from the tail to
//! their cells, and slots are renumbered once most of them are empty.

use super::{Corpus, Ids};

/// Slots between two upkeeps: the tail is at most so much longer than it must be.
const SLOTS: u32 = 1_024;

/// Empty slots that are kept at least: renumbering reads everything.
const EMPTY: usize = 65_536;

impl Corpus {
    /// Does what is due.
    pub(crate) fn keep_up(&mut self) {
        if self.since_upkeep < SLOTS {
            return;
        }
        self.since_upkeep = 0;
        if self.slots.len() > 2 * self.len() + EMPTY {
            self.renumber();
        }
        if self.cells.centroids.is_empty() && self.len() > self.settings.flat {
            self.cells.train(self.settings.cells);
        }
        let floor = self.floor();
        let Self { cells, slots, watched, .. } = self;
        let stays = |slot: u32| slot >= floor || watched.contains_key(&slot);
        cells.settle(stays, |slot, place| {
            if let Some(slot) = slots.get_mut(slot as usize) {
                slot.place = place;
            }
        });
    }

    /// Gives every item a new slot, without gaps, in the old order.
    fn renumber(&mut self) {
        let mut next = 0..;
        let numbers: Vec<Option<u32>> =
            self.slots.iter().map(|slot| slot.text.as_ref().and_then(|_| next.next())).collect();
        let number = |slot: u32| numbers.get(slot as usize).copied().flatten();
        self.words.renumber(number);
        self.trigrams.renumber(number);
        self.cells.renumber(number);
        self.watched = std::mem::take(&mut self.watched)
            .into_iter()
            .filter_map(|(slot, watched)| Some((number(slot)?, watched)))
            .collect();
        let lengths = std::mem::take(&mut self.lengths).into_iter().zip(&numbers);
        self.lengths = lengths.filter_map(|(length, number)| number.map(|_| length)).collect();
        self.slots.retain(|slot| slot.text.is_some());
        self.ids = Ids::of(&self.slots);
    }
}
