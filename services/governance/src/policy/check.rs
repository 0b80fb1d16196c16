//! Checks a policy text: bounded, parsed, held against the schema, its annotations read.

use std::collections::{HashMap, HashSet};

use cedar_policy::{Effect, Policy, PolicyId, PolicySet, ValidationMode, ValidationResult};
use selvedge_contracts::payload::policy::{Finding, MAX_POLICY_BYTES};

use super::{
    annotation::{self, Says},
    compiled::{Compiled, Rule},
    finding::{Severity, diagnosed, finding, in_order},
    shape::{self, Statement},
    vocabulary::{Vocabulary, vocabulary},
};

/// What is to be said about a text, and what it decides with if no finding is an error.
pub(super) struct Checked {
    pub(super) findings: Vec<Finding>,
    pub(super) compiled: Option<Compiled>,
}

impl Checked {
    /// Nothing is decided by this text.
    pub(super) fn refused(reason: &str) -> Self {
        refused(finding("", None, Severity::Error, reason))
    }
}

/// Stack of the thread that checks a text. What [`shape`] lets through needs less, also unoptimised; a test
/// holds it to that.
const STACK_BYTES: usize = 64 << 20;

/// Checks a text. Takes up to some hundred milliseconds of one core for the longest.
pub(super) fn check(text: &str) -> Checked {
    try_check(text).unwrap_or_else(|| Checked::refused("the text could not be checked; try again"))
}

/// The same; nothing if there is no thread to do it on.
pub(super) fn try_check(text: &str) -> Option<Checked> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("policy".to_owned()).stack_size(STACK_BYTES);
        let thread = thread.spawn_scoped(scope, || check_here(text)).ok()?;
        thread.join().ok()
    })
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
        let compiled = is_sound.then(|| Compiled::new(self.vocabulary, set, rules));
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
}
