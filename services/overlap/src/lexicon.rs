//! Where each term stands. A search reads the newest places of every term, and then, rarest term first, as many
//! of the others as its budget allows.

use std::ops::ControlFlow;

use hashbrown::HashMap;

use crate::{postings::Postings, rarity::imagined};

/// Terms and their places. A term has a number from when it first comes, in the order of coming.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Lexicon {
    numbers: HashMap<u32, u32>,
    keys: Vec<u32>,
    lists: Vec<Postings>,
    /// Of each term, how many places it has, and the imagined ones: beside each other, as they are read for
    /// every word of every candidate.
    counts: Vec<u32>,
}

/// What a term adds to the score of an item that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Term {
    pub(crate) key: u32,
    pub(crate) weight: u32,
    /// At a place that is marked, as in a title.
    pub(crate) marked_weight: u32,
}

impl Term {
    #[inline]
    const fn weight_at(&self, is_marked: bool) -> u32 {
        if is_marked { self.marked_weight } else { self.weight }
    }
}

/// How much of the lists is read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reach {
    /// Places from this slot on are read for every term.
    pub(crate) floor: u32,
    /// Places below it that are read in all.
    pub(crate) budget: usize,
}

/// Scores by slot, kept between searches so that they need not be made anew.
#[derive(Debug, Default)]
pub(crate) struct Scores {
    by_slot: Vec<u32>,
    /// Slots with a score, as many as `used`; the rest is room.
    touched: Vec<u32>,
    used: usize,
}

impl Scores {
    /// Makes room for so many slots.
    pub(crate) fn fit(&mut self, slots: usize) {
        if self.by_slot.len() < slots {
            self.by_slot.resize(slots, 0);
        }
    }

    /// Makes room for so many more touched ones.
    fn reserve(&mut self, more: usize) {
        if self.touched.len() < self.used + more {
            self.touched.resize(self.used + more, 0);
        }
    }

    /// Adds to a score. Always writes the slot down, and keeps it only if it is new: a branch on what comes from
    /// memory would wait for it.
    #[inline]
    fn add(&mut self, slot: u32, weight: u32) {
        let score = self.by_slot.get_mut(slot as usize);
        if let Some((score, touched)) = score.zip(self.touched.get_mut(self.used)) {
            *touched = slot;
            self.used += usize::from(*score == 0);
            *score = score.saturating_add(weight);
        }
    }

    /// Adds what a term counts to the score of each slot that has it, marked or not.
    pub(crate) fn add_all(&mut self, term: &Term, places: impl ExactSizeIterator<Item = (u32, bool)>) {
        self.reserve(places.len());
        places.for_each(|(slot, is_marked)| self.add(slot, term.weight_at(is_marked)));
    }

    /// Shows each slot with a score to `see`, and forgets them all.
    pub(crate) fn drain(&mut self, mut see: impl FnMut(u32, u32)) {
        for slot in self.touched.iter().take(std::mem::take(&mut self.used)) {
            if let Some(score) = self.by_slot.get_mut(*slot as usize) {
                see(*slot, std::mem::take(score));
            }
        }
    }
}

impl Lexicon {
    /// Adds a place of a term behind all others; gives back the term's number.
    pub(crate) fn push(&mut self, key: u32, slot: u32, is_marked: bool) -> u32 {
        let number = self.enter(key);
        let list = self.lists.get_mut(number as usize);
        let count = self.counts.get_mut(number as usize);
        if let Some((list, count)) = list.zip(count) {
            *count += u32::from(list.push(slot, is_marked));
        }
        number
    }

    /// The number of a term, a new one if it has none.
    fn enter(&mut self, key: u32) -> u32 {
        let Self { numbers, keys, lists, counts } = self;
        *numbers.entry(key).or_insert_with(|| {
            keys.push(key);
            lists.push(Postings::default());
            counts.push(imagined(key));
            keys.len() as u32 - 1
        })
    }

    /// The number of a term that has one.
    pub(crate) fn number(&self, key: u32) -> Option<u32> {
        self.numbers.get(&key).copied()
    }

    /// The term of a number.
    pub(crate) fn key(&self, number: u32) -> Option<u32> {
        self.keys.get(number as usize).copied()
    }

    /// How many places the term of a number has, the imagined ones among them.
    #[inline]
    pub(crate) fn count_with_imagined(&self, number: u32) -> u32 {
        self.counts.get(number as usize).copied().unwrap_or(0)
    }

    fn list(&self, key: u32) -> Option<&Postings> {
        self.lists.get(self.number(key)? as usize)
    }

    /// How many places a term has.
    pub(crate) fn count(&self, key: u32) -> u32 {
        self.list(key).map_or(0, Postings::len)
    }

    /// Scores every item that is read. Terms are put in order by their count, rarest first, then by key.
    pub(crate) fn search(&self, terms: &mut [Term], reach: Reach, scores: &mut Scores) {
        terms.sort_by_cached_key(|term| (self.count(term.key), term.key));
        let mut budget = reach.budget;
        let newest = scores.by_slot.len().saturating_sub(reach.floor as usize);
        for term in terms {
            let Some(list) = self.list(term.key) else { continue };
            scores.reserve((list.len() as usize).min(newest.saturating_add(budget)));
            // It ends early only where the budget does: then the next list's old places are not read either.
            let _ = list.show_newest_first(|slot, is_marked| {
                if slot < reach.floor {
                    if budget == 0 {
                        return ControlFlow::Break(());
                    }
                    budget -= 1;
                }
                scores.add(slot, term.weight_at(is_marked));
                ControlFlow::Continue(())
            });
        }
    }

    /// Gives every slot its new number, and forgets the places of those that have none, and the terms without
    /// places. Says for each term's old number its new one.
    pub(crate) fn renumber(&mut self, number: impl Fn(u32) -> Option<u32>) -> Vec<Option<u32>> {
        let Self { keys, lists, .. } = std::mem::take(self);
        let mut numbers = Vec::with_capacity(keys.len());
        for (key, list) in keys.into_iter().zip(lists) {
            let places: Vec<_> = list.newest_first().collect();
            let places = places.into_iter().rev().filter_map(|(slot, marked)| Some((number(slot)?, marked)));
            numbers.push(places.fold(None, |_, (slot, is_marked)| Some(self.push(key, slot, is_marked))));
        }
        numbers
    }

    /// Terms and their lists, in order of their numbers.
    pub(crate) fn lists(&self) -> impl ExactSizeIterator<Item = (u32, &Postings)> {
        self.keys.iter().copied().zip(&self.lists)
    }

    /// Takes up the list of the next number.
    pub(crate) fn restore(&mut self, key: u32, list: Postings) {
        let number = self.enter(key) as usize;
        if let Some(count) = self.counts.get_mut(number) {
            *count += list.len();
        }
        if let Some(place) = self.lists.get_mut(number) {
            *place = list;
        }
    }

    /// Makes room for so many terms.
    pub(crate) fn reserve(&mut self, terms: usize) {
        self.numbers.reserve(terms);
        self.keys.reserve_exact(terms);
        self.lists.reserve_exact(terms);
        self.counts.reserve_exact(terms);
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.numbers.capacity() * (size_of::<(u32, u32)>() + 1) * 8 / 7
            + self.keys.capacity() * size_of::<u32>()
            + self.counts.capacity() * size_of::<u32>()
            + self.lists.capacity() * size_of::<Postings>()
            + self.lists.iter().map(Postings::bytes).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(lexicon: &Lexicon, reach: Reach) -> Vec<(u32, u32)> {
        let mut scores = Scores::default();
        scores.fit(100);
        let term = |key, weight| Term { key, weight, marked_weight: 2 * weight };
        lexicon.search(&mut [term(1, 1), term(2, 10)], reach, &mut scores);
        let mut found = Vec::new();
        scores.drain(|slot, score| found.push((slot, score)));
        found.sort_unstable();
        found
    }

    fn lexicon() -> Lexicon {
        let mut lexicon = Lexicon::default();
        for slot in 0..100 {
            lexicon.push(1, slot, slot == 99);
            if slot % 10 == 0 {
                lexicon.push(2, slot, false);
            }
        }
        lexicon
    }

    #[test]
    fn rare_terms_are_read_first_and_the_newest_always() {
        let all = found(&lexicon(), Reach { floor: 0, budget: 0 });
        assert_eq!(all.len(), 100);
        assert_eq!(all[99], (99, 2));
        assert_eq!(all[90], (90, 11));
        let some = found(&lexicon(), Reach { floor: 95, budget: 12 });
        let expected: Vec<(u32, u32)> = (0..100)
            .filter_map(|slot| match slot {
                99 => Some((99, 2)),
                95..99 => Some((slot, 1)),
                // Ten places of the rare term, and two of the other.
                94 | 93 => Some((slot, 1)),
                slot if slot % 10 == 0 => Some((slot, 10)),
                _ => None,
            })
            .collect();
        assert_eq!(some, expected);
    }

    #[test]
    fn renumbered_slots_are_found_under_their_new_number() {
        let mut lexicon = lexicon();
        lexicon.push(7, 100, false);
        assert_eq!(lexicon.number(7), Some(2));
        let numbers = lexicon.renumber(|slot| (slot % 2 == 0 && slot < 100).then_some(slot / 2));
        assert_eq!(numbers, [Some(0), Some(1), None]);
        assert_eq!((lexicon.number(7), lexicon.key(1), lexicon.key(2)), (None, Some(2), None));
        assert_eq!(lexicon.count_with_imagined(0), 50);
        assert_eq!(lexicon.count(1), 50);
        assert_eq!(lexicon.count(2), 10);
        let all = found(&lexicon, Reach { floor: 0, budget: 0 });
        assert_eq!((all[5], all[6]), ((5, 11), (6, 1)));
    }
}
