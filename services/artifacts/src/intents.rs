//! What intents name, followed from the ledger: the content that they would put into the world and that they
//! rest on, and the answers that came back. It stays as long as the intent is known, and intents are known
//! for ever.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use selvedge_contracts::{
    fact::EntityName,
    id::{Digest, EntityId, Mission},
    payload::intent::Intent,
    subject::Entity,
};
use selvedge_kit::{
    ledger::{FactRecord, RequestDigest},
    view::Apply,
};
use serde::Deserialize;

use crate::names::Names;

/// All content that any intent names, or named in a former round.
#[derive(Default)]
pub(crate) struct Intents {
    named: RwLock<Named>,
    /// A fact could not be read: something that is named may not be known to be.
    is_incomplete: AtomicBool,
}

#[derive(Default)]
struct Named {
    digests: HashSet<Digest>,
    revisions: HashMap<(Mission, EntityId), u64>,
}

impl Named {
    fn take(&mut self, entity: &Entity, intent: &Intent, revision: u64) {
        for digest in intent.digests() {
            if !self.digests.contains(digest) {
                self.digests.insert(digest.clone());
            }
        }
        self.revisions.insert((entity.mission.clone(), entity.id.clone()), revision);
    }
}

impl Names for Intents {
    fn names(&self, digest: &Digest) -> bool {
        self.named.read().unwrap_or_else(PoisonError::into_inner).digests.contains(digest)
    }

    fn is_complete(&self) -> bool {
        !self.is_incomplete.load(Ordering::Relaxed)
    }
}

impl Apply for Intents {
    fn entity(&self) -> EntityName {
        EntityName::Intent
    }

    fn apply(&self, fact: &FactRecord) -> Result<(), serde_json::Error> {
        #[derive(Deserialize)]
        struct After {
            state: Intent,
        }
        let read = serde_json::from_slice::<After>(&fact.envelope.payload);
        let After { state } = read.inspect_err(|_| self.is_incomplete.store(true, Ordering::Relaxed))?;
        let mut named = self.named.write().unwrap_or_else(PoisonError::into_inner);
        named.take(&fact.fact.entity, &state, fact.revision);
        Ok(())
    }

    fn revision_of(&self, entity: &Entity) -> u64 {
        let named = self.named.read().unwrap_or_else(PoisonError::into_inner);
        named.revisions.get(&(entity.mission.clone(), entity.id.clone())).copied().unwrap_or(0)
    }

    /// Nothing is written here.
    fn may_hold(&self, _: &Entity, _: RequestDigest) -> bool {
        false
    }
}
