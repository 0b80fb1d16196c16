//! What a task changes outside: what its worker hands in, and what becomes of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::{IntentId, TaskName},
    payload::intent::{Propose, Receipt},
};

/// Most bytes of JSON of all that one task is to change outside: it stands in the task's facts until it is
/// done.
pub const MAX_OFFER_BYTES: usize = 128 << 10;

/// One effect that a worker hands in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EffectOffer {
    /// What the plan calls it.
    pub name: TaskName,
    /// What exactly is to be done. Content that it rests on is named by its digest; the leases of the claim are
    /// added to its tokens.
    pub propose: Propose,
}

/// One effect of an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaskEffect {
    /// What the plan calls it.
    pub name: TaskName,
    /// The intent by which it is done.
    pub intent: IntentId,
    /// What exactly is to be done, until it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub propose: Option<Box<Propose>>,
    /// What it left in the world, once it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
}
