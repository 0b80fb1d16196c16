//! Agents and their identity keys.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::{AgentId, AgentName, Mission, Owner, PublicKey, RequestId, ScopeId},
    role::Role,
};

/// An agent: entity `agent`, in the kluster's own mission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Agent {
    /// Assigned at the first registration, kept for ever.
    pub id: AgentId,
    /// The name it asked for.
    pub name: AgentName,
    /// Its identity key, which signs what it must be held to.
    pub key: PublicKey,
    /// Who answers for it.
    pub owner: Owner,
    /// The one role it has in each of its missions.
    pub roles: BTreeMap<Mission, Role>,
    /// What it says of itself.
    pub about: About,
    /// Whether it may still act.
    pub status: AgentStatus,
    /// Unix time of the first registration, in milliseconds.
    pub registered_at_ms: u64,
}

/// What an agent says of itself; nothing is decided by it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    pub description: Option<String>,
    /// The program that runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub program: Option<String>,
    /// The model behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub model: Option<String>,
    /// What it can do, in its owner's words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(min = 1, max = 100)))]
    pub capabilities: Vec<String>,
}

/// Whether an agent may still act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgentStatus {
    /// It may start sessions.
    Active,
    /// It may not, for ever; its record stays.
    Retired,
}

/// An identity key: entity `key`, made once, so that a key belongs to one agent for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Key {
    /// The key.
    pub key: PublicKey,
    /// The agent it belongs to.
    pub agent: AgentId,
    /// Unix time at which it was bound, in milliseconds.
    pub bound_at_ms: u64,
}

/// Why an agent was retired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// In a person's words.
    #[schemars(length(min = 1, max = 1000))]
    pub reason: String,
}

/// An agent took a role in a mission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Joined {
    /// The mission.
    pub mission: Mission,
    /// The role, from the invite.
    pub role: Role,
}

/// An agent's identity key was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotated {
    /// The key before.
    pub before: PublicKey,
    /// The key from now on.
    pub after: PublicKey,
}

/// `registry.join`: redeems the invite whose credential is used. Signed with the identity key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// The name asked for. An agent whose key is known keeps the name it has.
    pub name: AgentName,
    /// What the agent says of itself.
    #[serde(default)]
    pub about: About,
}

/// Reply of `registry.join`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct JoinReply {
    /// The agent as it stands now.
    pub agent: Agent,
    /// The mission joined.
    pub mission: Mission,
    /// The role in it.
    pub role: Role,
    /// Credential of the role `door`, for the identity key: with it the agent starts sessions.
    pub door: Credential,
}

/// A credential for a key pair that only its holder has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Credential {
    /// NATS user JWT; absent where the registry may not sign for the role, and the operator's own
    /// command has to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<String>,
    /// Unix time at which it ends, in milliseconds.
    pub expires_at_ms: u64,
    /// Inbox prefix that belongs to it.
    pub inbox_prefix: String,
}

/// `registry.register`: updates what the calling agent says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Register {
    /// What the agent says of itself now.
    pub about: About,
}

/// Reply of the calls that answer with one agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentReply {
    /// The agent.
    pub agent: Agent,
    /// Ledger revision of the agent's last fact.
    pub revision: u64,
}

/// Reply of `registry.whoami`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Whoami {
    /// The caller, as nats-server proved it.
    pub agent: String,
    /// Who answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// Role of the credential used.
    pub role: Role,
    /// Mission of the credential used.
    pub mission: Mission,
    /// Session, task or invite of the credential used.
    pub scope: ScopeId,
    /// User request at the root of what this credential does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// Unix time at which the scope ends, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<u64>,
    /// Inbox prefix that belongs to the credential.
    pub inbox_prefix: String,
    /// Calls that the credential may make, as `service.call`.
    pub calls: Vec<String>,
}

/// `registry.agent_list`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentList {
    /// Only agents of this mission.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mission: Option<Mission>,
    /// Only agents that have this role somewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Only agents after this one, in order of id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<AgentId>,
    /// Most agents to answer with; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
}

/// Reply of `registry.agent_list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Agents {
    /// In order of id.
    pub agents: Vec<Agent>,
    /// There are more: ask again with `after` set to the last one.
    pub more: bool,
}

/// `registry.agent_show`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentShow {
    /// The agent.
    pub agent: AgentId,
}

/// `registry.agent_rotate`: replaces an agent's identity key. Signed with the present key, or sent by
/// an operator for an agent that lost it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentRotate {
    /// The agent.
    pub agent: AgentId,
    /// The key from now on.
    pub key: PublicKey,
    /// Signature by the new key over `SELVEDGE-ROTATE-V1`, agent and new key, each ended by a newline:
    /// unpadded base64url of 64 bytes. It proves that the new key is held.
    #[schemars(length(min = 86, max = 86))]
    pub proof: String,
}

impl AgentRotate {
    /// What the new key signs.
    pub fn proof_text(agent: &AgentId, key: &PublicKey) -> String {
        format!("SELVEDGE-ROTATE-V1\n{agent}\n{key}\n")
    }
}

/// Reply of `registry.agent_rotate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RotateReply {
    /// The agent as it stands now.
    pub agent: Agent,
    /// A new `door` credential for each mission, for the new key.
    pub doors: BTreeMap<Mission, Credential>,
}

/// `registry.agent_retire`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentRetire {
    /// The agent.
    pub agent: AgentId,
    /// Why, in a person's words.
    #[schemars(length(min = 1, max = 1000))]
    pub reason: String,
}
