//! From features to a score: a logistic regression in integers, and what rules add to it or take from it.

use serde::{Deserialize, Serialize};

use crate::{
    features::{Features, NAMES},
    fixed::{ONE, logistic},
};

/// How much each feature counts, in thousandths of a logit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// Of two texts with nothing in common.
    pub bias: i32,
    /// For a whole share each, in the order of [`NAMES`].
    pub shares: [i32; NAMES.len()],
    /// Where numbers or identifiers differ.
    pub numbers_differ: i32,
    /// Where they ask for opposite things.
    pub opposite: i32,
    /// For all paths in common.
    pub paths: i32,
    /// For all artifact names in common.
    pub artifacts: i32,
    /// Within one scope.
    pub same_scope: i32,
    /// For the same text without a word: nothing else speaks for it.
    pub same_text: i32,
}

impl Default for Weights {
    /// Fitted by the bench to candidate lists of two corpora (`bench/README.md`, "Overlap"), the bias then moved so
    /// that one in five new tickets would find a candidate of a score of 500. The last six are set by hand: the
    /// corpora carry no such evidence, or number their tickets by habit.
    fn default() -> Self {
        Self {
            bias: -8_807,
            shares: [0, 3_450, 0, 0, 0, 0, 0, 0, 2_091, 3_755, 0, 0, -2_226],
            numbers_differ: -300,
            opposite: -300,
            paths: 1_000,
            artifacts: 2_000,
            same_scope: 1_500,
            same_text: 16_000,
        }
    }
}

impl Weights {
    /// How likely two items are the same, in thousandths of a logit.
    pub fn logit(&self, features: &Features) -> i32 {
        let learned = self.shares.iter().zip(&features.shares).map(|(weight, share)| part(*weight, *share));
        let rules = [
            part(self.numbers_differ, if features.numbers_differ { ONE } else { 0 }),
            part(self.opposite, if features.is_opposite { ONE } else { 0 }),
            part(self.paths, features.paths),
            part(self.artifacts, features.artifacts),
            part(self.same_scope, if features.same_scope { ONE } else { 0 }),
            part(self.same_text, if features.is_same_text { ONE } else { 0 }),
        ];
        let sum = learned.chain(rules).fold(i64::from(self.bias), |sum, part| sum + part);
        i32::try_from(sum).unwrap_or(if sum < 0 { i32::MIN } else { i32::MAX })
    }

    /// The score of a pair: thousandths.
    pub fn score(&self, features: &Features) -> u16 {
        logistic(self.logit(features))
    }
}

/// A weight's part for a share of it.
fn part(weight: i32, share: i32) -> i64 {
    i64::from(weight) * i64::from(share) / i64::from(ONE)
}

/// Scores from which on a pair counts as more; thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// The same, as good as surely.
    pub strong: u16,
    /// The same, more likely than not.
    pub likely: u16,
    /// Near enough to be looked at.
    pub similar: u16,
}

impl Default for Thresholds {
    /// Where about 5, 20 and 40 % of new tickets that are no duplicates would find a candidate.
    fn default() -> Self {
        Self { strong: 780, likely: 500, similar: 270 }
    }
}

/// What a candidate is held for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Level {
    /// The same, as good as surely.
    #[serde(rename = "strong")]
    Strong,
    /// The same, more likely than not.
    #[serde(rename = "likely")]
    Likely,
    /// Near enough to be looked at.
    #[serde(rename = "similar")]
    Similar,
    /// Alike, and perhaps the opposite: never held for the same.
    #[serde(rename = "opposite?")]
    Opposite,
}

impl Thresholds {
    /// What a pair of this score is held for; nothing where it is below all.
    pub fn level(&self, score: u16, features: &Features) -> Option<Level> {
        // Short ones have too little in common for a score that says something: the rest of their words does.
        if features.is_only_opposite {
            return Some(Level::Opposite);
        }
        if score < self.similar {
            return None;
        }
        let differs = features.numbers_differ || features.order_differs || features.words_differ;
        Some(match score {
            _ if features.is_opposite => Level::Opposite,
            score if score >= self.strong && !differs => Level::Strong,
            score if score >= self.likely => Level::Likely,
            _ => Level::Similar,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alike() -> Features {
        let mut shares = [ONE; NAMES.len()];
        shares[12] = 0;
        Features { shares, ..Features::default() }
    }

    #[test]
    fn rules_stand_above_any_score() {
        let thresholds = Thresholds::default();
        assert_eq!(thresholds.level(1_000, &alike()), Some(Level::Strong));
        let numbers = Features { numbers_differ: true, ..alike() };
        assert_eq!(thresholds.level(1_000, &numbers), Some(Level::Likely));
        let order = Features { order_differs: true, ..alike() };
        assert_eq!(thresholds.level(1_000, &order), Some(Level::Likely));
        let words = Features { words_differ: true, ..alike() };
        assert_eq!(thresholds.level(1_000, &words), Some(Level::Likely));
        let opposite = Features { is_opposite: true, ..alike() };
        assert_eq!(thresholds.level(1_000, &opposite), Some(Level::Opposite));
        assert_eq!(thresholds.level(thresholds.similar - 1, &opposite), None);
        let only = Features { is_only_opposite: true, ..opposite };
        assert_eq!(thresholds.level(0, &only), Some(Level::Opposite));
    }

    #[test]
    fn what_differs_lowers_the_score_and_what_is_common_raises_it() {
        let weights = Weights::default();
        let logit = |features: Features| weights.logit(&features);
        let half = Features { shares: alike().shares.map(|share| share / 2), ..alike() };
        assert!(logit(alike()) > logit(half));
        assert!(logit(Features { numbers_differ: true, ..half }) < logit(half));
        assert!(logit(Features { is_opposite: true, ..half }) < logit(half));
        assert!(logit(Features { paths: ONE, ..half }) > logit(half));
        assert!(logit(Features { artifacts: ONE, ..half }) > logit(half));
        assert!(logit(Features { same_scope: true, ..half }) > logit(half));
    }

    #[test]
    fn extreme_weights_do_not_wrap() {
        let weights = Weights { bias: i32::MAX, shares: [i32::MAX; NAMES.len()], ..Weights::default() };
        assert_eq!(weights.logit(&alike()), i32::MAX);
    }
}
