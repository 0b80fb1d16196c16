//! How often a keeper does what. Pure, but for the jitter of a pause.

use std::time::Duration;

/// When to renew a credential: at two thirds of what is left of its life, up to a twelfth earlier, so
/// that many keepers do not ask at once. `fraction` is from 0 to 1.
pub(super) fn renewal(now_ms: u64, expires_at_ms: u64, fraction: f64) -> u64 {
    let left_ms = expires_at_ms.saturating_sub(now_ms);
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "at most a day"
    )]
    let early_ms = (left_ms as f64 / 12.0 * fraction) as u64;
    now_ms + left_ms * 2 / 3 - early_ms
}

/// Time between heartbeats: a third of what presence lasts, so that two may be lost.
pub(super) const fn beat_ms(presence_ttl_ms: u64) -> u64 {
    presence_ttl_ms / 3
}

/// A pause, up to a tenth shorter.
pub(super) fn jittered(pause_ms: u64) -> Duration {
    Duration::from_millis(pause_ms).mul_f64(rand::random_range(0.9..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_renewed_at_two_thirds_of_its_life_or_a_little_before() {
        assert_eq!(renewal(1_000, 13_000, 0.0), 9_000);
        assert_eq!(renewal(1_000, 13_000, 1.0), 8_000);
        assert_eq!(renewal(1_000, 500, 0.5), 1_000, "one that is over, at once");
    }
}
