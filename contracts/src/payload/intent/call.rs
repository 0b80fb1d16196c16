//! Requests and replies about intents, approvals and sagas.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Accepted, ApprovalToken, Effect, FencingToken, Intent, IntentPrecondition, IntentState, Saga};
use crate::{
    id::{ArtifactRef, Digest, IntentId, SagaId, ScopeId},
    payload::overlap::OnBehalf,
};

/// `governance.propose`. The same content is the same intent, whoever asks and however often: it is answered
/// as it stands. One that ended without being committed is taken up anew. Where something looks like it, it is
/// asked about first (`overlap.decide`), and nothing is recorded until that is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Propose {
    /// In a line, for whoever has to approve it.
    #[schemars(length(min = 1, max = 200))]
    pub title: String,
    /// What is to be done.
    pub effect: Effect,
    /// What takes it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Effect>,
    /// Which of several wanted repetitions it is; without one, equal content in one task is one intent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub occurrence: Option<String>,
    /// What it rests on: content that the caller may read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub inputs: Vec<ArtifactRef>,
    /// Entities that must stand at these revisions until it is executed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub preconditions: Vec<IntentPrecondition>,
    /// Leases of the caller that must be held until it is executed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub tokens: Vec<FencingToken>,
    /// Longest time before it is executed, in milliseconds; 24 hours if neither this nor the policy says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1_000, max = 2_592_000_000_u64))]
    pub expires_after_ms: Option<u64>,
}

/// `governance.propose_for`: what a task is to change outside, proposed by the dispatcher once the task's output
/// holds, in the name of whoever did it. The intent is as if they had proposed it under the task's credential:
/// its proposer, role, owner, task and request are theirs, and so count quorum and policy. Nothing that looks like
/// it is asked about: the plan that declares it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposeFor {
    /// What is proposed.
    pub propose: Propose,
    /// In whose name; it names a task.
    pub on_behalf: OnBehalf,
    /// Who decided that the task's output holds, if somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Accepted>,
}

/// Reply of the calls that answer with one intent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IntentReply {
    /// The intent.
    pub intent: Intent,
    /// Ledger revision of its last fact.
    pub revision: u64,
}

/// `governance.intent_show`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IntentShow {
    /// The intent.
    pub intent: IntentId,
}

/// `governance.intent_list`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IntentList {
    /// Only those in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<IntentState>,
    /// Only those that wait for somebody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// Only those after this one, in order of id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<IntentId>,
    /// Most intents to answer with; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
}

/// For whom intents wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Waiting {
    /// For an approval that the caller may give.
    ForMe,
    /// For any approval.
    ForApproval,
    /// For a person who finds out what happened: unknown and stuck ones.
    ForSettlement,
}

/// Reply of `governance.intent_list`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Intents {
    /// In order of id.
    pub intents: Vec<IntentReply>,
    /// There are more: ask again with `after` set to the last one.
    pub more: bool,
}

/// `governance.intent_cancel`: by its proposer, another agent of the same owner, or an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IntentCancel {
    /// The intent.
    pub intent: IntentId,
    /// Why.
    #[schemars(length(min = 1, max = 1000))]
    pub reason: String,
}

/// `governance.approve`: by an agent in the role that the decision asks for, whose owner is not the
/// proposer's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approve {
    /// The intent.
    pub intent: IntentId,
    /// The decision's `approval_digest`: what was seen is what is approved.
    pub digest: Digest,
    /// Signature with the approver's identity key over the approval's text
    /// (`SELVEDGE-APPROVAL-V1`, approver, intent, digest, a line each), in unpadded base64url.
    #[schemars(length(min = 86, max = 86))]
    pub signature: String,
}

/// `governance.deny`: by whoever could approve. One denial ends the intent for good: whoever proposes it again is
/// answered that it was denied, until the denial is lifted. Another occurrence of it is another intent, which
/// needs approvals of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Deny {
    /// The intent.
    pub intent: IntentId,
    /// The decision's `approval_digest`.
    pub digest: Digest,
    /// Why.
    #[schemars(length(min = 1, max = 1000))]
    pub reason: String,
}

/// `governance.lift`: takes a denial back, by another agent of the owner who denied it, the same agent, or an
/// operator. The intent stays rejected, and may be proposed again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DenialLift {
    /// The intent.
    pub intent: IntentId,
    /// Why.
    #[schemars(length(min = 1, max = 1000))]
    pub reason: String,
}

/// `governance.redeem`: the committer's last question before it executes. Everything is checked again:
/// policy, preconditions, fencing tokens, inputs, approvals and their token. What is stale is rejected, on
/// the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Redeem {
    /// The intent.
    pub intent: IntentId,
    /// Its revision, as the committer knows it: the fact `executing` will be guarded by it, so that a token
    /// is redeemed once.
    pub revision: u64,
    /// The token, where approvals are asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<ApprovalToken>,
}

/// Reply of `governance.redeem`: it may be executed now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Redeemed {
    /// Unix time until which this holds, in milliseconds.
    pub until_ms: u64,
    /// The highest fencing token among the leases it was checked against.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highest_token: Option<u64>,
}

/// One step of a saga as it is proposed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SagaStepWanted {
    /// In a line.
    #[schemars(length(min = 1, max = 200))]
    pub title: String,
    /// What is to be done.
    pub effect: Effect,
    /// What takes it back. Only a last step may do without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Effect>,
    /// As of `governance.propose`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub inputs: Vec<ArtifactRef>,
    /// As of `governance.propose`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub preconditions: Vec<IntentPrecondition>,
    /// As of `governance.propose`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub tokens: Vec<FencingToken>,
}

/// `governance.saga_propose`: several intents that are done in order. The first is begun only when all may
/// be done; if one fails, those before it are undone in reverse. A saga stays as it was proposed first: a
/// fresh try names another occurrence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SagaPropose {
    /// In a line.
    #[schemars(length(min = 1, max = 200))]
    pub title: String,
    /// Which of several wanted repetitions it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub occurrence: Option<String>,
    /// In order.
    #[schemars(length(min = 1, max = 32))]
    pub steps: Vec<SagaStepWanted>,
    /// As of `governance.propose`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1_000, max = 2_592_000_000_u64))]
    pub expires_after_ms: Option<u64>,
}

/// `governance.saga_propose_for`: as `governance.propose_for`, for a task that is to change several things: they are
/// done in order, and undone in reverse if one of them fails.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SagaProposeFor {
    /// What is proposed.
    pub propose: SagaPropose,
    /// In whose name; it names a task.
    pub on_behalf: OnBehalf,
    /// Who decided that the task's output holds, if somebody did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Accepted>,
}

/// `governance.saga_show`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SagaShow {
    /// The saga.
    pub saga: SagaId,
}

/// Reply of the calls that answer with one saga.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SagaReply {
    /// The saga.
    pub saga: Saga,
    /// Where it stands.
    pub status: SagaStatus,
    /// Its steps, in order.
    pub steps: Vec<Intent>,
    /// Ledger revision of its fact.
    pub revision: u64,
}

/// Where a saga stands, by its steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SagaStatus {
    /// Not every step may be done yet.
    Waiting,
    /// Its steps are done, one after the other.
    Running,
    /// All are done.
    Committed,
    /// One failed: those before it are undone.
    Compensating,
    /// Nothing of it stands: what was done is undone.
    Compensated,
    /// A step's outcome is unknown, or an undo failed: a person must settle it.
    Stuck,
}

/// `committer.settle`: an operator says what became of an intent whose outcome is unknown, or whose undo is
/// stuck.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    /// The intent.
    pub intent: IntentId,
    /// What became of it.
    pub outcome: Settlement,
    /// How that is known.
    #[schemars(length(min = 1, max = 1000))]
    pub note: String,
    /// The round, as the intent says: what was looked at is what is settled.
    pub round: u32,
    /// The attempt, as the intent's `execution` says.
    pub attempt: u32,
    /// The instance whose attempt it was, as the intent's `execution` says.
    pub executor: ScopeId,
}

/// What became of an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Settlement {
    /// It happened (of an undo: it is undone).
    Happened,
    /// It did not.
    DidNot,
}
