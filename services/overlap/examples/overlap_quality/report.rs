//! Figures of lists under weights.

use std::fmt;

use selvedge_overlap::{NAMES, ONE, Weights, logistic};

use crate::{
    fit::fit,
    lists::{List, Lists},
};

/// Shares of queries without a duplicate that raise an alert.
const ALERTS: [f64; 3] = [0.1, 0.2, 0.4];

/// Logits of what is sought.
#[derive(Default)]
pub(crate) struct Figures {
    /// Of each pair: whether the right one is among the first ten, and its logit if it was named at all.
    pairs: Vec<(bool, Option<i32>)>,
    /// Of each other query: its best candidate's.
    others: Vec<i32>,
}

impl Figures {
    pub(crate) fn of<'a>(lists: impl IntoIterator<Item = &'a List>, weights: &Weights) -> Self {
        let mut figures = Self::default();
        for list in lists {
            figures.add(list, weights);
        }
        figures
    }

    fn add(&mut self, list: &List, weights: &Weights) {
        let logits: Vec<(i32, bool)> =
            list.candidates.iter().map(|found| (weights.logit(&found.features), found.is_right)).collect();
        if list.is_pair {
            let right = logits.iter().find(|(_, is_right)| *is_right).map(|(logit, _)| *logit);
            let above = |right| logits.iter().filter(|(logit, _)| *logit > right).count();
            self.pairs.push((right.is_some_and(|right| above(right) < 10), right));
        } else {
            self.others.extend(logits.iter().map(|(logit, _)| *logit).max());
        }
    }

    fn join(&mut self, other: Self) {
        self.pairs.extend(other.pairs);
        self.others.extend(other.others);
    }

    /// The logit from which on this share of the others raises an alert.
    fn threshold(&self, alerts: f64) -> i32 {
        let mut sorted = self.others.clone();
        sorted.sort_unstable_by_key(|logit| -logit);
        sorted[(alerts * sorted.len() as f64) as usize]
    }

    fn share(&self, counts: impl Fn(&(bool, Option<i32>)) -> bool) -> f64 {
        self.pairs.iter().filter(|pair| counts(pair)).count() as f64 / self.pairs.len() as f64
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}, caught", self.share(|(is_found, _)| *is_found))?;
        for alerts in ALERTS {
            let threshold = self.threshold(alerts);
            let caught = self.share(|(_, logit)| logit.is_some_and(|logit| logit >= threshold));
            write!(f, " {caught:.3}")?;
        }
        let named = self.share(|(_, logit)| logit.is_some());
        write!(
            f,
            " ({} queries with a duplicate, named at all {named:.3}; {} without)",
            self.pairs.len(),
            self.others.len()
        )
    }
}

/// Each feature alone, in the lists that all arms name together.
pub(crate) fn single_features(lists: &Lists) {
    let nothing = Weights {
        bias: 0,
        shares: [0; NAMES.len()],
        numbers_differ: 0,
        opposite: 0,
        paths: 0,
        artifacts: 0,
        same_scope: 0,
        same_text: 0,
    };
    for alone in [0, 1, 4, 6, 8, 9, 10] {
        let mut weights = nothing.clone();
        weights.shares[alone] = 1_000_000;
        lists.print(&format!("{} alone", NAMES[alone]), &Figures::of(&lists.lists, &weights));
    }
}

/// Fitted to the other corpora, measured on this one; with and without the scope counting.
pub(crate) fn across(all: &[Lists], ridge: f64) {
    for held_out in all {
        let others: Vec<&List> =
            all.iter().filter(|lists| lists.name != held_out.name).flat_map(|lists| &lists.lists).collect();
        let weights = fit(&others, ridge);
        held_out.print("fitted to the other", &Figures::of(&held_out.lists, &weights));
        let blind = Weights { same_scope: 0, ..weights };
        held_out.print("fitted to the other, whatever the scope", &Figures::of(&held_out.lists, &blind));
        let within = held_out.lists.iter().map(same_scope_only).collect::<Vec<_>>();
        held_out
            .print("fitted to the other, candidates of the same scope only", &Figures::of(&within, &blind));
    }
}

fn same_scope_only(list: &List) -> List {
    let candidates = list.candidates.iter().filter(|found| found.features.same_scope);
    List {
        titles: list.titles.clone(),
        candidates: candidates
            .map(|found| crate::lists::Candidate { title: found.title.clone(), ..*found })
            .collect(),
        ..*list
    }
}

/// Each fold of both corpora measured with weights fitted to the other folds of both; both directions of a pair,
/// and pairs that have an item in common, are in one fold.
pub(crate) fn folds(all: &[Lists], count: usize, ridge: f64) {
    let mut figures: Vec<Figures> = all.iter().map(|_| Figures::default()).collect();
    for fold in 0..count {
        let seen: Vec<&List> =
            all.iter().flat_map(|lists| &lists.lists).filter(|list| list.number % count != fold).collect();
        let weights = fit(&seen, ridge);
        for (figures, lists) in figures.iter_mut().zip(all) {
            figures
                .join(Figures::of(lists.lists.iter().filter(|list| list.number % count == fold), &weights));
        }
    }
    for (figures, lists) in figures.iter().zip(all) {
        lists.print(&format!("{count} folds"), figures);
    }
}

/// Where thresholds would stand for the alerts of the curve.
pub(crate) fn levels(lists: &Lists, weights: &Weights) {
    let figures = Figures::of(&lists.lists, weights);
    for alerts in [0.02, 0.05, 0.1, 0.2, 0.4] {
        let logit = figures.threshold(alerts);
        println!(
            "{:.0} % alerts on {}: logit {logit}, score {}",
            100.0 * alerts,
            lists.name,
            logistic(logit)
        );
    }
}

/// For a reader: what is missed, and what raises alerts.
pub(crate) fn list(lists: &Lists, weights: &Weights) {
    let threshold = Figures::of(&lists.lists, weights).threshold(0.2);
    for list in &lists.lists {
        let best = list.candidates.iter().max_by_key(|found| weights.logit(&found.features));
        let Some(best) = best else { continue };
        let right = list.candidates.iter().find(|found| found.is_right);
        let logit = weights.logit(&right.unwrap_or(best).features);
        let is_shown = if list.is_pair { logit < threshold } else { logit >= threshold };
        if is_shown {
            let shares = right.unwrap_or(best).features.shares.map(|share| share * 100 / ONE);
            let other = list.titles.1.as_ref().unwrap_or(&best.title);
            println!(
                "{} {logit}: {} | {other} {shares:?}",
                if list.is_pair { "missed" } else { "alert" },
                list.titles.0
            );
        }
    }
}
