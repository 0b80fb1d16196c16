//! Arbitration: which disagreements about a task become cases, who decides them, and what happens if nobody
//! does. Part of contract `plan/1`: of a plan, and of a task, whose own takes the place of its plan's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::task::Cause;
use crate::{id::QueueName, role::Role};

/// Most steps of an escalation path.
pub const MAX_STEPS: usize = 8;
/// Shortest time of a step, in milliseconds.
pub const MIN_STEP_MS: u64 = 100;
/// Longest time of a step, in milliseconds: 30 days.
pub const MAX_STEP_MS: u64 = 2_592_000_000;
/// Roles that may be asked to decide.
pub const DECIDERS: [Role; 3] = [Role::Arbitrator, Role::Approver, Role::Operator];

/// Which disagreements become cases, who decides them, and what happens if nobody does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arbitration {
    /// Which disagreements become cases; all if absent. What is none is a dead letter alone.
    #[serde(default = "all", skip_serializing_if = "is_all")]
    #[schemars(length(max = 6))]
    pub cases: Vec<CaseWhy>,
    /// Role of whoever decides first: arbitrator (if absent), approver or operator. Operators may always
    /// decide.
    #[serde(default = "arbitrator", skip_serializing_if = "is_arbitrator")]
    pub to: Role,
    /// Queue in which it waits for them; `default` if absent.
    #[serde(default = "super::plan::default_queue", skip_serializing_if = "super::plan::is_default_queue")]
    pub queue: QueueName,
    /// Who is asked next, in this order, if nobody decides. Those who were asked before may still decide.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub escalate: Vec<Step>,
    /// The case is aborted if nobody decides for so long after its last step began, in milliseconds; it stays
    /// open if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 2_592_000_000_u64))]
    pub abort_after_ms: Option<u64>,
    /// What an aborted task does to its plan.
    #[serde(default, skip_serializing_if = "OnAbort::is_fail")]
    pub on_abort: OnAbort,
}

/// One step of an escalation path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Role of whoever decides from then on: arbitrator, approver or operator.
    pub to: Role,
    /// Queue in which it waits for them; `default` if absent.
    #[serde(default = "super::plan::default_queue", skip_serializing_if = "super::plan::is_default_queue")]
    pub queue: QueueName,
    /// So long after the step before began, in milliseconds.
    #[schemars(range(min = 100, max = 2_592_000_000_u64))]
    pub after_ms: u64,
}

/// What an aborted task does to its plan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnAbort {
    /// What does not need it goes on; then the plan has failed.
    #[default]
    Fail,
    /// The plan is cancelled at once.
    Cancel,
}

impl OnAbort {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
    fn is_fail(&self) -> bool {
        *self == Self::Fail
    }
}

/// What somebody has to decide about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CaseWhy {
    /// What was handed in did not hold, or was given up, and no attempt is left.
    Exhausted,
    /// The last attempt ran out of time, and none is left.
    Timeout,
    /// The last worker was not heard of any more, and no attempt is left.
    Lost,
    /// An entity on which the task rests has moved on.
    Precondition,
    /// What was handed in disagrees with what another task handed in.
    Conflict,
    /// What it was to change outside may not be done, or could not be.
    Effect,
}

impl CaseWhy {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::Exhausted, Self::Timeout, Self::Lost, Self::Precondition, Self::Conflict, Self::Effect];

    /// What the end of a last attempt is about; nothing if its plan was cancelled.
    pub const fn of(cause: Cause) -> Option<Self> {
        match cause {
            Cause::Worker | Cause::Rejected | Cause::Returned => Some(Self::Exhausted),
            Cause::Timeout | Cause::Unjudged => Some(Self::Timeout),
            Cause::Lost => Some(Self::Lost),
            Cause::Precondition => Some(Self::Precondition),
            Cause::Conflict => Some(Self::Conflict),
            Cause::Effect => Some(Self::Effect),
            Cause::Cancelled => None,
        }
    }

    /// In a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exhausted => "exhausted",
            Self::Timeout => "timeout",
            Self::Lost => "lost",
            Self::Precondition => "precondition",
            Self::Conflict => "conflict",
            Self::Effect => "effect",
        }
    }
}

impl Default for Arbitration {
    fn default() -> Self {
        Self {
            cases: all(),
            to: arbitrator(),
            queue: super::plan::default_queue(),
            escalate: Vec::new(),
            abort_after_ms: None,
            on_abort: OnAbort::Fail,
        }
    }
}

fn all() -> Vec<CaseWhy> {
    CaseWhy::ALL.to_vec()
}

fn is_all(cases: &[CaseWhy]) -> bool {
    CaseWhy::ALL.iter().all(|why| cases.contains(why))
}

fn arbitrator() -> Role {
    Role::Arbitrator
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_arbitrator(role: &Role) -> bool {
    *role == Role::Arbitrator
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_left_out_is_the_default_and_is_not_written() {
        let read: Arbitration = serde_json::from_value(json!({})).unwrap();
        assert_eq!(read, Arbitration::default());
        assert_eq!(serde_json::to_value(&read).unwrap(), json!({}));
        let spelled_out = json!({ "cases": ["conflict", "lost", "timeout", "exhausted", "precondition", "effect"],
            "to": "arbitrator", "queue": "default", "escalate": [], "on_abort": "fail" });
        let read: Arbitration = serde_json::from_value(spelled_out).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), json!({}));
        assert!(serde_json::from_value::<Arbitration>(json!({ "case": [] })).is_err());
    }
}
