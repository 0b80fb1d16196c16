//! Who has a task, until when, and on what it rests.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::{Caller, ClaimToken, Digest, Owner, PoolName, ScopeId, TaskName},
    payload::intent::FencingToken,
};

/// Shortest time that a claim lasts without being renewed, in milliseconds.
pub const MIN_CLAIM_TTL_MS: u64 = 2_000;
/// Longest time that a claim lasts without being renewed, in milliseconds: one hour.
pub const MAX_CLAIM_TTL_MS: u64 = 3_600_000;
/// How long a claim lasts without being renewed when none is asked for, in milliseconds.
pub const DEFAULT_CLAIM_TTL_MS: u64 = 30_000;
/// Longest wait of one `dispatcher.task_claim`, in milliseconds: less than a client waits before it sends
/// again, so that no claim goes to a sending that nobody listens to.
pub const MAX_CLAIM_WAIT_MS: u64 = 4_000;

/// Who has a task, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Claim {
    /// Who.
    pub worker: Caller,
    /// Who answers for them.
    pub owner: Owner,
    /// Their session.
    pub session: ScopeId,
    /// What the worker has to name with whatever it hands in.
    pub token: ClaimToken,
    /// Unix time of the claim, in milliseconds.
    pub claimed_at_ms: u64,
    /// How long it lasts without being renewed, in milliseconds.
    pub ttl_ms: u64,
    /// Unix time at which the attempt ends whatever happens, in milliseconds.
    pub deadline_ms: u64,
    /// What it rests on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Input>,
    /// Pools in which it counts, as they were when it was made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pools: Vec<PoolName>,
    /// Scope of the credential for this attempt alone, if one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<ScopeId>,
    /// Leases on what the task reserves, held until the attempt has ended: their tokens count wherever a
    /// lease's does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leases: Vec<FencingToken>,
}

impl Claim {
    /// Unix time until which it lasts if it is never renewed, in milliseconds.
    pub fn until_ms(&self) -> u64 {
        self.claimed_at_ms.saturating_add(self.ttl_ms).min(self.deadline_ms)
    }
}

/// What a needed task handed in, as it was when this one was claimed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Input {
    /// The task that was needed.
    pub task: TaskName,
    /// blake3 of its output in canonical form.
    pub digest: Digest,
    /// Ledger revision at which it was validated.
    pub revision: u64,
}
