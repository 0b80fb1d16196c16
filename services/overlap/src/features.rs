//! How two texts are alike, in numbers: what the fusion weighs. All are the same whichever of the two is asked
//! about.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::{
    common::{self, Common, Word},
    fixed::{ONE, share},
    fusion::Weights,
    item::Text,
    profile::{Meanings, Profile, Words},
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
    /// Whether their titles differ in nothing but what makes them opposite.
    pub is_only_opposite: bool,
    /// Whether their titles, or where these agree their descriptions, say the same words in another order.
    #[serde(default)]
    pub order_differs: bool,
    /// Whether there each has a word, sign or letter that the other lacks, and the rest is much the same.
    #[serde(default)]
    pub words_differ: bool,
    /// Whether they say the same without a word: nothing but signs.
    pub is_same_text: bool,
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
pub const NAMES: [&str; 13] = [
    "title meaning",
    "whole meaning",
    "body meaning",
    "cross meaning",
    "title words",
    "title words of the shorter",
    "all words",
    "all words of the shorter",
    "title words in the other",
    "one title's words in the other",
    "trigrams",
    "length",
    "kind of work differs",
];

/// What stands beside the words of two texts when they are first looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beside {
    /// Cosine of the whole meanings.
    pub(crate) meaning: i32,
    /// How many kinds of work one title speaks of and the other does not.
    pub(crate) kinds: u32,
    /// How many words each text has.
    pub(crate) lengths: [usize; 2],
}

/// The shares that cost little; [`complete`] adds the others.
pub(crate) fn glance(common: &Common, beside: Beside) -> Shares {
    let elsewhere = common.titles_elsewhere();
    let [there, back] = elsewhere;
    [
        0,
        beside.meaning,
        0,
        0,
        common.titles(),
        common.shorter_title(),
        common.all(),
        common.shorter(),
        (there + back) / 2,
        there.max(back),
        0,
        lengths(beside.lengths),
        ONE / 2 * beside.kinds.min(2).cast_signed(),
    ]
}

/// Whether a score depends on nothing but what [`glance`] gives, the names beside the text, and rules that can
/// only lower it.
pub(crate) fn is_bounded_by_a_glance(weights: &Weights) -> bool {
    let [title, _, body, cross, _, _, _, _, _, _, trigrams, ..] = weights.shares;
    [title, body, cross, trigrams] == [0; 4] && weights.numbers_differ <= 0 && weights.opposite <= 0
}

/// Whether two texts say the same without a word; `words` are those of the first.
pub(crate) fn is_same_text(words: &Words, one: &Text, other: &Text) -> bool {
    words.all.is_empty() && one.says_something() && one.plain() == other.plain()
}

/// What rules look at in a text, worked out when it is first asked for.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    numbers: OnceLock<Numbers>,
    all_numbers: OnceLock<Numbers>,
    polarity: OnceLock<Polarity>,
}

/// One of two texts.
pub(crate) struct Side<'a> {
    text: &'a Text,
    meanings: &'a Meanings,
    trigrams: &'a [u32],
    rules: &'a Rules,
}

impl<'a> Side<'a> {
    pub(crate) fn new(text: &'a Text, meanings: &'a Meanings, trigrams: &'a [u32], rules: &'a Rules) -> Self {
        Self { text, meanings, trigrams, rules }
    }

    fn numbers(&self) -> &Numbers {
        self.rules.numbers.get_or_init(|| Numbers::of(self.text.title()))
    }

    fn all_numbers(&self) -> &Numbers {
        self.rules.all_numbers.get_or_init(|| {
            let mut numbers = Numbers::of(self.text.description());
            numbers.join(self.numbers());
            numbers
        })
    }

    fn polarity(&self) -> &Polarity {
        self.rules.polarity.get_or_init(|| Polarity::of(self.text.title()))
    }
}

/// Compares two texts, whether an index has them or not; `words` are those of each, by rising key.
pub(crate) fn compare(
    [one, other]: [&Text; 2],
    profiles: [&Profile; 2],
    [words, other_words]: [&[Word]; 2],
    [rules, other_rules]: [&Rules; 2],
) -> Features {
    let [first, second] = profiles;
    let mut weights = common::Weights::default();
    words.iter().for_each(|word| weights.add(word));
    let common = Common::of(weights, words, other_words.iter().copied());
    let beside = Beside {
        meaning: cosine(&first.meanings.whole, &second.meanings.whole),
        kinds: first.words.kinds.differing(second.words.kinds),
        lengths: profiles.map(|profile| profile.words.all.len()),
    };
    let features = Features { shares: glance(&common, beside), ..Features::default() };
    complete(
        features,
        &Side::new(one, &first.meanings, &first.trigrams, rules),
        &Side::new(other, &second.meanings, &second.trigrams, other_rules),
    )
}

/// Adds what costs more, and what rules say, to what was seen at a glance.
pub(crate) fn complete(features: Features, one: &Side<'_>, other: &Side<'_>) -> Features {
    let (a, b) = (one.meanings, other.meanings);
    let title_meaning = cosine(&a.title, &b.title);
    let bodies = a.body.as_ref().zip(b.body.as_ref());
    let mut shares = features.shares;
    let [title, _, body, cross, _, shorter_title, all, _, _, _, spelling, ..] = &mut shares;
    *title = title_meaning;
    *body = bodies.map_or(title_meaning, |(a, b)| cosine(a, b));
    *cross = cosine(&a.title, &b.whole).max(cosine(&b.title, &a.whole));
    *spelling = trigrams(one.trigrams, other.trigrams);
    let opposes = || one.polarity().opposes(other.polarity());
    let is_only_opposite = || one.polarity().differs_only_so(other.polarity());
    let is_opposite = is_same_but_for_a_word(*shorter_title) && opposes();
    Features {
        numbers_differ: numbers_differ(one, other, *all),
        is_opposite,
        is_only_opposite: is_opposite && is_only_opposite(),
        shares,
        ..features
    }
}

/// Whether numbers of the titles differ, or those of the descriptions where the rest is much the same.
fn numbers_differ(one: &Side<'_>, other: &Side<'_>, all_words: i32) -> bool {
    (one.numbers().differ(other.numbers())
        && one.numbers().differs(other.numbers(), one.all_numbers(), other.all_numbers()))
        || (all_words > ONE / 2 && one.all_numbers().differ(other.all_numbers()))
}

/// An opposite says something only where the rest is the same.
fn is_same_but_for_a_word(shorter_title: i32) -> bool {
    shorter_title >= ONE / 4
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

fn lengths([one, other]: [usize; 2]) -> i32 {
    // The index counts a text's words up to here.
    let most = usize::from(u8::MAX);
    share(one.min(other).min(most) as u64, one.max(other).min(most) as u64)
}
