//! Pins: who put which content, for as long as it may stay without a name. A bucket whose keys die by
//! themselves, `pins`, keys `<digest>.<mission>.<caller>`.
//!
//! A pin is written before anybody relies on content being there, so a sweep that looks for pins after it
//! has moved content aside sees it. It also is the right to read and to name what one put oneself.
//!
//! A pin lives longer than its owner is told, by a margin longer than any call: who comes at the last moment
//! pins anew, and that pin outlives what the call then tests and records, however short the grace period.
//! A call that was held up longer (a machine that slept) finds its pin too old and names nothing.

use selvedge_contracts::{
    fault::Fault,
    id::{Caller, Digest, Mission},
    stream::PINS,
};
use selvedge_kit::{
    bucket::{Bucket, Expect},
    bus::Bus,
    clock::{Deadline, now_ms},
};

/// Longest that a fact may take from its decision to the ledger, in milliseconds: more than one append waits.
const APPEND_MS: u64 = 2_500;

/// A pin: when it was asked for, and how long it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pin {
    at_ms: u64,
    life: Life,
}

/// How long pins live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Life {
    /// As long as their owners are told, in milliseconds.
    pub(crate) grace_ms: u64,
    /// And this much longer.
    pub(crate) margin_ms: u64,
}

impl Life {
    fn ttl_ms(self) -> u64 {
        self.grace_ms.saturating_add(self.margin_ms)
    }
}

impl Pin {
    /// Until when its owner may count on it: Unix time in milliseconds.
    pub(crate) fn until_ms(self) -> u64 {
        self.at_ms.saturating_add(self.life.grace_ms)
    }

    /// Whether a fact that is decided now is in the ledger before the pin dies.
    pub(crate) fn carries(self, now_ms: u64) -> bool {
        let dies_at_ms = self.at_ms.saturating_add(self.life.ttl_ms());
        now_ms.saturating_add(APPEND_MS) < dies_at_ms
    }
}

/// The pins of one kluster.
pub(crate) struct Pins {
    bucket: Bucket,
    life: Life,
}

impl Pins {
    pub(crate) fn new(bus: &Bus, life: Life) -> Self {
        Self { bucket: Bucket::new(bus.clone(), PINS), life }
    }

    /// Pins content for the caller, from now on for the whole grace period.
    ///
    /// # Errors
    /// `unavailable` if the bucket does not answer.
    pub(crate) async fn pin(
        &self,
        digest: &Digest,
        mission: &Mission,
        caller: &Caller,
        deadline: Deadline,
    ) -> Result<Pin, Fault> {
        // The time before it is sent: the server counts from a later one.
        let pin = Pin { at_ms: now_ms(), life: self.life };
        let key = key(digest, mission, caller);
        let put = self.bucket.put(&key, "1".into(), self.life.ttl_ms(), Expect::Anything, deadline).await;
        put.map(|_| pin)
            .map_err(|error| Fault::unavailable(format!("cannot pin the content: {error}; try again")))
    }

    /// Whether the caller has put this content within the grace period.
    ///
    /// # Errors
    /// As [`Pins::pin`].
    pub(crate) async fn has(
        &self,
        digest: &Digest,
        mission: &Mission,
        caller: &Caller,
        deadline: Deadline,
    ) -> Result<bool, Fault> {
        let found = self.bucket.get(&key(digest, mission, caller), deadline).await;
        found.map(|pin| pin.is_some()).map_err(unanswered)
    }

    /// Whether anybody of a mission has.
    ///
    /// # Errors
    /// As [`Pins::pin`].
    pub(crate) async fn any_in(
        &self,
        digest: &Digest,
        mission: &Mission,
        deadline: Deadline,
    ) -> Result<bool, Fault> {
        self.bucket.has_under(&format!("{digest}.{mission}"), deadline).await.map_err(unanswered)
    }

    /// Whether anybody has.
    ///
    /// # Errors
    /// As [`Pins::pin`].
    pub(crate) async fn any(&self, digest: &Digest, deadline: Deadline) -> Result<bool, Fault> {
        self.bucket.has_under(digest.as_str(), deadline).await.map_err(unanswered)
    }
}

fn key(digest: &Digest, mission: &Mission, caller: &Caller) -> String {
    format!("{digest}.{mission}.{caller}")
}

fn unanswered(reason: String) -> Fault {
    Fault::unavailable(format!("the pins cannot be read: {reason}; try again"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;
    use selvedge_contracts::call::{ArtifactPublish, CallType as _};

    #[test]
    fn a_pin_outlives_what_is_recorded_under_it_by_the_time_the_ledger_may_take() {
        let pin = Pin { at_ms: 1_000, life: Life { grace_ms: 10, margin_ms: 5_000 } };
        assert_eq!(pin.until_ms(), 1_010, "what is told is the grace period alone");
        let dies_at_ms = 1_000 + 10 + 5_000;
        assert!(pin.carries(1_000) && pin.carries(dies_at_ms - APPEND_MS - 1));
        for late in [dies_at_ms - APPEND_MS, dies_at_ms, u64::MAX] {
            assert!(!pin.carries(late), "{late}");
        }
    }

    #[test]
    fn the_margin_is_longer_than_any_call_that_names_content_however_short_the_grace_period() {
        let pin = Pin { at_ms: 7, life: Life { grace_ms: 1, margin_ms: Config::PIN_MARGIN_MS } };
        assert!(pin.carries(7 + 2 * ArtifactPublish::CALL.deadline_ms));
    }
}
