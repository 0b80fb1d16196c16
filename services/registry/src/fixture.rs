//! What the tests of the rules share: short names for checked tokens. Built for tests only.

use selvedge_contracts::{
    fault::Fault,
    id::{AgentId, Mission, Owner, PublicKey},
};
use selvedge_kit::rule::Verdict;

/// The state a rule made; fails if it made none.
pub(crate) fn state<S: std::fmt::Debug>(verdict: Result<Verdict<S>, Fault>) -> S {
    match verdict {
        Ok(Verdict::Changed(change)) => change.state,
        other => panic!("expected a change, got {other:?}"),
    }
}

/// Name of the fact a rule made; fails if it made none.
pub(crate) fn fact<S: std::fmt::Debug>(verdict: &Result<Verdict<S>, Fault>) -> &'static str {
    match verdict {
        Ok(Verdict::Changed(change)) => change.fact.name,
        other => panic!("expected a change, got {other:?}"),
    }
}

/// The mission `name`.
pub(crate) fn mission(name: &str) -> Mission {
    Mission::new(name).unwrap()
}

/// The person `name`.
pub(crate) fn owner(name: &str) -> Owner {
    Owner::new(&format!("person:{name}")).unwrap()
}

/// The key of which every character after the first is `letter`.
pub(crate) fn key(letter: char) -> PublicKey {
    PublicKey::new(&format!("U{}", letter.to_string().repeat(55))).unwrap()
}

/// The agent `{name}-00000000`.
pub(crate) fn agent_id(name: &str) -> AgentId {
    AgentId::new(&format!("{name}-00000000")).unwrap()
}
