//! Plans: a typed graph of tasks, made once by a planner (contract `plan/1`, JSON or YAML).
//!
//! | state | by | may become |
//! |---|---|---|
//! | running | `submitted`, `resumed` | paused, done, failed, cancelled |
//! | paused | `paused`: no task is given out | running, done, failed, cancelled |
//! | done | `done`: every task is validated | |
//! | failed | `failed`: nothing can go on, since a task has used up its attempts | running, cancelled |
//! | cancelled | `cancelled` | |

mod spec;
mod text;
mod wish;
mod workspace;

pub use workspace::{DEFAULT_CHANGE, Workspace};

pub use spec::{Check, ContractPin, Gate, PlanSpec, TaskSpec, plan_id};
pub(crate) use spec::{default_queue, is_default_queue};
pub use wish::{
    EffectSpec, EffectTarget, MAX_EFFECTS, MAX_RESERVATIONS, MAX_RESERVED_CLAIMS, Reservation, UndoWish,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    fault::Detail,
    id::{Caller, CaseId, Mission, Owner, PlanId, PoolName, RequestId, ScopeId, TaskId, TaskName},
    payload::{case::CaseLine, overlap::Clearance, task::TaskLine},
};

/// Most tasks of one plan.
pub const MAX_TASKS: usize = 1_000;
/// Most tasks that one task may need. Its claim pins what each of them handed in, some 200 bytes, and stands up to six
/// times in a message: in a dead letter and its case, each before and after.
pub const MAX_NEEDS: usize = 256;
/// Most checks of one task.
pub const MAX_CHECKS: usize = 32;
/// Most pools that one task counts in, those of its plan, its queue and its mission included.
pub const MAX_TASK_POOLS: usize = 16;
/// Largest plan in bytes of JSON: half of what a message may hold, since its facts say it again.
pub const MAX_PLAN_BYTES: usize = 512 << 10;
/// Longest time for one attempt, in milliseconds: 24 hours.
pub const MAX_TIMEOUT_MS: u64 = 86_400_000;
/// Time for one attempt when a task names none, in milliseconds: 10 minutes.
pub const DEFAULT_TIMEOUT_MS: u64 = 600_000;
/// Most attempts of one task between two times that its plan is resumed.
pub const MAX_ATTEMPTS: u32 = 20;
/// Attempts when a task names no number.
pub const DEFAULT_ATTEMPTS: u32 = 3;
/// Longest wait between two attempts, in milliseconds: one hour.
pub const MAX_BACKOFF_MS: u64 = 3_600_000;
/// Wait before the second attempt when a task names none, in milliseconds; it doubles from attempt to attempt.
pub const DEFAULT_BACKOFF_MS: u64 = 1_000;
/// Most slots of one pool: all that are in use stand in its state.
pub const MAX_POOL_SLOTS: u32 = 1_000;
/// Name of the pool in which every task of a mission counts, if it is set.
pub const MISSION_POOL: &str = "mission";
/// How the name of the pool starts in which every task of a queue counts, if it is set.
pub const QUEUE_POOL_PREFIX: &str = "queue-";

/// A plan: entity `plan`, in its mission.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// The digest of what it says.
    pub id: PlanId,
    /// Its mission.
    pub mission: Mission,
    /// What is to be done.
    pub spec: PlanSpec,
    /// Who submitted it.
    pub planner: Caller,
    /// Who answers for them.
    pub owner: Owner,
    /// The credential's scope.
    pub session: ScopeId,
    /// The user request that it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// Unix time at which it was submitted, in milliseconds.
    pub submitted_at_ms: u64,
    /// How it stands.
    pub state: PlanState,
    /// How often its failed tasks were given new attempts.
    pub round: u32,
    /// Why it stands so, in the words of whoever changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The task in whose place it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub split_of: Option<SplitOf>,
    /// That nothing was in its way that looks like it, when it was submitted. Nobody is asked about a plan that
    /// stands in the place of a task: whoever decided that knew what it is like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<Clearance>,
}

/// In whose place a plan stands: somebody decided so about a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SplitOf {
    /// The case.
    pub case: CaseId,
    /// The task, of another plan.
    pub task: TaskId,
    /// How deep such plans stand in each other, from 1.
    pub depth: u32,
}

/// How a plan stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PlanState {
    /// Its tasks are given out.
    Running,
    /// They are not, for now; those that are claimed go on.
    Paused,
    /// Every task is validated.
    Done,
    /// Nothing can go on.
    Failed,
    /// Somebody wants it no more.
    Cancelled,
}

impl PlanState {
    /// The state's name, as it stands in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether work on it may still be handed in.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }
}

/// `dispatcher.plan_submit`. The same plan again is the same plan; to do it once more, name another
/// occurrence. What looks like a plan that is there, or on its way, is asked about first (`overlap.decide`), and
/// nothing is recorded until that is answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanSubmit {
    /// What is to be done.
    pub plan: PlanSpec,
}

/// Reply of the calls that answer with one plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanReply {
    /// The plan.
    pub plan: Plan,
    /// Ledger revision of its last fact.
    pub revision: u64,
    /// How each task stands, in the plan's order: as many as the message holds.
    pub tasks: Vec<TaskLine>,
    /// Whether there are more: `dispatcher.plan_show` goes on after the last.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
    /// Its cases that are not over, in order of id; at most 100 of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cases: Vec<CaseLine>,
}

/// Reply of `dispatcher.plan_check`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlanChecked {
    /// The id that the plan has, or would have.
    pub id: PlanId,
    /// Everything that is wrong with it.
    pub errors: Vec<Detail>,
}

/// `dispatcher.plan_show`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanShow {
    /// The plan.
    pub plan: PlanId,
    /// Only how tasks after this one stand, in the plan's order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<TaskName>,
}

/// `dispatcher.plan_list`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanList {
    /// Only plans in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<PlanState>,
    /// Only plans after this one, in order of id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<PlanId>,
    /// Most plans to answer with; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
}

/// A plan in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlanLine {
    /// The plan.
    pub id: PlanId,
    /// Its title.
    pub title: String,
    /// How it stands.
    pub state: PlanState,
    /// Who submitted it.
    pub planner: Caller,
    /// Unix time at which it was submitted, in milliseconds.
    pub submitted_at_ms: u64,
    /// How many tasks it has.
    pub tasks: usize,
    /// How many of them are validated.
    pub validated: usize,
    /// How many of them are being worked on.
    pub running: usize,
    /// How many of them have used up their attempts.
    pub failed: usize,
}

/// Reply of `dispatcher.plan_list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Plans {
    /// In order of id.
    pub plans: Vec<PlanLine>,
    /// There are more: ask again with `after` set to the last one.
    pub more: bool,
}

/// `dispatcher.plan_cancel`, `dispatcher.plan_pause`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanEnd {
    /// The plan.
    pub plan: PlanId,
    /// Why.
    #[schemars(length(min = 1, max = 1000))]
    pub reason: String,
}

/// `dispatcher.plan_resume`: a paused plan goes on; of a failed one, every task that failed gets all its
/// attempts anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanResume {
    /// The plan.
    pub plan: PlanId,
}

/// How much of something may be worked on at once: entity `capacity`, in its mission. What is in use stands
/// here, written together with the claim or the end of the task that uses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Capacity {
    /// Its name.
    pub name: PoolName,
    /// Its mission.
    pub mission: Mission,
    /// How many tasks may count in it at once; 0 stops what counts in it.
    pub slots: u32,
    /// Those that do.
    pub used: Vec<TaskId>,
}

/// `dispatcher.capacity_set`: caps how many tasks of the plans that are submitted from then on are worked on
/// at once. The pool `mission` counts all tasks of the mission, `queue-<queue>` all of a queue, any other
/// those that name it. A smaller size takes nothing from who has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CapacitySet {
    /// Its name.
    pub pool: PoolName,
    /// How many tasks may count in it at once.
    #[schemars(range(max = 1000))]
    pub slots: u32,
}

/// Reply of `dispatcher.capacity_set`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CapacityReply {
    /// The pool.
    pub capacity: Capacity,
    /// Ledger revision of its last fact.
    pub revision: u64,
}

/// Reply of `dispatcher.capacity_list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Capacities {
    /// In order of name.
    pub capacities: Vec<Capacity>,
}
