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
    /// What exactly is to be done, until it is: kept also where it came to nothing, for whoever decides about that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub propose: Option<Box<Propose>>,
    /// What it left in the world, once it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Receipt>,
}

/// What became of one effect of an attempt that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PastEffect {
    /// What the plan calls it.
    pub name: TaskName,
    /// The intent by which it was to be done: it says more.
    pub intent: IntentId,
    /// How it stood when the attempt ended.
    pub end: EffectEnd,
}

/// How one effect of an attempt stood when the attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EffectEnd {
    /// It was not done.
    NotDone,
    /// It was done, and undone because another one was not.
    Undone,
    /// It was done, and waits to be undone until a person has settled another one.
    Stands,
    /// It was done, and undoing it failed: a person has to settle its intent (`committer.settle`).
    Stuck,
}

impl EffectEnd {
    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotDone => "not done",
            Self::Undone => "undone",
            Self::Stands => "done, not undone yet",
            Self::Stuck => "done, and its undo failed",
        }
    }
}
