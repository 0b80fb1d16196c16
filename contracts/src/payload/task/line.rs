//! How tasks stand, as lists show them: with what follows from their plans.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Caller, PlanId, QueueName, TaskId, TaskName};

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
    /// Why the last attempt came to nothing, in at most [`super::MAX_LINE_REASON_BYTES`]; the task itself has all of it.
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
