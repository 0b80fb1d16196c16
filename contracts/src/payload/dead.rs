//! Dead letters: work that could not be used, with all that is needed to understand why.
//!
//! | state | by | may become |
//! |---|---|---|
//! | open | `buried` | replayed, discarded |
//! | replayed | `replayed`: its task is tried once more | |
//! | discarded | `discarded` | |

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{plan::TaskSpec, task::PastAttempt};
use crate::id::{Caller, DeadId, Mission, PlanId, TaskId, TaskName};

/// A dead letter: entity `dead`, in its mission.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetter {
    /// Its id.
    pub id: DeadId,
    /// Its mission.
    pub mission: Mission,
    /// The plan.
    pub plan: PlanId,
    /// The task.
    pub task: TaskId,
    /// What the task is called within the plan.
    pub name: TaskName,
    /// The attempt.
    pub attempt: u32,
    /// Who made it.
    pub worker: Caller,
    /// Why it is here.
    pub why: Why,
    /// The error, in words.
    pub error: String,
    /// What was to be done; left out of what came too late, whose task goes on without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<TaskSpec>,
    /// What was handed in, if anything was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// The task's attempts that came to nothing, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past: Vec<PastAttempt>,
    /// Unix time, in milliseconds.
    pub buried_at_ms: u64,
    /// How it stands.
    pub state: DeadState,
    /// Who settled it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_by: Option<Caller>,
    /// Why it was discarded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Why there is a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The task has used up its attempts.
    Exhausted,
    /// It was handed in under a claim that was over: the first of each attempt.
    Stale,
}

/// How a dead letter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeadState {
    /// Nobody has decided yet.
    Open,
    /// Its task is tried once more, or was.
    Replayed,
    /// It is of no use.
    Discarded,
}

/// `dispatcher.dead_list`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeadList {
    /// Only letters in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<DeadState>,
    /// Only letters of this plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanId>,
    /// Only letters after this one, in order of id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<DeadId>,
    /// Most letters to answer with; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
}

/// Reply of `dispatcher.dead_list`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetters {
    /// In order of id.
    pub letters: Vec<DeadLetter>,
    /// There are more: ask again with `after` set to the last one.
    pub more: bool,
}

/// `dispatcher.dead_show`, `dispatcher.dead_replay`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeadNamed {
    /// The letter.
    pub letter: DeadId,
}

/// `dispatcher.dead_discard`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeadDiscard {
    /// The letter.
    pub letter: DeadId,
    /// Why.
    #[schemars(length(min = 1, max = 1000))]
    pub reason: String,
}

/// Reply of the calls that answer with one dead letter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DeadReply {
    /// The letter.
    pub letter: DeadLetter,
    /// Ledger revision of its last fact.
    pub revision: u64,
}
