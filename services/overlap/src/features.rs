//! How two texts are alike, in numbers: what the fusion weighs. All are the same whichever of the two is asked
//! about.

use std::cell::OnceCell;

use serde::{Deserialize, Serialize};

use crate::{
    fixed::{ONE, share},
    item::Text,
    profile::Profile,
    rules::{number::Numbers, polarity::Polarity},
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

/// A text whose words are weighed: each with its rarity, 8 bits behind the point. What rules look at is worked
/// out when it is first asked for: most pairs differ enough without it.
pub(crate) struct Weighed<'a> {
    text: &'a Text,
    profile: &'a Profile,
    title: Vec<(u32, u32)>,
    all: Vec<(u32, u32)>,
    numbers: OnceCell<Numbers>,
    all_numbers: OnceCell<Numbers>,
    polarity: OnceCell<Polarity>,
}

impl<'a> Weighed<'a> {
    /// Weighs the words of a text.
    pub(crate) fn new(text: &'a Text, profile: &'a Profile, idf: impl Fn(u32) -> u32) -> Self {
        let all: Vec<(u32, u32)> = profile.words.all.iter().map(|word| (*word, idf(*word))).collect();
        let title = all.iter().filter(|(word, _)| profile.words.is_in_title(*word)).copied().collect();
        let (numbers, all_numbers, polarity) = Default::default();
        Self { text, profile, title, all, numbers, all_numbers, polarity }
    }

    fn numbers(&self) -> &Numbers {
        self.numbers.get_or_init(|| Numbers::of(self.text.title()))
    }

    fn all_numbers(&self) -> &Numbers {
        self.all_numbers.get_or_init(|| {
            let mut numbers = Numbers::of(self.text.description());
            numbers.join(self.numbers());
            numbers
        })
    }

    fn polarity(&self) -> &Polarity {
        self.polarity.get_or_init(|| Polarity::of(self.text.title()))
    }
}

/// Whether numbers of the titles differ, or those of the descriptions where the rest is much the same.
fn numbers_differ(one: &Weighed<'_>, other: &Weighed<'_>, all: &Overlap) -> bool {
    (one.numbers().differ(other.numbers())
        && one.numbers().differs(other.numbers(), one.all_numbers(), other.all_numbers()))
        || (all.of_both() > ONE / 2 && one.all_numbers().differ(other.all_numbers()))
}

/// Compares two texts.
pub(crate) fn compare(first: &Weighed<'_>, second: &Weighed<'_>) -> Features {
    let (one, other) = (first.profile, second.profile);
    let titles = Overlap::of(&first.title, &second.title);
    let all = Overlap::of(&first.all, &second.all);
    let there = Overlap::of(&first.title, &second.all);
    let back = Overlap::of(&second.title, &first.all);
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
    Features {
        shares,
        numbers_differ: numbers_differ(first, second, &all),
        is_opposite: is_same_but_for_a_word(&titles) && first.polarity().opposes(second.polarity()),
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
    fn of(first: &[(u32, u32)], second: &[(u32, u32)]) -> Self {
        let weight = |words: &[(u32, u32)]| words.iter().map(|(_, weight)| u64::from(*weight)).sum();
        let mut common = 0;
        let mut rest = second.iter().peekable();
        for (word, weight) in first {
            while rest.next_if(|(other, _)| other < word).is_some() {}
            if rest.next_if(|(other, _)| other == word).is_some() {
                common += u64::from(*weight);
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

/// Dice's coefficient of two lists in order.
fn trigrams(one: &[u32], other: &[u32]) -> i32 {
    let mut common = 0;
    let mut rest = other.iter().peekable();
    for group in one {
        while rest.next_if(|other| *other < group).is_some() {}
        common += u64::from(rest.next_if(|other| *other == group).is_some());
    }
    share(2 * common, (one.len() + other.len()) as u64)
}

fn lengths(one: usize, other: usize) -> i32 {
    share(one.min(other) as u64, one.max(other) as u64)
}
