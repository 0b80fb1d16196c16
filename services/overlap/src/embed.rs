//! What a text means, as a vector.

use crate::vector::{DIMENSIONS, Vector, normalised};

/// Makes vectors of texts. Only what gives the same vector for the same text on every machine may stand here:
/// replicas compare their answers bit for bit.
pub trait Embedder: Send + Sync {
    /// The vector of a text, and how much of the text it knows.
    fn embed(&self, text: &str) -> Meaning;

    /// A word as the model reads it: in lower case, without accents.
    fn plain(&self, word: &str) -> String {
        word.to_lowercase()
    }

    /// Whether it knows a word as a whole, and does not put it together from pieces.
    fn knows(&self, _word: &str) -> bool {
        true
    }

    /// Names the model: another hash, other vectors.
    fn hash(&self) -> [u8; 32];
}

/// What is known of a text's meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meaning {
    /// Its direction.
    pub vector: Vector,
    /// Whether most of the text lies outside what the model knows: another language, symbols, nothing at all.
    pub is_weak: bool,
}

/// A title and a body as one direction. The title counts half again as much as the body, however long that is.
pub(crate) fn joined(title: &Vector, body: &Vector) -> Vector {
    let mut sums = [0; DIMENSIONS];
    for ((sum, title), body) in sums.iter_mut().zip(title).zip(body) {
        *sum = 3 * i64::from(*title) + 2 * i64::from(*body);
    }
    normalised(&sums)
}
