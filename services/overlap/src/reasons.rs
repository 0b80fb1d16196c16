//! Why two texts are held for alike, in words that a reader can check.

use hashbrown::HashMap;

use crate::{answer::Reason, features::Features, fixed::ONE, item::Text, words};

/// Most words, paths or names that are shown.
const MOST: usize = 8;

/// From which likeness on meaning or spelling is named.
const NAMED: i32 = ONE / 2;

/// The reasons for and against.
pub(crate) fn reasons(
    one: &Text,
    other: &Text,
    features: &Features,
    idf: impl Fn(u32) -> u32,
) -> Vec<Reason> {
    let [_, meaning, .., spelling, _, kind] = features.shares;
    let thousandths = |share: i32| u16::try_from(share * 1000 / ONE).unwrap_or(0);
    let mut reasons = Vec::new();
    let paths = common(one.paths(), || other.paths());
    let artifacts = common(one.artifacts(), || other.artifacts());
    let words = shared_words(one, other, idf);
    reasons.extend((!artifacts.is_empty()).then_some(Reason::SameArtifacts(artifacts)));
    reasons.extend((!paths.is_empty()).then_some(Reason::SamePaths(paths)));
    reasons.extend((!words.is_empty()).then_some(Reason::SharedWords(words)));
    reasons.extend((meaning >= NAMED).then(|| Reason::Meaning(thousandths(meaning))));
    reasons.extend((spelling >= NAMED).then(|| Reason::Spelling(thousandths(spelling))));
    reasons.extend(features.numbers_differ.then_some(Reason::NumbersDiffer));
    reasons.extend(features.is_opposite.then_some(Reason::Opposite));
    reasons.extend((kind > 0).then_some(Reason::KindDiffers));
    reasons
}

fn common<'a, I: Iterator<Item = &'a str>>(
    one: impl Iterator<Item = &'a str>,
    other: impl Fn() -> I,
) -> Vec<String> {
    one.filter(|name| other().any(|other| other == *name)).take(MOST).map(str::to_owned).collect()
}

/// Words of both, as the first has them, rarest first.
fn shared_words(one: &Text, other: &Text, idf: impl Fn(u32) -> u32) -> Vec<String> {
    let mut seen: HashMap<u32, String> = HashMap::new();
    words_of(one, |hash, word| {
        seen.entry(hash).or_insert_with(|| word.to_owned());
    });
    let mut shared = Vec::new();
    words_of(other, |hash, _| shared.extend(seen.remove(&hash).map(|word| (idf(hash), word))));
    shared.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
    shared.into_iter().take(MOST).map(|(_, word)| word).collect()
}

fn words_of(text: &Text, mut see: impl FnMut(u32, &str)) {
    words::each(text.title(), 64, &mut see);
    words::each(text.description(), 256, &mut see);
}
