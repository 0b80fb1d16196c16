//! Carrying effects out, one module for each kind. An effect looks at the world before it acts wherever an
//! earlier attempt may have acted, and asks at its last step whether it is still the one to act.

pub(crate) mod git;

use selvedge_contracts::{
    fault::Detail,
    payload::intent::{DEFAULT_EFFECT_MS, Effect, Intent, Receipt},
};
use selvedge_kit::{bus::error_chain, clock::Deadline};

use crate::state::{Committer, entity};

mod external;
mod http;
mod memory;
mod secrets;
mod world;

pub(crate) use secrets::check as check_secrets;

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
    /// Nobody knows whether it happened, and trying again cannot do it twice: it is tried again.
    Again(String),
    /// Nobody knows whether it happened, and trying again could do it twice.
    Unknown(Vec<Detail>),
}

impl Outcome {
    /// [`Outcome::Refused`] for one reason.
    pub(crate) fn refused(at: &str, message: impl Into<String>) -> Self {
        Self::Refused(vec![reason(at, message)])
    }

    /// [`Outcome::Unknown`] for one reason.
    pub(crate) fn unknown(message: impl Into<String>) -> Self {
        Self::Unknown(vec![reason("", message)])
    }
}

/// A reason of an outcome.
pub(crate) fn reason(at: &str, message: impl Into<String>) -> Detail {
    Detail { at: at.to_owned(), message: message.into() }
}

/// What an effect's module leaves to be recorded.
#[derive(Debug)]
pub(crate) enum Carried {
    /// What became of it.
    Ended(Outcome),
    /// Nothing: the effect and the fact that it happened were one write.
    Recorded,
}

/// Longest wait for the ledger's leader at the last step, in milliseconds.
const LAST_WORD_MS: u64 = 2_000;
/// What pushing to a remote repository may take beyond the time of every effect, in times of that time.
const REMOTE: u64 = 3;

impl Work<'_> {
    /// By what the target knows this effect: the same for every attempt at it, another for its undo.
    pub(crate) fn key(&self) -> String {
        match self.side {
            Side::Do => self.intent.id.to_string(),
            Side::Undo => format!("{}-undo", self.intent.id),
        }
    }

    /// The last question before the world is touched, asked of the ledger's leader: whether this attempt is
    /// still the one to act. One that was paused finds here that another instance took over.
    pub(crate) async fn may_act(&self) -> Result<(), Outcome> {
        let asked = self.deadline.at_most_ms(LAST_WORD_MS);
        let latest = self.state.ledger.latest(&entity(&self.intent.mission, &self.intent.id), asked).await;
        match latest {
            Ok(Some(fact)) if fact.revision == self.revision && !self.deadline.has_passed() => Ok(()),
            Ok(Some(fact)) if fact.revision == self.revision => {
                Err(Outcome::Later("it ran out of time".into()))
            }
            Ok(_) => Err(Outcome::Later("another instance has taken it over".into())),
            Err(error) => Err(Outcome::Later(error_chain(&error))),
        }
    }

    /// Says that this step is reached.
    pub(crate) fn reached(&self, step: &'static str) {
        self.state.config.steps.reached(step);
    }
}

/// Carries one attempt out.
pub(crate) async fn carry_out(work: &Work<'_>) -> Carried {
    let outcome = match work.effect {
        Effect::Git(effect) => git::carry_out(work, effect).await,
        Effect::Http(effect) => http::carry_out(work, effect).await,
        Effect::External(effect) => external::carry_out(work, effect).await,
        Effect::Memory(effect) => return memory::carry_out(work, effect).await,
    };
    Carried::Ended(outcome)
}

/// Time that an effect takes of itself, in milliseconds: for its answer, and for one probe.
pub(crate) fn own_ms(state: &Committer, intent: &Intent, effect: &Effect) -> u64 {
    match effect {
        Effect::Http(http) => 2 * http.timeout_ms.unwrap_or(DEFAULT_EFFECT_MS),
        Effect::External(external) => 2 * external.timeout_ms.unwrap_or(DEFAULT_EFFECT_MS),
        Effect::Memory(_) => 0,
        Effect::Git(git) => {
            let repository = state.repositories.state(&intent.mission, &(&git.repository).into());
            let is_remote = repository.is_some_and(|repository| !repository.location.starts_with('/'));
            if is_remote { REMOTE * state.config.takeover_ms } else { 0 }
        }
    }
}
