//! Renewing a lease, and knowing without anybody's help when it can no longer be relied on.
//!
//! Time is counted from when a request was sent: the service set the deadline later than that, by its own
//! clock, so that no difference between clocks matters.

use std::time::{Duration, SystemTime};

use selvedge_contracts::{
    call,
    fault::Fault,
    payload::lease::{Lease, Renew},
};
use selvedge_kit::client::Options;
use tokio::time::Instant;

use super::super::{Asking, acquire, watch::Events};
use crate::exit::Failure;

/// How a lease's life is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pace {
    /// A renewal is due so long after the last one.
    renew: Duration,
    /// Without a renewal for so long, the lease counts as lost.
    rely: Duration,
    /// After so long it is: from then on another may hold what it covers.
    end: Duration,
}

impl Pace {
    /// A third, and all but a margin: a tenth, for clocks that run at different speeds and for the command
    /// to be told, at most 5 seconds.
    fn of(ttl_ms: u64) -> Self {
        const MOST_MARGIN_MS: u64 = 5_000;
        let margin_ms = (ttl_ms / 10).min(MOST_MARGIN_MS);
        Self {
            renew: Duration::from_millis(ttl_ms / 3),
            rely: Duration::from_millis(ttl_ms - margin_ms),
            end: Duration::from_millis(ttl_ms),
        }
    }
}

/// Longest time between two looks at the clocks: a machine that slept is noticed by then.
const LOOK: Duration = Duration::from_secs(1);
/// Pause after a renewal that nobody answered.
const PAUSE: Duration = Duration::from_millis(200);

/// The renewals of one lease.
pub(super) struct Renewals<'a> {
    asking: &'a Asking,
    wanted: Renew,
    pace: Pace,
    confirmed: Confirmed,
}

/// When the request was sent that was answered last.
#[derive(Debug, Clone, Copy)]
struct Confirmed {
    at: Instant,
    /// The same by the clock on the wall, which goes on while the machine sleeps.
    wall: SystemTime,
}

impl Confirmed {
    fn at(at: Instant) -> Self {
        Self { at, wall: SystemTime::now().checked_sub(at.elapsed()).unwrap_or(SystemTime::UNIX_EPOCH) }
    }

    fn age(&self) -> Duration {
        self.at.elapsed()
    }

    /// By the clock that went furthest: somebody may have set the one on the wall, so that only a look
    /// follows from it.
    fn oldest_age(&self) -> Duration {
        self.age().max(self.wall.elapsed().unwrap_or_default())
    }
}

impl<'a> Renewals<'a> {
    pub(super) fn new(asking: &'a Asking, lease: &Lease) -> Result<Self, Failure> {
        let Lease { space, id, ttl_ms, .. } = lease;
        let token = acquire::token(lease)?;
        let wanted = Renew { space: space.clone(), lease: id.clone(), token, ttl_ms: None };
        Ok(Self { asking, wanted, pace: Pace::of(*ttl_ms), confirmed: Confirmed::at(Instant::now()) })
    }

    /// The fencing token.
    pub(super) fn token(&self) -> u64 {
        self.wanted.token
    }

    /// How long it is until another may hold what the lease covers, if nobody took it away before its time.
    pub(super) fn left(&self) -> Duration {
        self.pace.end.saturating_sub(self.confirmed.oldest_age())
    }

    /// Whether a renewal is due.
    fn is_due(&self) -> bool {
        self.confirmed.oldest_age() >= self.pace.renew
    }

    /// Renews until the lease is lost; gives the reason.
    pub(super) async fn keep(&mut self, events: &mut Events) -> String {
        let mut connects = self.asking.client.bus().connects();
        loop {
            let until_due = self.pace.renew.saturating_sub(self.confirmed.oldest_age());
            let is_gone = tokio::time::timeout(until_due.min(LOOK), events.gone()).await.is_ok();
            // While it was away, nothing was heard.
            let was_away = connects.has_changed().unwrap_or(false);
            connects.mark_unchanged();
            if (is_gone || was_away || self.is_due())
                && let Err(reason) = self.renew(self.confirmed.at + self.pace.rely).await
            {
                return reason;
            }
        }
    }

    /// Renews for the first time: whoever waited in a queue does not know how much of the lease's life is
    /// left, and what became of it before `keep` listens would go unheard.
    ///
    /// # Errors
    /// Why it is lost.
    pub(super) async fn begin(&mut self) -> Result<(), String> {
        self.renew(Instant::now() + self.pace.rely).await
    }

    /// Renews once; asks again until the lease cannot be relied on any more.
    async fn renew(&mut self, until: Instant) -> Result<(), String> {
        let mut last = None;
        loop {
            let sent_at = Instant::now();
            let left = until.saturating_duration_since(sent_at);
            if left.is_zero() {
                let last = last.map_or_else(String::new, |fault: Fault| format!(" ({fault})"));
                return Err(format!("no renewal was confirmed for {:?}{last}", self.pace.rely));
            }
            let options = Options {
                timeout_ms: u64::try_from(left.as_millis()).ok().map(|left_ms| left_ms.max(1)),
                ..Options::default()
            };
            let call = self.asking.client.call_with::<call::LeaseRenew>(&self.wanted, &options);
            match tokio::time::timeout(left, call).await {
                Ok(Ok(_)) => {
                    self.confirmed = Confirmed::at(sent_at);
                    return Ok(());
                }
                Ok(Err(fault)) if fault.is_retryable() => last = Some(fault),
                Ok(Err(fault)) => return Err(fault.message),
                Err(_) => {}
            }
            tokio::time::sleep(PAUSE.min(until.saturating_duration_since(Instant::now()))).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_renewed_at_a_third_and_relied_on_until_shortly_before_its_end() {
        let ms = Duration::from_millis;
        assert_eq!(Pace::of(1_000), Pace { renew: ms(333), rely: ms(900), end: ms(1_000) });
        assert_eq!(Pace::of(300_000), Pace { renew: ms(100_000), rely: ms(295_000), end: ms(300_000) });
        for ttl_ms in [1_000, 2_000, 60_000, 86_400_000] {
            let Pace { renew, rely, .. } = Pace::of(ttl_ms);
            assert!(renew * 2 < rely && rely < ms(ttl_ms), "two renewals fit: {ttl_ms}");
        }
    }
}
