//! Listed values: `enum` and `const` after, and what becomes of values that were listed before.

use selvedge_kit::document::{self, reference};
use serde_json::Value;

use super::{Comparison, known::Facts, report::Report, types::Types};

/// Name under which the schema after is known to its own validators.
const AFTER: &str = "urn:selvedge:after";
/// Most places of the schema after that are compiled to check listed values.
const MAX_VALIDATORS: usize = 100;
/// Most listed values that are checked one by one.
const MAX_VALUES: usize = 1_000;
/// Characters of a value that a reason repeats.
const ECHOED_CHARS: usize = 64;

/// Keywords `enum` and `const`: every value that was possible must be listed.
pub(super) fn check(facts: &Facts<'_>, name: &str, value: &Value, at: &str) -> Report {
    let after = values_of(name, value);
    let few = [Value::Null, Value::Bool(false), Value::Bool(true)];
    let before = match facts.values() {
        Some(values) => values,
        None if facts.types.is_within(Types::NULL.or(Types::BOOLEAN)) => {
            few.iter().filter(|value| Types::of_value(value).is_within(facts.types)).collect()
        }
        None => return Report::breaking(at, "values other than the listed ones were allowed"),
    };
    let mut report = Report::default();
    for lost in before.into_iter().filter(|before| !after.iter().any(|after| equal(before, after))) {
        report.absorb(Report::breaking(at, format!("not listed any more: {}", echoed(lost))));
    }
    report
}

/// The values that the keyword lists.
pub(super) fn values_of<'v>(name: &str, value: &'v Value) -> Vec<&'v Value> {
    match (name, value) {
        ("enum", Value::Array(values)) => values.iter().collect(),
        _ => vec![value],
    }
}

/// Whether JSON Schema takes the two for equal: `1` and `1.0` are.
pub(super) fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => {
            a == b || (a.is_f64() != b.is_f64() && a.as_f64() == b.as_f64())
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| equal(a, b)))
        }
        _ => one == other,
    }
}

fn echoed(value: &Value) -> String {
    value.to_string().chars().take(ECHOED_CHARS).collect()
}

impl Comparison<'_> {
    /// Checks listed values one by one against what stands `at` in the schema after; nothing if that
    /// cannot be done.
    pub(super) fn each_value(&mut self, values: &[&Value], at: &str) -> Option<Report> {
        if values.len() > MAX_VALUES {
            return None;
        }
        if self.validators.len() < MAX_VALIDATORS && !self.validators.contains_key(at) {
            self.validators.insert(at.to_owned(), validator(self.after, at));
        }
        let validator = self.validators.get(at)?.as_ref()?;
        let mut report = Report::default();
        for value in values.iter().filter(|value| !validator.is_valid(value)) {
            report.absorb(Report::breaking(
                at,
                format!("the listed value {} is not allowed any more", echoed(value)),
            ));
        }
        Some(report)
    }
}

fn validator(after: &Value, at: &str) -> Option<jsonschema::Validator> {
    let registry = jsonschema::Registry::new().add(AFTER, after).ok()?.prepare().ok()?;
    let schema = serde_json::json!({ "$ref": reference::to(AFTER, at) });
    document::options().with_registry(&registry).build(&schema).ok()
}
