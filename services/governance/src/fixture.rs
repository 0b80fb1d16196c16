//! What the rules' tests share.

use nkeys::KeyPair;
use selvedge_contracts::{
    id::{AgentId, Caller, Digest, Mission, Owner, PublicKey, RecordKey, SagaId, ScopeId},
    payload::intent::{
        Effect, Intent, IntentState, MemoryEffect, Requirement, SagaStep, approval_text, intent_id,
    },
    role::Role,
};
use selvedge_kit::{
    rule::{Change, Verdict},
    signature::encode_base64url,
};
use serde_json::json;

use crate::{
    approval::Approver,
    intent::{Finding, Terms, Wanted, verify},
};

pub(crate) const NOW_MS: u64 = 1_000_000;
pub(crate) const LIFE_MS: u64 = 60_000;

pub(crate) fn memory(key: &str) -> Effect {
    let key = RecordKey::new(key).unwrap();
    Effect::Memory(MemoryEffect { key, value: Some(json!({"a": 1})), revision: 0, sources: Vec::new() })
}

pub(crate) fn intent() -> Intent {
    let (mission, effect) = (Mission::new("demo").unwrap(), memory("a"));
    Intent {
        id: intent_id(&mission, None, None, &effect, None, &[]),
        mission,
        round: 0,
        title: "t".to_owned(),
        proposer: Caller::new("ada-1a2b3c4d").unwrap(),
        role: Role::Worker,
        owner: Owner::new("person:olga").unwrap(),
        session: ScopeId::new("session_1").unwrap(),
        task: None,
        request: None,
        occurrence: None,
        effect,
        undo: None,
        saga: None,
        inputs: Vec::new(),
        preconditions: Vec::new(),
        tokens: Vec::new(),
        proposed_at_ms: NOW_MS,
        expires_at_ms: NOW_MS + LIFE_MS,
        checked: None,
        accepted: None,
        state: IntentState::Proposed,
        decision: None,
        grants: Vec::new(),
        token: None,
        execution: None,
        receipt: None,
        undone: None,
        denied: None,
        reasons: Vec::new(),
    }
}

pub(crate) fn wanted() -> Wanted {
    Wanted { intent: intent(), ttl_ms: Some(LIFE_MS), activation: 0 }
}

pub(crate) fn terms(approvals: u32) -> Terms {
    let requirement = Requirement { approvals, role: Role::Approver, expires_after_ms: None };
    Terms { policy: None, activation: 0, rules: Vec::new(), requirement, seen: Vec::new() }
}

/// An intent that was found fit under these terms.
pub(crate) fn verified(approvals: u32) -> Intent {
    let intent = intent();
    state(verify(&intent, &intent, &Finding::Fits(terms(approvals)), NOW_MS))
}

/// The step of a saga, in a state.
pub(crate) fn step(step: u32, of: u32, state: IntentState) -> Intent {
    let saga = SagaId::of(&blake3_of("saga"));
    Intent { saga: Some(SagaStep { saga, step, of }), state, ..verified(0) }
}

pub(crate) fn blake3_of(text: &str) -> blake3::Hash {
    blake3::hash(text.as_bytes())
}

pub(crate) fn state<S: Clone>(verdict: Verdict<S>) -> S {
    change(verdict).state
}

pub(crate) fn change<S: Clone>(verdict: Verdict<S>) -> Change<S> {
    match verdict {
        Verdict::Changed(change) => change,
        Verdict::Same => panic!("nothing changed"),
    }
}

/// Somebody with an identity key.
pub(crate) struct Person {
    pub(crate) agent: AgentId,
    pub(crate) owner: Owner,
    pub(crate) key: KeyPair,
    pub(crate) public: PublicKey,
}

impl Person {
    pub(crate) fn new(agent: &str, owner: &str) -> Self {
        let key = KeyPair::new_user();
        let public = PublicKey::new(&key.public_key()).unwrap();
        Self { agent: AgentId::new(agent).unwrap(), owner: Owner::new(owner).unwrap(), key, public }
    }

    pub(crate) fn as_approver(&self) -> Approver<'_> {
        Approver { agent: &self.agent, owner: &self.owner, role: Role::Approver, key: &self.public }
    }

    pub(crate) fn sign(&self, intent: &Intent) -> (Digest, String) {
        let digest = intent.decision.as_ref().unwrap().approval_digest.clone();
        let text = approval_text(&self.agent, &intent.id, &digest);
        (digest, encode_base64url(&self.key.sign(text.as_bytes()).unwrap()))
    }
}
