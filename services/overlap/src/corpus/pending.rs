//! Pending items that are compared exactly, however old. Where their terms stand is kept once more, apart from the
//! word index, so that all of it can be read whatever the budget: comparing each of thousands with what is asked
//! about took longer than all the rest of a check.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::{Watched, terms_beside};
use crate::{
    item::Text,
    lexicon::{Scores, Term},
    profile::Words,
    trigrams,
};

/// Where each term stands: slots in rising order, each shifted by one for a mark, as in a title.
type Places = HashMap<u32, Vec<u64>>;

/// Pending items by slot, and their terms.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    items: BTreeMap<u32, Watched>,
    words: Places,
    trigrams: Places,
}

impl Watched {
    /// The terms of a text.
    pub(crate) fn of(text: &Text) -> Self {
        let words = Words::of(text.title(), text.description(), |_, _| ());
        let names = terms_beside(text, &words);
        Self::new(words, names, trigrams::of(text.title()))
    }

    pub(super) fn new(mut words: Words, names: Vec<u32>, trigrams: Vec<u32>) -> Self {
        for list in [&mut words.title, &mut words.all] {
            list.extend_from_slice(&names);
            list.sort_unstable();
            list.dedup();
        }
        Self { words, trigrams }
    }

    fn words_at(&self, slot: u32) -> impl Iterator<Item = (u32, u64)> {
        self.words.all.iter().map(move |word| (*word, place(slot, self.words.is_in_title(*word))))
    }

    fn trigrams_at(&self, slot: u32) -> impl Iterator<Item = (u32, u64)> {
        self.trigrams.iter().map(move |group| (*group, place(slot, false)))
    }
}

fn place(slot: u32, is_marked: bool) -> u64 {
    u64::from(slot) << 1 | u64::from(is_marked)
}

impl Pending {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether a slot's item is one of them.
    pub(crate) fn contains(&self, slot: u32) -> bool {
        self.items.contains_key(&slot)
    }

    /// Their slots, in order.
    pub(crate) fn slots(&self) -> impl ExactSizeIterator<Item = u32> {
        self.items.keys().copied()
    }

    /// Adds one.
    pub(crate) fn insert(&mut self, slot: u32, watched: Watched) {
        self.remove(slot);
        watched.words_at(slot).for_each(|(key, place)| put_in(&mut self.words, key, place));
        watched.trigrams_at(slot).for_each(|(key, place)| put_in(&mut self.trigrams, key, place));
        self.items.insert(slot, watched);
    }

    /// Takes one out, if it is there.
    pub(crate) fn remove(&mut self, slot: u32) {
        let Some(watched) = self.items.remove(&slot) else { return };
        watched.words_at(slot).for_each(|(key, place)| take_out(&mut self.words, key, place));
        watched.trigrams_at(slot).for_each(|(key, place)| take_out(&mut self.trigrams, key, place));
    }

    /// Gives every slot its new number; those without one are forgotten.
    pub(crate) fn renumber(&mut self, number: impl Fn(u32) -> Option<u32>) {
        for (slot, watched) in std::mem::take(self).items {
            if let Some(slot) = number(slot) {
                self.insert(slot, watched);
            }
        }
    }

    /// Scores those below a slot by the words that they have.
    pub(crate) fn score_words(&self, terms: &[Term], below: u32, scores: &mut Scores) {
        score(&self.words, terms, below, scores);
    }

    /// Scores those below a slot by the trigrams that their titles have.
    pub(crate) fn score_trigrams(&self, terms: &[Term], below: u32, scores: &mut Scores) {
        score(&self.trigrams, terms, below, scores);
    }
}

fn score(places: &Places, terms: &[Term], below: u32, scores: &mut Scores) {
    for term in terms {
        let places = places.get(&term.key).map_or(&[][..], Vec::as_slice);
        let below = places.partition_point(|at| *at < place(below, false));
        let read = places.iter().take(below).map(|place| ((place >> 1) as u32, place & 1 == 1));
        scores.add_all(term, read);
    }
}

fn put_in(places: &mut Places, key: u32, place: u64) {
    let list = places.entry(key).or_default();
    let at = list.partition_point(|other| *other < place);
    list.insert(at, place);
}

fn take_out(places: &mut Places, key: u32, place: u64) {
    let Some(list) = places.get_mut(&key) else { return };
    if let Ok(at) = list.binary_search(&place) {
        list.remove(at);
    }
    if list.is_empty() {
        places.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::Item;

    fn watched(title: &str, path: &str) -> Watched {
        Watched::of(&Text::of(&Item { title: title.into(), paths: vec![path.into()], ..Item::default() }))
    }

    fn terms(watched: &Watched) -> Vec<Term> {
        watched.words.all.iter().map(|key| Term { key: *key, weight: 1, marked_weight: 3 }).collect()
    }

    fn found(pending: &Pending, asked: &Watched, below: u32) -> Vec<(u32, u32)> {
        let (mut scores, mut found) = (Scores::default(), Vec::new());
        scores.fit(100);
        pending.score_words(&terms(asked), below, &mut scores);
        scores.drain(|slot, score| found.push((slot, score)));
        found.sort_unstable();
        found
    }

    #[test]
    fn terms_are_found_below_a_slot_and_forgotten_with_their_item() {
        let mut pending = Pending::default();
        let asked = watched("rotate signing keys", "src/keys.rs");
        pending.insert(7, asked.clone());
        pending.insert(3, watched("rotate the logs", "src/log.rs"));
        pending.insert(50, asked.clone());
        // Three words and a path; one word; the slot itself is not below it.
        assert_eq!(found(&pending, &asked, 50), [(3, 3), (7, 12)]);
        assert_eq!(found(&pending, &asked, 51).last(), Some(&(50, 12)));
        pending.insert(7, watched("something else", "src/else.rs"));
        assert_eq!(found(&pending, &asked, 50), [(3, 3)], "only the newer terms of a slot count");
        pending.renumber(|slot| (slot != 50).then_some(slot + 10));
        assert_eq!(found(&pending, &asked, 100), [(13, 3)]);
        assert_eq!(pending.slots().collect::<Vec<_>>(), [13, 17]);
        pending.remove(13);
        pending.remove(17);
        assert_eq!((pending.words.len(), pending.trigrams.len(), pending.len()), (0, 0, 0));
    }
}
