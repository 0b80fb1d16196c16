//! Arithmetic that gives the same answer on every machine: integers with a fixed point. Floating logarithms
//! and exponentials differ between systems in their last digit, and replicas must agree to the last digit.

use std::sync::LazyLock;

/// One, as features count it: 12 bits behind the point.
pub const ONE: i32 = 1 << 12;

/// Bits of a number, behind its first, that its logarithm is looked up by.
const BITS: u32 = 11;

/// What the bits behind the first add to the logarithm, 8 bits behind the point: found by squaring.
static FRACTIONS: LazyLock<Vec<u32>> = LazyLock::new(|| {
    let fraction = |bits: u64| {
        let mut rest = (1 << 31) | (bits << (31 - BITS));
        (0..8).fold(0, |fraction, _| {
            rest = (rest * rest) >> 31;
            let is_over = rest >= 1 << 32;
            rest >>= u32::from(is_over);
            (fraction << 1) | u32::from(is_over)
        })
    };
    (0..1 << BITS).map(fraction).collect()
});

/// log2, 8 bits behind the point; that of nothing is that of one.
#[inline]
pub(crate) fn log2(value: u64) -> u32 {
    let whole = value.max(1).ilog2();
    let bits = (value.max(1) << (63 - whole) << 1) >> (64 - BITS);
    (whole << 8) | FRACTIONS.get(bits as usize).copied().unwrap_or(0)
}

/// `part / whole` in units of [`ONE`], never above it; nothing of nothing is nothing.
pub(crate) fn share(part: u64, whole: u64) -> i32 {
    if whole == 0 {
        return 0;
    }
    // What is shared out is far below 2^52, and saturates above it.
    let share = part.saturating_mul(u64::from(ONE.unsigned_abs())) / whole;
    i32::try_from(share).unwrap_or(ONE).min(ONE)
}

/// The logistic function: thousandths of a logit in, thousandths out. A table of every half logit with straight
/// lines between.
pub fn logistic(milli_logits: i32) -> u16 {
    const HALVES: [i32; 17] =
        [500, 622, 731, 818, 881, 924, 953, 971, 982, 989, 993, 996, 998, 998, 999, 999, 1000];
    let size = milli_logits.unsigned_abs().min(8_000);
    let at = (size / 500) as usize;
    let (low, high) = (HALVES.get(at).copied(), HALVES.get(at + 1).copied());
    let (low, high) = (low.unwrap_or(1000), high.unwrap_or(1000));
    let value = low + (high - low) * (size % 500) as i32 / 500;
    let value = if milli_logits < 0 { 1000 - value } else { value };
    u16::try_from(value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_those_of_floating_point() {
        for value in [1, 2, 3, 7, 12_344, 12_345, 1_000_000, u64::MAX] {
            let expected = (value as f64).log2() * 256.0;
            let seen = f64::from(log2(value));
            assert!((seen - expected).abs() <= 1.3, "{value}: {seen} for {expected}");
        }
        assert_eq!(log2(0), 0);
    }

    #[test]
    fn the_logistic_function_grows_and_is_near_the_exact_one() {
        let mut last = 0;
        for milli in -9_000..9_000 {
            let seen = logistic(milli);
            assert!(seen >= last, "{milli}");
            last = seen;
            let exact = 1000.0 / (1.0 + (-f64::from(milli) / 1000.0).exp());
            assert!((f64::from(seen) - exact).abs() < 4.0, "{milli}: {seen} for {exact}");
        }
    }

    #[test]
    fn a_share_is_never_above_one() {
        assert_eq!(share(0, 0), 0);
        assert_eq!(share(5, 3), ONE);
        assert_eq!(share(1, 2), ONE / 2);
    }
}
