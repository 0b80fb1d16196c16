//! Rules that were found sound, ready to decide.

use std::collections::HashMap;

use cedar_policy::{ActionConstraint, Authorizer, Decision, EntityUid, Policy, PolicyId, PolicySet};
use selvedge_contracts::payload::intent::Requirement;

use super::{
    request::Asked,
    requirement::strictest,
    vocabulary::{Action, Vocabulary},
};

/// Rules, ready to decide. A request is held against those alone whose scope names its action.
pub(super) struct Compiled {
    sets: Vec<(Action, PolicySet)>,
    rules: HashMap<PolicyId, Rule>,
}

/// What a rule is called and asks for.
pub(super) struct Rule {
    pub(super) name: String,
    pub(super) requirement: Requirement,
}

/// What rules say about one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    /// What it needs; absent: it may not be done.
    pub(super) requirement: Option<Requirement>,
    /// The rules that decided, by name, in order.
    pub(super) rules: Vec<String>,
    /// What went wrong; then it may not be done.
    pub(super) errors: Vec<String>,
}

impl Compiled {
    /// Makes the rules of a sound text ready.
    pub(super) fn new(vocabulary: &Vocabulary, set: &PolicySet, rules: HashMap<PolicyId, Rule>) -> Self {
        let about = |action: Action| {
            let uid = vocabulary.action(action);
            let policies = set.policies().filter(|policy| concerns(policy, &uid)).cloned();
            // The ids come from one set, so none stands twice.
            (action, PolicySet::from_policies(policies).unwrap_or_else(|_| set.clone()))
        };
        Self { sets: Action::ALL.map(about).into(), rules }
    }

    /// What the rules say about all of several requests.
    pub(super) fn decide(&self, asked: &[Asked]) -> Outcome {
        let outcomes = asked.iter().map(|asked| self.decide_one(asked));
        let together = outcomes.reduce(|one, other| Outcome {
            requirement: one.requirement.zip(other.requirement).map(|(one, other)| strictest(&one, &other)),
            rules: [one.rules, other.rules].concat(),
            errors: [one.errors, other.errors].concat(),
        });
        let mut outcome =
            together.unwrap_or_else(|| Outcome::failed("there is nothing to decide".to_owned()));
        outcome.rules.sort();
        outcome.rules.dedup();
        outcome.errors.sort();
        outcome
    }

    fn decide_one(&self, asked: &Asked) -> Outcome {
        let set = self.sets.iter().find(|(action, _)| *action == asked.action).map(|(_, set)| set);
        let Some(set) = set else {
            return Outcome::failed("the policy knows no such action".to_owned());
        };
        let response = Authorizer::new().is_authorized(&asked.request, set, &asked.entities);
        let rules: Vec<&Rule> = response.diagnostics().reason().filter_map(|id| self.rules.get(id)).collect();
        let errors: Vec<String> = response.diagnostics().errors().map(ToString::to_string).collect();
        let is_allowed = response.decision() == Decision::Allow && errors.is_empty();
        let requirement = rules.iter().map(|rule| rule.requirement.clone());
        Outcome {
            requirement: requirement.reduce(|one, other| strictest(&one, &other)).filter(|_| is_allowed),
            rules: rules.iter().map(|rule| rule.name.clone()).collect(),
            errors,
        }
    }
}

impl Outcome {
    /// It may not be done, because something went wrong.
    pub(super) fn failed(error: String) -> Self {
        Self { requirement: None, rules: Vec::new(), errors: vec![error] }
    }
}

/// Whether a policy's scope may hold for this action. There are no groups of actions.
fn concerns(policy: &Policy, action: &EntityUid) -> bool {
    match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(one) => one == *action,
        ActionConstraint::In(several) => several.contains(action),
    }
}
