//! Where each term stands. A search reads the newest places of every term, and then, rarest term first, as many
//! of the others as its budget allows.

use hashbrown::HashMap;

use crate::postings::Postings;

/// Terms and their places.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Lexicon {
    lists: HashMap<u32, Postings>,
}

/// What a term adds to the score of an item that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Term {
    pub(crate) key: u32,
    pub(crate) weight: u32,
    /// At a place that is marked, as in a title.
    pub(crate) marked_weight: u32,
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
    touched: Vec<u32>,
}

impl Scores {
    /// Makes room for so many slots.
    pub(crate) fn fit(&mut self, slots: usize) {
        if self.by_slot.len() < slots {
            self.by_slot.resize(slots, 0);
        }
    }

    #[inline]
    fn add(&mut self, slot: u32, weight: u32) {
        if let Some(score) = self.by_slot.get_mut(slot as usize) {
            if *score == 0 {
                self.touched.push(slot);
            }
            *score = score.saturating_add(weight);
        }
    }

    /// Shows each slot with a score to `see`, and forgets them all.
    pub(crate) fn drain(&mut self, mut see: impl FnMut(u32, u32)) {
        for slot in self.touched.drain(..) {
            if let Some(score) = self.by_slot.get_mut(slot as usize) {
                see(slot, std::mem::take(score));
            }
        }
    }
}

impl Lexicon {
    /// Adds a place of a term behind all others.
    pub(crate) fn push(&mut self, key: u32, slot: u32, is_marked: bool) {
        self.lists.entry(key).or_default().push(slot, is_marked);
    }

    /// How many places a term has.
    pub(crate) fn count(&self, key: u32) -> u32 {
        self.lists.get(&key).map_or(0, Postings::len)
    }

    /// Scores every item that is read. Terms are put in order by their count, rarest first, then by key.
    pub(crate) fn search(&self, terms: &mut [Term], reach: Reach, scores: &mut Scores) {
        terms.sort_unstable_by_key(|term| (self.count(term.key), term.key));
        let mut budget = reach.budget;
        for term in terms {
            let Some(list) = self.lists.get(&term.key) else { continue };
            for (slot, is_marked) in list.newest_first() {
                if slot < reach.floor {
                    if budget == 0 {
                        break;
                    }
                    budget -= 1;
                }
                scores.add(slot, if is_marked { term.marked_weight } else { term.weight });
            }
        }
    }

    /// Gives every slot its new number, and forgets the places of those that have none.
    pub(crate) fn renumber(&mut self, number: impl Fn(u32) -> Option<u32>) {
        self.lists.retain(|_, list| {
            let places: Vec<_> = list.newest_first().collect();
            let mut renumbered = Postings::default();
            for (slot, is_marked) in places.into_iter().rev() {
                if let Some(slot) = number(slot) {
                    renumbered.push(slot, is_marked);
                }
            }
            *list = renumbered;
            list.len() > 0
        });
    }

    /// Terms and their lists, in order of the terms.
    pub(crate) fn lists(&self) -> Vec<(u32, &Postings)> {
        let mut lists: Vec<_> = self.lists.iter().map(|(key, list)| (*key, list)).collect();
        lists.sort_unstable_by_key(|(key, _)| *key);
        lists
    }

    /// Takes a list up.
    pub(crate) fn restore(&mut self, key: u32, list: Postings) {
        self.lists.insert(key, list);
    }

    /// Makes room for so many terms.
    pub(crate) fn reserve(&mut self, terms: usize) {
        self.lists.reserve(terms);
    }

    /// Bytes that it takes.
    pub(crate) fn bytes(&self) -> usize {
        let entry = size_of::<(u32, Postings)>() + 1;
        self.lists.capacity() * entry * 8 / 7 + self.lists.values().map(Postings::bytes).sum::<usize>()
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
        lexicon.renumber(|slot| (slot % 2 == 0).then_some(slot / 2));
        assert_eq!(lexicon.count(1), 50);
        assert_eq!(lexicon.count(2), 10);
        let all = found(&lexicon, Reach { floor: 0, budget: 0 });
        assert_eq!((all[5], all[6]), ((5, 11), (6, 1)));
    }
}
