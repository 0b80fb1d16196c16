//! What two texts have of each other's words, each word counting by its rarity.

use crate::fixed::share;

/// A word of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word {
    /// Its hash, or its number in the word index: one of both, in both texts.
    pub(crate) key: u32,
    /// Its rarity, 8 bits behind the point.
    pub(crate) weight: u32,
    pub(crate) is_in_title: bool,
}

/// Weights of all words of a text, and of those of its title.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Weights {
    pub(crate) title: u64,
    pub(crate) all: u64,
}

impl Weights {
    #[inline]
    pub(crate) fn add(&mut self, word: &Word) {
        let weight = u64::from(word.weight);
        self.all += weight;
        self.title += if word.is_in_title { weight } else { 0 };
    }
}

/// Weights of two texts, and of what they have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Common {
    first: Weights,
    second: Weights,
    titles: u64,
    all: u64,
    /// Words of the first's title anywhere in the second.
    there: u64,
    /// Words of the second's title anywhere in the first.
    back: u64,
}

impl Common {
    /// Of two lists by rising key. `first` is the weight of all of the first's words: some may be left out of
    /// its list, if the second cannot have them.
    pub(crate) fn of(first: Weights, words: &[Word], second: impl Iterator<Item = Word>) -> Self {
        let mut common = Self { first, ..Self::default() };
        let mut rest = words.iter();
        let mut next = rest.next();
        for word in second {
            common.second.add(&word);
            while next.is_some_and(|first| first.key < word.key) {
                next = rest.next();
            }
            if let Some(first) = next.filter(|first| first.key == word.key) {
                common.see(first.is_in_title, &word);
            }
        }
        common
    }

    fn see(&mut self, is_in_first_title: bool, word: &Word) {
        let weight = u64::from(word.weight);
        self.all += weight;
        self.there += if is_in_first_title { weight } else { 0 };
        self.back += if word.is_in_title { weight } else { 0 };
        self.titles += if is_in_first_title && word.is_in_title { weight } else { 0 };
    }

    /// Common words of the titles against all of theirs.
    pub(crate) fn titles(&self) -> i32 {
        share(self.titles, self.first.title + self.second.title - self.titles)
    }

    /// Common words of the titles against those of the shorter one.
    pub(crate) fn shorter_title(&self) -> i32 {
        share(self.titles, self.first.title.min(self.second.title))
    }

    /// Common words against all of both.
    pub(crate) fn all(&self) -> i32 {
        share(self.all, self.first.all + self.second.all - self.all)
    }

    /// Common words against those of the shorter text.
    pub(crate) fn shorter(&self) -> i32 {
        share(self.all, self.first.all.min(self.second.all))
    }

    /// How much of each title stands anywhere in the other text: the first's, and the second's.
    pub(crate) fn titles_elsewhere(&self) -> [i32; 2] {
        [share(self.there, self.first.title), share(self.back, self.second.title)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixed::ONE;

    fn words(list: &[(u32, bool)]) -> Vec<Word> {
        list.iter()
            .map(|(key, is_in_title)| Word { key: *key, weight: *key, is_in_title: *is_in_title })
            .collect()
    }

    fn weights(words: &[Word]) -> Weights {
        let mut weights = Weights::default();
        words.iter().for_each(|word| weights.add(word));
        weights
    }

    #[test]
    fn shares_count_words_by_their_weight_and_do_not_depend_on_the_side() {
        let one = words(&[(1, true), (2, false), (3, true), (10, false)]);
        let other = words(&[(2, true), (3, true), (4, true), (10, false)]);
        let common = Common::of(weights(&one), &one, other.iter().copied());
        let back = Common::of(weights(&other), &other, one.iter().copied());
        // Titles: 1 and 3 of four; 2, 3 and 4 of nine.
        assert_eq!(common.titles(), ONE * 3 / 10);
        assert_eq!(common.shorter_title(), ONE * 3 / 4);
        assert_eq!(common.all(), ONE * 15 / 20);
        assert_eq!(common.shorter(), ONE * 15 / 16);
        assert_eq!(common.titles_elsewhere(), [ONE * 3 / 4, share(5, 9)]);
        let [there, elsewhere] = back.titles_elsewhere();
        assert_eq!([elsewhere, there], common.titles_elsewhere());
        assert_eq!(
            (back.titles(), back.all(), back.shorter()),
            (common.titles(), common.all(), common.shorter())
        );
    }

    #[test]
    fn nothing_has_nothing_in_common() {
        let none = Common::of(Weights::default(), &[], std::iter::empty());
        assert_eq!((none.titles(), none.all(), none.titles_elsewhere()), (0, 0, [0, 0]));
    }
}
