//! What the policy in force says about an effect.
//!
//! Without a policy, an irreversible effect needs one approval by an approver, and a reversible one none.

use std::sync::Arc;

use selvedge_contracts::{
    id::{AgentId, Mission, Owner, ScopeId},
    payload::{
        intent::{Effect, Requirement},
        policy::{Activation, Policy},
    },
    role::Role,
};
use selvedge_kit::view::View;

/// The policies of all missions.
pub(crate) struct Policies {
    pub(crate) versions: Arc<View<Policy>>,
    pub(crate) activations: Arc<View<Activation>>,
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
        Self { versions, activations }
    }

    /// What the policy in force in the mission says.
    pub(crate) fn decide(&self, question: &Question<'_>) -> Answer {
        without_policy(question.effect)
    }
}

fn without_policy(effect: &Effect) -> Answer {
    let approvals = u32::from(effect.is_irreversible());
    Answer {
        policy: None,
        activation: 0,
        requirement: Some(Requirement { approvals, role: Role::Approver, expires_after_ms: None }),
        rules: Vec::new(),
        errors: Vec::new(),
    }
}
