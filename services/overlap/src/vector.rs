//! Vectors of eight-bit integers at one fixed length, and their integer products: the same everywhere.

use crate::fixed::ONE;

/// Numbers in a vector.
pub const DIMENSIONS: usize = 256;

/// A text's meaning as a direction: eight-bit integers, all of one length; all zero where
/// nothing is known of the text.
pub type Vector = [i8; DIMENSIONS];

/// Nothing known.
pub(crate) const NOTHING: Vector = [0; DIMENSIONS];

/// The length that vectors are scaled to. A longer one loses more of the few components that stand out (they
/// are cut at 127), a shorter one more of the many small ones.
pub(crate) const LENGTH: i64 = 240;

/// Brings sums to the fixed length; all zero stays so.
pub fn normalised(sums: &[i64; DIMENSIONS]) -> Vector {
    let largest = sums.iter().map(|sum| sum.unsigned_abs()).max().unwrap_or(0);
    // Below 2^20 each, their squares add up to less than 2^48, and to less than 2^64 with 16 bits behind.
    let shift = (u64::BITS - largest.leading_zeros()).saturating_sub(20);
    let squares: u64 = sums.iter().map(|sum| (sum.unsigned_abs() >> shift).pow(2)).sum();
    let length = ((squares << 16).isqrt() as i64).max(1);
    let mut vector = NOTHING;
    for (out, sum) in vector.iter_mut().zip(sums) {
        let size = (sum.unsigned_abs() >> shift) as i64 * (LENGTH << 8);
        let rounded = ((size + length / 2) / length).min(127) * sum.signum();
        *out = i8::try_from(rounded).unwrap_or(0);
    }
    vector
}

/// The product of two vectors.
#[inline(always)]
pub(crate) fn dot(one: &Vector, other: &Vector) -> i32 {
    // 256 products of at most 2^14: they cannot wrap, and without checks for it the loop is vectorised.
    one.iter()
        .zip(other)
        .fold(0_i32, |sum, (a, b)| sum.wrapping_add(i32::from(*a).wrapping_mul(i32::from(*b))))
}

/// Cosine in units of [`ONE`], exact for their true lengths; below zero counts as zero.
pub(crate) fn cosine(one: &Vector, other: &Vector) -> i32 {
    let product = i64::from(dot(one, other).max(0));
    let squares = i64::from(dot(one, one)) * i64::from(dot(other, other));
    let length = squares.isqrt();
    if length == 0 { 0 } else { i32::try_from(product * i64::from(ONE) / length).unwrap_or(ONE).min(ONE) }
}

/// The products of one vector with many, written into `out`. One walk for all, so that the processor's widest
/// registers are asked for once.
pub(crate) fn dots(one: &Vector, many: &[Vector], out: &mut Vec<i32>) {
    out.clear();
    out.resize(many.len(), 0);
    pulp::Arch::new().dispatch(Dots { one: &one.map(i16::from), many, out });
}

/// A walk over many vectors, compiled once for each width of registers.
struct Dots<'a> {
    /// As wide as the processor multiplies.
    one: &'a [i16; DIMENSIONS],
    many: &'a [Vector],
    out: &'a mut [i32],
}

impl pulp::NullaryFnOnce for Dots<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (out, vector) in self.out.iter_mut().zip(self.many) {
            let mut sum = 0_i32;
            for (a, b) in self.one.iter().zip(vector) {
                sum = sum.wrapping_add(i32::from(*a).wrapping_mul(i32::from(*b)));
            }
            *out = sum;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(seed: u64) -> [i64; DIMENSIONS] {
        let mut state = seed;
        std::array::from_fn(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as i64 - (1 << 30)
        })
    }

    #[test]
    fn a_vector_has_the_fixed_length_and_its_own_direction() {
        for seed in 1..50 {
            let sums = random(seed);
            let vector = normalised(&sums);
            let length = f64::from(dot(&vector, &vector)).sqrt();
            assert!((length - LENGTH as f64).abs() < 3.0, "{length}");
            let exact: f64 = sums.iter().map(|sum| (*sum as f64).powi(2)).sum::<f64>().sqrt();
            for (seen, sum) in vector.iter().zip(&sums) {
                assert!((f64::from(*seen) - *sum as f64 / exact * LENGTH as f64).abs() < 0.6);
            }
            assert_eq!(cosine(&vector, &vector), ONE);
        }
    }

    #[test]
    fn nothing_is_like_nothing() {
        let vector = normalised(&[0; DIMENSIONS]);
        assert_eq!(vector, NOTHING);
        assert_eq!(cosine(&vector, &normalised(&random(3))), 0);
    }

    #[test]
    fn extremes_neither_wrap_nor_stop() {
        let vector = normalised(&[i64::MIN; DIMENSIONS]);
        assert_eq!(vector, [-15; DIMENSIONS]);
        let mut one = [0; DIMENSIONS];
        one[7] = i64::MAX;
        assert_eq!(normalised(&one)[7], 127);
        assert_eq!(dot(&[-128; DIMENSIONS], &[-128; DIMENSIONS]), 128 * 128 * 256);
    }

    #[test]
    fn many_products_are_the_single_ones() {
        let many: Vec<Vector> = (0..100).map(|seed| normalised(&random(seed))).collect();
        let one = normalised(&random(1_000));
        let mut out = Vec::new();
        dots(&one, &many, &mut out);
        assert_eq!(out, many.iter().map(|vector| dot(&one, vector)).collect::<Vec<_>>());
    }
}
