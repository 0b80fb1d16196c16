//! The bounds of an index, and what its scores are made with.

use serde::{Deserialize, Serialize};

use crate::fusion::Weights;

/// How an index works. Replicas that differ in them differ in their answers, so their hash is part of a
/// snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Most items: they stand in memory, at about 600 bytes each beside their text.
    pub items: usize,
    /// The newest so many are compared exactly.
    pub newest: u32,
    /// So many pending items are compared exactly, however old; further ones as any other.
    pub pending: usize,
    /// Up to so many items every vector is compared; above, those of the nearest cells.
    pub flat: usize,
    /// Cells that vectors are kept in above that.
    pub cells: usize,
    /// Vectors that a check compares in cells, about.
    pub vectors_scanned: usize,
    /// Places of words that a check reads, beside those of the newest items.
    pub word_places: usize,
    /// The same for trigrams.
    pub trigram_places: usize,
    /// Candidates of each arm.
    pub per_arm: usize,
    /// Candidates of all arms that are looked at; the best of these are compared in full.
    pub compared: usize,
    /// What features count.
    pub weights: Weights,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            items: 4_000_000,
            newest: 4_096,
            pending: 4_096,
            flat: 65_536,
            cells: 1_024,
            vectors_scanned: 16_000,
            word_places: 32_000,
            trigram_places: 16_000,
            per_arm: 50,
            compared: 150,
            weights: Weights::default(),
        }
    }
}

impl Settings {
    /// Names them: other settings, another hash.
    pub(crate) fn hash(&self) -> [u8; 32] {
        *blake3::hash(format!("{self:?}").as_bytes()).as_bytes()
    }
}
