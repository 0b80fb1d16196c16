//! Content that entities of one sort name, followed from the ledger.

use std::sync::{
    PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
    atomic::{AtomicBool, Ordering},
};

use selvedge_contracts::{
    fact::EntityName,
    id::{Digest, EntityId, Mission},
    subject::Entity,
};
use selvedge_kit::{
    ledger::{FactRecord, RequestDigest},
    view::Apply,
};
use serde::{Deserialize, de::DeserializeOwned};

use crate::names::Names;

/// An entity of the sort that is followed.
pub(crate) type Key = (Mission, EntityId);

/// What entities of one sort name.
pub(crate) trait Register: Send + Sync + 'static {
    /// As much of an entity as is looked at.
    type State: DeserializeOwned;
    /// The sort.
    const ENTITY: EntityName;

    /// Takes in how an entity stands now.
    fn take(&mut self, key: Key, state: &Self::State, fact: At);
    /// The newest revision taken in, 0 if none is kept.
    fn revision_of(&self, key: &Key) -> u64;
    /// Whether anything names this.
    fn names(&self, digest: &Digest) -> bool;
}

/// When a fact was recorded.
#[derive(Clone, Copy)]
pub(crate) struct At {
    /// The entity's revision by it.
    pub(crate) revision: u64,
    /// Unix time in milliseconds.
    pub(crate) at_ms: u64,
}

/// A register that is kept from the ledger.
#[derive(Default)]
pub(crate) struct Followed<R> {
    register: RwLock<R>,
    /// A fact could not be read: something that is named may not be known to be.
    is_incomplete: AtomicBool,
}

impl<R: Register> Followed<R> {
    pub(crate) fn of(register: R) -> Self {
        Self { register: RwLock::new(register), is_incomplete: AtomicBool::default() }
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, R> {
        self.register.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, R> {
        self.register.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Register> Names for Followed<R> {
    fn names(&self, digest: &Digest) -> bool {
        self.read().names(digest)
    }

    fn is_complete(&self) -> bool {
        !self.is_incomplete.load(Ordering::Relaxed)
    }
}

impl<R: Register> Apply for Followed<R> {
    fn entity(&self) -> EntityName {
        R::ENTITY
    }

    fn apply(&self, fact: &FactRecord) -> Result<(), serde_json::Error> {
        #[derive(Deserialize)]
        struct After<S> {
            state: S,
        }
        let read = serde_json::from_slice::<After<R::State>>(&fact.envelope.payload);
        let After { state } = read.inspect_err(|_| self.is_incomplete.store(true, Ordering::Relaxed))?;
        let key = (fact.fact.entity.mission.clone(), fact.fact.entity.id.clone());
        let mut register = self.write();
        if register.revision_of(&key) < fact.revision {
            register.take(key, &state, At { revision: fact.revision, at_ms: fact.at_ms });
        }
        Ok(())
    }

    fn revision_of(&self, entity: &Entity) -> u64 {
        self.read().revision_of(&(entity.mission.clone(), entity.id.clone()))
    }

    /// Nothing is written here.
    fn may_hold(&self, _: &Entity, _: RequestDigest) -> bool {
        false
    }
}
