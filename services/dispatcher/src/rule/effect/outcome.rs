//! What became of what a task changes outside, and what follows from that.

use std::collections::BTreeMap;

use selvedge_contracts::{
    id::IntentId,
    payload::{
        intent::{Intent, IntentState, Receipt},
        task::{EffectEnd, PastEffect, Task, TaskEffect},
    },
};

use super::super::cut;

/// What became of an intent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outcome {
    /// It is done.
    Committed(Option<Receipt>),
    /// It is under way, or waits for somebody.
    Open,
    /// It came to nothing.
    Over {
        /// Why, in words.
        reason: String,
        /// Trying once more would be against what a person has said.
        is_final: bool,
    },
    /// It was done, and undone because another one came to nothing.
    Undone,
    /// It was done, and undoing it failed: a person has to settle it, in words.
    Stuck(String),
}

impl Outcome {
    /// What an intent's state means for its task.
    pub(crate) fn of(intent: &Intent) -> Self {
        match intent.state {
            IntentState::Committed => Self::Committed(intent.receipt.clone()),
            IntentState::Rejected | IntentState::Expired | IntentState::Cancelled | IntentState::Failed => {
                Self::Over { reason: cut(&in_words(intent)), is_final: intent.denied.is_some() }
            }
            IntentState::Compensated => Self::Undone,
            IntentState::Stuck => Self::Stuck(cut(&in_words(intent))),
            // Also of one whose outcome nobody knows: a person finds out.
            IntentState::Proposed
            | IntentState::Verified
            | IntentState::Approved
            | IntentState::Executing
            | IntentState::Unknown
            | IntentState::Compensating => Self::Open,
        }
    }

    /// How its effect stands, if that stays so until a person does something.
    const fn end(&self) -> Option<EffectEnd> {
        match self {
            Self::Open => None,
            Self::Over { .. } => Some(EffectEnd::NotDone),
            Self::Undone => Some(EffectEnd::Undone),
            Self::Committed(_) => Some(EffectEnd::Stands),
            Self::Stuck(_) => Some(EffectEnd::Stuck),
        }
    }
}

fn in_words(intent: &Intent) -> String {
    let reasons: Vec<_> = intent
        .reasons
        .iter()
        .map(|reason| format!("{} {}", reason.at, reason.message).trim().to_owned())
        .collect();
    format!("{} is {}: {}", intent.id, intent.state.name(), reasons.join("; "))
}

/// What became of all the effects of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Settled {
    /// Something of it goes on.
    Open,
    /// All are done: they, with their receipts.
    Done(Vec<TaskEffect>),
    /// It came to nothing.
    Over(Ending),
}

/// How the effects of an attempt came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    /// Why, in words.
    pub(crate) reason: String,
    /// Trying once more would be against what a person has said, or do twice what is not undone.
    pub(crate) is_final: bool,
    /// What became of each.
    pub(crate) effects: Vec<PastEffect>,
}

/// What became of all the effects of an attempt. One that came to nothing is the end of all: those that were done
/// are undone first, unless undoing one of them failed.
pub(crate) fn settled(effects: &[TaskEffect], outcomes: &BTreeMap<IntentId, Outcome>) -> Settled {
    let of = |effect: &TaskEffect| outcomes.get(&effect.intent).cloned().unwrap_or(Outcome::Open);
    let outcomes: Vec<(&TaskEffect, Outcome)> = effects.iter().map(|effect| (effect, of(effect))).collect();
    let ends: Option<Vec<PastEffect>> = outcomes
        .iter()
        .map(|(effect, outcome)| {
            let end = outcome.end()?;
            Some(PastEffect { name: effect.name.clone(), intent: effect.intent.clone(), end })
        })
        .collect();
    let Some(ends) = ends else { return Settled::Open };
    let count = |wanted: EffectEnd| ends.iter().filter(|effect| effect.end == wanted).count();
    if count(EffectEnd::Stands) == ends.len() {
        return Settled::Done(outcomes.into_iter().map(|(effect, outcome)| done(effect, outcome)).collect());
    }
    let is_stuck = count(EffectEnd::Stuck) > 0;
    if count(EffectEnd::Stands) > 0 && !is_stuck {
        return Settled::Open; // they are undone now
    }
    let said = |(effect, outcome): &(&TaskEffect, Outcome)| match outcome {
        Outcome::Over { reason, .. } => Some(format!("{}: {reason}", effect.name)),
        Outcome::Stuck(reason) => Some(format!(
            "{}, which was done, could not be undone, a person has to settle it: {reason}",
            effect.name
        )),
        _ => None,
    };
    // What could not be undone weighs most; of the rest, the first is the cause.
    let (mut stuck, mut others): (Vec<_>, Vec<_>) =
        outcomes.iter().partition(|(_, outcome)| matches!(outcome, Outcome::Stuck(_)));
    stuck.append(&mut others);
    let reasons: Vec<String> = stuck.into_iter().filter_map(said).collect();
    let is_denied =
        outcomes.iter().any(|(_, outcome)| matches!(outcome, Outcome::Over { is_final: true, .. }));
    let undone: Vec<&str> = ends
        .iter()
        .filter(|effect| effect.end == EffectEnd::Undone)
        .map(|effect| effect.name.as_str())
        .collect();
    let undone = if undone.is_empty() { String::new() } else { format!("; undone: {}", undone.join(", ")) };
    let reason = format!("{}{undone}", reasons.join("; "));
    Settled::Over(Ending { reason, is_final: is_denied || is_stuck, effects: ends })
}

fn done(effect: &TaskEffect, outcome: Outcome) -> TaskEffect {
    let receipt = match outcome {
        Outcome::Committed(receipt) => receipt,
        _ => None,
    };
    TaskEffect { receipt, propose: None, ..effect.clone() }
}

/// Why a task whose last attempt came to nothing is not to be tried anew, nor its output accepted: something that it
/// has done outside is not undone yet. `now` says what became of an intent by now.
pub(crate) fn not_undone(task: &Task, now: impl Fn(&IntentId) -> Option<Outcome>) -> Option<String> {
    let is_left = |effect: &&PastEffect| {
        let now = now(&effect.intent).and_then(|outcome| outcome.end());
        let is_undone = matches!(now, Some(EffectEnd::Undone | EffectEnd::NotDone));
        matches!(effect.end, EffectEnd::Stands | EffectEnd::Stuck) && !is_undone
    };
    let left = task.past.iter().flat_map(|past| &past.effects).find(is_left)?;
    Some(format!(
        "{} of an earlier attempt was done and is not undone: {}. Once a person has settled what could not be undone (`selvedge intent list --waiting-for-settlement`, `selvedge intent settle`), the rest is undone by itself",
        left.name, left.intent
    ))
}
