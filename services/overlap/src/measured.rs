//! Texts that are compared with each other: each is worked out once, and nothing is held while they are compared.

use crate::{
    common::Word,
    embed::Embedder,
    features::{Features, Rules, compare, is_same_text},
    fusion::{Thresholds, Weights},
    index::Explained,
    item::{Item, Text},
    profile::{Meanings, Profile},
    reasons::reasons,
    rules::wording::{Wordings, worded},
    search::with_names,
};

/// A text, worked out as far as it can be without another one.
pub(crate) struct Measured {
    text: Text,
    profile: Profile,
    scope: String,
    rules: Rules,
    wordings: Wordings,
    /// Its words by key, as rare as the index said that they are.
    words: Vec<Word>,
}

impl Measured {
    /// That of an item, in an index or not.
    pub(crate) fn new(embedder: &dyn Embedder, item: &Item) -> Self {
        let text = Text::of(item);
        let meanings = Meanings::of(embedder, text.title(), text.description());
        let profile = Profile::new(text.title(), text.description(), meanings);
        let (rules, wordings, words) = Default::default();
        Self { text, profile, scope: item.scope.clone(), rules, wordings, words }
    }

    /// Weighs its words.
    pub(crate) fn weigh(&mut self, rarity: impl Fn(u32) -> u32) {
        self.words = self.profile.words.weighed(rarity).collect();
    }

    /// How it and another one are alike. Both are weighed.
    pub(crate) fn explain(&self, other: &Self, weights: &Weights, thresholds: &Thresholds) -> Explained {
        let texts = [&self.text, &other.text];
        let features = compare(
            texts,
            [&self.profile, &other.profile],
            [&self.words, &other.words],
            [&self.rules, &other.rules],
        );
        let is_same_text = is_same_text(&self.profile.words, &self.text, &other.text);
        let same_scope = self.scope == other.scope;
        let features = Features { is_same_text, ..with_names(features, &self.text, &other.text, same_scope) };
        let score = weights.score(&features);
        let is_shown = features.is_only_opposite || score >= thresholds.similar;
        let features = match is_shown {
            true => worded(features, texts, [&self.wordings, &other.wordings]),
            false => features,
        };
        let level = thresholds.level(score, &features);
        let words = other.words.iter().map(|word| (word.key, word.weight));
        Explained { score, level, reasons: reasons(&self.profile.spelt, texts, &features, words), features }
    }
}
