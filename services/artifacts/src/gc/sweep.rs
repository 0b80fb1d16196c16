//! The steps of one sweep, each of which may be a long time after the one before.

use std::time::Duration;

use selvedge_contracts::{
    id::Digest,
    payload::artifact::{GcReport, Removed},
};
use selvedge_kit::{clock::now_ms, service::Answer};

use super::Keeps;
use crate::store::{Retired, Store, sweep_name};

/// Most contents that one call moves aside.
const MAX_RETIRED: usize = 500;
/// Longest that one call looks at content: a part of what its caller waits for one sending.
const LONGEST_LOOK: Duration = Duration::from_secs(5);
/// After this time a sweep that has not settled what it moved aside is taken for dead, in milliseconds.
const DEAD_AFTER_MS: u64 = 10 * 60 * 1_000;
/// How long a sweep of a bucket may sleep and still do no harm when it wakes, in milliseconds: a week.
const LONGEST_SLEEP_MS: u64 = 7 * 86_400_000;
const LAST_SHARD: u8 = u8::MAX;

/// One sweep.
pub(crate) struct Sweep<'a, K> {
    store: &'a Store,
    keeps: K,
    /// What was written before this may go (Unix time in milliseconds).
    before_ms: u64,
    name: String,
}

impl<'a, K: Keeps> Sweep<'a, K> {
    /// A sweep that begins now; `random` tells it from those of other replicas.
    pub(crate) fn new(store: &'a Store, keeps: K, now_ms: u64, grace_ms: u64, random: u64) -> Self {
        Self { store, keeps, before_ms: now_ms.saturating_sub(grace_ms), name: sweep_name(now_ms, random) }
    }

    async fn is_kept(&self, digest: &Digest) -> Answer<bool> {
        Ok(self.keeps.is_named(digest) || self.keeps.is_pinned(digest).await?)
    }

    /// Content after `after` that nothing names and nobody pinned, the oldest digest first; a bounded
    /// number, after which `report.next` says where to go on.
    pub(crate) async fn look(
        &self,
        after: Option<&Digest>,
        report: &mut GcReport,
    ) -> Answer<Vec<(Digest, u64)>> {
        let until = tokio::time::Instant::now() + LONGEST_LOOK;
        let first = after
            .and_then(|digest| digest.as_str().get(..2))
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        let mut unnamed = Vec::new();
        for shard in first.unwrap_or(0)..=LAST_SHARD {
            let contents = self.store.shard(shard).await?;
            for (digest, size_bytes, at_ms) in
                contents.into_iter().filter(|(digest, ..)| after.is_none_or(|after| digest > after))
            {
                // One is always looked at, however long it took to find it: else nobody would ever get there.
                let is_late = report.next.is_some() && tokio::time::Instant::now() > until;
                if unnamed.len() == MAX_RETIRED || is_late {
                    return Ok(unnamed);
                }
                report.next = Some(digest.clone());
                if self.keeps.is_named(&digest) {
                    report.named += 1;
                } else if at_ms > self.before_ms || self.keeps.is_pinned(&digest).await? {
                    report.kept += 1;
                } else {
                    unnamed.push((digest, size_bytes));
                }
            }
        }
        report.next = None;
        Ok(unnamed)
    }

    /// Moves content aside.
    pub(crate) async fn retire(&self, unnamed: &[(Digest, u64)]) -> Answer<Vec<Retired>> {
        let mut retired = Vec::with_capacity(unnamed.len());
        for (digest, size_bytes) in unnamed {
            retired.extend(self.store.retire(digest, *size_bytes, &self.name).await?);
        }
        Ok(retired)
    }

    /// Looks again at what was moved aside, and deletes it or moves it back.
    pub(crate) async fn settle(&self, retired: &[Retired], report: &mut GcReport) -> Answer<()> {
        if retired.is_empty() {
            return Ok(());
        }
        self.keeps.is_up_to_date().await?;
        for content in retired {
            if self.is_kept(&content.digest).await? {
                self.store.restore(content).await?;
                report.kept += 1;
            } else {
                self.store.purge(content).await?;
                let Retired { digest, size_bytes, .. } = content;
                report.removed.push(Removed { digest: digest.clone(), size_bytes: *size_bytes });
            }
        }
        Ok(())
    }

    /// Settles what dead sweeps left, and removes abandoned uploads and half-written files.
    pub(crate) async fn tidy(&self, report: &mut GcReport) -> Answer<()> {
        let now_ms = now_ms();
        let mut dead = Vec::new();
        for retired in self.store.unsettled(now_ms.saturating_sub(DEAD_AFTER_MS)).await? {
            // In a bucket moving is copying and deleting. A sweep that sleeps in between still deletes what
            // it copied when it wakes, and brings it back from this copy if it must.
            let may_wake = !retired.is_older_than(now_ms.saturating_sub(LONGEST_SLEEP_MS));
            if may_wake && self.store.size(&retired.digest).await?.is_some() {
                continue;
            }
            dead.push(retired);
        }
        self.settle(&dead, report).await?;
        report.uploads = self.store.end_abandoned(self.before_ms).await?;
        report.leftovers = self.store.remove_leftovers(self.before_ms).await;
        Ok(())
    }
}
