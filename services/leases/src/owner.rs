//! A space that this instance owns: decided in memory under one lock, written in the order of decisions,
//! answered once what was decided is stored.
//!
//! When a write is lost, or somebody else owns the space, all that is in memory is dropped: it may say
//! more than what is stored. Everybody who waits learns of it by that alone, and looks for the owner again.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use selvedge_contracts::{
    fault::Fault,
    id::{LeaseId, ScopeId},
    payload::lease::Lease,
};
use selvedge_kit::{
    clock::now_ms,
    metrics::{LeaseEnd, LeaseMetrics},
    mirror::Mirror,
    pipeline::{Flight, Lane, Lost, Operation, Publisher, Write as KeyWrite},
};
use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::{
    confirm::Confirmations,
    decision::{Expired, Removal, Write},
    error::Miss,
    key::Place,
    space::Space,
    state::BUCKET,
    tokens::Tokens,
};

/// The place of one space in this instance, whether it owns it or not.
pub(crate) struct Slot {
    pub(crate) place: Place,
    owned: Mutex<Option<Owned>>,
    /// What was heard while the space is being loaded; absent while it is not. Locked after `owned`.
    missed: Mutex<Option<Missed>>,
    /// Held by whoever takes the space over.
    pub(crate) taking: tokio::sync::Mutex<()>,
    pub(crate) confirmations: Confirmations,
    metrics: LeaseMetrics,
}

/// The space in memory.
pub(crate) struct Owned {
    pub(crate) space: Space,
    /// Revision of the owner's key under which we write.
    pub(crate) revision: u64,
    place: Place,
    pub(crate) tokens: Tokens,
    lane: Lane<Tag>,
    mirror: Mirror,
    metrics: LeaseMetrics,
    /// Whether somebody asked for something since this was looked at last.
    is_used: bool,
    slot: Weak<Slot>,
    /// Whether a task looks at what passes over the queue left.
    is_going_on: AtomicBool,
    waking: HashMap<LeaseId, Vec<oneshot::Sender<Woken>>>,
}

/// What was heard of a space that is being loaded.
#[derive(Debug, Default)]
pub(crate) struct Missed {
    /// Leases whose keys ran out, and the revisions of the markers.
    pub(crate) expired: Vec<(LeaseId, u64)>,
    /// Whether more was missed than that: what is read counts for nothing.
    pub(crate) is_void: bool,
}

/// What became of a lease that somebody waits for.
#[derive(Debug, Clone)]
pub(crate) enum Woken {
    /// It is held, and stored so.
    Held(Arc<Lease>),
    /// It is gone.
    Gone(Removal),
    /// The same request was sent again, twice: nobody waits for the answer to this sending any more.
    Superseded,
}

/// Sendings of one request that wait side by side. A client sends again when it hears nothing for a while
/// and listens to the last one alone; the one before may still be on its way through a takeover.
const MAX_SENDINGS: usize = 2;

/// What a write was for.
struct Tag {
    write: Write,
    /// Those who wait until it is stored.
    done: Vec<oneshot::Sender<()>>,
}

/// How much longer the server keeps a record than the lease lasts, in milliseconds: more than clocks
/// drift apart and a renewal is on its way.
const MARGIN_MS: u64 = 1_000;

impl Slot {
    pub(crate) fn new(place: Place, metrics: LeaseMetrics) -> Self {
        Self {
            place,
            owned: Mutex::default(),
            missed: Mutex::default(),
            taking: tokio::sync::Mutex::default(),
            confirmations: Confirmations::default(),
            metrics,
        }
    }

    /// The space, if this instance owns it.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Option<Owned>> {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_owned(&self) -> bool {
        self.lock().is_some()
    }

    /// Decides something about the space, and has it written.
    ///
    /// # Errors
    /// [`Miss::Lost`] if this instance does not own the space; the refusal of `decide`.
    pub(crate) fn with<T>(&self, decide: impl FnOnce(&mut Owned, u64) -> Result<T, Miss>) -> Result<T, Miss> {
        let mut owned = self.lock();
        let ours = owned.as_mut().ok_or(Miss::Lost)?;
        ours.is_used = true;
        let decided = decide(ours, now_ms());
        if matches!(decided, Err(Miss::Lost)) {
            *owned = None;
        }
        decided
    }

    /// One more pass over what is left of the queue. Says whether there is more.
    fn go_on(&self) -> bool {
        let gone_on = self.with(|owned, now_ms| {
            let writes = owned.space.go_on(now_ms);
            let is_pending = owned.space.is_pending();
            owned.is_going_on.store(is_pending, Ordering::Relaxed);
            owned.commit(writes)?;
            Ok(is_pending)
        });
        gone_on.unwrap_or(false) // what is not ours any more is its owner's to go on with
    }

    /// Drops what is in memory, or being loaded.
    pub(crate) fn lose(&self) {
        let mut owned = self.lock();
        if let Some(missed) = self.missed().as_mut() {
            missed.is_void = true;
        }
        *owned = None;
    }

    /// From now on it is kept what is heard of the space, until [`Slot::missed`] is taken.
    pub(crate) fn listen(&self) {
        let _owned = self.lock();
        *self.missed() = Some(Missed::default());
    }

    /// What is heard of the space is not kept any more.
    pub(crate) fn listen_no_more(&self) {
        *self.missed() = None;
    }

    /// What was heard since [`Slot::listen`]; lock the space first.
    pub(crate) fn missed(&self) -> MutexGuard<'_, Option<Missed>> {
        self.missed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops what is in memory if there is nothing in it, nothing on its way, and nobody has asked for
    /// anything since the last call of this. Answers with the revision under which it was ours.
    pub(crate) fn leave_if_idle(&self) -> Option<u64> {
        let mut owned = self.lock();
        let ours = owned.as_mut()?;
        let is_idle = !std::mem::take(&mut ours.is_used)
            && ours.space.is_empty()
            && ours.lane.with_newest(|_| ()).is_none();
        is_idle.then(|| owned.take().map(|ours| ours.revision)).flatten()
    }

    /// Drops what is in memory if the owner's key was written by another at `revision`.
    pub(crate) fn lose_before(&self, revision: u64) {
        let mut owned = self.lock();
        if owned.as_ref().is_some_and(|owned| owned.revision < revision) {
            warn!(mission = %self.place.mission, space = %self.place.space, "another instance owns the space now");
            *owned = None;
        }
    }

    /// The server's marker says that a lease's key ran out.
    pub(crate) fn expired(&self, id: &LeaseId, revision: u64) {
        let mut owned = self.lock();
        let Some(ours) = owned.as_mut() else {
            // What is not ours is its owner's to hear; what is being loaded hears of it then.
            if let Some(missed) = self.missed().as_mut() {
                missed.expired.push((id.clone(), revision));
            }
            return;
        };
        if ours.expired(id, revision).is_err() {
            *owned = None;
        }
    }

    /// How many leases stand in the space, and how many of them wait; nothing if it is not ours.
    pub(crate) fn size(&self) -> Option<(usize, usize)> {
        self.lock().as_ref().map(|owned| (owned.space.len(), owned.space.waiters()))
    }

    /// Leases that the server should have removed by now, as [`Space::overdue`] says; none if the space is
    /// not ours.
    pub(crate) fn overdue(&self, now_ms: u64, most: usize) -> Vec<(LeaseId, u64)> {
        self.lock().as_ref().map_or_else(Vec::new, |owned| owned.space.overdue(now_ms, most))
    }

    /// The record of an overdue lease, stored at `revision`, is not in the bucket.
    pub(crate) fn gone(&self, id: &LeaseId, revision: u64) {
        let heard = self.with(|owned, _| Ok(owned.gone(id, revision)?));
        drop(heard); // what is not ours is its owner's to see
    }

    /// Drops what is in memory if it is written in another way than the bucket's copies ask for now.
    pub(crate) fn lose_unless(&self, flight: Option<Flight>) {
        let mut owned = self.lock();
        if owned.as_ref().zip(flight).is_some_and(|(owned, flight)| owned.flight() != flight) {
            info!(mission = %self.place.mission, space = %self.place.space, ?flight, "the bucket's copies changed");
            *owned = None;
        }
    }

    /// Removes what a session held or waited for.
    pub(crate) fn end_session(&self, session: &ScopeId) {
        let ended = self.with(|owned, now_ms| {
            let writes = owned.space.end_session(session, now_ms);
            Ok(owned.commit(writes)?)
        });
        drop(ended); // what is not ours is its owner's to hear, or ours when we take over
    }

    /// Removes one lease, whoever holds it.
    pub(crate) fn remove(&self, id: &LeaseId, removal: Removal) {
        let removed = self.with(|owned, now_ms| {
            let writes = owned.space.remove(id, removal, now_ms);
            Ok(owned.commit(writes)?)
        });
        drop(removed); // as above
    }

    /// Takes in that a write is stored, or lost.
    fn settle(&self, revision: u64, tag: Tag, stored: Result<u64, Lost>) {
        let mut owned = self.lock();
        let Some(ours) = owned.as_mut().filter(|owned| owned.revision == revision) else {
            return;
        };
        let settled = match stored {
            Ok(stored) => ours.settle(&tag.write, stored),
            Err(lost) => Err(lost),
        };
        if settled.is_err() {
            warn!(mission = %self.place.mission, space = %self.place.space, "a write was lost; the space is loaded again");
            *owned = None;
            return;
        }
        drop(owned);
        for done in tag.done {
            let _ = done.send(()); // nobody may wait for it any more
        }
    }
}

impl Owned {
    /// Takes in the marker of a lease's key that ran out.
    ///
    /// # Errors
    /// As [`Owned::commit`].
    pub(crate) fn expired(&mut self, id: &LeaseId, revision: u64) -> Result<(), Lost> {
        match self.space.expired(id, revision, now_ms()) {
            Expired::Stale | Expired::Undecided => Ok(()),
            Expired::WriteAgain(writes) => {
                info!(lease = %id, "an expiry crossed a renewal; the record is written again");
                self.commit(writes)
            }
            Expired::Freed(writes) => {
                self.metrics.ended(LeaseEnd::Expired);
                self.wake(id, &Woken::Gone(Removal::GaveUp));
                self.commit(writes)
            }
        }
    }

    /// Takes in that the record of an overdue lease, stored at `revision`, is not in the bucket.
    ///
    /// # Errors
    /// As [`Owned::commit`].
    pub(crate) fn gone(&mut self, id: &LeaseId, revision: u64) -> Result<(), Lost> {
        let Some(writes) = self.space.gone(id, revision, now_ms()) else { return Ok(()) };
        self.metrics.ended(LeaseEnd::Expired);
        warn!(lease = %id, "the record of an overdue lease is gone and nobody was told; it is free");
        self.wake(id, &Woken::Gone(Removal::GaveUp));
        self.commit(writes)
    }

    /// How many of its writes may be in flight.
    pub(crate) fn flight(&self) -> Flight {
        self.lane.flight()
    }

    /// A space, written under the owner's key at `revision`.
    pub(crate) fn new(
        slot: &Arc<Slot>,
        space: Space,
        tokens: Tokens,
        revision: u64,
        (publisher, flight, mirror): (&Publisher, Flight, &Mirror),
    ) -> Self {
        let weak: Weak<Slot> = Arc::downgrade(slot);
        let slot_of_ours = Weak::clone(&weak);
        let settle = move |tag, stored| {
            if let Some(slot) = weak.upgrade() {
                slot.settle(revision, tag, stored);
            }
        };
        let lane = publisher.lane(flight, BUCKET, (&slot.place.owner_key(), revision), settle);
        let (place, mirror) = (slot.place.clone(), mirror.clone());
        Self {
            space,
            revision,
            place,
            tokens,
            lane,
            mirror,
            metrics: slot.metrics.clone(),
            is_used: true,
            slot: slot_of_ours,
            is_going_on: AtomicBool::new(false),
            waking: HashMap::new(),
        }
    }

    /// Has writes stored, in order.
    ///
    /// # Errors
    /// [`Lost`] if they never will be: the space must be dropped.
    pub(crate) fn commit(&self, writes: Vec<Write>) -> Result<(), Lost> {
        self.go_on_later();
        if writes.is_empty() {
            return Ok(());
        }
        let now_ms = now_ms();
        self.lane.send(writes.into_iter().map(|write| self.key_write(write, Vec::new(), now_ms)))
    }

    /// The same; the receiver hears of it when the first of them is stored, and fails if it is lost.
    ///
    /// # Errors
    /// As [`Owned::commit`].
    pub(crate) fn commit_and_tell(&self, writes: Vec<Write>) -> Result<oneshot::Receiver<()>, Lost> {
        self.go_on_later();
        let (done, stored) = oneshot::channel();
        let (mut done, now_ms) = (vec![done], now_ms());
        self.lane
            .send(writes.into_iter().map(|write| self.key_write(write, std::mem::take(&mut done), now_ms)))?;
        Ok(stored)
    }

    /// Has what the last pass over the queue left looked at, in a task of its own, with the lock free
    /// between two passes.
    fn go_on_later(&self) {
        if !self.space.is_pending() || self.is_going_on.swap(true, Ordering::Relaxed) {
            return;
        }
        let slot = Weak::clone(&self.slot);
        tokio::spawn(async move {
            while slot.upgrade().is_some_and(|slot| slot.go_on()) {
                tokio::task::yield_now().await;
            }
        });
    }

    /// The receiver hears when everything that was decided so far is stored, and fails if it is lost;
    /// nothing if it is stored already.
    pub(crate) fn when_stored(&self) -> Option<oneshot::Receiver<()>> {
        let (done, stored) = oneshot::channel();
        self.lane.with_newest(|tag| tag.done.push(done)).map(|()| stored)
    }

    /// Tells when the lease is held, or gone.
    pub(crate) fn on_change(&mut self, id: &LeaseId) -> oneshot::Receiver<Woken> {
        let (wake, woken) = oneshot::channel();
        let waiting = self.waking.entry(id.clone()).or_default();
        waiting.retain(|sender| !sender.is_closed());
        if waiting.len() >= MAX_SENDINGS {
            let _ = waiting.remove(0).send(Woken::Superseded); // it may have stopped waiting
        }
        waiting.push(wake);
        woken
    }

    fn wake(&mut self, id: &LeaseId, woken: &Woken) {
        for sender in self.waking.remove(id).into_iter().flatten() {
            let _ = sender.send(woken.clone()); // it may have stopped waiting
        }
    }

    fn settle(&mut self, write: &Write, revision: u64) -> Result<(), Lost> {
        self.tokens.stored(revision).inspect_err(|_| self.mirror.doubt())?;
        match write {
            Write::Put(written) => {
                if written.is_held() && written.token.is_none() {
                    self.metrics.granted();
                }
                let (lease, writes) = self.space.stored(written, revision, now_ms());
                self.commit(writes)?;
                if let Some(lease) = lease.filter(|lease| lease.is_held() && lease.token.is_some()) {
                    self.wake(&lease.id, &Woken::Held(Arc::clone(&lease)));
                }
            }
            Write::Remove(lease, removal) => {
                self.metrics.ended(end_of(*removal));
                if self.space.lease(&lease.id).is_none() {
                    self.wake(&lease.id, &Woken::Gone(*removal));
                }
            }
            Write::PutPool(_) => {}
        }
        Ok(())
    }

    fn key_write(&self, write: Write, done: Vec<oneshot::Sender<()>>, now_ms: u64) -> KeyWrite<Tag> {
        let (key, operation) = match &write {
            Write::Put(lease) => {
                let ttl_ms = lease.remaining_ms(now_ms).saturating_add(MARGIN_MS);
                (self.place.lease_key(&lease.id), Operation::Put(json(lease.as_ref()), Some(ttl_ms)))
            }
            Write::Remove(lease, _) => (self.place.lease_key(&lease.id), Operation::Remove),
            Write::PutPool(pool) => {
                (self.place.pool_key(&pool.name), Operation::Put(json(pool.as_ref()), None))
            }
        };
        KeyWrite { key, operation, tag: Tag { write, done } }
    }
}

/// As what a removal is counted.
fn end_of(removal: Removal) -> LeaseEnd {
    match removal {
        Removal::Released => LeaseEnd::Released,
        Removal::GaveUp => LeaseEnd::Expired,
        Removal::Forced => LeaseEnd::Forced,
        Removal::SessionEnded => LeaseEnd::SessionEnded,
        Removal::Impossible | Removal::Unanswered => LeaseEnd::Dropped,
    }
}

/// Our own payload types have text keys only, so they always are JSON.
fn json(record: &impl serde::Serialize) -> Bytes {
    serde_json::to_vec(record).unwrap_or_default().into()
}

impl From<Miss> for Fault {
    fn from(miss: Miss) -> Self {
        match miss {
            Miss::Lost => Fault::unavailable("the space changed hands; send the request again"),
            Miss::Refused(fault) => fault,
        }
    }
}
