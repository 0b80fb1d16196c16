//! Reading what the views have missed, from one fact to the last.
//!
//! Who follows little of what is missing reads that alone, one view after the other. Who follows much of it reads the
//! whole ledger, which nats-server hands out soonest: pages without a filter, several on their way at once, each decoded
//! on a thread of its own. Of a view that holds what the newest fact of each entity says, a page is taken in from its
//! end: whatever is older than what is known is not decoded. The facts of all other views wait until their page has
//! its turn.

use std::{sync::Arc, time::Duration, time::Instant};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use selvedge_contracts::subject::{EVERY_FACT, Fact, facts_of};
use tokio_util::task::AbortOnDropHandle;
use tracing::info;

use super::feed::{SILENCE_MS, STEP_MS, Shared};
use crate::{
    clock::Deadline,
    ledger::{Extent, FactRecord, ReadError, Stored, Wait},
};

/// Revisions of a page.
const PAGE: u64 = 1_000;
/// Pages on their way at once: enough that neither nats-server nor the processors wait, each of at most 4 MiB.
const AT_ONCE: usize = 6;
/// Longest time in which all pages are read at one go, in milliseconds: then it is begun anew where it stands.
const LONGEST_READING_MS: u64 = 3_600_000;
/// Who follows less than one in so many of the missing facts reads those alone.
const FEW: u64 = 8;
/// How often a long catch-up says how far it is.
const TELL_EVERY: Duration = Duration::from_secs(3);

/// How far one catch-up has got. Each page renews its deadline: what is bounded is the silence, not the length of
/// the ledger.
pub(super) struct Past {
    from: u64,
    /// Everything up to here was taken in.
    read_to: u64,
    facts: u64,
    pub(super) deadline: Deadline,
    started: Instant,
    told: Instant,
}

/// What is left of a page when it was decoded: the facts that have to wait for its turn.
struct Page {
    to: u64,
    facts: u64,
    in_order: Vec<FactRecord>,
}

impl Past {
    /// Everything up to `watermark` is in the views.
    pub(super) fn after(watermark: u64) -> Self {
        let (deadline, now) = (Deadline::in_ms(SILENCE_MS), Instant::now());
        Self { from: watermark, read_to: watermark, facts: 0, deadline, started: now, told: now }
    }

    /// Takes in what is missing up to the end of `extent`. Where it breaks off, it goes on there.
    pub(super) async fn read(&mut self, shared: &Arc<Shared>, extent: Extent) -> Result<(), ReadError> {
        self.read_to = self.read_to.max(extent.first.saturating_sub(1).min(extent.last));
        let last = extent.last;
        if self.follows_much(shared, last).await? {
            self.read_all(shared, last).await?;
        } else {
            self.read_each(shared, last).await?;
        }
        if self.facts > 0 {
            let took_ms = self.started.elapsed().as_millis();
            info!(facts = self.facts, from = self.from, to = last, %took_ms, "views caught up");
        }
        Ok(())
    }

    /// Whether so many of the missing facts are followed that it takes less to read all of them.
    async fn follows_much(&self, shared: &Shared, last: u64) -> Result<bool, ReadError> {
        let missing = last.saturating_sub(self.read_to);
        let mut followed = 0_u64;
        for (view, _) in shared.views.iter().filter(|_| missing > PAGE) {
            let deadline = Deadline::in_ms(STEP_MS * 2);
            let filter = facts_of(view.entity());
            followed =
                followed.saturating_add(shared.ledger.count_after(&filter, self.read_to, deadline).await?);
        }
        Ok(missing <= PAGE || followed.saturating_mul(FEW) >= missing)
    }

    /// Reads the facts of every view up to where the leader says that they reach: a replica that lags has less.
    async fn read_each(&mut self, shared: &Shared, last: u64) -> Result<(), ReadError> {
        for (view, _) in &shared.views {
            let (filter, mut at) = (facts_of(view.entity()), self.read_to);
            let newest = shared.ledger.last_matching(&filter, Deadline::in_ms(STEP_MS * 2)).await?;
            while at < newest {
                let (deadline, mut facts) = (Deadline::in_ms(STEP_MS * 2), 0);
                let each = |fact: FactRecord| {
                    facts += 1;
                    shared.note_skipped(&fact, view.apply_past(&fact));
                };
                let to = shared.ledger.scan(&filter, at, PAGE as usize, deadline, each).await?;
                if to <= at {
                    return Err(lagging());
                }
                at = to;
                self.further(facts, at, last);
            }
        }
        self.read_to = last;
        Ok(())
    }

    /// Reads every fact.
    async fn read_all(&mut self, shared: &Arc<Shared>, last: u64) -> Result<(), ReadError> {
        let ranges = stream::iter(ranges(self.read_to, last));
        let wait = Wait::until(Deadline::in_ms(LONGEST_READING_MS));
        let mut pages = ranges
            .map(|(after, to)| {
                let page = read_page(Arc::clone(shared), wait.clone(), after, to);
                let page = AbortOnDropHandle::new(tokio::spawn(page));
                async { page.await.unwrap_or_else(|_| Err(broken_off())) }
            })
            .buffered(AT_ONCE);
        while let Some(page) = pages.try_next().await? {
            for fact in &page.in_order {
                if let Some(view) = shared.view(fact.fact.entity.name) {
                    shared.note_skipped(fact, view.apply_past(fact));
                }
            }
            self.read_to = page.to;
            self.further(page.facts, page.to, last);
        }
        Ok(())
    }

    fn further(&mut self, facts: u64, to: u64, last: u64) {
        self.facts += facts;
        self.deadline = Deadline::in_ms(SILENCE_MS);
        if self.told.elapsed() >= TELL_EVERY {
            self.told = Instant::now();
            info!(facts = self.facts, from = self.from, at = to, to = last, "views are catching up");
        }
    }
}

/// Pages of everything after `from` up to `to`, each as what it comes after and its last revision.
fn ranges(from: u64, to: u64) -> impl Iterator<Item = (u64, u64)> {
    let mut at = from;
    std::iter::from_fn(move || {
        let after = at;
        at = after.saturating_add(PAGE).min(to);
        (after < to).then_some((after, at))
    })
}

fn lagging() -> ReadError {
    ReadError::Unavailable("replicas lag behind the leader".to_owned())
}

fn broken_off() -> ReadError {
    ReadError::Unavailable("reading a page broke off".to_owned())
}

/// Reads one page, in as many answers as it takes, and takes in what may come in any order.
async fn read_page(shared: Arc<Shared>, wait: Wait, after: u64, to: u64) -> Result<Page, ReadError> {
    let (mut page, mut at) = (Page { to, facts: 0, in_order: Vec::new() }, after);
    while at < to {
        let (mut stored, limit) = (Vec::new(), usize::try_from(to - at).unwrap_or(usize::MAX));
        let answer = shared.ledger.page(EVERY_FACT, at, limit, &wait, &mut |fact| stored.push(fact)).await?;
        let Some(last) = answer.last else {
            // Nothing there: purged, or a replica that does not have it yet.
            if shared.ledger.last_matching(EVERY_FACT, Deadline::in_ms(STEP_MS * 2)).await? <= at {
                break;
            }
            return Err(lagging());
        };
        stored.retain(|fact: &Stored| fact.revision <= to); // the rest is another page's
        page.facts += stored.len() as u64;
        take(&shared, &stored, &mut page.in_order);
        at = last;
    }
    Ok(page)
}

/// Takes in what may come in any order; the rest goes to `in_order`.
fn take(shared: &Shared, stored: &[Stored], in_order: &mut Vec<FactRecord>) {
    let before = in_order.len();
    for stored in stored.iter().rev() {
        let Some(view) = stored.entity().and_then(|name| shared.view(name)) else { continue };
        if !view.is_of_newest() {
            in_order.extend(stored.read_or_warn());
            continue;
        }
        let Ok(Fact { entity, .. }) = Fact::parse(stored.subject()) else { continue };
        if view.revision_of(&entity) < stored.revision {
            if let Some(fact) = stored.read_or_warn() {
                shared.note_skipped(&fact, view.apply_past(&fact));
            }
        } else if let Some(request) = stored.request() {
            view.remember(&entity, request);
        }
    }
    if let Some(new) = in_order.get_mut(before..) {
        new.reverse();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_on_each_other_up_to_the_last_revision() {
        let of = |from, to| ranges(from, to).collect::<Vec<_>>();
        assert_eq!(of(0, 2_500), [(0, 1_000), (1_000, 2_000), (2_000, 2_500)]);
        assert_eq!(of(7, 1_007), [(7, 1_007)]);
        assert_eq!((of(5, 5), of(6, 5)), (vec![], vec![]));
        assert_eq!(of(u64::MAX - 1, u64::MAX), [(u64::MAX - 1, u64::MAX)]);
    }
}
