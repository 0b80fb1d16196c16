//! Garbage collection: mark and sweep over the ledger.
//!
//! Marked is what any fact names (every version of every name, in every mission, and their sources). Of
//! the rest, what was written or pinned within the grace period stays. What remains is moved aside, where
//! nobody who asks for it finds it stored; then names and pins are looked at again, and it is deleted, or
//! moved back. Since whoever relies on content pins it *before* asking whether it is there, one of two
//! things is true for each of them: the sweep sees the pin, or they see that it is gone and write it anew.
//! A sweep that sleeps in between, however long, deletes only what it moved aside itself.

use std::{sync::Arc, time::Duration};

use selvedge_contracts::{
    fault::Fault,
    id::Digest,
    payload::artifact::{Gc, GcReport, Removed},
};
use selvedge_kit::{
    clock::{Deadline, now_ms},
    service::{Answer, Call},
};
use tracing::info;

use crate::{
    state::Artifacts,
    store::{Retired, sweep_name},
};

/// Most contents that one call moves aside.
const MAX_RETIRED: usize = 500;
/// Longest that one call looks at content: a part of what its caller waits for one sending.
const LONGEST_LOOK: Duration = Duration::from_secs(5);
/// How long content lies aside before it is looked at again. Nothing depends on it; it spares those who
/// name something just now from writing it anew.
const WAIT: Duration = Duration::from_millis(250);
/// After this time a sweep that has not settled what it moved aside is taken for dead, in milliseconds.
const DEAD_AFTER_MS: u64 = 10 * 60 * 1_000;
const LAST_SHARD: u8 = u8::MAX;

pub(crate) async fn gc(state: Arc<Artifacts>, call: Arc<Call>, request: Gc) -> Answer<GcReport> {
    let sweep = Sweep::begin(&state, call.deadline()).await?;
    let mut report = GcReport::default();
    let unnamed = sweep.look(request.after.as_ref(), &mut report).await?;
    if request.dry_run {
        report.removed =
            unnamed.into_iter().map(|(digest, size_bytes)| Removed { digest, size_bytes }).collect();
        return Ok(report);
    }
    let retired = sweep.retire(&unnamed).await?;
    if !retired.is_empty() {
        tokio::time::sleep(WAIT).await;
    }
    sweep.settle(&retired, &mut report).await?;
    if report.next.is_none() {
        sweep.tidy(&mut report).await?;
    }
    info!(removed = report.removed.len(), named = report.named, kept = report.kept, "swept");
    Ok(report)
}

/// One sweep.
pub(crate) struct Sweep<'a> {
    state: &'a Artifacts,
    deadline: Deadline,
    /// What was written before this may go (Unix time in milliseconds).
    before_ms: u64,
    name: String,
}

impl<'a> Sweep<'a> {
    /// Begins a sweep once the views hold every fact.
    pub(crate) async fn begin(state: &'a Artifacts, deadline: Deadline) -> Answer<Self> {
        let now_ms = now_ms();
        let name = sweep_name(now_ms, rand());
        let sweep = Self { state, deadline, before_ms: now_ms.saturating_sub(state.grace_ms), name };
        sweep.is_up_to_date().await?;
        Ok(sweep)
    }

    /// Waits until the views hold every fact that the ledger's leader has now.
    async fn is_up_to_date(&self) -> Answer<()> {
        let last = self.state.feed.last_revision(self.deadline).await;
        let last = last.map_err(|error| Fault::unavailable(format!("{error}; nothing was removed")))?;
        if !self.state.feed.reaches(last, self.deadline).await {
            return Err(Fault::unavailable("the views are behind the ledger; nothing was removed"));
        }
        if !self.state.names().iter().all(|names| names.is_complete()) {
            return Err(Fault::internal(
                "the ledger holds facts about artifacts that this build cannot read, and what they name is not known: nothing was removed; update it first",
            ));
        }
        Ok(())
    }

    fn is_named(&self, digest: &Digest) -> bool {
        self.state.names().iter().any(|names| names.names(digest))
    }

    async fn is_kept(&self, digest: &Digest) -> Answer<bool> {
        Ok(self.is_named(digest) || self.state.pins.any(digest, self.deadline).await?)
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
            let contents = self.state.store.shard(shard).await?;
            for (digest, size_bytes, at_ms) in
                contents.into_iter().filter(|(digest, ..)| after.is_none_or(|after| digest > after))
            {
                if unnamed.len() == MAX_RETIRED || tokio::time::Instant::now() > until {
                    return Ok(unnamed);
                }
                report.next = Some(digest.clone());
                if self.is_named(&digest) {
                    report.named += 1;
                } else if at_ms > self.before_ms || self.state.pins.any(&digest, self.deadline).await? {
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
            retired.extend(self.state.store.retire(digest, *size_bytes, &self.name).await?);
        }
        Ok(retired)
    }

    /// Looks again at what was moved aside, and deletes it or moves it back.
    pub(crate) async fn settle(&self, retired: &[Retired], report: &mut GcReport) -> Answer<()> {
        if retired.is_empty() {
            return Ok(());
        }
        self.is_up_to_date().await?;
        for content in retired {
            if self.is_kept(&content.digest).await? {
                self.state.store.restore(content).await?;
                report.kept += 1;
            } else {
                self.state.store.purge(content).await?;
                let Retired { digest, size_bytes, .. } = content;
                report.removed.push(Removed { digest: digest.clone(), size_bytes: *size_bytes });
            }
        }
        Ok(())
    }

    /// Settles what dead sweeps left, and removes abandoned uploads and half-written files.
    async fn tidy(&self, report: &mut GcReport) -> Answer<()> {
        let dead = self.state.store.unsettled(now_ms().saturating_sub(DEAD_AFTER_MS)).await?;
        self.settle(&dead, report).await?;
        report.uploads = self.state.store.end_abandoned(self.before_ms).await?;
        report.leftovers = self.state.store.remove_leftovers(self.before_ms).await;
        Ok(())
    }
}

/// Tells the sweeps of several replicas apart.
fn rand() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    RandomState::new().build_hasher().finish()
}
