//! Why two texts are held for alike, in words that a reader can check.

use std::cmp::Reverse;

use hashbrown::HashMap;

use crate::{answer::Reason, features::Features, fixed::ONE, item::Text};

/// Most words, paths or names that are shown.
const MOST: usize = 8;

/// From which likeness on meaning or spelling is named.
const NAMED: i32 = ONE / 2;

/// How a text spells its words, by their hashes.
#[derive(Debug, Default)]
pub(crate) struct Spelt(HashMap<u32, Box<str>>);

impl Spelt {
    /// Takes a word in, unless another one with its hash came before.
    pub(crate) fn see(&mut self, hash: u32, word: &str) {
        self.0.entry(hash).or_insert_with(|| word.into());
    }

    /// The rarest of the words that another text has, too, each of which comes once, with its rarity.
    fn shared(&self, other: impl Iterator<Item = (u32, u32)>) -> Vec<String> {
        let mut shared: Vec<(u32, &str)> =
            other.filter_map(|(hash, rarity)| Some((rarity, &**self.0.get(&hash)?))).collect();
        shared.sort_unstable_by_key(|(rarity, word)| (Reverse(*rarity), *word));
        shared.into_iter().take(MOST).map(|(_, word)| word.to_owned()).collect()
    }
}

/// The reasons for and against. `words` are those of the other text, each once, with its rarity.
pub(crate) fn reasons(
    spelt: &Spelt,
    [one, other]: [&Text; 2],
    features: &Features,
    words: impl Iterator<Item = (u32, u32)>,
) -> Vec<Reason> {
    let [_, meaning, .., spelling, _, kind] = features.shares;
    let thousandths = |share: i32| u16::try_from(share * 1000 / ONE).unwrap_or(0);
    let mut reasons = Vec::new();
    let paths = common(one.paths(), || other.paths());
    let artifacts = common(one.artifacts(), || other.artifacts());
    let words = spelt.shared(words);
    reasons.extend(features.is_same_text.then(|| Reason::SameText(digest(one))));
    reasons.extend((!artifacts.is_empty()).then_some(Reason::SameArtifacts(artifacts)));
    reasons.extend((!paths.is_empty()).then_some(Reason::SamePaths(paths)));
    reasons.extend((!words.is_empty()).then_some(Reason::SharedWords(words)));
    reasons.extend((meaning >= NAMED).then(|| Reason::Meaning(thousandths(meaning))));
    reasons.extend((spelling >= NAMED).then(|| Reason::Spelling(thousandths(spelling))));
    reasons.extend(features.numbers_differ.then_some(Reason::NumbersDiffer));
    reasons.extend(features.is_opposite.then_some(Reason::Opposite));
    reasons.extend(features.order_differs.then_some(Reason::OrderDiffers));
    reasons.extend(features.words_differ.then_some(Reason::WordsDiffer));
    reasons.extend((kind > 0).then_some(Reason::KindDiffers));
    reasons
}

/// blake3 over what a text says, in hexadecimal: title and description, a zero byte between them.
fn digest(text: &Text) -> String {
    blake3::hash(text.said().join("\0").as_bytes()).to_hex().as_str().to_owned()
}

fn common<'a, I: Iterator<Item = &'a str>>(
    one: impl Iterator<Item = &'a str>,
    other: impl Fn() -> I,
) -> Vec<String> {
    one.filter(|name| other().any(|other| other == *name)).take(MOST).map(str::to_owned).collect()
}
