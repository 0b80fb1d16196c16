//! Tasks: what becomes of each node of a plan. Until somebody claims it, a task has no fact of its own: that
//! it is ready follows from its plan.
//!
//! | state | by | may become |
//! |---|---|---|
//! | (none) | the plan | opened, running |
//! | opened | `opened`: a person let it pass its gate | running |
//! | running | `claimed` | submitted, committing, validated, waiting, failed, stopped |
//! | submitted | `submitted` | committing, validated, waiting, failed, stopped |
//! | committing | `accepted`: its output holds, and its effects are proposed | validated, waiting, failed, stopped |
//! | validated | `validated` | |
//! | waiting | `failed`: it will be tried again | running |
//! | failed | `exhausted`: it has used up its attempts | running, once it is replayed or its plan resumed; validated, if somebody decides so about its case |
//! | stopped | `stopped`: its plan was cancelled meanwhile | |

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

mod effect;
mod inspect;

pub use effect::{EffectOffer, MAX_OFFER_BYTES, TaskEffect};
pub use inspect::{HandedIn, INSPECTION_TTL_MS, MAX_EXCEPT, TaskInspect, TaskInspected};

use super::{
    intent::FencingToken,
    plan::{Check, TaskSpec},
    session::SessionReply,
};
use crate::id::{
    Caller, CaseId, ClaimToken, Digest, Mission, Owner, PlanId, PoolName, PublicKey, QueueName, ScopeId,
    TaskId, TaskName,
};

/// Shortest time that a claim lasts without being renewed, in milliseconds.
pub const MIN_CLAIM_TTL_MS: u64 = 2_000;
/// Longest time that a claim lasts without being renewed, in milliseconds: one hour.
pub const MAX_CLAIM_TTL_MS: u64 = 3_600_000;
/// How long a claim lasts without being renewed when none is asked for, in milliseconds.
pub const DEFAULT_CLAIM_TTL_MS: u64 = 30_000;
/// Longest wait of one `dispatcher.task_claim`, in milliseconds: less than a client waits before it sends
/// again, so that no claim goes to a sending that nobody listens to.
pub const MAX_CLAIM_WAIT_MS: u64 = 4_000;
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
    /// What the last attempt changes outside, in the order of its plan.
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

/// Who has a task, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Claim {
    /// Who.
    pub worker: Caller,
    /// Who answers for them.
    pub owner: Owner,
    /// Their session.
    pub session: ScopeId,
    /// What the worker has to name with whatever it hands in.
    pub token: ClaimToken,
    /// Unix time of the claim, in milliseconds.
    pub claimed_at_ms: u64,
    /// How long it lasts without being renewed, in milliseconds.
    pub ttl_ms: u64,
    /// Unix time at which the attempt ends whatever happens, in milliseconds.
    pub deadline_ms: u64,
    /// What it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Input>,
    /// Pools in which it counts, as they were when it was made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pools: Vec<PoolName>,
    /// Scope of the credential for this attempt alone, if one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<ScopeId>,
    /// Leases on what the task reserves, held until the attempt has ended: their tokens count wherever a
    /// lease's does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leases: Vec<FencingToken>,
}

impl Claim {
    /// Unix time until which it lasts if it is never renewed, in milliseconds.
    pub fn until_ms(&self) -> u64 {
        self.claimed_at_ms.saturating_add(self.ttl_ms).min(self.deadline_ms)
    }
}

/// What a needed task handed in, as it was when this one was claimed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Input {
    /// The task that was needed.
    pub task: TaskName,
    /// blake3 of its output in canonical form.
    pub digest: Digest,
    /// Ledger revision at which it was validated.
    pub revision: u64,
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

/// An attempt that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PastAttempt {
    /// Its number.
    pub attempt: u32,
    /// Who made it.
    pub worker: Caller,
    /// Unix time at which it ended, in milliseconds.
    pub ended_at_ms: u64,
    /// How.
    pub cause: Cause,
    /// Why, in words.
    pub reason: String,
    /// blake3 of what was handed in, if anything was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Digest>,
    /// The token of its claim, by which what comes too late is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<ClaimToken>,
}

/// How an attempt came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Its worker said so.
    Worker,
    /// What was handed in does not hold.
    Rejected,
    /// Its time ran out.
    Timeout,
    /// Its worker was not heard of any more.
    Lost,
    /// An entity on which the task rests has moved on; there is no other attempt.
    Precondition,
    /// What was handed in disagrees with what another task handed in; there is no other attempt.
    Conflict,
    /// Its plan was cancelled.
    Cancelled,
    /// What it was to change outside may not be done, or could not be.
    Effect,
    /// Its worker gave it back without having tried: it was stopped, or its command asks for another time. It does
    /// not count as a try, up to [`MAX_RETURNS`] times.
    Returned,
    /// No verifier gave a verdict in time; there is no other attempt: somebody has to decide.
    Unjudged,
}

impl Cause {
    /// In a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Rejected => "rejected",
            Self::Timeout => "timeout",
            Self::Lost => "lost",
            Self::Precondition => "precondition",
            Self::Conflict => "conflict",
            Self::Cancelled => "cancelled",
            Self::Effect => "effect",
            Self::Returned => "returned",
            Self::Unjudged => "unjudged",
        }
    }
}

/// How a task stands, as a list shows it: with what follows from its plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskLine {
    /// Its id.
    pub id: TaskId,
    /// Its plan.
    pub plan: PlanId,
    /// What it is called within the plan.
    pub name: TaskName,
    /// What is to be done, in a line.
    pub title: String,
    /// Where it waits for somebody to do it.
    pub queue: QueueName,
    /// How it stands.
    pub phase: Phase,
    /// Number of the last attempt; 0 before the first.
    pub attempt: u32,
    /// Who has it, or had it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker: Option<Caller>,
    /// Tasks that it still waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<TaskName>,
    /// Why the last attempt came to nothing, in at most [`MAX_LINE_REASON_BYTES`]; the task itself has all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who holds what it reserves, as it was seen when it was tried last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for_lease: Option<String>,
}

/// How a task stands, seen together with its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It waits for tasks that it needs.
    Blocked,
    /// It waits for a person to let it pass.
    Gated,
    /// It waits for the time of its next attempt.
    Waiting,
    /// It waits for somebody to do it.
    Ready,
    /// Somebody does it.
    Running,
    /// It waits to be judged.
    Submitted,
    /// What it changes outside is under way.
    Committing,
    /// It is done, and that is proved.
    Validated,
    /// It has used up its attempts.
    Failed,
    /// It will not be done.
    Stopped,
}

impl Phase {
    /// The phase's name, as it stands in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Gated => "gated",
            Self::Waiting => "waiting",
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Submitted => "submitted",
            Self::Committing => "committing",
            Self::Validated => "validated",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        }
    }
}

/// `dispatcher.task_claim`: the next task of a queue for the caller's role. Waits for one if there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskClaim {
    /// The queue; `default` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueName>,
    /// How long to wait for a task, in milliseconds; not at all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 4000))]
    pub wait_ms: Option<u64>,
    /// How long the claim lasts without being renewed, in milliseconds; 30 s if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2000, max = 3_600_000))]
    pub ttl_ms: Option<u64>,
    /// Public half of a fresh key pair that the agent made: with it, the claim brings a credential for this
    /// attempt alone, which ends with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_key: Option<PublicKey>,
}

/// Reply of `dispatcher.task_claim`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskClaimed {
    /// The task; nothing if none came within the wait: ask again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed: Option<Claimed>,
}

/// A task, as whoever claimed it gets it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Claimed {
    /// The task; its claim says until when, and under which token.
    pub task: Task,
    /// Ledger revision of the claim.
    pub revision: u64,
    /// Title of the plan.
    pub plan_title: String,
    /// What is to be done.
    pub spec: TaskSpec,
    /// What the tasks that it needs handed in, in the order of its needs. `value` is absent where all of
    /// them together are too large for one message: `dispatcher.task_show` has it.
    pub inputs: Vec<InputValue>,
    /// The credential for this attempt alone, if a key was named for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<SessionReply>,
}

/// What a needed task handed in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InputValue {
    /// Which, and pinned to what.
    pub input: Input,
    /// Its id.
    pub id: TaskId,
    /// The output itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// What it changed outside, with the receipts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<TaskEffect>,
}

/// `dispatcher.task_renew`: the claim lasts its whole TTL from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskRenew {
    /// The task.
    pub task: TaskId,
    /// The claim's token.
    pub token: ClaimToken,
}

/// Reply of `dispatcher.task_renew`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskRenewed {
    /// Unix time until which the claim lasts now, in milliseconds.
    pub until_ms: u64,
}

/// `dispatcher.task_submit`: hands in what was made. What comes under a claim that is over is refused, and
/// kept as a dead letter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskSubmit {
    /// The task.
    pub task: TaskId,
    /// The claim's token.
    pub token: ClaimToken,
    /// What was made: at most 64 KiB of JSON.
    pub output: Value,
    /// What the task is to change outside: exactly the effects that its plan declares, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub effects: Vec<EffectOffer>,
}

/// `dispatcher.task_fail`: the attempt comes to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskFail {
    /// The task.
    pub task: TaskId,
    /// The claim's token.
    pub token: ClaimToken,
    /// Why.
    #[schemars(length(min = 1, max = 1000))]
    pub reason: String,
    /// It is not to be tried again.
    #[serde(default, rename = "final")]
    pub is_final: bool,
    /// It was not tried, or not to the end: its worker is stopped, or asks for another time. That is no try, up to
    /// [`MAX_RETURNS`] times.
    #[serde(default, rename = "returned", skip_serializing_if = "std::ops::Not::not")]
    pub is_returned: bool,
}

/// `dispatcher.task_judge`: a verifier's verdict on what was handed in, with its evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskJudge {
    /// The task.
    pub task: TaskId,
    /// The attempt that is judged.
    #[schemars(range(min = 1))]
    pub attempt: u32,
    /// What was seen of each command of the task's checks, in their order.
    #[schemars(length(min = 1, max = 32))]
    pub findings: Vec<Finding>,
}

/// `dispatcher.task_open`: a person lets a task pass its gate. Signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskOpen {
    /// The task.
    pub task: TaskId,
}

/// Reply of the calls that answer with one task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskReply {
    /// The task.
    pub task: Task,
    /// Ledger revision of its last fact.
    pub revision: u64,
}

/// `dispatcher.task_show`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskShow {
    /// The task.
    pub task: TaskId,
}

/// Reply of `dispatcher.task_show`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskShown {
    /// How it stands, in short.
    pub line: TaskLine,
    /// What is to be done.
    pub spec: TaskSpec,
    /// Its own record; absent before its first fact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
    /// Ledger revision of its last fact; 0 before the first.
    pub revision: u64,
}

/// `dispatcher.task_list`: tasks that are under way, of one plan or of all plans that are not over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskList {
    /// Only tasks of this plan, those that are over included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanId>,
    /// Only tasks in this phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Only tasks of this queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueName>,
    /// Only tasks that the caller has.
    #[serde(default)]
    pub mine: bool,
    /// Only tasks after this one, in order of id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<TaskId>,
    /// Most tasks to answer with; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
}

/// Reply of `dispatcher.task_list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tasks {
    /// In order of id.
    pub tasks: Vec<TaskLine>,
    /// There are more: ask again with `after` set to the last one.
    pub more: bool,
}

/// The commands among a task's checks, in their order: what a verifier has to run.
pub fn commands(spec: &TaskSpec) -> impl Iterator<Item = &Check> {
    spec.checks.iter().filter(|check| check.needs_verifier())
}
