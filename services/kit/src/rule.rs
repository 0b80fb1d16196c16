//! What a rule decides. A rule is a pure function of the current state, the command, the caller and
//! the time; it answers with a verdict or a refusal, and must accept its own result as input: applied
//! to the state it just made, the same command gives [`Verdict::Same`].

use selvedge_contracts::fact::{FactKind, FactType};
use serde::Serialize;

/// What a rule decided about one entity.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict<S> {
    /// The state is already what was asked for: nothing to record.
    Same,
    /// One fact is to be recorded.
    Changed(Change<S>),
}

/// One fact to be recorded: what happened and the state after it.
#[derive(Debug, Clone)]
pub struct Change<S> {
    /// The kind of fact.
    pub fact: FactKind,
    /// What changed, as JSON.
    pub change: serde_json::Value,
    /// The state after it.
    pub state: S,
}

impl<S: PartialEq> PartialEq for Change<S> {
    fn eq(&self, other: &Self) -> bool {
        (self.fact.entity, self.fact.name) == (other.fact.entity, other.fact.name)
            && self.change == other.change
            && self.state == other.state
    }
}

impl<S> Change<S> {
    /// A change of the kind `fact`.
    pub fn new<C: Serialize>(fact: &FactType<C, S>, change: &C, state: S) -> Self {
        // Our own payload types have text keys only, so they always are JSON.
        let change = serde_json::to_value(change).unwrap_or_default();
        Self { fact: fact.kind, change, state }
    }
}

impl<S> From<Change<S>> for Verdict<S> {
    fn from(change: Change<S>) -> Self {
        Self::Changed(change)
    }
}
