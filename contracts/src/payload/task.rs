//! Tasks: what becomes of each node of a plan. Until somebody claims it, a task has no fact of its own: that
//! it is ready follows from its plan.
//!
//! | state | by | may become |
//! |---|---|---|
//! | (none) | the plan | opened, running |
//! | opened | `opened`: a person let it pass its gate | running |
//! | running | `claimed` | submitted, committing, validated, waiting, failed, stopped |
//! | submitted | `submitted` | committing, validated, waiting, failed, stopped |
//! | committing | `accepted`: its output holds, or somebody decided so, and its effects are proposed | validated, waiting, failed, stopped |
//! | validated | `validated` | |
//! | waiting | `failed`: it will be tried again | running |
//! | failed | `exhausted`: it has used up its attempts | running, once it is replayed or its plan resumed; validated or committing, if somebody decides so about its case |
//! | stopped | `stopped`: its plan was cancelled meanwhile | |

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

mod call;
mod claim;
mod effect;
mod inspect;
mod line;
mod past;

pub use call::{
    Claimed, InputValue, TaskClaim, TaskClaimed, TaskFail, TaskJudge, TaskOpen, TaskRenew, TaskRenewed,
    TaskReply, TaskShow, TaskShown, TaskSubmit,
};
pub use claim::{Claim, DEFAULT_CLAIM_TTL_MS, Input, MAX_CLAIM_TTL_MS, MAX_CLAIM_WAIT_MS, MIN_CLAIM_TTL_MS};
pub use effect::{EffectEnd, EffectOffer, MAX_OFFER_BYTES, PastEffect, TaskEffect};
pub use inspect::{HandedIn, INSPECTION_TTL_MS, MAX_EXCEPT, TaskInspect, TaskInspected};
pub use line::{Phase, TaskLine, TaskList, Tasks};
pub use past::{Cause, PastAttempt};

use super::plan::{Check, TaskSpec};
use crate::id::{Caller, CaseId, Digest, Mission, Owner, PlanId, TaskId, TaskName};

/// Largest output of a task in bytes of JSON; what is larger is stored and referred to.
pub const MAX_OUTPUT_BYTES: usize = 64 << 10;
/// Most bytes of what a task's needs handed in that come with its claim; beyond, they are asked for with
/// `dispatcher.task_show`.
pub const MAX_INPUT_BYTES: usize = 256 << 10;
/// Most former attempts that a task's state tells of, the newest.
pub const MAX_PAST: usize = 20;
/// Longest reason in the line of a task, in bytes.
pub const MAX_LINE_REASON_BYTES: usize = 200;
/// Most attempts in a row of those that a task tells of that may be given back without counting as tries: a command
/// that never gets to it comes to an end all the same.
pub const MAX_RETURNS: usize = 10;
/// How long what was handed in waits for a verdict, in milliseconds: half an hour. Then somebody has to decide.
pub const MAX_VERDICT_WAIT_MS: u64 = 1_800_000;
/// Longest text of a finding or a reason, in bytes.
pub const MAX_SAID_BYTES: usize = 1_000;

/// A task: entity `task`, in its mission.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Task {
    /// Its id.
    pub id: TaskId,
    /// Its mission.
    pub mission: Mission,
    /// Its plan.
    pub plan: PlanId,
    /// What it is called within the plan.
    pub name: TaskName,
    /// How it stands.
    pub state: TaskState,
    /// Number of the last attempt, from 1; 0 before the first. It only grows.
    pub attempt: u32,
    /// Attempts since its plan was last resumed.
    pub tries: u32,
    /// The plan's round in which they count.
    pub round: u32,
    /// Who has it, or had it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Claim>,
    /// Unix time before which it is not given out again, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before_ms: Option<u64>,
    /// What was handed in by the last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,
    /// What was found about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Who let it pass its gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened: Option<Opened>,
    /// What the last attempt changes outside, or was to, in the order of its plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<TaskEffect>,
    /// Attempts that came to nothing, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past: Vec<PastAttempt>,
    /// What somebody who had it tried once more wants its worker to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Note>,
    /// Its preconditions count no more: somebody who knew that they do not hold had it tried once more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waived: bool,
}

/// What somebody who decided about a case wants a task's worker to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Note {
    /// Who.
    pub by: Caller,
    /// The case.
    pub case: CaseId,
    /// What.
    pub text: String,
}

/// How a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// A person let it pass its gate; nobody has it.
    Opened,
    /// Somebody has it.
    Running,
    /// Something was handed in and is not judged yet.
    Submitted,
    /// What was handed in holds, and what it is to change outside is under way.
    Committing,
    /// What was handed in holds.
    Validated,
    /// An attempt came to nothing; there will be another.
    Waiting,
    /// It has used up its attempts.
    Failed,
    /// Its plan was cancelled while somebody had it.
    Stopped,
}

/// What a worker handed in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// It.
    pub value: Value,
    /// blake3 of it in canonical form (RFC 8785).
    pub digest: Digest,
    /// Unix time at which it was handed in, in milliseconds.
    pub at_ms: u64,
}

/// What was found about what was handed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// Whether it holds.
    pub passed: bool,
    /// Who looked last: a verifier, or the service itself.
    pub by: Caller,
    /// Unix time, in milliseconds.
    pub at_ms: u64,
    /// What was looked at, and seen.
    pub findings: Vec<Finding>,
    /// The case in which somebody decided that it holds, whatever was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<CaseId>,
    /// Who answers for whoever decided so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// What.
    #[schemars(length(min = 1, max = 8192))]
    pub check: String,
    /// Whether it holds.
    pub passed: bool,
    /// What was seen: the evidence.
    #[schemars(length(max = 1000))]
    pub seen: String,
}

/// Who let a task pass its gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Opened {
    /// Who.
    pub by: Caller,
    /// Who answers for them.
    pub owner: Owner,
    /// Unix time, in milliseconds.
    pub at_ms: u64,
}

/// The commands among a task's checks, in their order: what a verifier has to run.
pub fn commands(spec: &TaskSpec) -> impl Iterator<Item = &Check> {
    spec.checks.iter().filter(|check| check.needs_verifier())
}
