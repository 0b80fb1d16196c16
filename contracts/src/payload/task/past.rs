//! Attempts that came to nothing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PastEffect;
use crate::id::{Caller, ClaimToken, Digest};

/// An attempt that came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PastAttempt {
    /// Its number.
    pub attempt: u32,
    /// Who made it.
    pub worker: Caller,
    /// Unix time at which it ended, in milliseconds.
    pub ended_at_ms: u64,
    /// How.
    pub cause: Cause,
    /// Why, in words.
    pub reason: String,
    /// blake3 of what was handed in, if anything was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Digest>,
    /// The token of its claim, by which what comes too late is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<ClaimToken>,
    /// What became of what it was to change outside, if that was begun, in the order of its plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<PastEffect>,
}

/// How an attempt came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Its worker said so.
    Worker,
    /// What was handed in does not hold.
    Rejected,
    /// Its time ran out.
    Timeout,
    /// Its worker was not heard of any more.
    Lost,
    /// An entity on which the task rests has moved on; there is no other attempt.
    Precondition,
    /// What was handed in disagrees with what another task handed in; there is no other attempt.
    Conflict,
    /// Its plan was cancelled.
    Cancelled,
    /// What it was to change outside may not be done, or could not be.
    Effect,
    /// Its worker gave it back without having tried: it was stopped, or its command asks for another time. It does
    /// not count as a try, up to [`super::MAX_RETURNS`] times.
    Returned,
    /// No verifier gave a verdict in time; there is no other attempt: somebody has to decide.
    Unjudged,
}

impl Cause {
    /// In a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Rejected => "rejected",
            Self::Timeout => "timeout",
            Self::Lost => "lost",
            Self::Precondition => "precondition",
            Self::Conflict => "conflict",
            Self::Cancelled => "cancelled",
            Self::Effect => "effect",
            Self::Returned => "returned",
            Self::Unjudged => "unjudged",
        }
    }
}
