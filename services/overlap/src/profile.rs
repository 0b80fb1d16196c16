//! All that is worked out of one text before it is compared with another.

use crate::{
    common::Word,
    embed::{Embedder, Meaning, joined},
    language,
    reasons::Spelt,
    rules::kind::Kinds,
    trigrams,
    vector::{DIMENSIONS, LENGTH, NOTHING, Vector, normalised},
    words,
};

/// Words of a title that count.
const TITLE_WORDS: usize = 64;
/// Words of title and description together that count.
const WORDS: usize = 256;

/// A text, ready to be asked about.
#[derive(Debug)]
pub(crate) struct Profile {
    pub(crate) words: Words,
    pub(crate) spelt: Spelt,
    pub(crate) meanings: Meanings,
    pub(crate) trigrams: Vec<u32>,
}

impl Profile {
    /// That of a text whose meanings are at hand.
    pub(crate) fn new(title: &str, description: &str, meanings: Meanings) -> Self {
        let mut spelt = Spelt::default();
        let words = Words::of(title, description, |hash, word| spelt.see(hash, word));
        Self { words, spelt, meanings, trigrams: trigrams::of(title) }
    }
}

/// The words of a text: hashes in order, each once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Words {
    pub(crate) title: Vec<u32>,
    /// Those of the title too.
    pub(crate) all: Vec<u32>,
    /// What the title speaks of.
    pub(crate) kinds: Kinds,
}

impl Words {
    /// Those of a title and its description; `see` is shown each with its hash.
    pub(crate) fn of(title: &str, description: &str, mut see: impl FnMut(u32, &str)) -> Self {
        let mut found = Self::default();
        words::each(title, TITLE_WORDS, |hash, word| {
            see(hash, word);
            found.kinds.see(word);
            found.title.push(hash);
        });
        found.all.extend_from_slice(&found.title);
        words::each(description, WORDS - found.all.len(), |hash, word| {
            see(hash, word);
            found.all.push(hash);
        });
        for list in [&mut found.title, &mut found.all] {
            list.sort_unstable();
            list.dedup();
        }
        found
    }

    /// Each with its rarity.
    pub(crate) fn weighed(&self, rarity: impl Fn(u32) -> u32) -> impl Iterator<Item = Word> {
        let weigh =
            move |key: &u32| Word { key: *key, weight: rarity(*key), is_in_title: self.is_in_title(*key) };
        self.all.iter().map(weigh)
    }

    /// Whether a word stands in the title.
    pub(crate) fn is_in_title(&self, word: u32) -> bool {
        self.title.binary_search(&word).is_ok()
    }
}

/// What a text means: its title, all of it, and its description where it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Meanings {
    pub(crate) title: Vector,
    pub(crate) whole: Vector,
    pub(crate) body: Option<Vector>,
    /// Whether most of the title, or of the description, lies outside what the model knows.
    pub(crate) is_weak: bool,
}

impl Meanings {
    /// Those of a text.
    pub(crate) fn of(embedder: &dyn Embedder, title: &str, description: &str) -> Self {
        let head = embedder.embed(title);
        let body = (!description.trim().is_empty()).then(|| embedder.embed(description));
        let is_foreign = |text| language::is_foreign(embedder, text);
        let is_weak = head.is_weak
            || is_foreign(title)
            || body.as_ref().is_some_and(|body| body.is_weak)
            || body.is_some() && is_foreign(description);
        let body = body.map(|body| body.vector).filter(|body| *body != NOTHING);
        let whole = joined(&head.vector, body.as_ref().unwrap_or(&NOTHING));
        Self { title: head.vector, whole, body, is_weak }
    }

    /// From the title's, the whole's, and the length that the whole had before it was brought to the fixed one:
    /// what the title does not explain is the body.
    pub(crate) fn from_parts(title: Meaning, whole: &Vector, reach: u16) -> Self {
        let body = (reach > 0).then(|| {
            let mut sums = [0; DIMENSIONS];
            for ((sum, whole), title) in sums.iter_mut().zip(whole).zip(&title.vector) {
                *sum = i64::from(*whole) * i64::from(reach) - i64::from(*title) * 3 * LENGTH;
            }
            normalised(&sums)
        });
        Self { title: title.vector, whole: *whole, body, is_weak: title.is_weak }
    }

    /// The length of the whole before it was brought to the fixed one; 0 without a body.
    pub(crate) fn reach(&self) -> u16 {
        let Some(body) = &self.body else { return 0 };
        let both = self.title.iter().zip(body);
        let squares =
            both.map(|(title, body)| (3 * i64::from(*title) + 2 * i64::from(*body)).pow(2)).sum::<i64>();
        u16::try_from(squares.isqrt().max(1)).unwrap_or(u16::MAX)
    }
}
