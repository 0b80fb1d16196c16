//! The feed: keeps a service's views up with the ledger, without a consumer.
//!
//! Facts arrive republished (`sv.live.>`), in ledger order and without gaps; the feed counts. Where a
//! number is missing (a lost connection, a full buffer, a change of the stream's leader) it reads the
//! missing facts from the stream ([`past`](super::past)). So everything up to the watermark is in the views, always.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_nats::{Message, Subscriber};
use futures::StreamExt as _;
use selvedge_contracts::{
    fact::EntityName,
    subject::{Entity, Fact, LIVE_PREFIX},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{
    Apply,
    own::{Expected, Own},
    past::Past,
    skipped::Skipped,
};
use crate::{
    bus::{BusError, error_chain},
    clock::Deadline,
    ledger::{FactMessage, FactRecord, Ledger, ReadError, RequestDigest},
    metrics::{EntityMetrics, Metrics},
};

/// Keeps views up with the ledger.
#[derive(Clone)]
pub struct Feed(Arc<Shared>);

pub(super) struct Shared {
    pub(super) ledger: Ledger,
    pub(super) views: Vec<(Arc<dyn Apply>, EntityMetrics)>,
    watermark: watch::Sender<u64>,
    current: AtomicBool,
    own: Own,
    skipped: Skipped,
}

/// Why the views could not be built.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The bus refused the subscription.
    #[error("cannot hear committed facts")]
    Subscribe(#[from] BusError),
    /// The ledger did not answer.
    #[error("cannot read the ledger")]
    Read(#[from] ReadError),
}

/// How often a feed that hears nothing asks the leader whether it missed something, in milliseconds: a
/// stream that changes its leader may store a fact and not republish it.
const RECHECK_MS: u64 = 5_000;
/// Longest that a catch-up goes on without getting any further, in milliseconds.
pub(super) const SILENCE_MS: u64 = 30_000;
/// Longest wait for one answer meanwhile, in milliseconds: one that was lost must not cost the rest.
pub(super) const STEP_MS: u64 = 2_000;

impl Shared {
    pub(super) fn view(&self, name: EntityName) -> Option<&Arc<dyn Apply>> {
        self.views.iter().map(|(view, _)| view).find(|view| view.entity() == name)
    }

    /// Tells of a fact that a view could not take in: one foreign payload must not stop the rest.
    pub(super) fn note_skipped(&self, fact: &FactRecord, applied: Result<(), serde_json::Error>) {
        if let Err(error) = applied {
            self.skipped.note(fact.revision);
            warn!(revision = fact.revision, kind = fact.envelope.kind, %error, "skipped a fact with a foreign payload");
        }
    }
}

impl Feed {
    /// A feed of these views.
    pub fn new(ledger: Ledger, views: Vec<Arc<dyn Apply>>, metrics: &Metrics) -> Self {
        let views =
            views.into_iter().map(|view| (Arc::clone(&view), metrics.entity(view.entity()))).collect();
        Self(Arc::new(Shared {
            ledger,
            views,
            watermark: watch::Sender::new(0),
            current: AtomicBool::default(),
            own: Own::default(),
            skipped: Skipped::default(),
        }))
    }

    /// Revision up to which every fact is in the views.
    pub fn watermark(&self) -> u64 {
        *self.0.watermark.borrow()
    }

    /// Takes a fact into a view; one whose payload is not what its kind says is left out, and told of.
    pub(crate) fn apply(&self, view: &dyn Apply, fact: &FactRecord) {
        self.0.note_skipped(fact, view.apply(fact));
    }

    /// Facts that were left out since the start, since their payload is not what their kind says: how many, and
    /// the revision of the last.
    pub fn skipped(&self) -> Option<(usize, u64)> {
        self.0.skipped.told()
    }

    /// Whether the views are kept up: false while the feed reads what it missed.
    pub fn is_current(&self) -> bool {
        self.0.current.load(Ordering::Relaxed)
    }

    /// Waits until the views hold everything up to `revision`.
    ///
    /// Answers false if the deadline passes first.
    pub async fn reaches(&self, revision: u64, deadline: Deadline) -> bool {
        let mut watermark = self.0.watermark.subscribe();
        let reached = watermark.wait_for(|at| *at >= revision);
        tokio::time::timeout(deadline.remaining(), reached).await.is_ok()
    }

    /// The ledger's last revision, by its leader.
    ///
    /// # Errors
    /// [`ReadError`] if the leader does not answer within the deadline.
    pub async fn last_revision(&self, deadline: Deadline) -> Result<u64, ReadError> {
        self.0.ledger.last_revision(deadline).await
    }

    /// Reads what the leader knows of one entity beyond its view.
    ///
    /// # Errors
    /// [`ReadError`] if the leader does not answer within the deadline.
    pub async fn refresh(&self, entity: &Entity, deadline: Deadline) -> Result<(), ReadError> {
        let Some(view) = self.view(entity.name) else {
            return Ok(());
        };
        let mut known = view.revision_of(entity);
        while let Some(fact) = self.0.ledger.next(entity, known, deadline).await? {
            known = fact.revision;
            self.apply(view.as_ref(), &fact);
        }
        Ok(())
    }

    /// Says that this process is recording `fact`: as soon as it is republished, `put` takes it in,
    /// without its being read. It is forgotten when what this answers with is dropped.
    pub(crate) fn expect(&self, fact: &FactMessage, put: impl FnOnce(u64) + Send + 'static) -> Expected<'_> {
        self.0.own.expect(&fact.subject, fact.body.clone(), Box::new(put))
    }

    /// Whether the entity's history probably holds a fact of this request.
    pub(crate) fn may_hold(&self, entity: &Entity, request: RequestDigest) -> bool {
        self.view(entity.name).is_some_and(|view| view.may_hold(entity, request))
    }

    /// Builds the views, then keeps them up in a task of its own until `stop`. The views hold all that
    /// was recorded before this call when it answers.
    ///
    /// # Errors
    /// [`FeedError`] if the ledger cannot be read.
    pub async fn start(
        &self,
        tasks: &tokio_util::task::TaskTracker,
        stop: CancellationToken,
    ) -> Result<(), FeedError> {
        let live = self.0.ledger.bus().subscribe(&format!("{LIVE_PREFIX}.>"), None).await?;
        // The subscription must stand before the last revision is asked for, or facts in between are missed.
        self.0.ledger.bus().flush(Deadline::in_ms(SILENCE_MS)).await;
        self.catch_up().await?;
        let feed = self.clone();
        tasks.spawn(async move { feed.run(live, stop).await });
        Ok(())
    }

    fn view(&self, name: EntityName) -> Option<&Arc<dyn Apply>> {
        self.0.view(name)
    }

    /// Counters of one sort of entity, if there is a view of it.
    pub(crate) fn metrics(&self, name: EntityName) -> Option<&EntityMetrics> {
        self.0.views.iter().find(|(view, _)| view.entity() == name).map(|(_, metrics)| metrics)
    }

    async fn run(self, mut live: Subscriber, stop: CancellationToken) {
        let mut connects = self.0.ledger.bus().connects();
        let mut recheck = tokio::time::interval(Duration::from_millis(RECHECK_MS));
        recheck.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut checked_at = self.watermark();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                message = live.next() => match message {
                    Some(message) => {
                        let _ = stop.run_until_cancelled(self.hear(&message)).await;
                    }
                    None => return,
                },
                Ok(()) = connects.changed() => self.catch_up_until(&stop).await,
                _ = recheck.tick() => {
                    if checked_at == self.watermark() || !self.is_current() {
                        self.catch_up_until(&stop).await;
                    }
                    checked_at = self.watermark();
                    for (_, metrics) in &self.0.views {
                        metrics.viewed(checked_at, checked_at);
                    }
                }
            }
        }
    }

    async fn catch_up_until(&self, stop: &CancellationToken) {
        let _ = stop.run_until_cancelled(self.catch_up_or_warn()).await;
    }

    /// Takes in one republished fact.
    async fn hear(&self, message: &Message) {
        let Some(revision) = message.headers.as_ref().and_then(crate::ledger::sequence) else {
            return;
        };
        let known = self.watermark();
        if revision <= known {
            return;
        }
        if revision - known > 1 {
            debug!(known, revision, "missed facts");
            self.catch_up_or_warn().await;
            if self.watermark() >= revision {
                return;
            }
        }
        self.take(message, revision);
        if self.watermark() == revision - 1 {
            self.0.watermark.send_replace(revision);
        }
    }

    fn take(&self, message: &Message, revision: u64) {
        // What is recorded here puts its state into the view that it was decided on. A view that keeps more
        // than the newest state has to read the fact all the same: the call that records it may be given up
        // before it can tell.
        self.0.own.take(&message.subject, &message.payload, revision);
        let Ok(fact) = Fact::parse(&message.subject) else {
            return;
        };
        let Some(view) = self.view(fact.entity.name) else {
            return;
        };
        if view.revision_of(&fact.entity) == revision {
            return; // recorded here, and taken in then
        }
        let Some(headers) = &message.headers else {
            return;
        };
        match FactRecord::read(&message.subject, headers, &message.payload) {
            Ok(fact) => self.apply(view.as_ref(), &fact),
            Err(error) => warn!(error = error_chain(&error), "skipped what is no fact"),
        }
    }

    async fn catch_up_or_warn(&self) {
        self.0.current.store(false, Ordering::Relaxed);
        if let Err(error) = self.catch_up().await {
            warn!(error = error_chain(&error), "views are behind the ledger");
        }
    }

    /// Reads everything from the watermark to the leader's last revision. Right after a connection is
    /// made, or while the stream elects a leader, nobody may answer yet: it asks on as long as it gets
    /// further now and then, however long the ledger is.
    async fn catch_up(&self) -> Result<(), ReadError> {
        let mut past = Past::after(self.watermark());
        let mut attempt = 0_u32;
        loop {
            match self.read_what_is_missing(&mut past).await {
                Err(ReadError::Unavailable(reason)) if !past.deadline.has_passed() => {
                    debug!(reason, "reading again")
                }
                settled => return settled,
            }
            past.deadline.back_off(attempt).await;
            attempt = attempt.saturating_add(1);
        }
    }

    async fn read_what_is_missing(&self, past: &mut Past) -> Result<(), ReadError> {
        let extent = self.0.ledger.extent(past.deadline.at_most_ms(STEP_MS)).await?;
        let read = past.read(&self.0, extent).await;
        for (view, _) in &self.0.views {
            view.caught_up();
        }
        read?;
        let last = extent.last;
        self.0.watermark.send_if_modified(|at| std::mem::replace(at, last.max(*at)) < last);
        for (_, metrics) in self.0.views.iter() {
            metrics.viewed(self.watermark(), last);
        }
        self.0.current.store(true, Ordering::Relaxed);
        Ok(())
    }
}
