//! The suites: which cases there are.

mod compensation;
mod escalation;
mod race;
mod replay;
mod staleness;

use crate::{case::Case, options::Suite};

/// The cases of a suite, in the order in which they run.
pub(crate) fn cases(suite: Suite) -> &'static [Case] {
    match suite {
        Suite::Race => race::CASES,
        Suite::Staleness => staleness::CASES,
        Suite::Replay => replay::CASES,
        Suite::Escalation => escalation::CASES,
        Suite::Compensation => compensation::CASES,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_case_has_one_name_that_is_a_token_and_is_of_its_suite() {
        let mut names = BTreeSet::new();
        for suite in Suite::ALL {
            assert!(cases(*suite).len() >= 3, "{suite}");
            for case in cases(*suite) {
                assert_eq!(case.suite, *suite, "{}", case.name);
                assert!(names.insert(case.name), "{} is there twice", case.name);
                assert!(case.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", case.name);
                assert!(case.at_once > 0 && case.invariant.len() > 10, "{}", case.name);
            }
        }
    }
}
