//! Which kind of work a title speaks of. The tests of a thing, its documentation and the epic that it belongs to
//! read like the thing, and are other work.

const TESTS: &[&str] = &[
    "bench",
    "benchmark",
    "benchmarks",
    "coverage",
    "e2e",
    "fixture",
    "fixtures",
    "test",
    "testing",
    "tests",
];
const DOCUMENTS: &[&str] = &["changelog", "doc", "docs", "document", "documentation", "documented", "readme"];
const FRAMES: &[&str] = &["epic", "milestone", "phase", "tracking", "umbrella", "workstream"];

/// A set of kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Kinds(u8);

impl Kinds {
    /// Takes a word of the title, in lower case, into account.
    pub(crate) fn see(&mut self, word: &str) {
        for (bit, words) in [TESTS, DOCUMENTS, FRAMES].iter().enumerate() {
            if words.binary_search(&word).is_ok() {
                self.0 |= 1 << bit;
            }
        }
    }

    /// As a byte.
    pub(crate) fn bits(self) -> u8 {
        self.0
    }

    /// From a byte.
    pub(crate) fn from_bits(bits: u8) -> Self {
        Self(bits)
    }

    /// How many kinds one is of and the other is not.
    pub(crate) fn differing(self, other: Self) -> u32 {
        (self.0 ^ other.0).count_ones()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_of_a_thing_are_not_the_thing() {
        let of = |title: &str| {
            let mut kinds = Kinds::default();
            title.split(' ').for_each(|word| kinds.see(word));
            kinds
        };
        assert_eq!(of("add tests for br wrap").differing(of("add br wrap")), 1);
        assert_eq!(of("e2e test of docs").differing(of("coverage of the readme")), 0);
        assert_eq!(of("epic docs").differing(of("tests")), 3);
        assert!([TESTS, DOCUMENTS, FRAMES].iter().all(|words| words.is_sorted()));
    }
}
