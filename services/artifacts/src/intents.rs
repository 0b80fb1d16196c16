//! What intents name, followed from the ledger: the content that they would put into the world and that they
//! rest on, and the answers that came back. It stays as long as the intent may be carried out or was; of one that
//! came to nothing it stays for the grace period after its end, like other content that nothing names.

use std::collections::{BTreeSet, HashMap, HashSet};

use selvedge_contracts::{
    fact::EntityName,
    id::{Caller, Digest, Mission},
    payload::intent::Intent,
    role::Role,
};
use selvedge_kit::clock::now_ms;

use crate::{
    access::Asker,
    followed::{At, Followed, Key, Register},
};

/// All content that intents name.
pub(crate) type Intents = Followed<Named>;

pub(crate) struct Named {
    /// How long content stays that an intent named which came to nothing, in milliseconds from its end.
    grace_ms: u64,
    /// Which intents name a content.
    by_digest: HashMap<Digest, HashSet<Key>>,
    by_intent: HashMap<Key, Naming>,
    /// Those that came to nothing, by when what they name is let go (Unix time in milliseconds).
    ended: BTreeSet<(u64, Key)>,
    revisions: HashMap<Key, u64>,
}

/// What one intent names.
struct Naming {
    digests: Vec<Digest>,
    readers: HashSet<Reader>,
    until_ms: Option<u64>,
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

impl Naming {
    fn stands(&self, now_ms: u64) -> bool {
        self.until_ms.is_none_or(|until_ms| now_ms < until_ms)
    }
}

impl Named {
    fn put(&mut self, key: Key, intent: &Intent, revision: u64, until_ms: Option<u64>) {
        // Who could read it in a former round may go on.
        let before = self.forget(&key);
        let mut digests: Vec<Digest> = intent.digests().cloned().collect();
        digests.sort();
        digests.dedup();
        for digest in &digests {
            self.by_digest.entry(digest.clone()).or_default().insert(key.clone());
        }
        self.ended.extend(until_ms.map(|until_ms| (until_ms, key.clone())));
        let readers = before.map(|naming| naming.readers).unwrap_or_default();
        let readers = readers.into_iter().chain(Reader::of(intent)).collect();
        self.by_intent.insert(key.clone(), Naming { digests, readers, until_ms });
        self.revisions.insert(key, revision);
    }

    fn forget(&mut self, key: &Key) -> Option<Naming> {
        let naming = self.by_intent.remove(key)?;
        self.ended.remove(&(naming.until_ms.unwrap_or(0), key.clone()));
        for digest in &naming.digests {
            if let Some(by) = self.by_digest.get_mut(digest) {
                by.remove(key);
                if by.is_empty() {
                    self.by_digest.remove(digest);
                }
            }
        }
        Some(naming)
    }

    /// Forgets what is let go by now.
    fn let_go(&mut self, now_ms: u64) {
        while let Some((_, key)) = self.ended.first().filter(|(until_ms, _)| *until_ms <= now_ms).cloned() {
            self.forget(&key);
        }
    }

    fn naming(&self, digest: &Digest, now_ms: u64) -> impl Iterator<Item = &Naming> {
        let by = self.by_digest.get(digest).into_iter().flatten();
        by.filter_map(|key| self.by_intent.get(key)).filter(move |naming| naming.stands(now_ms))
    }
}

impl Intents {
    pub(crate) fn new(grace_ms: u64) -> Self {
        Self::of(Named {
            grace_ms,
            by_digest: HashMap::new(),
            by_intent: HashMap::new(),
            ended: BTreeSet::new(),
            revisions: HashMap::new(),
        })
    }

    /// Whether an intent opens this content to the asker.
    pub(crate) fn may_read(&self, asker: Asker<'_>, digest: &Digest) -> bool {
        let (mission, caller) = (asker.mission.clone(), asker.caller.clone());
        let (approver, proposer) =
            (Reader::Approver(mission.clone(), asker.role), Reader::Proposer(mission, caller));
        self.read()
            .naming(digest, now_ms())
            .any(|naming| naming.readers.contains(&approver) || naming.readers.contains(&proposer))
    }
}

impl Register for Named {
    type State = Intent;
    const ENTITY: EntityName = EntityName::Intent;

    fn take(&mut self, key: Key, intent: &Intent, at: At) {
        let until_ms = intent.is_over_without_effect().then(|| at.at_ms.saturating_add(self.grace_ms));
        self.put(key, intent, at.revision, until_ms);
        self.let_go(now_ms());
    }

    fn revision_of(&self, key: &Key) -> u64 {
        self.revisions.get(key).copied().unwrap_or(0)
    }

    fn names(&self, digest: &Digest) -> bool {
        self.naming(digest, now_ms()).next().is_some()
    }
}

#[cfg(test)]
mod tests {
    use selvedge_contracts::{id::EntityId, payload::intent::IntentState};
    use serde_json::json;

    use super::*;
    use crate::names::Names as _;

    fn intent() -> (Key, Intent) {
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
        ((intent.mission.clone(), EntityId::from(&intent.id)), intent)
    }

    fn taking(intents: &Intents) -> impl Fn(&Key, &Intent, u64, u64) {
        |key, intent, revision, at_ms| intents.write().take(key.clone(), intent, At { revision, at_ms })
    }

    #[test]
    fn what_a_verified_intent_names_is_open_to_its_proposer_and_to_those_who_may_approve_it() {
        let (key, intent) = intent();
        let mission = intent.mission.clone();
        let intents = Intents::new(1_000);
        let take = taking(&intents);
        let unverified = Intent { decision: None, ..intent.clone() };
        take(&key, &unverified, 1, now_ms());
        let (digest, other) = (Digest::new(&"a".repeat(64)).unwrap(), Mission::new("other").unwrap());
        let may = |mission: &Mission, caller: &str, role| {
            let caller = Caller::new(caller).unwrap();
            intents.may_read(Asker { mission, caller: &caller, role }, &digest)
        };
        for (caller, role) in [("olga-1a2b3c4d", Role::Approver), ("ada-1a2b3c4d", Role::Worker)] {
            assert!(!may(&mission, caller, role), "naming it is no way to read it");
        }
        take(&key, &intent, 2, now_ms());
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

    #[test]
    fn what_came_to_nothing_lets_go_of_its_content_after_the_grace_period_and_not_before() {
        let (key, open) = intent();
        let digest = open.inputs[0].clone();
        let rejected = Intent { state: IntentState::Rejected, ..open.clone() };
        let grace_ms = 60_000;
        let intents = Intents::new(grace_ms);
        let take = taking(&intents);
        take(&key, &open, 1, 0);
        assert!(intents.names(&digest), "however old it is");
        take(&key, &rejected, 2, now_ms());
        assert!(intents.names(&digest), "somebody may want to look at it");
        take(&key, &rejected, 2, now_ms() - grace_ms);
        assert!(!intents.names(&digest));
        take(&key, &open, 3, now_ms());
        assert!(intents.names(&digest), "it was proposed again");
        // Of two that name it, one keeps it.
        let other = (key.0.clone(), EntityId::new("other").unwrap());
        take(&other, &rejected, 4, now_ms() - grace_ms);
        assert!(intents.names(&digest));
        take(&key, &Intent { state: IntentState::Committed, ..open }, 5, 0);
        assert!(intents.names(&digest), "what was done keeps its content for ever");
        let named = intents.read();
        assert_eq!((named.by_intent.len(), named.ended.len(), named.revisions.len()), (1, 0, 2));
    }
}
