//! Sessions: the time during which an agent holds one credential. A task's credential is a session
//! too, one that names its task and ends with it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::{AgentId, Mission, Owner, PublicKey, RequestId, ScopeId},
    payload::agent::Credential,
    role::Role,
};

/// Shortest life of a credential, in milliseconds.
pub const MIN_CREDENTIAL_TTL_MS: u64 = 10_000;
/// Longest life of a credential, in milliseconds: 24 hours.
pub const MAX_CREDENTIAL_TTL_MS: u64 = 86_400_000;
/// Life of a session's credential when none is asked for, in milliseconds: one hour.
pub const DEFAULT_CREDENTIAL_TTL_MS: u64 = 3_600_000;
/// How long presence lasts after a heartbeat when a session asks for nothing else, in milliseconds.
pub const DEFAULT_PRESENCE_TTL_MS: u64 = 30_000;
/// Shortest presence after a heartbeat, in milliseconds.
pub const MIN_PRESENCE_TTL_MS: u64 = 1_000;
/// Longest presence after a heartbeat, in milliseconds: 24 hours.
pub const MAX_PRESENCE_TTL_MS: u64 = 86_400_000;
/// How the id of a task's credential starts.
pub const TASK_PREFIX: &str = "task_";
/// Most calls that a session's narrower list may name.
pub const MAX_NARROWED_CALLS: usize = 100;

/// A session: entity `session`, in its mission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Session {
    /// `session_…`, or `task_…` for a task's credential.
    pub id: ScopeId,
    /// The agent.
    pub agent: AgentId,
    /// Who answers for the agent.
    pub owner: Owner,
    /// Its mission.
    pub mission: Mission,
    /// The role it acts in.
    pub role: Role,
    /// The task that the credential is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<ScopeId>,
    /// The only calls it may make, as `service.call`; all of its role's if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<Vec<String>>,
    /// The user request that this session serves: root of everything done in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// Key pair of the credential now in use.
    pub credential_key: PublicKey,
    /// How long presence lasts after a heartbeat, in milliseconds; 0: its presence is not watched.
    pub presence_ttl_ms: u64,
    /// Unix time of its start, in milliseconds.
    pub started_at_ms: u64,
    /// Unix time at which its credential ends, in milliseconds.
    pub expires_at_ms: u64,
    /// Whether it still counts.
    pub status: SessionStatus,
}

impl Session {
    /// Whether requests under this session's credential may still be judged.
    pub fn is_open(&self, now_ms: u64) -> bool {
        self.status == SessionStatus::Open && now_ms < self.expires_at_ms
    }
}

/// Whether a session still counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionStatus {
    /// It does.
    Open,
    /// Its agent, an operator or its task ended it.
    Ended,
    /// Its presence ran out: the agent is taken for dead.
    Lost,
}

/// A session's credential was renewed for a new key pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Renewed {
    /// The key pair from now on.
    pub credential_key: PublicKey,
    /// Unix time at which the new credential ends, in milliseconds.
    pub expires_at_ms: u64,
}

/// Why a session ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// In the ender's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    pub reason: Option<String>,
}

/// `registry.session_start`: by the holder of an identity key, through its `door` credential. Signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionStart {
    /// Public half of a fresh key pair that the agent made for this credential.
    pub credential_key: PublicKey,
    /// Life of the credential in milliseconds; one hour if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 10_000, max = 86_400_000))]
    pub ttl_ms: Option<u64>,
    /// How long presence lasts after a heartbeat, in milliseconds (whole seconds on the bus); 30 s if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1_000, max = 86_400_000))]
    pub presence_ttl_ms: Option<u64>,
    /// The user request that this session serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// The only calls it may make, as `service.call`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100), inner(length(min = 3, max = 100)))]
    pub calls: Option<Vec<String>>,
}

/// `registry.task_grant`: a credential for one task, made by the dispatcher or an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TaskGrant {
    /// The task and attempt: `task_…`.
    pub task: ScopeId,
    /// The agent that does it.
    pub agent: AgentId,
    /// Public half of a fresh key pair that the agent made for this credential.
    pub credential_key: PublicKey,
    /// The task's deadline: Unix time in milliseconds.
    pub expires_at_ms: u64,
    /// The user request that the task serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// How long presence lasts after a heartbeat, in milliseconds; 30 s if absent, 0: it is not watched, since
    /// whoever gives the task out hears of its worker otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 86_400_000))]
    pub presence_ttl_ms: Option<u64>,
    /// The only calls it may make, as `service.call`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100), inner(length(min = 3, max = 100)))]
    pub calls: Option<Vec<String>>,
}

/// Reply of the calls that start or renew a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionReply {
    /// The session as it stands now.
    pub session: Session,
    /// Its credential.
    pub credential: Credential,
    /// A fresh `door` credential of the identity key that signed, to be stored in place of the one in use:
    /// an agent that starts a session now and then keeps its way in. In the reply of
    /// `registry.session_start` alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<Credential>,
}

/// `registry.credential_renew`: a fresh credential for the session in use. Signed with the identity key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CredentialRenew {
    /// Public half of a fresh key pair.
    pub credential_key: PublicKey,
    /// Life of the credential in milliseconds; one hour if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 10_000, max = 86_400_000))]
    pub ttl_ms: Option<u64>,
}

/// Reply of `registry.heartbeat`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Heartbeat {
    /// Unix time until which the session counts as present, in milliseconds.
    pub present_until_ms: u64,
    /// Unix time at which the credential ends, in milliseconds: renew before.
    pub expires_at_ms: u64,
}

/// `registry.session_end`: the session in use, or, by an operator or the dispatcher, any.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionEnd {
    /// The session; the one in use if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<ScopeId>,
    /// Its mission; the one in use if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mission: Option<Mission>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    pub reason: Option<String>,
}

/// Reply of `registry.session_end`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionEnded {
    /// The session as it stands now.
    pub session: Session,
}

/// `registry.session_list`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionList {
    /// Only sessions of this mission; the one in use if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mission: Option<Mission>,
    /// Only sessions of this agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
    /// Only sessions in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<SessionStatus>,
    /// Only sessions after this one, in order of id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<ScopeId>,
    /// Most sessions to answer with; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
}

/// Reply of `registry.session_list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sessions {
    /// In order of id.
    pub sessions: Vec<Session>,
    /// There are more: ask again with `after` set to the last one.
    pub more: bool,
}
