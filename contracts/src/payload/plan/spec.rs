//! What a plan says.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{DEFAULT_ATTEMPTS, DEFAULT_BACKOFF_MS, DEFAULT_TIMEOUT_MS, EffectSpec, Reservation, Workspace};
use crate::{
    id::{ContractName, Digest, Mission, PlanId, PoolName, QueueName, TaskName},
    payload::{arbitration::Arbitration, intent::IntentPrecondition},
    role::Role,
};

/// Contract `plan/1`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanSpec {
    /// What it is for, in a line.
    #[schemars(length(min = 1, max = 200))]
    pub title: String,
    /// More about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 16384))]
    pub description: String,
    /// Tells a wanted repetition of the same plan apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub occurrence: Option<String>,
    /// Tasks of a higher one go first; 50 if absent.
    #[serde(default = "middle", skip_serializing_if = "is_middle")]
    #[schemars(range(max = 100))]
    pub priority: u8,
    /// Pools in which every task of it counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub pools: Vec<PoolName>,
    /// What becomes of disagreements about its tasks. A plan that says so waits for the decisions; another
    /// one fails when nothing else can go on, and goes on when somebody decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arbitration: Option<Arbitration>,
    /// What is to be done; needs come before or after what needs them.
    #[schemars(length(min = 1, max = 1000))]
    pub tasks: Vec<TaskSpec>,
}

/// One task of a plan. What proves that it is done is its output contract, its checks, or both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskSpec {
    /// What it is called within the plan.
    pub id: TaskName,
    /// What is to be done, in a line.
    #[schemars(length(min = 1, max = 200))]
    pub title: String,
    /// All that whoever does it must know.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 32768))]
    pub description: String,
    /// Tasks that must be validated before; what they handed in is its input.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub needs: Vec<TaskName>,
    /// Where it waits for somebody to do it.
    #[serde(default = "default_queue", skip_serializing_if = "is_default_queue")]
    pub queue: QueueName,
    /// Role of whoever may do it: worker (if absent), verifier or planner.
    #[serde(default = "worker", skip_serializing_if = "is_worker")]
    pub role: Role,
    /// Tasks of a higher one go first; the plan's if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100))]
    pub priority: Option<u8>,
    /// Its parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// Contract that the parameters satisfy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_contract: Option<ContractPin>,
    /// Contract that its output has to satisfy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_contract: Option<ContractPin>,
    /// What has to hold of its output.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub checks: Vec<Check>,
    /// Time for one attempt, in milliseconds; 10 minutes if absent.
    #[serde(default = "default_timeout")]
    #[schemars(range(min = 1000, max = 86_400_000))]
    pub timeout_ms: u64,
    /// How often it is tried; 3 times if absent.
    #[serde(default = "default_attempts")]
    #[schemars(range(min = 1, max = 20))]
    pub attempts: u32,
    /// Wait before the second attempt, in milliseconds, which doubles from attempt to attempt up to an hour;
    /// one second if absent.
    #[serde(default = "default_backoff")]
    #[schemars(range(max = 3_600_000))]
    pub backoff_ms: u64,
    /// Pools in which it counts while it is worked on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub pools: Vec<PoolName>,
    /// A person has to let it pass before anybody may do it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// What it needs to itself while it is worked on; each space once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub reserve: Vec<Reservation>,
    /// What it will change outside once its output holds, in this order: at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub effects: Vec<EffectSpec>,
    /// The checkout that it is worked on in, and that its commands are run in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<Workspace>,
    /// Entities on which it rests: they must stand at these revisions when it is given out and when something
    /// is handed in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub preconditions: Vec<IntentPrecondition>,
    /// What becomes of disagreements about it; as its plan says if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arbitration: Option<Arbitration>,
}

/// What a person is asked before a task may be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// The question.
    #[schemars(length(min = 1, max = 1000))]
    pub asks: String,
}

/// One version of a payload contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContractPin {
    /// Its name.
    pub name: ContractName,
    /// Its version, from 1.
    #[schemars(range(min = 1))]
    pub version: u32,
}

impl std::fmt::Display for ContractPin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.name, self.version)
    }
}

/// What has to hold of a task's output. The worker cannot decide any of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case", tag = "kind")]
pub enum Check {
    /// There is a value at a place of the output; and it is this one, if one is named.
    Pointer {
        /// JSON pointer (RFC 6901) into the output.
        #[schemars(length(max = 500))]
        at: String,
        /// What has to stand there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        equals: Option<Value>,
    },
    /// An array stands at a place of the output, and has so many items.
    Rows {
        /// JSON pointer (RFC 6901) into the output.
        #[schemars(length(max = 500))]
        at: String,
        /// At least so many.
        #[serde(default)]
        min: u64,
        /// At most so many.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max: Option<u64>,
    },
    /// A reference to stored content stands at a place of the output: a digest, or `name@v2`. The content is
    /// there, valid, and its worker may read it.
    Artifact {
        /// JSON pointer (RFC 6901) into the output.
        #[schemars(length(max = 500))]
        at: String,
        /// The content has this digest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<Digest>,
    },
    /// The value at a place of the output is the same as the one at a place of what another task handed in. That
    /// task is one that this one needs, itself or by way of others. If they are not the same, it is a
    /// disagreement and no failure: somebody decides.
    Agrees {
        /// JSON pointer (RFC 6901) into the output.
        #[schemars(length(max = 500))]
        at: String,
        /// The other task.
        task: TaskName,
        /// JSON pointer (RFC 6901) into the other one's output.
        #[schemars(length(max = 500))]
        with: String,
    },
    /// A command ends with status 0. A verifier runs it, never the worker.
    Command {
        /// Program and arguments.
        #[schemars(length(min = 1, max = 64), inner(length(max = 4096)))]
        run: Vec<String>,
        /// Time for it, in milliseconds.
        #[serde(default = "default_timeout")]
        #[schemars(range(min = 1000, max = 86_400_000))]
        timeout_ms: u64,
        /// Most memory that each of its processes may map, in bytes: 16 MiB to 1 TiB; as much as there is if
        /// absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 16_777_216, max = 1_099_511_627_776_u64))]
        memory_bytes: Option<u64>,
    },
}

impl Check {
    /// Whether a verifier has to look, because the service itself cannot.
    pub const fn needs_verifier(&self) -> bool {
        matches!(self, Self::Command { .. })
    }

    /// Place in the output that it looks at.
    pub fn pointer(&self) -> Option<&str> {
        match self {
            Self::Pointer { at, .. }
            | Self::Rows { at, .. }
            | Self::Artifact { at, .. }
            | Self::Agrees { at, .. } => Some(at),
            Self::Command { .. } => None,
        }
    }
}

/// In a line, for people and for evidence.
impl std::fmt::Display for Check {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pointer { at, equals: None } => write!(f, "{at:?} is there"),
            Self::Pointer { at, equals: Some(value) } => write!(f, "{at:?} is {value}"),
            Self::Rows { at, min, max: None } => write!(f, "{at:?} has at least {min} items"),
            Self::Rows { at, min, max: Some(max) } => write!(f, "{at:?} has {min} to {max} items"),
            Self::Artifact { at, digest: None } => write!(f, "{at:?} is stored content"),
            Self::Artifact { at, digest: Some(digest) } => write!(f, "{at:?} is the content {digest}"),
            Self::Agrees { at, task, with } => write!(f, "{at:?} is the same as {with:?} of {task}"),
            Self::Command { run, .. } => write!(f, "`{}` ends with 0", run.join(" ")),
        }
    }
}

impl PlanSpec {
    /// Priority of one of its tasks.
    pub fn priority_of(&self, task: &TaskSpec) -> u8 {
        task.priority.unwrap_or(self.priority)
    }
}

impl TaskSpec {
    /// Whether a verifier has to look at its output.
    pub fn needs_verifier(&self) -> bool {
        self.checks.iter().any(Check::needs_verifier)
    }
}

/// Id of the plan that says this in this mission.
pub fn plan_id(mission: &Mission, spec: &PlanSpec) -> PlanId {
    #[derive(Serialize)]
    struct Identity<'a> {
        mission: &'a Mission,
        plan: &'a PlanSpec,
    }
    // Our own types have text keys only and no number that is none, so they always have a canonical form.
    let text = serde_json_canonicalizer::to_vec(&Identity { mission, plan: spec }).unwrap_or_default();
    PlanId::of(&blake3::hash(&text))
}

fn middle() -> u8 {
    50
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_middle(priority: &u8) -> bool {
    *priority == middle()
}

#[allow(clippy::expect_used, reason = "a literal that fits, as a test says")]
pub(crate) fn default_queue() -> QueueName {
    QueueName::new("default").expect("a valid literal")
}

pub(crate) fn is_default_queue(queue: &QueueName) -> bool {
    queue.as_str() == "default"
}

fn worker() -> Role {
    Role::Worker
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_worker(role: &Role) -> bool {
    *role == Role::Worker
}

fn default_timeout() -> u64 {
    DEFAULT_TIMEOUT_MS
}

fn default_attempts() -> u32 {
    DEFAULT_ATTEMPTS
}

fn default_backoff() -> u64 {
    DEFAULT_BACKOFF_MS
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(plan: Value) -> PlanSpec {
        serde_json::from_value(plan).unwrap()
    }

    #[test]
    fn what_is_left_out_and_what_is_spelled_out_are_one_plan() {
        let mission = Mission::new("demo").unwrap();
        let short = read(json!({ "title": "t", "tasks": [{ "id": "a", "title": "a" }] }));
        let long = read(json!({
            "tasks": [{ "title": "a", "id": "a", "queue": "default", "role": "worker", "attempts": 3,
                "timeout_ms": 600_000, "backoff_ms": 1_000, "needs": [], "checks": [] }],
            "priority": 50, "title": "t",
        }));
        assert_eq!(plan_id(&mission, &short), plan_id(&mission, &long));
        let again = PlanSpec { occurrence: Some("2".to_owned()), ..short.clone() };
        assert_ne!(plan_id(&mission, &again), plan_id(&mission, &short));
        assert_ne!(plan_id(&Mission::new("other").unwrap(), &short), plan_id(&mission, &short));
    }

    #[test]
    fn a_check_names_its_kind() {
        let check: Check =
            serde_json::from_value(json!({ "kind": "command", "run": ["cargo", "test"] })).unwrap();
        assert!(check.needs_verifier() && check.to_string().contains("cargo test"));
        assert!(serde_json::from_value::<Check>(json!({ "kind": "guess", "at": "/a" })).is_err());
    }
}
