//! The steps of one sweep, each of which may be a long time after the one before.

use std::time::Duration;

use futures::future::try_join_all;
use selvedge_contracts::{
    id::Digest,
    payload::artifact::{GcReport, Removed},
};
use selvedge_kit::{clock::now_ms, service::Answer};
use tokio::time::Instant;

use super::Keeps;
use crate::store::{Retired, Store, sweep_name};

/// Most contents that one call removes.
const MAX_REMOVED: usize = 500;
/// Contents moved, or deleted, at once.
const AT_ONCE: usize = 16;
/// Up to when one call looks at content, from its beginning.
const LOOKS_FOR: Duration = Duration::from_millis(1_000);
/// Up to when it begins to move content aside.
const REMOVES_FOR: Duration = Duration::from_millis(2_000);
/// How long content lies aside at least before it is looked at again. Nothing depends on it; it spares those
/// who name something just now from writing it anew.
const WAIT: Duration = Duration::from_millis(250);
/// Up to when it begins anything: less than a client waits before it sends the call again.
const WORKS_FOR: Duration = Duration::from_millis(3_000);
/// After this time a sweep that has not settled what it moved aside is taken for dead, in milliseconds.
const DEAD_AFTER_MS: u64 = 10 * 60 * 1_000;
/// How long a sweep of a bucket may sleep and still do no harm when it wakes, in milliseconds: a week.
const LONGEST_SLEEP_MS: u64 = 7 * 86_400_000;
const LAST_SHARD: u8 = u8::MAX;

/// One call's part of a sweep.
pub(crate) struct Sweep<'a, K> {
    store: &'a Store,
    pub(super) keeps: K,
    /// What was written before this may go (Unix time in milliseconds).
    before_ms: u64,
    name: String,
    began: Instant,
}

/// Content that nothing names and nobody pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unnamed {
    pub(crate) digest: Digest,
    pub(crate) size_bytes: u64,
    /// How many named and kept ones were seen before it.
    named: u64,
    kept: u64,
}

#[cfg(test)]
impl Unnamed {
    pub(super) fn new(digest: Digest, size_bytes: u64) -> Self {
        Self { digest, size_bytes, named: 0, kept: 0 }
    }
}

impl<'a, K: Keeps> Sweep<'a, K> {
    /// A sweep that begins now; `random` tells it from those of other replicas.
    pub(crate) fn new(store: &'a Store, keeps: K, now_ms: u64, grace_ms: u64, random: u64) -> Self {
        let (before_ms, name) = (now_ms.saturating_sub(grace_ms), sweep_name(now_ms, random));
        Self { store, keeps, before_ms, name, began: Instant::now() }
    }

    fn is_past(&self, part: Duration) -> bool {
        self.began.elapsed() > part
    }

    async fn is_kept(&self, digest: &Digest) -> Answer<bool> {
        Ok(self.keeps.is_named(digest) || self.keeps.is_pinned(digest).await?)
    }

    /// Content after `after` that nothing names and nobody pinned, the lowest digest first; as much as fits
    /// into a call's time, after which `report.next` says where to go on.
    pub(crate) async fn look(&self, after: Option<&Digest>, report: &mut GcReport) -> Answer<Vec<Unnamed>> {
        let mut unnamed = Vec::new();
        for shard in after.map_or(0, shard_of)..=LAST_SHARD {
            let contents = self.store.shard(shard).await?;
            for (digest, size_bytes, at_ms) in
                contents.into_iter().filter(|(digest, ..)| after.is_none_or(|after| digest > after))
            {
                // One is always looked at, however long it took to list it: else nobody would ever get there.
                if unnamed.len() == MAX_REMOVED || (report.next.is_some() && self.is_past(LOOKS_FOR)) {
                    return Ok(unnamed);
                }
                report.next = Some(digest.clone());
                if self.keeps.is_named(&digest) {
                    report.named += 1;
                } else if at_ms > self.before_ms || self.keeps.is_pinned(&digest).await? {
                    report.kept += 1;
                } else {
                    unnamed.push(Unnamed { digest, size_bytes, named: report.named, kept: report.kept });
                }
            }
            report.next = (shard < LAST_SHARD).then(|| last_of(shard)).flatten();
            if self.is_past(LOOKS_FOR) {
                break;
            }
        }
        Ok(unnamed)
    }

    /// Moves content aside and removes it, as much as fits into a call's time; `report` goes back to the last
    /// that was.
    pub(crate) async fn remove(&self, unnamed: &[Unnamed], report: &mut GcReport) -> Answer<()> {
        let (named, kept) = (report.named, report.kept);
        let mut aside = Vec::new();
        let mut last: Option<&Unnamed> = None;
        for some in unnamed.chunks(AT_ONCE) {
            if let Some(last) = last.filter(|_| self.is_past(REMOVES_FOR)) {
                report.named -= named - last.named;
                report.kept -= kept - last.kept;
                report.next = Some(last.digest.clone());
                break;
            }
            // While the next ones are moved, those before them lie aside.
            let before = std::mem::replace(&mut aside, self.retire(some).await?);
            self.settle(&before, report).await?;
            last = some.last();
        }
        if !aside.is_empty() {
            tokio::time::sleep(WAIT).await;
        }
        self.settle(&aside, report).await
    }

    /// Moves content aside.
    pub(crate) async fn retire(&self, unnamed: &[Unnamed]) -> Answer<Vec<Retired>> {
        let aside = unnamed.iter().map(|one| self.store.retire(&one.digest, one.size_bytes, &self.name));
        Ok(try_join_all(aside).await?.into_iter().flatten().collect())
    }

    /// Looks again at what was moved aside, and deletes it or moves it back.
    pub(crate) async fn settle(&self, retired: &[Retired], report: &mut GcReport) -> Answer<()> {
        if retired.is_empty() {
            return Ok(());
        }
        self.keeps.is_up_to_date().await?;
        for removed in try_join_all(retired.iter().map(|one| self.settle_one(one))).await? {
            report.kept += u64::from(removed.is_none());
            report.removed.extend(removed);
        }
        Ok(())
    }

    /// Answers with what was removed.
    async fn settle_one(&self, content: &Retired) -> Answer<Option<Removed>> {
        if self.is_kept(&content.digest).await? {
            self.store.restore(content).await?;
            return Ok(None);
        }
        self.store.purge(content).await?;
        let Retired { digest, size_bytes, .. } = content;
        Ok(Some(Removed { digest: digest.clone(), size_bytes: *size_bytes }))
    }

    /// Settles what dead sweeps left, and removes abandoned uploads and half-written files. If its time runs
    /// out, `report.next` says that there is more, though no content.
    pub(crate) async fn tidy(&self, report: &mut GcReport) -> Answer<()> {
        let goes_on = || !self.is_past(WORKS_FOR);
        let dead = self.dead().await?;
        for (index, some) in dead.chunks(AT_ONCE).enumerate() {
            if index > 0 && !goes_on() {
                break;
            }
            self.settle(some, report).await?;
        }
        report.uploads = self.store.end_abandoned(self.before_ms, goes_on).await?;
        // Only what did something is asked for again, else it would never end.
        if !goes_on() && (report.uploads > 0 || !dead.is_empty()) {
            report.next = last_of(LAST_SHARD);
            return Ok(());
        }
        report.leftovers += self.store.remove_leftovers(self.before_ms).await;
        Ok(())
    }

    /// Removes half-written files beside the content that this call has looked at.
    pub(crate) async fn remove_half_written(&self, after: Option<&Digest>, report: &mut GcReport) {
        let shards = after.map_or(0, shard_of)..=report.next.as_ref().map_or(LAST_SHARD, shard_of);
        report.leftovers += self.store.remove_half_written(shards, self.before_ms).await;
    }

    /// What sweeps left that are taken for dead.
    async fn dead(&self) -> Answer<Vec<Retired>> {
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
        Ok(dead)
    }
}

fn shard_of(digest: &Digest) -> u8 {
    digest.as_str().get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()).unwrap_or(0)
}

/// The greatest digest of a shard.
fn last_of(shard: u8) -> Option<Digest> {
    Digest::new(&format!("{shard:02x}{:f<62}", "")).ok()
}
