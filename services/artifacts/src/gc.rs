//! Garbage collection: mark and sweep over the ledger.
//!
//! Marked is what any fact names (every version of every name, in every mission, their sources, and what
//! intents and tasks name). Of the rest, what was written or pinned within the grace period stays. What remains is
//! moved aside, where nobody who asks for it finds it stored; then names and pins are looked at again, and it is deleted, or
//! moved back. Since whoever relies on content pins it *before* asking whether it is there, one of two
//! things is true for each of them: the sweep sees the pin, or they see that it is gone and write it anew.
//! A sweep that sleeps in between, however long, deletes only what it moved aside itself. In a bucket moving
//! is copying and deleting: there it may sleep a week, as long as the copy is kept beside the original.
//!
//! One call does what fits into three seconds, however much there is: a client sends a call again that takes
//! longer. Its answer says where to go on.

mod sweep;
#[cfg(test)]
mod tests;

use std::sync::Arc;

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

use crate::state::Artifacts;
use sweep::{Sweep, Unnamed};

pub(crate) async fn gc(state: Arc<Artifacts>, call: Arc<Call>, request: Gc) -> Answer<GcReport> {
    let keeps = Recorded { state: &state, deadline: call.deadline() };
    let sweep = Sweep::new(&state.store, keeps, now_ms(), state.grace_ms, rand());
    let report = run(&sweep, &request).await?;
    info!(removed = report.removed.len(), named = report.named, kept = report.kept, "swept");
    Ok(report)
}

/// What one call does.
async fn run<K: Keeps>(sweep: &Sweep<'_, K>, request: &Gc) -> Answer<GcReport> {
    sweep.keeps.is_up_to_date().await?;
    let mut report = GcReport::default();
    let unnamed = sweep.look(request.after.as_ref(), &mut report).await?;
    if request.dry_run {
        let removed = |Unnamed { digest, size_bytes, .. }| Removed { digest, size_bytes };
        report.removed = unnamed.into_iter().map(removed).collect();
        return Ok(report);
    }
    sweep.remove(&unnamed, &mut report).await?;
    sweep.remove_half_written(request.after.as_ref(), &mut report).await;
    if report.next.is_none() {
        sweep.tidy(&mut report).await?;
    }
    Ok(report)
}

/// What keeps content from being collected.
pub(crate) trait Keeps {
    /// Waits until everything that was recorded by now counts.
    ///
    /// # Errors
    /// It is not known what counts: nothing may be removed.
    async fn is_up_to_date(&self) -> Answer<()>;
    /// Whether a fact names it.
    fn is_named(&self, digest: &Digest) -> bool;
    /// Whether somebody pinned it.
    ///
    /// # Errors
    /// That cannot be told.
    async fn is_pinned(&self, digest: &Digest) -> Answer<bool>;
}

/// Longest wait for the ledger and the views, in milliseconds.
const UP_TO_DATE_MS: u64 = 1_000;

/// The ledger's names and the bucket's pins.
struct Recorded<'a> {
    state: &'a Artifacts,
    deadline: Deadline,
}

impl Keeps for Recorded<'_> {
    async fn is_up_to_date(&self) -> Answer<()> {
        let deadline = self.deadline.at_most_ms(UP_TO_DATE_MS);
        let last = self.state.feed.last_revision(deadline).await;
        let last = last.map_err(|error| Fault::unavailable(format!("{error}; nothing was removed")))?;
        if !self.state.feed.reaches(last, deadline).await {
            return Err(Fault::unavailable("the views are behind the ledger; nothing was removed"));
        }
        if !self.state.names().iter().all(|names| names.is_complete()) {
            return Err(Fault::internal(
                "the ledger holds facts about artifacts, intents or tasks that this build cannot read, and what they name is not known: nothing was removed; update it first",
            ));
        }
        Ok(())
    }

    fn is_named(&self, digest: &Digest) -> bool {
        self.state.names().iter().any(|names| names.names(digest))
    }

    async fn is_pinned(&self, digest: &Digest) -> Answer<bool> {
        self.state.pins.any(digest, self.deadline).await
    }
}

/// Tells the sweeps of several replicas apart.
fn rand() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    RandomState::new().build_hasher().finish()
}
