//! Carrying effects out, one module for each kind. An effect looks at the world before it acts wherever an
//! earlier attempt may have acted, and asks at its last step whether it is still the one to act.

pub(crate) mod git;

use selvedge_contracts::{
    fault::Detail,
    payload::intent::{Effect, Intent, Receipt},
};
use selvedge_kit::clock::Deadline;

use crate::state::Committer;

/// One attempt at an effect.
pub(crate) struct Work<'a> {
    pub(crate) state: &'a Committer,
    /// The intent, as the fact of this attempt left it.
    pub(crate) intent: &'a Intent,
    /// Revision of that fact: while the intent stands there, this attempt may act.
    pub(crate) revision: u64,
    /// What is to be done: the intent's effect, or its undo.
    pub(crate) effect: &'a Effect,
    /// Which of the two.
    pub(crate) side: Side,
    /// Whether somebody may have acted before.
    pub(crate) earlier: Earlier,
    /// When it must be over: before another instance may take it over.
    pub(crate) deadline: Deadline,
}

/// Whether an intent is done or taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Do,
    Undo,
}

/// Whether an earlier attempt may have acted on the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Earlier {
    /// None was begun.
    None,
    /// One was begun and did not report.
    Begun,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// It happened, once.
    Done(Receipt),
    /// It did not happen, and will not: every reason.
    Refused(Vec<Detail>),
    /// It did not happen yet, for a reason that may pass (something cannot be reached): it is tried again.
    Later(String),
    /// Nobody knows whether it happened, and trying again could do it twice.
    Unknown(Vec<Detail>),
}

impl Work<'_> {
    /// By what the target knows this effect: the same for every attempt at it, another for its undo.
    pub(crate) fn key(&self) -> String {
        match self.side {
            Side::Do => self.intent.id.to_string(),
            Side::Undo => format!("{}-undo", self.intent.id),
        }
    }
}
