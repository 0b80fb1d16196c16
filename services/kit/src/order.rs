//! The ledger in its order: every fact of some sorts of entities, one after the other, without gaps and without a
//! consumer. For what is a function of the order itself; a [view](crate::view) of newest states needs none.
//!
//! Facts arrive republished (`sv.live.>`), in ledger order; the sequences are counted, and where one is missing
//! everything is read from the stream instead. So all that is up to the watermark was taken, in order, once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use async_nats::{Message, Subscriber};
use futures::{FutureExt as _, StreamExt as _};
use selvedge_contracts::{
    fact::EntityName,
    subject::{EVERY_FACT, Fact, LIVE_PREFIX},
};
use tokio::sync::{Mutex, MutexGuard, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, info, warn};

use crate::{
    bus::{Bus, error_chain},
    clock::Deadline,
    ledger::{FactRecord, Ledger, ReadError, Stored},
    view::FeedError,
};

/// Who takes the facts.
pub trait Take: Send + Sync + 'static {
    /// Whether facts about entities of this sort are wanted.
    fn wants(&self, entity: EntityName) -> bool;
    /// Takes the next ones, at least one, in their order: those that were heard or read together.
    fn take(&self, facts: &[FactRecord]);
}

/// Follows the ledger in its order.
#[derive(Clone)]
pub struct Order(Arc<Shared>);

struct Shared {
    ledger: Ledger,
    taker: Arc<dyn Take>,
    watermark: watch::Sender<u64>,
    current: AtomicBool,
    /// Held while something is taken.
    gate: Mutex<()>,
}

/// How often it asks the leader whether it missed something, if it hears nothing, in milliseconds: a stream that
/// changes its leader may store a fact and not republish it.
const RECHECK_MS: u64 = 5_000;
/// Longest that reading goes on without getting any further, in milliseconds.
const SILENCE_MS: u64 = 30_000;
/// Longest wait for one answer, in milliseconds.
const STEP_MS: u64 = 2_000;
/// Facts that are read at once.
const PAGE: usize = 1_000;
/// Heard facts that are taken at once, if so many are there already: each turn may have to wait for readers.
const HEARD: usize = 256;
/// How often a long reading says how far it is.
const TELL_EVERY: Duration = Duration::from_secs(3);

impl Order {
    /// Of this ledger, for this taker, who has everything up to `from`.
    pub fn new(bus: &Bus, taker: Arc<dyn Take>, from: u64) -> Self {
        Self(Arc::new(Shared {
            ledger: Ledger::new(bus.clone()),
            taker,
            watermark: watch::Sender::new(from),
            current: AtomicBool::default(),
            gate: Mutex::default(),
        }))
    }

    /// Sequence up to which everything was taken.
    pub fn watermark(&self) -> u64 {
        *self.0.watermark.borrow()
    }

    /// Whether it is kept up: false while it reads what it missed.
    pub fn is_current(&self) -> bool {
        self.0.current.load(Ordering::Relaxed)
    }

    /// Waits until everything up to `sequence` was taken. Answers false if the deadline passes first.
    pub async fn reaches(&self, sequence: u64, deadline: Deadline) -> bool {
        if self.watermark() >= sequence {
            return true;
        }
        let mut watermark = self.0.watermark.subscribe();
        let reached = watermark.wait_for(|at| *at >= sequence);
        tokio::time::timeout(deadline.remaining(), reached).await.is_ok()
    }

    /// Nothing is taken while what this answers with is held. What comes meanwhile waits, or is read later.
    pub async fn hold(&self) -> MutexGuard<'_, ()> {
        self.0.gate.lock().await
    }

    /// Reads what is there already, then goes on in a task of its own until `stop`. All that was recorded before
    /// this call was taken when it answers.
    ///
    /// # Errors
    /// [`FeedError`] if the ledger cannot be heard or read.
    pub async fn start(&self, tasks: &TaskTracker, stop: CancellationToken) -> Result<(), FeedError> {
        let live = self.listen().await?;
        self.catch_up().await?;
        let order = self.clone();
        tasks.spawn(async move { order.run(live, stop).await });
        Ok(())
    }

    /// As [`Self::start`], but what is there already is read in the task too: [`Self::is_current`] says whether it has
    /// been.
    ///
    /// # Errors
    /// [`FeedError`] if the ledger cannot be heard.
    pub async fn start_behind(&self, tasks: &TaskTracker, stop: CancellationToken) -> Result<(), FeedError> {
        let live = self.listen().await?;
        let order = self.clone();
        tasks.spawn(async move {
            order.catch_up_until(&stop).await;
            order.run(live, stop).await;
        });
        Ok(())
    }

    async fn listen(&self) -> Result<Subscriber, FeedError> {
        let live = self.0.ledger.bus().subscribe(&format!("{LIVE_PREFIX}.>"), None).await?;
        // The subscription must stand before the last sequence is asked for, or facts in between are missed.
        self.0.ledger.bus().flush(Deadline::in_ms(SILENCE_MS)).await;
        Ok(live)
    }

    /// Reads what was recorded after `from` up to `to` once more, in order, for somebody else; `each` is told of
    /// every fact that the taker wants. Answers with the sequence up to which it got: `to` or more.
    ///
    /// # Errors
    /// [`ReadError`] if the ledger does not answer for long.
    pub async fn replay(
        &self,
        from: u64,
        to: u64,
        mut each: impl FnMut(&FactRecord),
    ) -> Result<u64, ReadError> {
        let (mut at, mut deadline, mut attempt) = (from, Deadline::in_ms(SILENCE_MS), 0);
        while at < to {
            match self.page(at, deadline, &mut each).await {
                Ok(read) if read > at => {
                    (at, deadline, attempt) = (read, Deadline::in_ms(SILENCE_MS), 0);
                    continue;
                }
                Ok(_) if deadline.has_passed() => {
                    return Err(ReadError::Unavailable("replicas lag behind the leader".to_owned()));
                }
                Err(error) if deadline.has_passed() => return Err(error),
                Ok(_) | Err(_) => deadline.back_off(attempt).await,
            }
            attempt += 1;
        }
        Ok(at)
    }

    /// One page of facts after `at`; answers with the last sequence read.
    async fn page(
        &self,
        at: u64,
        deadline: Deadline,
        each: &mut impl FnMut(&FactRecord),
    ) -> Result<u64, ReadError> {
        let taker = &self.0.taker;
        let wanted = |stored: Stored| {
            if let Some(fact) =
                stored.entity().filter(|of| taker.wants(*of)).and_then(|_| stored.read_or_warn())
            {
                each(&fact);
            }
        };
        let deadline = deadline.at_most_ms(STEP_MS * 2);
        self.0.ledger.scan_stored(EVERY_FACT, at, PAGE, deadline, wanted).await
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
                        let messages = with_those_there(message, &mut live);
                        let _ = stop.run_until_cancelled(self.hear(&messages)).await;
                    }
                    None => return,
                },
                Ok(()) = connects.changed() => self.catch_up_until(&stop).await,
                _ = recheck.tick() => {
                    if checked_at == self.watermark() || !self.is_current() {
                        self.catch_up_until(&stop).await;
                    }
                    checked_at = self.watermark();
                }
            }
        }
    }

    async fn catch_up_until(&self, stop: &CancellationToken) {
        let _ = stop.run_until_cancelled(self.catch_up_or_warn()).await;
    }

    /// Takes republished facts.
    async fn hear(&self, messages: &[Message]) {
        let (mut facts, mut at) = (Vec::new(), self.watermark());
        for message in messages {
            let Some(sequence) = message.headers.as_ref().and_then(crate::ledger::sequence) else {
                continue;
            };
            if sequence > at + 1 {
                debug!(known = at, sequence, "missed facts");
                self.take(&std::mem::take(&mut facts), at).await;
                self.catch_up_or_warn().await;
                at = self.watermark();
            }
            if sequence == at + 1 {
                facts.extend(self.read(message));
                at = sequence;
            } // else it is known; or the next one that is heard, or the recheck, finds the rest
        }
        self.take(&facts, at).await;
    }

    /// Takes facts that follow on what was taken; with them, everything up to `at` has been.
    async fn take(&self, facts: &[FactRecord], at: u64) {
        let _gate = self.0.gate.lock().await;
        if !facts.is_empty() {
            aside(|| self.0.taker.take(facts));
        }
        self.0.watermark.send_if_modified(|known| std::mem::replace(known, at.max(*known)) < at);
    }

    /// A republished fact, if it is wanted.
    fn read(&self, message: &Message) -> Option<FactRecord> {
        let wants = |fact: Fact| self.0.taker.wants(fact.entity.name);
        if !Fact::parse(&message.subject).is_ok_and(wants) {
            return None;
        }
        match FactRecord::read(&message.subject, message.headers.as_ref()?, &message.payload) {
            Ok(fact) => Some(fact),
            Err(error) => {
                warn!(error = error_chain(&error), "skipped what is no fact");
                None
            }
        }
    }

    async fn catch_up_or_warn(&self) {
        self.0.current.store(false, Ordering::Relaxed);
        if let Err(error) = self.catch_up().await {
            warn!(error = error_chain(&error), "behind the ledger");
        }
    }

    /// Reads everything from the watermark to the leader's last sequence; asks on as long as it gets further now
    /// and then.
    async fn catch_up(&self) -> Result<(), ReadError> {
        let (from, mut told, mut attempt) = (self.watermark(), Instant::now(), 0);
        let (mut deadline, mut last) = (Deadline::in_ms(SILENCE_MS), 0);
        loop {
            match self.read_a_page(&mut last, deadline).await {
                Ok(Progress::Reached) => break,
                Ok(Progress::Further) => {
                    (deadline, attempt) = (Deadline::in_ms(SILENCE_MS), 0);
                    if told.elapsed() >= TELL_EVERY {
                        told = Instant::now();
                        info!(from, at = self.watermark(), to = last, "reading the ledger");
                    }
                    continue;
                }
                Ok(Progress::Lagging) if deadline.has_passed() => {
                    return Err(ReadError::Unavailable("replicas lag behind the leader".to_owned()));
                }
                Err(error) if deadline.has_passed() => return Err(error),
                Ok(Progress::Lagging) => {}
                Err(error) => debug!(error = error_chain(&error), "reading again"),
            }
            deadline.back_off(attempt).await;
            attempt = attempt.saturating_add(1);
        }
        self.0.current.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Reads the next page; `last` is how far the ledger went when it was last asked.
    async fn read_a_page(&self, last: &mut u64, deadline: Deadline) -> Result<Progress, ReadError> {
        let at = self.watermark();
        if at >= *last {
            // Asked for the last of all facts by their subjects, nats-server takes seconds where there are a million.
            *last = self.0.ledger.last_revision(deadline.at_most_ms(STEP_MS)).await?;
        }
        if at >= *last {
            return Ok(Progress::Reached);
        }
        let _gate = self.0.gate.lock().await;
        let mut facts = Vec::new();
        let read = self.page(at, deadline, &mut |fact: &FactRecord| facts.push(fact.clone())).await?;
        // Taken once the page is whole: a page that breaks off is read again from its start.
        if !facts.is_empty() {
            aside(|| self.0.taker.take(&facts));
        }
        self.0.watermark.send_replace(read.max(at));
        if read > at {
            return Ok(Progress::Further);
        }
        let kept = self.0.ledger.last_matching(EVERY_FACT, deadline.at_most_ms(STEP_MS)).await?;
        // What came last may not be kept any more.
        Ok(if at >= kept { Progress::Reached } else { Progress::Lagging })
    }
}

/// Runs what may wait for readers, or compute for a while, so that other tasks go on meanwhile where there is more
/// than one thread for them.
fn aside<T>(work: impl FnOnce() -> T) -> T {
    use tokio::runtime::{Handle, RuntimeFlavor};
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// A message, and those behind it that have come already.
fn with_those_there(message: Message, live: &mut Subscriber) -> Vec<Message> {
    let mut messages = vec![message];
    while let (true, Some(Some(message))) = (messages.len() < HEARD, live.next().now_or_never()) {
        messages.push(message);
    }
    messages
}

enum Progress {
    /// Everything is taken.
    Reached,
    /// A page was read.
    Further,
    /// Whoever answered has less than the leader.
    Lagging,
}
