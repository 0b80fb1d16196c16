//! Handing out what was handed in to those who look at it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Task;
use crate::{
    id::{QueueName, TaskId},
    payload::plan::TaskSpec,
};

/// How long a task is kept for the verifier that got it, in milliseconds, counted anew each time it asks for it.
pub const INSPECTION_TTL_MS: u64 = 30_000;
/// Most tasks that a verifier may want to be left out.
pub const MAX_EXCEPT: usize = 64;

/// `dispatcher.task_inspect`: the next task that waits for a verdict on its commands, never one of the caller's
/// own. Waits for one if there is none. It is shown to no other verifier for 30 seconds, as far as one replica
/// knows: that saves work, and what counts is whoever judges first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskInspect {
    /// Only tasks of this queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueName>,
    /// How long to wait for a task, in milliseconds; not at all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 4000))]
    pub wait_ms: Option<u64>,
    /// This task, which the caller looks at already: it is kept for it for another 30 seconds. Nothing comes if it
    /// does not wait for a verdict any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// None of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub except: Vec<TaskId>,
}

/// Reply of `dispatcher.task_inspect`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskInspected {
    /// The task; nothing if none came within the wait: ask again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handed_in: Option<HandedIn>,
}

/// A task that waits for a verdict, as a verifier gets it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HandedIn {
    /// The task, with its output.
    pub task: Task,
    /// Ledger revision of its last fact.
    pub revision: u64,
    /// What was to be done, and what has to hold of it.
    pub spec: TaskSpec,
}
