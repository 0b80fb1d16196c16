//! Intents for the tests of the rules.

use proptest::prelude::*;
use selvedge_contracts::{
    id::{Caller, Digest, IntentId, Mission, Owner, RecordKey, ScopeId},
    payload::intent::{Decision, Effect, Intent, IntentState, MemoryEffect, Requirement},
    role::Role,
};

/// Every state there is.
pub(crate) const STATES: &[IntentState] = &[
    IntentState::Proposed,
    IntentState::Verified,
    IntentState::Approved,
    IntentState::Executing,
    IntentState::Committed,
    IntentState::Unknown,
    IntentState::Rejected,
    IntentState::Expired,
    IntentState::Cancelled,
    IntentState::Failed,
    IntentState::Compensating,
    IntentState::Compensated,
    IntentState::Stuck,
];

/// Any state.
pub(crate) fn states() -> impl Strategy<Value = IntentState> {
    proptest::sample::select(STATES)
}

/// An intent in this state, which needs no approvals.
pub(crate) fn intent(state: IntentState) -> Intent {
    let digest = Digest::from(&blake3::hash(b"approved"));
    let requirement = Requirement { approvals: 0, role: Role::Approver, expires_after_ms: None };
    Intent {
        id: IntentId::of(&blake3::hash(b"intent")),
        mission: Mission::new("demo").unwrap(),
        round: 0,
        title: "a record".into(),
        proposer: Caller::new("ada-1a2b3c4d").unwrap(),
        role: Role::Worker,
        owner: Owner::new("person:ada").unwrap(),
        session: ScopeId::new("session_1").unwrap(),
        task: None,
        request: None,
        occurrence: None,
        effect: memory("k", Some(1)),
        undo: Some(memory("k", None)),
        saga: None,
        inputs: Vec::new(),
        preconditions: Vec::new(),
        tokens: Vec::new(),
        proposed_at_ms: 10,
        expires_at_ms: 10_000,
        state,
        decision: Some(Decision {
            policy: None,
            activation: 0,
            rules: Vec::new(),
            requirement,
            seen: Vec::new(),
            approval_digest: digest,
            decided_at_ms: 20,
        }),
        grants: Vec::new(),
        token: None,
        execution: None,
        receipt: None,
        undone: None,
        checked: None,
        accepted: None,
        denied: None,
        reasons: Vec::new(),
    }
}

/// A record's effect.
pub(crate) fn memory(key: &str, value: Option<u32>) -> Effect {
    Effect::Memory(MemoryEffect {
        key: RecordKey::new(key).unwrap(),
        value: value.map(Into::into),
        revision: 0,
        sources: Vec::new(),
    })
}
