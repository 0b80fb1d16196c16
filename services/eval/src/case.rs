//! Cases and their trials.

use futures::future::LocalBoxFuture;
use rand::{RngExt as _, SeedableRng as _, rngs::SmallRng};

use crate::{arena::Arena, error::Trialled, options::Suite};

/// One trial of a case, from beginning to judgement.
pub(crate) type Try = for<'a> fn(&'a Arena, &'a mut Trial) -> LocalBoxFuture<'a, Trialled>;

/// How many trials a case has.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Count {
    /// As many as were asked for.
    Asked,
    /// One of so many: each waits for time to pass, or costs a lot.
    OneOf(u32),
    /// At least these, since each is another row of a table.
    AtLeast(u32),
    /// These, however many were asked for.
    All(u32),
}

impl Count {
    /// How many of `asked`.
    pub(crate) fn of(self, asked: u32) -> u32 {
        match self {
            Self::Asked => asked,
            Self::OneOf(share) => asked.div_ceil(share.max(1)),
            Self::AtLeast(least) => asked.max(least),
            Self::All(all) => all,
        }
    }
}

/// Something that is tried many times, and the invariant that must hold each time.
pub(crate) struct Case {
    pub(crate) suite: Suite,
    /// Unique in its suite; a token.
    pub(crate) name: &'static str,
    /// What must hold, in a sentence.
    pub(crate) invariant: &'static str,
    pub(crate) count: Count,
    /// Trials that go on at once.
    pub(crate) at_once: usize,
    pub(crate) run: Try,
}

/// One trial: its random numbers, a name for what it makes, and what it tried.
pub(crate) struct Trial {
    pub(crate) index: u32,
    /// A token that no other trial of the run has.
    pub(crate) tag: String,
    pub(crate) rng: SmallRng,
    tried: Vec<String>,
}

impl Trial {
    /// What the trial does follows from the seed, its case and its number alone.
    pub(crate) fn new(case: &Case, seed: u64, index: u32) -> Self {
        let text = format!("{seed}/{}/{}/{index}", case.suite, case.name);
        let digest = blake3::hash(text.as_bytes());
        let seed = digest.as_bytes().first_chunk().copied().map_or(seed, u64::from_le_bytes);
        Self {
            index,
            tag: format!("{}-{index}", case.name),
            rng: SmallRng::seed_from_u64(seed),
            tried: Vec::new(),
        }
    }

    /// Says what is tried. It must follow from the seed: no ids, no times.
    pub(crate) fn tries(&mut self, what: impl Into<String>) {
        self.tried.push(what.into());
    }

    /// All that was tried, in a line.
    pub(crate) fn tried(&self) -> String {
        self.tried.join("; ")
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.rng.random_range(0..end.max(1))
    }

    /// True once in `n`.
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// Some item of a list.
    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        let index = self.below(of.len());
        of.get(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(name: &'static str) -> Case {
        Case {
            suite: Suite::Race,
            name,
            invariant: "",
            count: Count::Asked,
            at_once: 1,
            run: |_, _| Box::pin(async { Ok(()) }),
        }
    }

    #[test]
    fn what_a_trial_does_follows_from_seed_case_and_number() {
        let numbers = |name, seed, index| {
            let mut trial = Trial::new(&case(name), seed, index);
            (0..8).map(|_| trial.below(1_000)).collect::<Vec<_>>()
        };
        assert_eq!(numbers("a", 1, 2), numbers("a", 1, 2));
        for other in [numbers("b", 1, 2), numbers("a", 2, 2), numbers("a", 1, 3)] {
            assert_ne!(numbers("a", 1, 2), other);
        }
    }

    #[test]
    fn a_case_has_at_least_one_trial() {
        assert_eq!((Count::Asked.of(5), Count::OneOf(10).of(5), Count::OneOf(10).of(25)), (5, 1, 3));
        assert_eq!((Count::AtLeast(9).of(5), Count::AtLeast(9).of(50), Count::All(7).of(50)), (9, 50, 7));
    }
}
