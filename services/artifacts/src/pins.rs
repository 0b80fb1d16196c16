//! Pins: who put which content, for as long as it may stay without a name. A bucket whose keys die by
//! themselves, `pins`, keys `<digest>.<mission>.<caller>`.
//!
//! A pin is written before anybody relies on content being there, so a sweep that looks for pins after it
//! has moved content aside sees it. It also is the right to read and to name what one put oneself.

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

/// The pins of one kluster.
pub(crate) struct Pins {
    bucket: Bucket,
    grace_ms: u64,
}

impl Pins {
    pub(crate) fn new(bus: &Bus, grace_ms: u64) -> Self {
        Self { bucket: Bucket::new(bus.clone(), PINS), grace_ms }
    }

    /// Pins content for the caller, from now on for the whole grace period; answers with its end (Unix
    /// time in milliseconds).
    ///
    /// # Errors
    /// `unavailable` if the bucket does not answer.
    pub(crate) async fn pin(
        &self,
        digest: &Digest,
        mission: &Mission,
        caller: &Caller,
        deadline: Deadline,
    ) -> Result<u64, Fault> {
        let until_ms = now_ms().saturating_add(self.grace_ms);
        let key = key(digest, mission, caller);
        let put = self.bucket.put(&key, "1".into(), self.grace_ms, Expect::Anything, deadline).await;
        put.map(|_| until_ms)
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
