//! What the policy in force says about an effect.
//!
//! A policy is Cedar text (`policy.cedarschema` says what it may speak of). A forbid beats every permit; what no
//! permit matches may not be done; of several permits that match, the strictest of each thing they ask for
//! holds; and whatever goes wrong while deciding means that it may not be done. Without a policy, an
//! irreversible effect needs one approval by an approver, and a reversible one none; a request over HTTP needs one
//! whatever its method, since no rule says yet which hosts may be asked and which secrets they may see.
//!
//! `shape` bounds a text before anything reads it, `check` checks it, `compiled` decides, `annotation` and
//! `requirement` say what a permit asks for, `request` shows Cedar an effect. `version` and `activation` are
//! the rules about which text is in force. Never records anything.

pub(crate) mod activation;
mod address;
mod annotation;
mod cache;
mod check;
mod compiled;
mod finding;
mod paths;
mod request;
mod requirement;
mod shape;
mod text;
pub(crate) mod version;
mod vocabulary;

use std::sync::Arc;

use selvedge_contracts::{
    id::{AgentId, Mission, Owner, ScopeId},
    payload::{
        intent::{Effect, Requirement},
        policy::{Activation, Policy, activation_id, version_id},
    },
    role::Role,
};
use selvedge_kit::view::View;

pub(crate) use requirement::strictest;
pub use text::PolicyText;
pub(crate) use text::test_without_policy;
pub(crate) use vocabulary::{SCHEMA, schema_json};

use self::{cache::Cache, check::Checked, compiled::Outcome, request::asked, vocabulary::vocabulary};

/// The policies of all missions.
pub(crate) struct Policies {
    pub(crate) versions: Arc<View<Policy>>,
    pub(crate) activations: Arc<View<Activation>>,
    cache: Cache,
}

/// What is asked of a policy.
#[derive(Debug, Clone)]
pub(crate) struct Question<'a> {
    pub(crate) mission: &'a Mission,
    pub(crate) agent: &'a AgentId,
    pub(crate) role: Role,
    pub(crate) owner: &'a Owner,
    pub(crate) task: Option<&'a ScopeId>,
    pub(crate) effect: &'a Effect,
    pub(crate) has_undo: bool,
}

/// What a policy says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The version that decided; absent: there is none in force.
    pub(crate) policy: Option<u32>,
    /// Which activation that was.
    pub(crate) activation: u32,
    /// What it needs; absent: it may not be done.
    pub(crate) requirement: Option<Requirement>,
    /// The rules that decided.
    pub(crate) rules: Vec<String>,
    /// What went wrong while deciding: then it may not be done.
    pub(crate) errors: Vec<String>,
}

impl Policies {
    pub(crate) fn new(versions: Arc<View<Policy>>, activations: Arc<View<Activation>>) -> Self {
        Self { versions, activations, cache: Cache::default() }
    }

    /// What the policy in force in the mission says. The first question after a start or an activation takes
    /// as long as checking its text, up to some hundred milliseconds.
    pub(crate) fn decide(&self, question: &Question<'_>) -> Answer {
        let state = self.activations.state(question.mission, &activation_id());
        let (activation, active) = state.map_or((0, None), |state| (state.activation, state.active.clone()));
        let Some(active) = active else {
            return Answer { activation, ..without_policy(question.effect) };
        };
        let version = self.versions.state(question.mission, &version_id(active.version));
        let outcome = match version {
            Some(version) => self.checked(&version).decide(question),
            None => Outcome::failed(format!(
                "version {} of the policy is in force and cannot be loaded",
                active.version
            )),
        };
        let Outcome { requirement, rules, errors } = outcome;
        Answer { policy: Some(active.version), activation, requirement, rules, errors }
    }

    /// What is known about a version's text.
    pub(crate) fn checked(&self, version: &Policy) -> PolicyText {
        PolicyText::kept(self.cache.of(&version.digest, &version.text))
    }
}

impl Checked {
    fn decide(&self, question: &Question<'_>) -> Outcome {
        let Some(compiled) = &self.compiled else {
            let first = self.findings.iter().find(|finding| finding.error).map(|finding| &finding.message);
            return Outcome::failed(format!(
                "the policy in force cannot be used: {}",
                first.map_or("", String::as_str)
            ));
        };
        let asked =
            vocabulary().map_err(ToOwned::to_owned).and_then(|vocabulary| asked(vocabulary, question));
        asked.map_or_else(Outcome::failed, |asked| compiled.decide(&asked))
    }
}

pub(crate) fn without_policy(effect: &Effect) -> Answer {
    let needs_one = effect.is_irreversible() || matches!(effect, Effect::Http(_));
    let approvals = u32::from(needs_one);
    Answer {
        policy: None,
        activation: 0,
        requirement: Some(Requirement { approvals, role: Role::Approver, expires_after_ms: None }),
        rules: Vec::new(),
        errors: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
