//! What an intent's id and an approval are over, in canonical JSON (RFC 8785), so that anyone can compute
//! and check them.

use serde::Serialize;

use super::{Accepted, Effect, FencingToken, Intent, IntentPrecondition, Requirement, SagaStep};
use crate::id::{AgentId, Digest, IntentId, Mission, Owner, SagaId, ScopeId};

/// What an intent's id is the blake3 digest of: revisions, tokens and policy are not in it, so a replay
/// after a new lease is the same intent; a wanted repetition names another occurrence.
#[derive(Serialize)]
struct Identity<'a> {
    mission: &'a Mission,
    task: Option<&'a ScopeId>,
    occurrence: Option<&'a str>,
    effect: &'a Effect,
    undo: Option<&'a Effect>,
    inputs: &'a [Digest],
}

/// Id of the intent with this content. A task's intent is one of that task, unless an occurrence is named.
pub fn intent_id(
    mission: &Mission,
    task: Option<&ScopeId>,
    occurrence: Option<&str>,
    effect: &Effect,
    undo: Option<&Effect>,
    inputs: &[Digest],
) -> IntentId {
    let task = task.filter(|_| occurrence.is_none());
    IntentId::of(&blake3::hash(&canonical(&Identity { mission, task, occurrence, effect, undo, inputs })))
}

/// What a step is known by within its saga.
#[derive(Debug, Clone, Serialize)]
pub struct StepIdentity<'a> {
    /// What is to be done.
    pub effect: &'a Effect,
    /// What takes it back.
    pub undo: Option<&'a Effect>,
    /// Content it rests on.
    pub inputs: &'a [Digest],
}

/// Id of the saga with these steps. A task's saga is one of that task, unless an occurrence is named.
pub fn saga_id(
    mission: &Mission,
    task: Option<&ScopeId>,
    occurrence: Option<&str>,
    steps: &[StepIdentity<'_>],
) -> SagaId {
    #[derive(Serialize)]
    struct Identity<'a> {
        mission: &'a Mission,
        task: Option<&'a ScopeId>,
        occurrence: Option<&'a str>,
        steps: &'a [StepIdentity<'a>],
    }
    let task = task.filter(|_| occurrence.is_none());
    SagaId::of(&blake3::hash(&canonical(&Identity { mission, task, occurrence, steps })))
}

/// Start of the occurrences that the steps of sagas have; nobody else may name one.
pub const STEP_PREFIX: &str = "saga_";

/// The occurrence of a saga's step: it is no intent of anybody else, nor of another saga.
pub fn step_occurrence(saga: &SagaId, step: u32) -> String {
    format!("{saga}/{step}")
}

/// What an approval is over. Whatever of it changes, the approval is void.
#[derive(Serialize)]
struct Approved<'a> {
    intent: &'a IntentId,
    round: u32,
    mission: &'a Mission,
    proposer: &'a str,
    owner: &'a Owner,
    effect: &'a Effect,
    undo: Option<&'a Effect>,
    inputs: &'a [Digest],
    preconditions: &'a [IntentPrecondition],
    tokens: &'a [FencingToken],
    saga: Option<&'a SagaStep>,
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted: Option<&'a Accepted>,
    activation: u32,
    requirement: &'a Requirement,
    expires_at_ms: u64,
}

/// The digest that approvers sign and that the token binds.
pub fn approval_digest(intent: &Intent, requirement: &Requirement, activation: u32) -> Digest {
    let approved = Approved {
        intent: &intent.id,
        round: intent.round,
        mission: &intent.mission,
        proposer: intent.proposer.as_str(),
        owner: &intent.owner,
        effect: &intent.effect,
        undo: intent.undo.as_ref(),
        inputs: &intent.inputs,
        preconditions: &intent.preconditions,
        tokens: &intent.tokens,
        saga: intent.saga.as_ref(),
        accepted: intent.accepted.as_ref(),
        activation,
        requirement,
        expires_at_ms: intent.expires_at_ms,
    };
    Digest::from(&blake3::hash(&canonical(&approved)))
}

/// The text that an approver signs with the identity key (ed25519).
pub fn approval_text(approver: &AgentId, intent: &IntentId, digest: &Digest) -> String {
    format!("SELVEDGE-APPROVAL-V1\n{approver}\n{intent}\n{digest}\n")
}

/// The bytes that an approval's token is the HMAC-SHA256 (RFC 2104) of.
pub fn token_bytes(intent: &Intent, digest: &Digest, approvers: &[&Owner]) -> Vec<u8> {
    #[derive(Serialize)]
    struct Bound<'a> {
        v: u32,
        intent: &'a IntentId,
        mission: &'a Mission,
        digest: &'a Digest,
        approvers: &'a [&'a Owner],
        expires_at_ms: u64,
    }
    canonical(&Bound {
        v: 1,
        intent: &intent.id,
        mission: &intent.mission,
        digest,
        approvers,
        expires_at_ms: intent.expires_at_ms,
    })
}

/// RFC 8785. Our own types have text keys only and no number that is none, so they always have such a form;
/// if one had not, nothing would be its digest.
fn canonical(value: &impl Serialize) -> Vec<u8> {
    serde_json_canonicalizer::to_vec(value).unwrap_or_default()
}
