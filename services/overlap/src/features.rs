//! How two texts are alike, in numbers: what the fusion weighs. All are the same whichever of the two is asked
//! about.

use serde::{Deserialize, Serialize};

use crate::{
    fixed::{ONE, share},
    profile::Profile,
    vector::cosine,
};

/// How two items are alike; shares in units of [`ONE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Features {
    /// Shares that are learned from.
    pub shares: Shares,
    /// Whether each has a number or an identifier that the other lacks.
    pub numbers_differ: bool,
    /// Whether they ask for opposite things.
    pub is_opposite: bool,
    /// Share of paths that both have.
    pub paths: i32,
    /// Share of artifact names that both have.
    pub artifacts: i32,
    /// Whether they belong to the same scope.
    pub same_scope: bool,
}

/// Shares between nothing and [`ONE`], in the order of [`NAMES`].
pub type Shares = [i32; NAMES.len()];

/// What each share says.
pub const NAMES: [&str; 12] = [
    "title meaning",
    "whole meaning",
    "body meaning",
    "cross meaning",
    "title words",
    "title words of the shorter",
    "all words",
    "all words of the shorter",
    "title words in the other",
    "trigrams",
    "length",
    "kind of work differs",
];

/// Compares two texts; `idf` is how rare a word is, 8 bits behind the point.
pub(crate) fn compare(one: &Profile, other: &Profile, idf: impl Fn(u32) -> u32) -> Features {
    let titles = Overlap::of(&one.words.title, &other.words.title, &idf);
    let all = Overlap::of(&one.words.all, &other.words.all, &idf);
    let there = Overlap::of(&one.words.title, &other.words.all, &idf);
    let back = Overlap::of(&other.words.title, &one.words.all, &idf);
    let (a, b) = (&one.meanings, &other.meanings);
    let cross = cosine(&a.title, &b.whole).max(cosine(&b.title, &a.whole));
    let title_meaning = cosine(&a.title, &b.title);
    let bodies = a.body.as_ref().zip(b.body.as_ref());
    let kinds = one.kinds.differing(other.kinds).min(2);
    let shares = [
        title_meaning,
        cosine(&a.whole, &b.whole),
        bodies.map_or(title_meaning, |(a, b)| cosine(a, b)),
        cross,
        titles.of_both(),
        titles.of_the_shorter(),
        all.of_both(),
        all.of_the_shorter(),
        (there.of_the_first() + back.of_the_first()) / 2,
        trigrams(&one.trigrams, &other.trigrams),
        lengths(one.words.all.len(), other.words.all.len()),
        ONE / 2 * kinds.cast_signed(),
    ];
    let numbers_differ = one.numbers.differs(&other.numbers, &one.all_numbers, &other.all_numbers)
        || (all.of_both() > ONE / 2 && one.all_numbers.differ(&other.all_numbers));
    Features {
        shares,
        numbers_differ,
        is_opposite: one.polarity.opposes(&other.polarity) && is_same_but_for_a_word(&titles),
        ..Features::default()
    }
}

/// An opposite says something only where the rest is the same.
fn is_same_but_for_a_word(titles: &Overlap) -> bool {
    titles.of_the_shorter() >= ONE / 4
}

/// How much of two sets of words is common, each word counting by its rarity.
struct Overlap {
    first: u64,
    second: u64,
    common: u64,
}

impl Overlap {
    fn of(first: &[u32], second: &[u32], idf: &impl Fn(u32) -> u32) -> Self {
        let weight = |words: &[u32]| words.iter().map(|word| u64::from(idf(*word))).sum();
        let mut common = 0;
        let mut rest = second.iter().peekable();
        for word in first {
            while rest.next_if(|other| *other < word).is_some() {}
            if rest.next_if(|other| *other == word).is_some() {
                common += u64::from(idf(*word));
            }
        }
        Self { first: weight(first), second: weight(second), common }
    }

    fn of_both(&self) -> i32 {
        share(self.common, self.first + self.second - self.common)
    }

    fn of_the_shorter(&self) -> i32 {
        share(self.common, self.first.min(self.second))
    }

    fn of_the_first(&self) -> i32 {
        share(self.common, self.first)
    }
}

/// Dice's coefficient.
fn trigrams(one: &[u32], other: &[u32]) -> i32 {
    let common = Overlap::of(one, other, &|_| 1);
    share(2 * common.common, common.first + common.second)
}

fn lengths(one: usize, other: usize) -> i32 {
    share(one.min(other) as u64, one.max(other) as u64)
}
