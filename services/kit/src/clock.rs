//! The one place where the kit reads the clock. Rules get the time as an argument.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Unix time in milliseconds.
pub fn now_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

/// Unix time in microseconds.
pub(crate) fn now_us() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_micros()).unwrap_or(u64::MAX)
}

/// One deadline for everything that a piece of work waits for.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    /// The deadline `ms` milliseconds from now.
    pub fn in_ms(ms: u64) -> Self {
        Self(Instant::now() + Duration::from_millis(ms))
    }

    /// What is left of it; nothing once it has passed.
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether it has passed.
    pub fn has_passed(self) -> bool {
        self.remaining().is_zero()
    }

    /// The earlier of this deadline and the one `ms` milliseconds from now.
    #[must_use]
    pub fn at_most_ms(self, ms: u64) -> Self {
        Self(self.0.min(Instant::now() + Duration::from_millis(ms)))
    }

    /// Waits a moment that grows with `attempt` (from 0) and differs between those who wait, and is
    /// never longer than what is left: 1 ms to 250 ms.
    pub async fn back_off(self, attempt: u32) {
        const FIRST_MS: f64 = 2.0;
        const LONGEST_MS: f64 = 250.0;
        let ceiling_ms = (FIRST_MS * f64::from(1_u32 << attempt.min(10))).min(LONGEST_MS);
        let pause = Duration::from_secs_f64(ceiling_ms * rand::random_range(0.5..1.0) / 1_000.0);
        tokio::time::sleep(pause.min(self.remaining())).await;
    }
}

/// A Unix time in milliseconds as RFC 3339 in UTC.
pub fn rfc3339(at_ms: u64) -> String {
    use time::{OffsetDateTime, format_description::well_known::Rfc3339};
    let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at_ms) * 1_000_000);
    at.ok().and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}

/// An RFC 3339 time as Unix time in milliseconds.
pub fn from_rfc3339(text: &str) -> Option<u64> {
    use time::{OffsetDateTime, format_description::well_known::Rfc3339};
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    u64::try_from(at.unix_timestamp_nanos() / 1_000_000).ok()
}
