//! Invites: the right to join once.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::{AgentId, InviteId, Mission, Owner, PublicKey},
    role::Role,
};

/// Shortest life of an invite in milliseconds.
pub const MIN_INVITE_TTL_MS: u64 = 10_000;
/// Longest life of an invite in milliseconds: 30 days.
pub const MAX_INVITE_TTL_MS: u64 = 30 * 86_400_000;

/// An invite: entity `invite`, in the mission it leads to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Invite {
    /// `invite_…`.
    pub id: InviteId,
    /// The mission it leads to.
    pub mission: Mission,
    /// The role it gives there.
    pub role: Role,
    /// Who answers for the agent that redeems it.
    pub owner: Owner,
    /// Unix time of its creation, in milliseconds.
    pub created_at_ms: u64,
    /// Unix time after which it is void, in milliseconds.
    pub expires_at_ms: u64,
    /// Whether it can still be redeemed.
    pub status: InviteStatus,
}

/// Whether an invite can still be redeemed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum InviteStatus {
    /// It can, once.
    Open,
    /// It was.
    Redeemed {
        /// By this agent.
        agent: AgentId,
        /// With this identity key.
        key: PublicKey,
    },
    /// Its time ran out.
    Expired,
}

/// An invite was redeemed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Redeemed {
    /// By this agent.
    pub agent: AgentId,
}

/// `registry.invite_create`, by an operator, who mints the token itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InviteCreate {
    /// `invite_…`, made by the operator's command.
    pub id: InviteId,
    /// The mission it leads to.
    pub mission: Mission,
    /// The role it gives there: one that takes part in a mission.
    pub role: Role,
    /// Who answers for the agent that redeems it.
    pub owner: Owner,
    /// How long it is good for, in milliseconds: 10 s to 30 days.
    #[schemars(range(min = 10_000, max = 2_592_000_000u64))]
    pub ttl_ms: u64,
}

/// Reply of `registry.invite_create`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InviteReply {
    /// The invite as it stands now.
    pub invite: Invite,
}
