//! A policy text by itself: what is to be said about it, and what it would decide.

use std::sync::Arc;

use selvedge_contracts::{
    id::{Mission, Owner},
    payload::policy::{CaseResult, Expected, Finding, PolicyCase, PolicyFindings},
};

use super::{
    Question,
    compiled::{Checked, Outcome, check},
};

/// A policy text that was checked.
#[derive(Clone)]
pub struct PolicyText(Arc<Checked>);

impl PolicyText {
    /// Checks a text. Takes up to some hundred milliseconds of one core for the longest.
    pub fn check(text: &str) -> Self {
        Self(Arc::new(check(text)))
    }

    pub(super) fn kept(checked: Arc<Checked>) -> Self {
        Self(checked)
    }

    pub(super) fn decide(&self, question: &Question<'_>) -> Outcome {
        self.0.decide(question)
    }

    /// All that is to be said about it, in order of place.
    pub fn findings(&self) -> PolicyFindings {
        let findings = self.0.findings.clone();
        PolicyFindings { valid: self.0.compiled.is_some(), findings }
    }

    /// Its errors, in order of place.
    pub(crate) fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.0.findings.iter().filter(|finding| finding.error)
    }

    /// What it would decide about a case in a mission, beside what is expected.
    pub fn test(&self, mission: &Mission, case: &PolicyCase) -> CaseResult {
        with_question(mission, case, |question| self.decide(question))
    }
}

/// What would be decided about a case without a policy, beside what is expected.
pub(crate) fn test_without_policy(mission: &Mission, case: &PolicyCase) -> CaseResult {
    with_question(mission, case, |question| {
        let answer = super::without_policy(question.effect);
        Outcome { requirement: answer.requirement, rules: answer.rules, errors: answer.errors }
    })
}

fn with_question(
    mission: &Mission,
    case: &PolicyCase,
    decide: impl FnOnce(&Question<'_>) -> Outcome,
) -> CaseResult {
    let owner = case.owner.clone().map_or_else(|| Owner::new("person:nobody"), Ok);
    let outcome = match &owner {
        Err(error) => Outcome::failed(error.to_string()),
        Ok(owner) => decide(&Question {
            mission,
            agent: &case.agent,
            role: case.role,
            owner,
            task: case.task.as_ref(),
            effect: &case.effect,
            has_undo: case.has_undo,
        }),
    };
    let Outcome { requirement, rules, errors } = outcome;
    let actual = Expected { allow: requirement.is_some(), requirement };
    let expected = case.expect.clone();
    let is_requirement_met = expected.requirement.is_none() || expected.requirement == actual.requirement;
    CaseResult {
        name: case.name.clone(),
        passed: expected.allow == actual.allow && is_requirement_met,
        expected,
        actual,
        rules,
        errors,
    }
}
