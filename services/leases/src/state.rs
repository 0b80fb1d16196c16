//! What the handlers share: the mirror of the bucket, the spaces this instance owns, and who the callers
//! are.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use selvedge_contracts::{
    fact::State as _,
    fault::Fault,
    id::{EntityId, LeaseId, Mission, ScopeId},
    payload::{
        lease::Lease,
        session::{Session, SessionStatus},
    },
    stream::LEASES,
    subject::Entity,
};
use selvedge_kit::{
    bucket::Bucket,
    clock::Deadline,
    identity::Directory,
    ledger::Ledger,
    metrics::LeaseMetrics,
    mirror::{Event, Mirror},
    pipeline::Publisher,
    view::{Feed, View},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    key::{self, Leaf, Owner, Place},
    limits::Limits,
    owner::Slot,
};

/// What the handlers share.
pub(crate) struct Leases {
    /// Name of this instance and no other, on which replicas pass requests on.
    pub(crate) instance: ScopeId,
    pub(crate) bucket: Bucket,
    pub(crate) mirror: Mirror,
    pub(crate) publisher: Publisher,
    pub(crate) directory: Directory,
    /// Leases that an operator took.
    pub(crate) forced: Arc<View<Lease>>,
    pub(crate) ledger: Ledger,
    /// Keeps the views up; absent until the service starts.
    pub(crate) feed: OnceLock<Feed>,
    pub(crate) limits: Limits,
    pub(crate) metrics: LeaseMetrics,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    slots: Mutex<HashMap<Place, Arc<Slot>>>,
}

/// Longest wait for one reading of the bucket, in milliseconds.
const LOOK_MS: u64 = 2_000;
/// Spaces that one instance knows of at once: each costs memory, and its owner's key.
const MAX_SPACES: usize = 16_384;

impl Leases {
    pub(crate) fn new(
        instance: ScopeId,
        ledger: Ledger,
        (bucket, mirror, publisher): (Bucket, Mirror, Publisher),
        (limits, metrics): (Limits, LeaseMetrics),
        (tasks, stop): (TaskTracker, CancellationToken),
    ) -> Self {
        Self {
            instance,
            bucket,
            mirror,
            publisher,
            directory: Directory::default(),
            forced: Arc::default(),
            ledger,
            feed: OnceLock::new(),
            limits,
            metrics,
            tasks,
            stop,
            slots: Mutex::default(),
        }
    }

    /// The place in which this instance keeps a space that it owns.
    ///
    /// # Errors
    /// `busy` if it knows of too many.
    pub(crate) fn slot(&self, place: &Place) -> Result<Arc<Slot>, Fault> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(place) {
            return Ok(Arc::clone(slot));
        }
        if slots.len() >= MAX_SPACES {
            return Err(Fault::busy(format!(
                "there are {MAX_SPACES} spaces, the most there may be; use one of them"
            )));
        }
        let slot = Arc::new(Slot::new(place.clone(), self.metrics.clone()));
        slots.insert(place.clone(), Arc::clone(&slot));
        Ok(slot)
    }

    /// Whether the space exists: somebody owns it, or did last.
    ///
    /// # Errors
    /// `unavailable` if the bucket's leader does not answer within the deadline.
    pub(crate) async fn exists(&self, place: &Place, deadline: Deadline) -> Result<bool, Fault> {
        if self.is_seen(place) {
            return Ok(true);
        }
        let read = self.bucket.get(&place.owner_key(), deadline.at_most_ms(LOOK_MS)).await;
        let unread = |why| Fault::unavailable(format!("the bucket of leases cannot be read now: {why}"));
        Ok(read.map_err(unread)?.is_some())
    }

    /// Whether the space exists as far as the mirror knows.
    pub(crate) fn is_seen(&self, place: &Place) -> bool {
        self.named_owner(place).1 != 0
    }

    /// How many spaces of the mission exist, as far as the mirror knows; it counts no further than `most`.
    pub(crate) fn count_spaces(&self, mission: &Mission, most: usize) -> usize {
        let prefix = format!("{mission}.");
        let (mut count, mut after) = (0, None);
        while count < most {
            let page = self.mirror.page(&prefix, after.as_deref(), 1);
            let Some((key, _)) = page.into_iter().next() else { break };
            let space = key.rsplit_once('.').map_or(key.as_str(), |(space, _)| space);
            // Behind all keys of that space: no name of ours begins with a tilde.
            after = Some(format!("{space}.~"));
            count += 1;
        }
        count
    }

    /// Every space that this instance knows.
    pub(crate) fn all_slots(&self) -> Vec<Arc<Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Forgets the spaces that this instance does not own and nobody here is busy with.
    pub(crate) fn forget_unused(&self) {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever else had it could take the space over there while another does so in a new one.
        slots.retain(|_, slot| Arc::strong_count(slot) > 1 || slot.is_owned());
    }

    fn known_slot(&self, place: &Place) -> Option<Arc<Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).get(place).cloned()
    }

    /// Every space of a mission that this instance knows; of every mission for the kluster's own.
    pub(crate) fn slots_of(&self, mission: &Mission) -> Vec<Arc<Slot>> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let is_wanted = |place: &Place| place.mission == *mission || *mission == Mission::kluster();
        slots.iter().filter(|(place, _)| is_wanted(place)).map(|(_, slot)| Arc::clone(slot)).collect()
    }

    /// Who owns a space, as far as the mirror knows, and the revision that says so; 0 if nobody does.
    pub(crate) fn named_owner(&self, place: &Place) -> (Option<Owner>, u64) {
        let value = self.mirror.get(&place.owner_key());
        let revision = value.as_ref().map_or(0, |value| value.revision);
        (value.and_then(|value| serde_json::from_slice(&value.bytes).ok()), revision)
    }

    /// Whether the session whose credential a lease was taken under has ended.
    pub(crate) fn is_over(&self, mission: &Mission, session: &ScopeId) -> bool {
        // Operators act in every mission, under sessions of the kluster's own.
        [mission, &Mission::kluster()].into_iter().any(|mission| {
            self.directory.session(mission, session).is_some_and(|entry| has_ended(&entry.state))
        })
    }

    /// Whether an operator took the lease: its id is used up.
    pub(crate) fn is_forced(&self, mission: &Mission, lease: &LeaseId) -> bool {
        self.forced.get(mission, &EntityId::from(lease)).is_some()
    }

    /// Takes in what became of the bucket.
    pub(crate) fn hear(&self, event: &Event<'_>) {
        match event {
            Event::Rebuilt => {
                // What happened in between is not known: every space is loaded again before it is used.
                self.all_slots().iter().for_each(|slot| slot.lose());
            }
            Event::Put(key, revision) if key.ends_with("._owner") => {
                let slot = key::parse(key).and_then(|(place, _)| self.known_slot(&place));
                if let Some(slot) = slot {
                    slot.lose_before(*revision);
                }
            }
            Event::Expired(key, revision) => {
                if let Some((place, Leaf::Lease(id))) = key::parse(key)
                    && let Some(slot) = self.known_slot(&place)
                {
                    slot.expired(&id, *revision);
                }
            }
            Event::Put(..) | Event::Removed(..) => {}
        }
    }
}

/// Whether the session was ended or lost.
pub(crate) fn has_ended(session: &Session) -> bool {
    session.status != SessionStatus::Open
}

/// A lease's entity in the ledger.
pub(crate) fn entity(mission: &Mission, id: &LeaseId) -> Entity {
    Entity { mission: mission.clone(), name: Lease::ENTITY, id: EntityId::from(id) }
}

/// Name of the bucket.
pub(crate) const BUCKET: &str = LEASES;
