//! The static model: one row per WordPiece, compiled in. A text's vector is the sum of its pieces' rows. No
//! download, no network, a few microseconds a text.

use crate::{
    embed::{Embedder, Meaning},
    error::ModelError,
    vector::{DIMENSIONS, Vector, normalised},
    wordpiece::WordPiece,
};

/// Pieces of a text that count; the rest changes its direction little.
const PIECES: usize = 64;

/// BLAKE3 over vocabulary, rows and scales of the model that is compiled in.
const EMBEDDED: &str = "a41733209dd78f7e1c819f9408e68bded5449c2cb4c502643a04f686b4f93ad7";

/// A static embedding.
#[derive(Debug)]
pub struct StaticModel {
    pieces: WordPiece,
    rows: Vec<Vector>,
    /// Each row's scale, 22 bits behind the point.
    scales: Vec<i32>,
    hash: [u8; 32],
}

impl StaticModel {
    /// The model in this binary.
    ///
    /// # Errors
    /// The binary's copy is not what it was built from.
    pub fn embedded() -> Result<Self, ModelError> {
        Self::from_parts(
            include_str!("../model/vocab.txt"),
            include_bytes!("../model/static256.i8"),
            include_bytes!("../model/static256.scale.f32"),
            EMBEDDED,
        )
    }

    /// A model from its three files: pieces by line, rows of 256 signed bytes, and a little-endian `f32` scale
    /// per row. `expected` is the BLAKE3 of the three, one behind the other, in hexadecimal.
    ///
    /// # Errors
    /// They hash to something else, or do not belong together.
    pub fn from_parts(
        vocabulary: &str,
        rows: &[u8],
        scales: &[u8],
        expected: &str,
    ) -> Result<Self, ModelError> {
        let hash = *blake3::Hasher::new()
            .update(vocabulary.as_bytes())
            .update(rows)
            .update(scales)
            .finalize()
            .as_bytes();
        let found = blake3::Hash::from_bytes(hash).to_hex();
        if found.as_str() != expected {
            return Err(ModelError::Corrupt { expected: expected.into(), found: found.as_str().into() });
        }
        let (rows, rest) = rows.as_chunks::<DIMENSIONS>();
        let (scales, loose) = scales.as_chunks::<4>();
        if rows.len() != scales.len() || !rest.is_empty() || !loose.is_empty() {
            return Err(ModelError::Shape { rows: rows.len(), scales: scales.len() });
        }
        let pieces = WordPiece::new(vocabulary).ok_or(ModelError::Vocabulary)?;
        if vocabulary.lines().count() != rows.len() {
            return Err(ModelError::Vocabulary);
        }
        Ok(Self {
            pieces,
            rows: rows.iter().map(|row| row.map(|byte| byte as i8)).collect(),
            scales: scales.iter().map(|scale| fixed(f32::from_le_bytes(*scale))).collect(),
            hash,
        })
    }

    /// Rows of the first pieces of a text.
    fn rows_of(&self, text: &str) -> Vec<u16> {
        self.pieces.rows(text, PIECES)
    }
}

/// The largest scale with which 64 rows add up to less than 2^31.
const LARGEST_SCALE: f32 = 262_000.0;

/// A product by a power of two is exact, and so is the cut to a whole number.
fn fixed(scale: f32) -> i32 {
    (scale * 4_194_304.0).clamp(-LARGEST_SCALE, LARGEST_SCALE) as i32
}

impl Embedder for StaticModel {
    fn embed(&self, text: &str) -> Meaning {
        let rows = self.rows_of(text);
        let sums = pulp::Arch::new().dispatch(Sum { model: self, rows: &rows });
        let unknown = rows.iter().filter(|row| **row == self.pieces.unknown()).count();
        Meaning {
            vector: normalised(&sums.map(i64::from)),
            is_weak: unknown * 3 > rows.len() || is_foreign(text),
        }
    }

    fn plain(&self, word: &str) -> String {
        WordPiece::plain(word)
    }

    fn knows(&self, word: &str) -> bool {
        self.pieces.is_whole(word)
    }

    fn hash(&self) -> [u8; 32] {
        self.hash
    }
}

/// The sum of some rows, each by its scale.
struct Sum<'a> {
    model: &'a StaticModel,
    rows: &'a [u16],
}

impl pulp::NullaryFnOnce for Sum<'_> {
    type Output = [i32; DIMENSIONS];

    #[inline(always)]
    fn call(self) -> [i32; DIMENSIONS] {
        let mut sums = [0_i32; DIMENSIONS];
        for row in self.rows {
            let at = usize::from(*row);
            if let (Some(row), Some(scale)) = (self.model.rows.get(at), self.model.scales.get(at)) {
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum = sum.wrapping_add(i32::from(*value).wrapping_mul(*scale));
                }
            }
        }
        sums
    }
}

/// Whether fewer than half of the characters that are not spaces are Latin letters: the rows were fitted to
/// English texts about software, and say little about others.
fn is_foreign(text: &str) -> bool {
    let (mut latin, mut all) = (0_usize, 0_usize);
    for c in text.chars().filter(|c| !c.is_whitespace()) {
        all += 1;
        latin += usize::from(c.is_ascii_alphabetic());
    }
    latin * 2 < all || all == 0
}

#[cfg(test)]
mod tests;
