//! The one way in which a service records: decide from the view, append under the guard, and on a
//! conflict read the entity from the stream's leader and decide again, a bounded number of times.
//!
//! A repeated request finds its own fact by the digest it carries, also when the state has moved on
//! since. A refusal, and "nothing to do", are confirmed against the leader before they are answered:
//! the view may be behind.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use selvedge_contracts::{
    envelope::Envelope,
    fact::{FactKind, State},
    fault::Fault,
    subject::Entity,
};
use tracing::debug;

use super::{
    draft::{Draft, payload_of, state_in},
    open::RequestKey,
};
use crate::{
    bus::error_chain,
    clock::{Deadline, now_ms},
    ledger::{AppendError, FactRecord, Ledger, NewFact, ReadError, RequestDigest},
    metrics::Append,
    rule::{Change, Verdict},
    sabotage::{Guard, is_broken},
    telemetry::trace_context,
    view::{Apply as _, Entry, Feed, View},
};

/// An entity as a call left it.
#[derive(Debug, Clone)]
pub struct Recorded<S> {
    /// Revision of its last fact.
    pub revision: u64,
    /// Its state.
    pub state: Arc<S>,
}

/// Writes facts on behalf of one request or one followed message: everything that follows from it
/// carries its origin.
pub struct Writer {
    pub(crate) ledger: Ledger,
    pub(crate) feed: Feed,
    /// Most attempts of one write.
    pub(crate) attempts: u32,
    /// One deadline for all of it.
    pub(crate) deadline: Deadline,
    /// What a repetition is known by.
    pub(crate) digest: Option<RequestDigest>,
    /// What the caller calls it, if a caller asked.
    pub(crate) key: Option<RequestKey>,
    /// The envelope that every fact starts from: who asked, under what, because of what.
    pub(crate) origin: Envelope,
    /// Trace context to pass on.
    pub(crate) traceparent: Option<String>,
    /// Revision of the last fact that was recorded or read.
    pub(crate) revision: AtomicU64,
}

/// Most attempts of one write that no request asked for.
const OWN_ATTEMPTS: u32 = 16;

impl Writer {
    /// A writer for work that no request asked for: what follows from a message, or what an operator's
    /// command sets up. `key` names the work, so that its repetition is known.
    pub fn own(ledger: Ledger, feed: Feed, deadline: Deadline, origin: Envelope, key: &str) -> Self {
        let digest = RequestDigest::new(&origin.sender, "own", key);
        Self {
            ledger,
            feed,
            attempts: OWN_ATTEMPTS,
            deadline,
            digest: Some(digest),
            key: None,
            origin,
            traceparent: None,
            revision: AtomicU64::new(0),
        }
    }

    /// A writer for what follows from the same request as a second step; `purpose` names it.
    #[must_use]
    pub fn follow_up(&self, purpose: &str) -> Self {
        Self {
            ledger: self.ledger.clone(),
            feed: self.feed.clone(),
            attempts: self.attempts,
            deadline: self.deadline,
            digest: self.digest.map(|digest| digest.derive(purpose)),
            key: self.key.clone(),
            origin: self.origin.clone(),
            traceparent: self.traceparent.clone(),
            revision: AtomicU64::new(0),
        }
    }

    /// Records what `decide` makes of the entity's current state, and answers with the state after it.
    ///
    /// # Errors
    /// The refusal of `decide`; `conflict` if the request's key was used with another payload; `busy` if
    /// others kept being first; `unavailable` if the ledger does not answer within the deadline.
    pub async fn record<S: State>(
        &self,
        view: &Arc<View<S>>,
        entity: &Entity,
        mut decide: impl FnMut(Option<&S>) -> Result<Verdict<S>, Fault> + Send,
    ) -> Result<Recorded<S>, Fault> {
        let mut is_confirmed = false;
        for attempt in 0..self.attempts {
            let current = view.get(&entity.mission, &entity.id);
            if let Some(earlier) = self.earlier(entity, current.as_ref()).await? {
                self.saw(earlier.revision);
                return Ok(earlier);
            }
            match decide(current.as_ref().map(|entry| entry.state.as_ref())) {
                Ok(Verdict::Changed(change)) => match self.append(view, entity, &current, change).await? {
                    Some(recorded) => return Ok(recorded),
                    None => self.deadline.back_off(attempt).await,
                },
                settled if is_confirmed => return self.settle(settled, current),
                _ => {
                    is_confirmed = true;
                    self.catch_up().await?;
                }
            }
            if self.deadline.has_passed() {
                break;
            }
            self.read_anew(view, entity).await?;
        }
        Err(self.gave_up(entity))
    }

    /// Takes what the ledger's leader knows of the entity into `view`, whether or not the feed keeps that up: a
    /// service with too many entities for a view has one made for a single call.
    ///
    /// # Errors
    /// `unavailable` if the leader does not answer within the deadline.
    pub async fn read_anew<S: State>(&self, view: &Arc<View<S>>, entity: &Entity) -> Result<(), Fault> {
        let mut known = view.revision_of(entity);
        while let Some(fact) = self.ledger.next(entity, known, self.deadline).await.map_err(unreadable)? {
            known = fact.revision;
            self.feed.apply(view.as_ref(), &fact);
        }
        Ok(())
    }

    /// Records several facts, all or none. `decide` drafts them from the views; `first` is the entity
    /// by whose history a repetition is recognised.
    ///
    /// # Errors
    /// As [`Writer::record`].
    pub async fn record_all(
        &self,
        first: &Entity,
        mut decide: impl FnMut() -> Result<Vec<Draft>, Fault> + Send,
    ) -> Result<(), Fault> {
        let mut is_confirmed = false;
        for attempt in 0..self.attempts {
            if let Some(revision) = self.earlier_of(first).await? {
                self.saw(revision);
                return Ok(());
            }
            match decide() {
                Ok(drafts) if !drafts.is_empty() => match self.append_all(&drafts).await? {
                    Some(revision) => {
                        self.saw(revision);
                        return Ok(());
                    }
                    None => {
                        self.deadline.back_off(attempt).await;
                        for draft in &drafts {
                            self.refresh(&draft.entity).await?;
                            self.renew(draft).await?;
                        }
                    }
                },
                Ok(_) if is_confirmed => return Ok(()),
                Err(refusal) if is_confirmed => return Err(refusal),
                _ => {
                    is_confirmed = true;
                    self.catch_up().await?;
                    self.refresh(first).await?;
                }
            }
            if self.deadline.has_passed() {
                break;
            }
        }
        Err(self.gave_up(first))
    }

    /// Takes what the ledger's leader knows of a draft's entity into the view that it was decided from, if no feed
    /// has done so.
    async fn renew(&self, draft: &Draft) -> Result<(), Fault> {
        let mut known = draft.view.revision_of(&draft.entity);
        if known > draft.expected {
            return Ok(());
        }
        while let Some(fact) =
            self.ledger.next(&draft.entity, known, self.deadline).await.map_err(unreadable)?
        {
            known = fact.revision;
            self.feed.apply(draft.view.as_ref(), &fact);
        }
        Ok(())
    }

    /// Waits until the views hold all that the ledger's leader holds now: a rule may rest on more
    /// entities than the one that is written.
    async fn catch_up(&self) -> Result<(), Fault> {
        let last = self.ledger.last_revision(self.attempt_deadline()).await.map_err(unreadable)?;
        if self.feed.reaches(last, self.attempt_deadline()).await {
            return Ok(());
        }
        // A feed that lags is not waited for: what is written is read from the leader, and guarded.
        debug!(last, at = self.feed.watermark(), "views lag");
        Ok(())
    }

    fn settle<S>(
        &self,
        settled: Result<Verdict<S>, Fault>,
        current: Option<Entry<S>>,
    ) -> Result<Recorded<S>, Fault> {
        settled?;
        let Some(Entry { revision, state, .. }) = current else {
            return Err(Fault::internal("a rule finds nothing to do about what does not exist"));
        };
        self.saw(revision);
        Ok(Recorded { revision, state })
    }

    /// Appends one change; answers with nothing if the entity has moved on or the outcome is unknown.
    async fn append<S: State>(
        &self,
        view: &Arc<View<S>>,
        entity: &Entity,
        current: &Option<Entry<S>>,
        change: Change<S>,
    ) -> Result<Option<Recorded<S>>, Fault> {
        let expected = current.as_ref().map_or(0, |entry| entry.revision);
        let fact = self.new_fact(entity.clone(), change.fact, payload_of(&change)?);
        let message = match fact.message(expected) {
            Ok(message) => message,
            Err(error) => return self.undecided(entity, error),
        };
        let state = Arc::new(change.state);
        let _expected = self.feed.expect(&message, {
            let (view, entity, state, digest) =
                (Arc::clone(view), entity.clone(), Arc::clone(&state), self.digest);
            move |revision| view.put(&entity, revision, state, digest)
        });
        match self.ledger.append_message(message, self.attempt_deadline()).await {
            Ok(revision) => {
                self.count(entity, Append::Stored);
                view.put(entity, revision, Arc::clone(&state), self.digest);
                self.saw(revision);
                Ok(Some(Recorded { revision, state }))
            }
            Err(error) => self.undecided(entity, error),
        }
    }

    fn count(&self, entity: &Entity, outcome: Append) {
        if let Some(metrics) = self.feed.metrics(entity.name) {
            metrics.appended(outcome);
        }
    }

    async fn append_all(&self, drafts: &[Draft]) -> Result<Option<u64>, Fault> {
        let facts: Vec<_> = drafts
            .iter()
            .map(|draft| {
                (self.new_fact(draft.entity.clone(), draft.fact, draft.payload.clone()), draft.expected)
            })
            .collect();
        let appended = match facts.as_slice() {
            [(fact, expected)] => self.ledger.append(fact, *expected, self.attempt_deadline()).await,
            several => {
                let Some(_room) = self.ledger.room_for_batch(self.deadline).await else { return Ok(None) };
                self.ledger.append_batch(several, self.attempt_deadline()).await
            }
        };
        match appended {
            Ok(last) => {
                let first = last + 1 - drafts.len() as u64;
                for (draft, revision) in drafts.iter().zip(first..) {
                    self.count(&draft.entity, Append::Stored);
                    (draft.put)(revision, self.digest);
                }
                Ok(Some(last))
            }
            Err(error) => drafts.first().map_or(Ok(None), |draft| self.undecided(&draft.entity, error)),
        }
    }

    /// Part of the deadline for one append, so that one lost answer leaves time to look and retry.
    fn attempt_deadline(&self) -> Deadline {
        const LONGEST_APPEND_MS: u64 = 2_000;
        self.deadline.at_most_ms(LONGEST_APPEND_MS)
    }

    fn new_fact(&self, entity: Entity, fact: FactKind, payload: Vec<u8>) -> NewFact {
        let about = format!("{entity}.{}", fact.name);
        let envelope = Envelope {
            id: self.digest.unwrap_or_else(RequestDigest::random).derive(&about).to_string(),
            kind: fact.kind().to_string(),
            sent_at_ms: now_ms(),
            payload,
            ..self.origin.clone()
        };
        let traceparent = trace_context::inject(&tracing::Span::current());
        NewFact {
            entity,
            fact,
            envelope,
            request: self.digest,
            traceparent: traceparent.or_else(|| self.traceparent.clone()),
        }
    }

    /// Says that the answer rests on this revision.
    pub fn saw(&self, revision: u64) {
        self.revision.fetch_max(revision, Ordering::Relaxed);
    }

    /// The state after the fact that an earlier sending of this very request recorded, if one did.
    async fn earlier<S: State>(
        &self,
        entity: &Entity,
        current: Option<&Entry<S>>,
    ) -> Result<Option<Recorded<S>>, Fault> {
        let request = self.digest.filter(|request| current.is_some_and(|entry| entry.may_hold(*request)));
        self.repeated(entity, request).await?.map(|fact| state_after(&fact)).transpose()
    }

    /// Revision of the fact of the entity that an earlier sending of this very request recorded, if one
    /// did.
    async fn earlier_of(&self, entity: &Entity) -> Result<Option<u64>, Fault> {
        let request = self.digest.filter(|request| self.feed.may_hold(entity, *request));
        Ok(self.repeated(entity, request).await?.map(|fact| fact.revision))
    }

    /// The fact of the entity that an earlier sending of `request` recorded. A key alone does not make a
    /// repetition: what another payload recorded under it is no answer to this one.
    async fn repeated(
        &self,
        entity: &Entity,
        request: Option<RequestDigest>,
    ) -> Result<Option<FactRecord>, Fault> {
        let Some(request) = request.filter(|_| !is_broken(Guard::Repetition)) else {
            return Ok(None);
        };
        let found = self.ledger.find(entity, request, self.deadline).await.map_err(unreadable)?;
        let led = found.as_ref().and_then(|fact| fact.request);
        match &self.key {
            Some(key) if led.is_some_and(|led| led.differs_in_payload_from(request)) => Err(key.reused()),
            _ => Ok(found),
        }
    }

    /// Nothing if the entity must be read again, the fault if that would not help.
    fn undecided<T>(&self, entity: &Entity, error: AppendError) -> Result<Option<T>, Fault> {
        match error {
            AppendError::Contended | AppendError::Unavailable(_) | AppendError::Passing { .. } => {
                if let (AppendError::Contended, Some(metrics)) = (&error, self.feed.metrics(entity.name)) {
                    metrics.conflicted();
                }
                debug!(%entity, error = error_chain(&error), "reading again");
                Ok(None)
            }
            other => {
                self.count(entity, Append::Failed);
                Err(match other {
                    AppendError::Denied { .. } => Fault::denied(format!("this service {other}")),
                    other => Fault::internal(error_chain(&other)),
                })
            }
        }
    }

    /// Takes in what the ledger's leader knows of the entity: before a refusal that rests on a view, and
    /// where a view that is behind would do harm.
    ///
    /// # Errors
    /// `unavailable` if the leader does not answer within the deadline.
    pub async fn refresh(&self, entity: &Entity) -> Result<(), Fault> {
        self.feed.refresh(entity, self.deadline).await.map_err(unreadable)
    }

    fn gave_up(&self, entity: &Entity) -> Fault {
        if self.deadline.has_passed() {
            return Fault::unavailable(
                "the deadline passed; the outcome is unknown: send the same request again",
            );
        }
        Fault::busy(format!("others kept changing {}; try again", entity.id))
    }
}

fn unreadable(error: ReadError) -> Fault {
    Fault::unavailable(format!("{}; try again", error_chain(&error)))
}

fn state_after<S: State>(fact: &FactRecord) -> Result<Recorded<S>, Fault> {
    let state = state_in::<S>(&fact.envelope.payload)
        .map_err(|error| Fault::internal(format!("revision {}: {error}", fact.revision)))?;
    Ok(Recorded { revision: fact.revision, state: Arc::new(state) })
}
