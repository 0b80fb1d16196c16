//! Intents: what is to be done to the world, from the proposal to the receipt. Governance verifies them and
//! collects approvals; the committer alone carries them out.
//!
//! | from | to | by |
//! |---|---|---|
//! | nothing, rejected (not denied), expired, cancelled, failed | proposed | governance |
//! | rejected (denied) | rejected (the denial is lifted) | governance |
//! | proposed, verified, approved | proposed (its proposer binds it to something else: a new round) | governance |
//! | proposed | verified, rejected, expired, cancelled | governance |
//! | verified | approved (with the last approval), rejected, expired, cancelled | governance |
//! | verified without approvals, approved | executing | committer |
//! | verified, approved | rejected (stale), expired, cancelled | governance |
//! | verified, approved | failed (a signature of its approvals does not hold) | committer |
//! | executing | executing (the next attempt), committed, failed, unknown | committer |
//! | unknown | committed, failed | committer, as a probe or an operator says |
//! | committed | compensating | committer |
//! | compensating | compensating (the next attempt), compensated, stuck | committer |
//! | stuck | compensated, committed (to be undone again) | committer, as an operator says |

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    fact::EntityName,
    fault::Detail,
    id::{
        AgentId, Caller, CaseId, Digest, EntityId, IntentId, LeaseId, Mission, Owner, PublicKey, RequestId,
        SagaId, ScopeId, SpaceId,
    },
    payload::overlap::Clearance,
    role::Role,
};

mod binding;
mod call;
mod effect;
mod tree;

pub use binding::{
    STEP_PREFIX, StepIdentity, approval_digest, approval_text, intent_id, saga_id, step_occurrence,
    token_bytes,
};
pub use call::{
    Approve, DenialLift, Deny, IntentCancel, IntentList, IntentReply, IntentShow, Intents, Propose,
    ProposeFor, Redeem, Redeemed, SagaPropose, SagaProposeFor, SagaReply, SagaShow, SagaStatus,
    SagaStepWanted, Settle, Settlement, Waiting,
};
pub use effect::{
    DEFAULT_EFFECT_MS, Effect, ExternalEffect, FileChange, FileMode, GitEffect, HttpEffect, MAX_CHANGES,
    MAX_EFFECT_MS, MAX_HEADERS, MAX_MESSAGE_BYTES, MAX_READS, MAX_URL_BYTES, MAX_VALUE_BYTES, MemoryEffect,
    Method, Probe, Receipt, Repeat,
};
pub use tree::{InvalidTreePath, MAX_TREE_PATH_BYTES, TreePath};

/// Longest title in bytes.
pub const MAX_TITLE_BYTES: usize = 200;
/// Longest occurrence in bytes.
pub const MAX_OCCURRENCE_BYTES: usize = 128;
/// Most inputs, preconditions and fencing tokens of one intent, each.
pub const MAX_BINDINGS: usize = 256;
/// Shortest life of an intent before it is executed, in milliseconds.
pub const MIN_INTENT_TTL_MS: u64 = 1_000;
/// Longest life of an intent before it is executed, in milliseconds: 30 days.
pub const MAX_INTENT_TTL_MS: u64 = 30 * 86_400_000;
/// Life of an intent that names none and whose policy names none, in milliseconds: 24 hours.
pub const DEFAULT_INTENT_TTL_MS: u64 = 86_400_000;
/// Most steps of one saga.
pub const MAX_STEPS: usize = 32;
/// Largest effect and undo of one intent, in bytes of JSON: with its approvals it must fit a message.
pub const MAX_INTENT_BYTES: usize = 524_288;
/// Most approvals that a policy may ask for.
pub const MAX_APPROVALS: u32 = 16;

/// An intent: entity `intent`, in its mission.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Intent {
    /// Digest of what is to be done.
    pub id: IntentId,
    /// Its mission.
    pub mission: Mission,
    /// How often it was proposed anew, from 0: after it had ended without being committed, or bound to
    /// something else by its proposer. Approvals are of one round.
    pub round: u32,
    /// In a line.
    pub title: String,
    /// Who proposed it first in this round.
    pub proposer: Caller,
    /// The proposer's role.
    pub role: Role,
    /// Who answers for the proposer.
    pub owner: Owner,
    /// The credential's scope.
    pub session: ScopeId,
    /// The task that the credential is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<ScopeId>,
    /// The user request at the root of the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// Which of several wanted repetitions it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurrence: Option<String>,
    /// What is to be done.
    pub effect: Effect,
    /// What takes it back, approved together with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Effect>,
    /// The saga it is a step of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saga: Option<SagaStep>,
    /// Content it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Digest>,
    /// Entities that must stand at these revisions until it is executed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preconditions: Vec<IntentPrecondition>,
    /// Fencing tokens that must be valid until it is executed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<FencingToken>,
    /// Unix time of the proposal, in milliseconds.
    pub proposed_at_ms: u64,
    /// Unix time, in milliseconds, after which it is not executed any more.
    pub expires_at_ms: u64,
    /// That nothing was in its way that looks like it, when it was proposed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<Clearance>,
    /// Who decided that the output holds that it rests on, where no verdict says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Accepted>,
    /// Where it stands.
    pub state: IntentState,
    /// Why it may be done, once it is verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// Approvals of this round.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<Grant>,
    /// Proof of all approvals, once they are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<ApprovalToken>,
    /// Who executes it, or did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<Execution>,
    /// What it left in the world.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
    /// What its undo left in the world.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone: Option<Receipt>,
    /// Who denied it: until that is lifted, it is not proposed anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denied: Option<Denial>,
    /// Why it was rejected, cancelled, failed or is stuck: every reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Detail>,
}

impl Intent {
    /// Whether the committer may take it up, as far as its own state says.
    pub fn is_ready(&self) -> bool {
        match self.state {
            IntentState::Approved => true,
            IntentState::Verified => {
                self.decision.as_ref().is_some_and(|decision| decision.requirement.approvals == 0)
            }
            _ => false,
        }
    }

    /// Whether it ended without being committed, so that it may be proposed again, unless it was denied.
    pub fn is_over_without_effect(&self) -> bool {
        matches!(
            self.state,
            IntentState::Rejected | IntentState::Expired | IntentState::Cancelled | IntentState::Failed
        )
    }

    /// Everything whose content must not be collected while the intent is known.
    pub fn digests(&self) -> impl Iterator<Item = &Digest> {
        let effects = std::iter::once(&self.effect).chain(self.undo.as_ref());
        let response = [self.receipt.as_ref(), self.undone.as_ref()].into_iter().flatten();
        let stored = response.filter_map(|receipt| match receipt {
            Receipt::Http { response, .. } => response.as_ref(),
            _ => None,
        });
        effects.flat_map(Effect::digests).chain(&self.inputs).chain(stored)
    }
}

/// Where an intent stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IntentState {
    /// It is on the record; its verification follows at once.
    Proposed,
    /// It may be done once its approvals are there.
    Verified,
    /// Its approvals are there.
    Approved,
    /// The committer carries it out.
    Executing,
    /// It is done; the receipt says what came of it.
    Committed,
    /// Nobody knows whether it happened: a person must find out and settle it.
    Unknown,
    /// It may not be done, or no longer.
    Rejected,
    /// Its time ran out.
    Expired,
    /// Its proposer or an operator took it back.
    Cancelled,
    /// It was tried, and did not happen.
    Failed,
    /// The committer takes it back.
    Compensating,
    /// It was done and taken back.
    Compensated,
    /// It was done, and taking it back failed: a person must settle it.
    Stuck,
}

impl IntentState {
    /// The state in one word, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Verified => "verified",
            Self::Approved => "approved",
            Self::Executing => "executing",
            Self::Committed => "committed",
            Self::Unknown => "unknown",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Compensating => "compensating",
            Self::Compensated => "compensated",
            Self::Stuck => "stuck",
        }
    }

    /// Whether nothing more follows of itself.
    pub const fn is_settled(self) -> bool {
        matches!(
            self,
            Self::Committed
                | Self::Unknown
                | Self::Rejected
                | Self::Expired
                | Self::Cancelled
                | Self::Failed
                | Self::Compensated
                | Self::Stuck
        )
    }
}

/// An entity that must stand at a revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IntentPrecondition {
    /// The sort of entity.
    pub entity: EntityName,
    /// Which one; of the intent's mission, or of the kluster if it is such an entity.
    pub id: EntityId,
    /// Ledger revision of its last fact; 0: it does not exist.
    pub revision: u64,
}

/// A decision, in a case about a task, that what was handed in for it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// The case.
    pub case: CaseId,
    /// Who decided.
    pub by: Caller,
    /// Who answers for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
}

/// A lease that must be held, by its fencing token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FencingToken {
    /// Where it stands.
    pub space: SpaceId,
    /// The lease.
    pub lease: LeaseId,
    /// The token of its grant.
    pub token: u64,
}

/// Place of an intent in a saga.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SagaStep {
    /// The saga.
    pub saga: SagaId,
    /// Its place, from 0.
    pub step: u32,
    /// How many steps there are.
    pub of: u32,
}

/// Why an intent may be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// Version of the policy that decided; absent: there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<u32>,
    /// Which activation of a policy that was, counted up; 0: none yet.
    pub activation: u32,
    /// The rules that decided, by their `@id`, else by place (`policy0`).
    pub rules: Vec<String>,
    /// What they ask for.
    pub requirement: Requirement,
    /// What was looked at: entities and the revisions they were seen at.
    pub seen: Vec<IntentPrecondition>,
    /// What approvers sign.
    pub approval_digest: Digest,
    /// Unix time of the decision, in milliseconds.
    pub decided_at_ms: u64,
}

/// What must be there before an intent is executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// Approvals by distinct owners, none of them the proposer's.
    #[schemars(range(max = 16))]
    pub approvals: u32,
    /// Role that approvers must have.
    pub role: Role,
    /// Time for it, in milliseconds, from the proposal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_after_ms: Option<u64>,
}

/// One approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Grant {
    /// Who approved.
    pub approver: AgentId,
    /// Who answers for the approver.
    pub owner: Owner,
    /// In which role.
    pub role: Role,
    /// The approver's identity key at that time.
    pub key: PublicKey,
    /// Ed25519 signature (RFC 8032) by that key over [`approval_text`], in unpadded base64url.
    pub signature: String,
    /// Unix time, in milliseconds.
    pub at_ms: u64,
}

/// Proof that all approvals were there: only governance can make one, and only while nothing that it binds
/// has changed is it worth anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovalToken {
    /// The key it was made with.
    #[schemars(length(min = 1, max = 32))]
    pub key_id: String,
    /// HMAC-SHA256 (RFC 2104) over [`token_bytes`], in hex.
    pub mac: Digest,
}

/// Who executes an intent, and until when nobody else may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Execution {
    /// The committer's instance.
    pub executor: ScopeId,
    /// Counts up from 1 whenever an instance takes it up.
    pub attempt: u32,
    /// Unix time, in milliseconds, from which another instance may take it over.
    pub until_ms: u64,
    /// The highest fencing token it was done under, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highest_token: Option<u64>,
}

/// An approval was given; the state says whether it was the last one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Granted {
    /// Who approved.
    pub approver: AgentId,
    /// Who answers for the approver.
    pub owner: Owner,
}

/// A denial by somebody who could have approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Denial {
    /// Who denied it.
    pub by: AgentId,
    /// Who answers for them.
    pub owner: Owner,
    /// Unix time, in milliseconds.
    pub at_ms: u64,
}

/// A denial was lifted: the intent may be proposed again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lifted {
    /// By whom.
    pub by: Caller,
    /// Why.
    pub reason: String,
}

/// Why an intent went no further.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reasons {
    /// Every reason.
    pub reasons: Vec<Detail>,
}

/// Most reasons that are kept, and most bytes of them: twice in a fact beside the largest intent, they must fit
/// a message.
const MAX_REASONS: (usize, usize) = (200, 32_768);

impl Reasons {
    /// As many of the reasons as a fact may hold, one at least, and how many more there are.
    pub fn of(reasons: &[Detail]) -> Self {
        let (most, mut room) = MAX_REASONS;
        let fits = |reason: &&Detail| {
            let left = room.checked_sub(reason.at.len() + reason.message.len());
            room = left.unwrap_or(0);
            left.is_some()
        };
        let count = reasons.iter().take(most).take_while(fits).count().max(1);
        let mut kept: Vec<Detail> = reasons.iter().take(count).cloned().collect();
        if reasons.len() > kept.len() {
            let message = format!("and {} more", reasons.len() - kept.len());
            kept.push(Detail { at: String::new(), message });
        }
        Self { reasons: kept }
    }
}

/// A saga: entity `saga`, in its mission. Where it stands follows from its steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Saga {
    /// Digest of its steps.
    pub id: SagaId,
    /// Its mission.
    pub mission: Mission,
    /// In a line.
    pub title: String,
    /// Who proposed it.
    pub proposer: Caller,
    /// Who answers for the proposer.
    pub owner: Owner,
    /// Its steps, in order.
    pub steps: Vec<IntentId>,
    /// Unix time of the proposal, in milliseconds.
    pub proposed_at_ms: u64,
}
