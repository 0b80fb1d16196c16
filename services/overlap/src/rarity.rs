//! How rare a word is among all items: rare ones say the most.

use std::sync::LazyLock;

use crate::{fixed::log2, words};

/// Texts that are imagined to have been there from the start: they say how rare a word is while there are few.
const IMAGINED: u64 = 500;

/// Of those, how many have a word that every tracker is full of.
const IMAGINED_WITH: u32 = 25;

/// Words that every tracker is full of.
const EVERYWHERE: &[&str] = &[
    "add",
    "allow",
    "build",
    "bug",
    "change",
    "check",
    "clean",
    "code",
    "command",
    "config",
    "create",
    "default",
    "error",
    "fail",
    "feature",
    "file",
    "fix",
    "handle",
    "implement",
    "improve",
    "issue",
    "list",
    "make",
    "method",
    "missing",
    "module",
    "new",
    "not",
    "option",
    "output",
    "problem",
    "refactor",
    "remove",
    "run",
    "set",
    "show",
    "support",
    "system",
    "task",
    "test",
    "type",
    "update",
    "use",
    "user",
    "value",
    "version",
    "work",
    "write",
];

/// Hashes of the words that every tracker is full of, in order.
static COMMON: LazyLock<Vec<u32>> = LazyLock::new(|| {
    let mut common: Vec<u32> = EVERYWHERE.iter().filter_map(|word| words::stem_hash(word)).collect();
    common.sort_unstable();
    common
});

/// How many of the imagined texts have a word.
pub(crate) fn imagined(word: u32) -> u32 {
    if COMMON.binary_search(&word).is_ok() { IMAGINED_WITH } else { 0 }
}

/// Rarities among so many items.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rarity {
    log2_of_all: u32,
}

impl Rarity {
    pub(crate) fn among(items: usize) -> Self {
        Self { log2_of_all: log2(2 * (items as u64 + IMAGINED) + 2) }
    }

    /// How rare is what so many items have, the imagined among them: log2 of one in how many, 8 bits behind the
    /// point.
    #[inline]
    pub(crate) fn of(self, count: u32) -> u32 {
        self.log2_of_all.saturating_sub(log2(2 * u64::from(count) + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rarer_weighs_more_and_what_all_have_nearly_nothing() {
        let rarity = Rarity::among(1_000);
        assert!((0..1_000).all(|count| rarity.of(count) >= rarity.of(count + 1)));
        assert_eq!(rarity.of(1_500), 0);
        assert!(rarity.of(u32::MAX) == 0);
        assert_eq!(imagined(words::stem_hash("implementing").unwrap()), IMAGINED_WITH);
        assert_eq!(imagined(words::stem_hash("zebra").unwrap()), 0);
    }
}
