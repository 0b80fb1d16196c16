//! A policy text, checked and ready to decide.

use std::collections::{HashMap, HashSet};

use cedar_policy::{
    ActionConstraint, Authorizer, Decision, Effect, EntityUid, Policy, PolicyId, PolicySet, ValidationMode,
    ValidationResult,
};
use selvedge_contracts::payload::{
    intent::Requirement,
    policy::{Finding, MAX_POLICY_BYTES},
};

use super::{
    annotation::{self, Says},
    finding::{Severity, diagnosed, finding, in_order},
    request::Asked,
    requirement::strictest,
    shape::{self, Statement},
    vocabulary::{Action, Vocabulary, vocabulary},
};

/// What is to be said about a text, and what it decides with if no finding is an error.
pub(super) struct Checked {
    pub(super) findings: Vec<Finding>,
    pub(super) compiled: Option<Compiled>,
}

/// Rules, ready to decide. A request is held against those alone whose scope names its action.
pub(super) struct Compiled {
    sets: Vec<(Action, PolicySet)>,
    rules: HashMap<PolicyId, Rule>,
}

struct Rule {
    name: String,
    requirement: Requirement,
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

/// Stack of the thread that checks a text. What [`shape`] lets through needs less, also unoptimised; a test
/// holds it to that.
const STACK_BYTES: usize = 64 << 20;

/// Checks a text. Takes up to some hundred milliseconds of one core for the longest.
pub(super) fn check(text: &str) -> Checked {
    let checked = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("policy".to_owned()).stack_size(STACK_BYTES);
        let thread = thread.spawn_scoped(scope, || check_here(text)).ok()?;
        thread.join().ok()
    });
    checked.unwrap_or_else(|| refused(finding(text, None, Severity::Error, "the text could not be checked")))
}

fn check_here(text: &str) -> Checked {
    if text.len() > MAX_POLICY_BYTES {
        let message = format!(
            "the text has {} bytes; expected at most {MAX_POLICY_BYTES}: leave out what is not needed, or \
             write fewer rules that cover more",
            text.len()
        );
        return refused(finding(text, None, Severity::Error, &message));
    }
    let vocabulary = match vocabulary() {
        Ok(vocabulary) => vocabulary,
        Err(error) => return refused(finding(text, None, Severity::Error, error)),
    };
    let statements = match shape::statements(text) {
        Ok(statements) => statements,
        Err(misshapen) => {
            return refused(finding(text, Some(misshapen.at), Severity::Error, &misshapen.reason));
        }
    };
    match text.parse::<PolicySet>() {
        Ok(set) => Check { text, statements, vocabulary }.run(&set),
        Err(errors) => {
            let said = errors.iter().map(|error| diagnosed(text, Severity::Error, error, &error.to_string()));
            Checked { findings: in_order(said.collect()), compiled: None }
        }
    }
}

fn refused(finding: Finding) -> Checked {
    Checked { findings: vec![finding], compiled: None }
}

/// The check of one text that can be parsed.
struct Check<'a> {
    text: &'a str,
    statements: Vec<Statement>,
    vocabulary: &'static Vocabulary,
}

impl Check<'_> {
    fn run(self, set: &PolicySet) -> Checked {
        let (rules, mut findings) = self.rules(set);
        findings.extend(set.templates().map(|template| {
            let at = self.statement(template.id()).map(|statement| statement.start);
            let message = "a template (?principal, ?resource) decides nothing here; name what it is about";
            finding(self.text, at, Severity::Error, message)
        }));
        let validated = self.vocabulary.validator.validate(set, ValidationMode::Strict);
        findings.extend(self.validation(&validated, &rules));
        if !set.policies().any(|policy| policy.effect() == Effect::Permit) {
            let message = "nothing is permitted: with this in force no effect may be done";
            findings.push(finding(self.text, None, Severity::Warning, message));
        }
        let is_sound = !findings.iter().any(|finding| finding.error);
        let compiled = is_sound.then(|| self.compiled(set, rules));
        Checked { findings: in_order(findings), compiled }
    }

    /// The statement that Cedar calls `policy0`, `policy1`, … in order.
    fn statement(&self, id: &PolicyId) -> Option<&Statement> {
        let place = AsRef::<str>::as_ref(id).strip_prefix("policy")?.parse().ok()?;
        self.statements.get::<usize>(place)
    }

    fn rules(&self, set: &PolicySet) -> (HashMap<PolicyId, Rule>, Vec<Finding>) {
        let mut policies: Vec<&Policy> = set.policies().collect();
        policies.sort_by_key(|policy| self.statement(policy.id()).map(|statement| statement.start));
        let (mut rules, mut findings, mut names) = (HashMap::new(), Vec::new(), HashSet::new());
        for policy in policies {
            let says = if policy.effect() == Effect::Permit { Says::Permit } else { Says::Forbid };
            let (requirement, wrong) = annotation::read(policy.annotations(), says);
            findings
                .extend(wrong.into_iter().map(|wrong| self.annotated(policy, &wrong.name, &wrong.reason)));
            let name = policy.annotation("id").map_or_else(|| policy.id().to_string(), ToOwned::to_owned);
            if !names.insert(name.clone()) {
                let reason = format!("{name:?} is the name of a rule before it; names are told in decisions");
                findings.push(self.annotated(policy, "id", &reason));
            }
            rules.insert(policy.id().clone(), Rule { name, requirement });
        }
        (rules, findings)
    }

    /// An error at an annotation of a policy.
    fn annotated(&self, policy: &Policy, name: &str, message: &str) -> Finding {
        let at = self.statement(policy.id()).map(|statement| {
            let found = statement.annotations.iter().find(|(known, _)| known == name);
            found.map_or(statement.start, |(_, at)| *at)
        });
        finding(self.text, at, Severity::Error, message)
    }

    fn validation(&self, validated: &ValidationResult, rules: &HashMap<PolicyId, Rule>) -> Vec<Finding> {
        // Cedar names rules as it counts them; people know them by their own names.
        let said = |message: String, id: &PolicyId| {
            let about = format!("for policy `{id}`, ");
            match (message.strip_prefix(&about), rules.get(id)) {
                (Some(rest), Some(rule)) => format!("rule {}: {rest}", rule.name),
                _ => message,
            }
        };
        let errors = validated.validation_errors().map(|error| {
            diagnosed(self.text, Severity::Error, error, &said(error.to_string(), error.policy_id()))
        });
        let warnings = validated.validation_warnings().map(|warning| {
            diagnosed(self.text, Severity::Warning, warning, &said(warning.to_string(), warning.policy_id()))
        });
        errors.chain(warnings).collect()
    }

    fn compiled(&self, set: &PolicySet, rules: HashMap<PolicyId, Rule>) -> Compiled {
        let about = |action: Action| {
            let uid = self.vocabulary.action(action);
            let policies = set.policies().filter(|policy| concerns(policy, &uid)).cloned();
            // The ids come from one set, so none stands twice.
            (action, PolicySet::from_policies(policies).unwrap_or_else(|_| set.clone()))
        };
        Compiled { sets: Action::ALL.map(about).into(), rules }
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

impl Checked {
    /// Nothing is decided by this text.
    pub(super) fn refused(reason: &str) -> Self {
        refused(finding("", None, Severity::Error, reason))
    }
}

impl Compiled {
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
