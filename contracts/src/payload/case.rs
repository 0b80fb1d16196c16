//! Cases: a disagreement about one task that its attempts could not settle, and somebody has to decide. A case
//! holds that disagreement alone: what was to be done, what came of it and why, on what it rested.
//!
//! | state | by | may become |
//! |---|---|---|
//! | open | `opened`; `reopened`: the plan that took the task's place came to nothing | escalated, split, decided, closed |
//! | escalated | `escalated`: nobody decided in time, or somebody passed it on | escalated, split, decided, closed |
//! | split | `split`: another plan does what the task was to do | open, decided, closed |
//! | decided | `decided`: tried once more, an output accepted, or aborted | |
//! | closed | `closed`: the task goes on, or its plan was cancelled, without a decision | |
//!
//! A task without attempts left has a dead letter, too: the letter keeps the material, the case asks for a
//! decision. Both end together: `retry` is what replaying the letter does (and a letter that is replayed decides
//! its case so), every other decision discards it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    arbitration::{Arbitration, CaseWhy},
    plan::{PlanSpec, TaskSpec},
    task::{EffectOffer, Finding, Input, PastAttempt},
};
use crate::{
    id::{Caller, CaseId, DeadId, Digest, Mission, Owner, PlanId, QueueName, TaskId, TaskName},
    role::Role,
};

/// Most outputs of a case: the newest.
pub const MAX_CASE_OUTPUTS: usize = 8;
/// Most bytes of JSON of all the outputs of a case, with what they are to change outside; what does not fit is there by its digest alone.
pub const MAX_CASE_OUTPUT_BYTES: usize = 256 << 10;
/// Most tasks of a plan that takes the place of one task.
pub const MAX_SPLIT_TASKS: usize = 50;
/// How deep plans that take the place of tasks may stand in each other.
pub const MAX_SPLIT_DEPTH: u32 = 3;
/// How often the task of one case may be split.
pub const MAX_SPLITS: u32 = 3;
/// Longest wait of one `dispatcher.case_next`, in milliseconds.
pub const MAX_CASE_WAIT_MS: u64 = 4_000;

/// A case: entity `case`, in its mission.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Case {
    /// Its id: of the task and the attempt with which it began.
    pub id: CaseId,
    /// Its mission.
    pub mission: Mission,
    /// The plan.
    pub plan: PlanId,
    /// The task.
    pub task: TaskId,
    /// What the task is called within the plan.
    pub name: TaskName,
    /// The attempt with which it began: the task's last.
    pub attempt: u32,
    /// What it is about.
    pub why: CaseWhy,
    /// What was to be done.
    pub spec: TaskSpec,
    /// The attempts that came to nothing, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past: Vec<PastAttempt>,
    /// What was found about what was handed in last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// What the last attempt rested on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Input>,
    /// What was handed in, the newest first; with a conflict, what the other task handed in, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<CaseOutput>,
    /// The task's dead letter.
    pub letter: DeadId,
    /// Who decides, and what happens if nobody does, as the plan says.
    pub arbitration: Arbitration,
    /// Unix time at which it began, in milliseconds.
    pub opened_at_ms: u64,
    /// How it stands.
    pub state: CaseState,
    /// Step of the escalation path at which it is; 0 before the first.
    pub step: u32,
    /// Unix time at which that step began, in milliseconds.
    pub step_at_ms: u64,
    /// How often its task was split.
    pub splits: u32,
    /// What was decided last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
}

/// How a case stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CaseState {
    /// It waits for whoever is asked first.
    Open,
    /// It waits for whoever a later step asks.
    Escalated,
    /// It waits for the end of the plan that took the task's place.
    Split,
    /// It was decided.
    Decided,
    /// There is nothing to decide any more.
    Closed,
}

impl CaseState {
    /// The state's name, as it stands in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Escalated => "escalated",
            Self::Split => "split",
            Self::Decided => "decided",
            Self::Closed => "closed",
        }
    }

    /// Whether somebody is asked to decide.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Escalated)
    }

    /// Whether nothing becomes of it any more.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Decided | Self::Closed)
    }
}

/// Something that was handed in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CaseOutput {
    /// blake3 of it in canonical form (RFC 8785).
    pub digest: Digest,
    /// The task for which it was handed in.
    pub task: TaskName,
    /// Its attempt.
    pub attempt: u32,
    /// Who handed it in.
    pub worker: Caller,
    /// Who answers for them.
    pub owner: Owner,
    /// Ledger revision of the fact with it: of two, the higher one is newer.
    pub revision: u64,
    /// Whether it was validated.
    pub is_validated: bool,
    /// What it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Input>,
    /// It; absent where all outputs of the case are too large together, with what they are to change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// What the task was to change outside with it, in the order of its plan; absent with the value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<EffectOffer>,
}

/// What somebody decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// Who: the service itself where the plan's arbitration says so.
    pub by: Caller,
    /// Who answers for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// Unix time, in milliseconds.
    pub at_ms: u64,
    /// Why, in their words.
    pub reason: String,
    /// What.
    pub what: Decided,
}

/// What was decided about a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Decided {
    /// The task is tried once more.
    Retry {
        /// What the next worker is told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    /// This output is the task's, whatever was found about it.
    Accept {
        /// Which.
        output: Digest,
        /// What was found about it and overruled.
        overruled: Vec<Finding>,
    },
    /// Another plan does what the task was to do.
    Split {
        /// Which.
        plan: PlanId,
        /// The task of that plan whose output becomes the task's.
        result: TaskName,
    },
    /// The task will not be done.
    Abort,
}

impl Decided {
    /// In a word.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Retry { .. } => "retry",
            Self::Accept { .. } => "accept",
            Self::Split { .. } => "split",
            Self::Abort => "abort",
        }
    }
}

/// Change of a case by which nothing is decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CaseMoved {
    /// Who: the service itself where it was due, or followed from something else.
    pub by: Caller,
    /// Why.
    pub reason: String,
}

impl Case {
    /// Whom it asks: the role and the queue.
    pub fn asks(&self) -> (Role, &QueueName) {
        let step = self.step_number().checked_sub(1).and_then(|index| self.arbitration.escalate.get(index));
        step.map_or((self.arbitration.to, &self.arbitration.queue), |step| (step.to, &step.queue))
    }

    /// Whether a role may decide it: operators always, others once they were asked.
    pub fn may_be_decided_by(&self, role: Role) -> bool {
        let asked = self.arbitration.escalate.iter().take(self.step_number()).map(|step| step.to);
        role == Role::Operator || std::iter::once(self.arbitration.to).chain(asked).any(|asked| asked == role)
    }

    /// Unix time at which something happens if nobody decides, in milliseconds; nothing if it just stays open.
    pub fn due_at_ms(&self) -> Option<u64> {
        let next = self.arbitration.escalate.get(self.step_number());
        let after_ms = next.map(|step| step.after_ms).or(self.arbitration.abort_after_ms);
        after_ms.filter(|_| self.state.is_open()).map(|after_ms| self.step_at_ms.saturating_add(after_ms))
    }

    fn step_number(&self) -> usize {
        usize::try_from(self.step).unwrap_or(usize::MAX)
    }

    /// In short.
    pub fn line(&self) -> CaseLine {
        let (to, queue) = self.asks();
        CaseLine {
            id: self.id.clone(),
            plan: self.plan.clone(),
            task: self.task.clone(),
            name: self.name.clone(),
            attempt: self.attempt,
            why: self.why,
            state: self.state,
            step: self.step,
            to,
            queue: queue.clone(),
            opened_at_ms: self.opened_at_ms,
            due_at_ms: self.due_at_ms(),
            reason: self.past.last().map(|past| past.reason.clone()),
            decision: self.decision.clone(),
        }
    }
}

/// A case in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CaseLine {
    /// Its id.
    pub id: CaseId,
    /// The plan.
    pub plan: PlanId,
    /// The task.
    pub task: TaskId,
    /// What the task is called within the plan.
    pub name: TaskName,
    /// The attempt with which it began.
    pub attempt: u32,
    /// What it is about.
    pub why: CaseWhy,
    /// How it stands.
    pub state: CaseState,
    /// Step of the escalation path at which it is; 0 before the first.
    pub step: u32,
    /// Role that is asked.
    pub to: Role,
    /// Queue in which it waits for them.
    pub queue: QueueName,
    /// Unix time at which it began, in milliseconds.
    pub opened_at_ms: u64,
    /// Unix time at which something happens if nobody decides, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at_ms: Option<u64>,
    /// Why the last attempt came to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What was decided last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
}

/// `dispatcher.case_list`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CaseList {
    /// Only cases in this state; those that are not over if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<CaseState>,
    /// Those that are over, too.
    #[serde(default)]
    pub all: bool,
    /// Only cases of this plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<PlanId>,
    /// Only cases of this queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueName>,
    /// Only cases after this one, in order of id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<CaseId>,
    /// Most cases to answer with; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
}

/// Reply of `dispatcher.case_list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cases {
    /// In order of id.
    pub cases: Vec<CaseLine>,
    /// There are more: ask again with `after` set to the last one.
    pub more: bool,
}

/// `dispatcher.case_show`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CaseShow {
    /// The case.
    pub case: CaseId,
}

/// Reply of the calls that answer with one case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CaseReply {
    /// The case.
    pub case: Case,
    /// Ledger revision of its last fact.
    pub revision: u64,
}

/// `dispatcher.case_next`: the case of a queue that has waited longest for the caller's role. Waits for one if
/// there is none. Nobody gets a case for themselves: of several decisions, the first one stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CaseNext {
    /// The queue; `default` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueName>,
    /// How long to wait for a case, in milliseconds; not at all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 4000))]
    pub wait_ms: Option<u64>,
    /// Cases that the caller has seen and leaves to others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub except: Vec<CaseId>,
}

/// Reply of `dispatcher.case_next`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CaseFound {
    /// The case; nothing if none came within the wait: ask again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<CaseReply>,
}

/// `dispatcher.case_decide`. Signed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CaseDecide {
    /// The case.
    pub case: CaseId,
    /// What.
    pub decision: Choice,
    /// Why.
    #[schemars(length(min = 1, max = 1000))]
    pub reason: String,
}

/// What somebody decides about a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case", tag = "kind")]
pub enum Choice {
    /// The task gets one more attempt.
    Retry {
        /// What the next worker is told: it comes with the claim.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(length(min = 1, max = 4000))]
        note: Option<String>,
    },
    /// One of the case's outputs is the task's. It overrules checks and never the output contract; nobody
    /// accepts what they, or another agent of their owner, handed in. What the task changes outside is proposed
    /// then, as an attempt of its own in the name of whoever handed it in: the policy and the approvers are asked
    /// as ever, and if it comes to nothing, that is another case.
    Accept {
        /// Which, by its digest.
        output: Digest,
    },
    /// Another plan does what the task was to do: it is submitted with the decision, and its end is the task's.
    Split {
        /// What is to be done instead: at most 50 tasks. Its occurrence is the case's.
        plan: Box<PlanSpec>,
        /// The task of that plan whose output becomes the task's.
        result: TaskName,
    },
    /// It goes to the next step of the escalation path at once.
    Escalate,
    /// The task will not be done.
    Abort,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn case(arbitration: Value) -> Case {
        let task = format!("task_{}", "0a".repeat(16));
        serde_json::from_value(json!({
            "id": CaseId::of(&TaskId::new(&task).unwrap(), 3), "mission": "demo",
            "plan": format!("plan_{}", "0a".repeat(32)), "task": task, "name": "a", "attempt": 3,
            "why": "exhausted", "spec": { "id": "a", "title": "a" }, "letter": format!("dead_{}", "0a".repeat(16)),
            "arbitration": arbitration, "opened_at_ms": 1_000, "state": "open", "step": 0, "step_at_ms": 1_000,
            "splits": 0,
        }))
        .unwrap()
    }

    #[test]
    fn each_step_asks_more_and_none_fewer() {
        let path = json!({ "to": "arbitrator", "queue": "law", "abort_after_ms": 500,
            "escalate": [{ "to": "approver", "after_ms": 100 }, { "to": "operator", "after_ms": 200 }] });
        let mut case = case(path);
        let may = |case: &Case| DECIDERS_OF_ALL.map(|role| case.may_be_decided_by(role));
        assert_eq!((case.asks().0, case.asks().1.as_str()), (Role::Arbitrator, "law"));
        assert_eq!((case.due_at_ms(), may(&case)), (Some(1_100), [true, false, true, false]));
        case.step = 1;
        assert_eq!((case.asks().0, case.asks().1.as_str()), (Role::Approver, "default"));
        assert_eq!((case.due_at_ms(), may(&case)), (Some(1_200), [true, true, true, false]));
        case.step = 2;
        assert_eq!((case.asks().0, case.due_at_ms()), (Role::Operator, Some(1_500)));
        case.state = CaseState::Split;
        assert_eq!(case.due_at_ms(), None);
    }

    const DECIDERS_OF_ALL: [Role; 4] = [Role::Arbitrator, Role::Approver, Role::Operator, Role::Planner];

    #[test]
    fn without_a_path_a_case_stays_open() {
        assert_eq!(case(json!({})).due_at_ms(), None);
    }
}
