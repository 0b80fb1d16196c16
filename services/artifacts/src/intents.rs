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
    id::{Caller, Digest, EntityId, Mission},
    payload::intent::Intent,
    role::Role,
    subject::Entity,
};
use selvedge_kit::{
    ledger::{FactRecord, RequestDigest},
    view::Apply,
};
use serde::Deserialize;

use crate::{access::Asker, names::Names};

/// All content that any intent names, or named in a former round.
#[derive(Default)]
pub(crate) struct Intents {
    named: RwLock<Named>,
    /// A fact could not be read: something that is named may not be known to be.
    is_incomplete: AtomicBool,
}

#[derive(Default)]
struct Named {
    digests: HashMap<Digest, HashSet<Reader>>,
    revisions: HashMap<(Mission, EntityId), u64>,
}

/// Who may read what an intent names.
#[derive(PartialEq, Eq, Hash)]
enum Reader {
    /// Whoever may be asked to approve it: what cannot be looked at must not be approved.
    Approver(Mission, Role),
    /// Its proposer, who rests on it, and to whom an answer belongs.
    Proposer(Mission, Caller),
}

impl Reader {
    /// Nobody before it is verified: until then anyone may name anything. Verification asks whether its
    /// proposer may read what it names.
    fn of(intent: &Intent) -> impl Iterator<Item = Self> {
        let mission = &intent.mission;
        let proposer = || Self::Proposer(mission.clone(), intent.proposer.clone());
        intent.decision.iter().flat_map(move |decision| {
            let approvers = [Role::Approver, decision.requirement.role];
            let approvers = approvers.map(|role| Self::Approver(mission.clone(), role));
            approvers.into_iter().chain(std::iter::once(proposer()))
        })
    }
}

impl Named {
    fn take(&mut self, entity: &Entity, intent: &Intent, revision: u64) {
        for digest in intent.digests() {
            self.digests.entry(digest.clone()).or_default().extend(Reader::of(intent));
        }
        self.revisions.insert((entity.mission.clone(), entity.id.clone()), revision);
    }
}

impl Intents {
    /// Whether an intent opens this content to the asker.
    pub(crate) fn may_read(&self, asker: Asker<'_>, digest: &Digest) -> bool {
        let named = self.named.read().unwrap_or_else(PoisonError::into_inner);
        let (mission, caller) = (asker.mission.clone(), asker.caller.clone());
        named.digests.get(digest).is_some_and(|readers| {
            readers.contains(&Reader::Approver(mission.clone(), asker.role))
                || readers.contains(&Reader::Proposer(mission, caller))
        })
    }
}

impl Names for Intents {
    fn names(&self, digest: &Digest) -> bool {
        self.named.read().unwrap_or_else(PoisonError::into_inner).digests.contains_key(digest)
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_verified_intent_names_is_open_to_its_proposer_and_to_those_who_may_approve_it() {
        let intent: Intent = serde_json::from_value(json!({
            "id": format!("intent_{}", "0".repeat(64)),
            "mission": "demo",
            "round": 0,
            "title": "x",
            "proposer": "ada-1a2b3c4d",
            "role": "worker",
            "owner": "person:ada",
            "session": "session_01",
            "effect": { "kind": "memory", "key": "a", "value": 1, "revision": 0 },
            "inputs": ["a".repeat(64)],
            "proposed_at_ms": 1,
            "expires_at_ms": 2,
            "state": "verified",
            "decision": {
                "activation": 0, "rules": [], "seen": [], "decided_at_ms": 1,
                "requirement": { "approvals": 1, "role": "verifier" },
                "approval_digest": "0".repeat(64)
            }
        }))
        .unwrap();
        let intents = Intents::default();
        let mission = intent.mission.clone();
        let id = EntityId::from(&intent.id);
        let entity = Entity { mission: mission.clone(), name: EntityName::Intent, id };
        let unverified = Intent { decision: None, ..intent.clone() };
        intents.named.write().unwrap().take(&entity, &unverified, 1);
        let (digest, other) = (Digest::new(&"a".repeat(64)).unwrap(), Mission::new("other").unwrap());
        let may = |mission: &Mission, caller: &str, role| {
            let caller = Caller::new(caller).unwrap();
            intents.may_read(Asker { mission, caller: &caller, role }, &digest)
        };
        for (caller, role) in [("olga-1a2b3c4d", Role::Approver), ("ada-1a2b3c4d", Role::Worker)] {
            assert!(!may(&mission, caller, role), "naming it is no way to read it");
        }
        intents.named.write().unwrap().take(&entity, &intent, 2);
        assert!(may(&mission, "olga-1a2b3c4d", Role::Approver));
        assert!(may(&mission, "vera-1a2b3c4d", Role::Verifier), "the decision asks for this role");
        assert!(may(&mission, "ada-1a2b3c4d", Role::Worker), "its own");
        assert!(!may(&mission, "eve-1a2b3c4d", Role::Worker));
        assert!(!may(&other, "olga-1a2b3c4d", Role::Approver));
        assert!(!intents.may_read(
            Asker { mission: &mission, caller: &intent.proposer, role: Role::Worker },
            &Digest::new(&"b".repeat(64)).unwrap()
        ));
    }
}
