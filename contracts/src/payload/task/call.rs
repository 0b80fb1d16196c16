//! Requests about tasks, and their replies.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{EffectOffer, Finding, Input, Task, TaskEffect, TaskLine};
use crate::{
    id::{ClaimToken, PublicKey, QueueName, TaskId},
    payload::{plan::TaskSpec, session::SessionReply},
};

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
    #[schemars(length(max = 16))]
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
    /// [`super::MAX_RETURNS`] times.
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
