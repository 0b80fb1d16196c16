//! Opposites: add and remove, enable and disable, with and without. The table stands in `opposites.txt`: a line
//! for each, its two sides apart by `|`.

use std::sync::LazyLock;

use hashbrown::HashMap;

/// Words that turn a sentence round.
const NEGATIONS: &[&str] = &[
    "ain", "aren", "avoid", "cannot", "cant", "couldn", "didn", "doesn", "doesnt", "don", "dont", "except",
    "forbid", "hasn", "haven", "isn", "isnt", "lacks", "missing", "never", "no", "none", "nor", "not",
    "prevent", "prohibit", "refuse", "shouldn", "stop", "wasn", "weren", "without", "won", "wont", "wouldn",
];

/// The table, and one of a few words in other languages.
const TABLES: [&str; 2] = [include_str!("opposites.txt"), include_str!("opposites_other.txt")];

/// What stands before a word to turn it round.
const PREFIXES: &[&str] = &["anti", "de", "dis", "im", "in", "ir", "mis", "non", "un"];

/// Words of a title that may have an opposite; more are not looked at.
const WORDS: usize = 48;

/// A line's number, and its side.
type Side = (u8, bool);

static OPPOSITES: LazyLock<HashMap<&'static str, Vec<Side>>> = LazyLock::new(|| {
    let mut sides: HashMap<&str, Vec<Side>> = HashMap::new();
    for (line, text) in (0..=u8::MAX).zip(TABLES.iter().flat_map(|table| table.lines())) {
        for (side, words) in [false, true].into_iter().zip(text.split('|')) {
            for word in words.split_whitespace() {
                sides.entry(word).or_default().push((line, side));
            }
        }
    }
    sides
});

/// Whether the table has two words on the same side of a line: they say the same there.
pub(super) fn on_one_side(one: &str, other: &str) -> bool {
    let sides = |word: &str| OPPOSITES.get(word).map_or(&[][..], Vec::as_slice);
    let (one, other) = (sides(one), sides(other));
    let is_opposite = |(line, side): &Side| other.contains(&(*line, !side));
    one.iter().any(|side| other.contains(side)) && !one.iter().any(is_opposite)
}

/// Which way a title points.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Polarity {
    /// Lines of the table with a word of the first side, and of the second.
    sides: [[u64; 4]; 2],
    negations: usize,
    words: Vec<Box<str>>,
}

impl Polarity {
    /// That of a title.
    pub(crate) fn of(title: &str) -> Self {
        let mut polarity = Self::default();
        let lower = title.to_lowercase();
        let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        for word in words.take(WORDS) {
            for (line, side) in OPPOSITES.get(word).into_iter().flatten() {
                let lines = if *side { polarity.sides.last_mut() } else { polarity.sides.first_mut() };
                let lines = lines.and_then(|lines| lines.get_mut(usize::from(line / 64)));
                if let Some(lines) = lines {
                    *lines |= 1 << (line % 64);
                }
            }
            polarity.negations += usize::from(NEGATIONS.binary_search(&word).is_ok());
            polarity.words.push(word.into());
        }
        polarity
    }

    /// Whether two titles, alike otherwise, ask for opposite things.
    pub(crate) fn opposes(&self, other: &Self) -> bool {
        let (one, two) = (self.only(), other.only());
        let crosses = |one: &[u64; 4], two: &[u64; 4]| one.iter().zip(two).any(|(one, two)| one & two != 0);
        let ([left, right], [other_left, other_right]) = (&one, &two);
        crosses(left, other_right)
            || crosses(right, other_left)
            || self.negates(other)
            || self.is_turned(other)
    }

    /// Whether two titles have a word in common, and each of the others has an opposite in the table, says no, or
    /// turns round a word of the other title.
    pub(crate) fn differs_only_so(&self, other: &Self) -> bool {
        let stems = |words: &[Box<str>]| -> Vec<u32> {
            words.iter().filter_map(|word| crate::words::stem_hash(word)).collect()
        };
        let (one, two) = (stems(&self.words), stems(&other.words));
        let turns = |word: &str, others: &[Box<str>]| {
            OPPOSITES.contains_key(word)
                || NEGATIONS.binary_search(&word).is_ok()
                || turned(word, others)
                || others.iter().any(|other| turned(other, std::slice::from_ref(&word.into())))
        };
        let is_rest_the_same = |words: &[Box<str>], theirs: &[u32], others: &[Box<str>]| {
            words.iter().all(|word| {
                let stem = crate::words::stem_hash(word);
                stem.is_none_or(|stem| theirs.contains(&stem)) || turns(word, others)
            })
        };
        one.iter().any(|stem| two.contains(stem))
            && is_rest_the_same(&self.words, &two, &other.words)
            && is_rest_the_same(&other.words, &one, &self.words)
    }

    /// Lines of which only one side is there.
    fn only(&self) -> [[u64; 4]; 2] {
        let [left, right] = self.sides;
        let mut only = [[0; 4]; 2];
        for ((out, one), other) in only.iter_mut().zip([left, right]).zip([right, left]) {
            for ((out, one), other) in out.iter_mut().zip(one).zip(other) {
                *out = one & !other;
            }
        }
        only
    }

    /// Whether one of them says no, or no no, where the other does not.
    fn negates(&self, other: &Self) -> bool {
        self.negations % 2 != other.negations % 2
    }

    /// Whether a word of one is a word of the other with a prefix that turns it round.
    fn is_turned(&self, other: &Self) -> bool {
        let lacks = |word: &str, words: &[Box<str>]| !words.iter().any(|other| **other == *word);
        let one_way = |one: &Self, two: &Self| {
            one.words.iter().any(|word| lacks(word, &two.words) && turned(word, &two.words))
        };
        one_way(self, other) || one_way(other, self)
    }
}

/// Whether a word is one of these words with a prefix that turns it round.
fn turned(word: &str, words: &[Box<str>]) -> bool {
    PREFIXES.iter().any(|prefix| {
        word.strip_prefix(prefix)
            .is_some_and(|rest| rest.len() >= 4 && words.iter().any(|word| same_root(word, rest)))
    })
}

/// Whether two words differ in an ending at most.
fn same_root(one: &str, other: &str) -> bool {
    crate::words::stem_hash(one) == crate::words::stem_hash(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opposite(one: &str, other: &str) -> bool {
        let (one, other) = (Polarity::of(one), Polarity::of(other));
        assert_eq!(one.opposes(&other), other.opposes(&one));
        one.opposes(&other)
    }

    #[test]
    fn opposites_are_seen() {
        assert!(opposite("Add retries", "Remove retries"));
        assert!(opposite("Enable the cache", "Disable the cache"));
        assert!(opposite("Start with TLS", "Start without TLS"));
        assert!(opposite("Accept valid names", "Accept invalid names"));
        assert!(opposite("Do not log bodies", "Log bodies"));
        assert!(opposite("Compress the archive", "Decompress the archive"));
    }

    #[test]
    fn what_differs_in_nothing_but_its_direction_is_told_from_what_differs_in_more() {
        let only = |one: &str, other: &str| {
            let (one, other) = (Polarity::of(one), Polarity::of(other));
            assert_eq!(one.differs_only_so(&other), other.differs_only_so(&one));
            one.opposes(&other) && one.differs_only_so(&other)
        };
        assert!(only("Enable the cache", "Disable the cache"));
        assert!(only("Enable caching", "Disable the cache"), "endings do not count");
        assert!(only("Start with TLS", "Start without TLS"));
        assert!(only("Do not log bodies", "Log bodies"));
        assert!(only("Compress the archive", "Decompress the archive"));
        assert!(!only("Enable the cache", "Disable the queue"), "nothing is the same");
        assert!(!only("Enable the cache", "Disable the cache of avatars"), "another word");
        assert!(!only("Enable", "Disable"), "no word in common");
        assert!(!only("Enable the cache", "Enable the cache"), "no opposite");
    }

    #[test]
    fn both_sides_in_both_are_no_opposites() {
        assert!(!opposite("Add and remove labels", "Remove and add labels"));
        assert!(!opposite("Add retries", "Introduce retries"));
        assert!(!opposite("Never log bodies", "Do not log bodies"));
    }

    #[test]
    fn tables_are_in_order_to_be_found() {
        assert!(NEGATIONS.is_sorted());
        let lines = || TABLES.iter().flat_map(|table| table.lines());
        assert!(lines().count() <= 256);
        assert!(lines().all(|line| line.split('|').count() == 2));
    }
}
