//! Waiting for a condition, with a deadline. Tests never sleep for a fixed time.

use std::{fmt::Debug, time::Duration};

use tokio::time::Instant;

/// Longest that a test waits for something that is to happen.
pub const PATIENCE: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(5);

/// Asks until the answer is `Ok`; panics, with what it last saw, if that takes longer than [`PATIENCE`].
pub async fn until<T, E: Debug>(what: &str, ask: impl AsyncFnMut() -> Result<T, E>) -> T {
    until_within(PATIENCE, what, ask).await
}

/// As [`until`], with a deadline of its own.
pub async fn until_within<T, E: Debug>(
    within: Duration,
    what: &str,
    mut ask: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let deadline = Instant::now() + within;
    loop {
        let seen = match ask().await {
            Ok(found) => return found,
            Err(seen) => seen,
        };
        assert!(Instant::now() < deadline, "waited {within:?} for {what}; last seen: {seen:?}");
        tokio::time::sleep(PAUSE).await;
    }
}
