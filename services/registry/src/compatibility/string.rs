//! Keywords of strings.

use serde_json::Value;

use super::{
    known::{Facts, at_least, at_most},
    report::Report,
    types::Types,
};

/// Keywords `minLength`, `maxLength` and `pattern`.
pub(super) fn check(facts: &Facts<'_>, name: &str, value: &Value, at: &str) -> Report {
    match name {
        _ if !facts.types.meets(Types::STRING) => Report::default(),
        "minLength" => at_least(facts.highest("minLength").unwrap_or(0), value, at, "characters"),
        "maxLength" => at_most(facts.lowest("maxLength"), value, at, "characters"),
        _ => pattern(facts, value, at),
    }
}

fn pattern(facts: &Facts<'_>, value: &Value, at: &str) -> Report {
    let before: Vec<&Value> = facts.all("pattern").collect();
    match before.as_slice() {
        [] => Report::breaking(at, format!("strings that do not match {value} were allowed")),
        before if before.contains(&value) => Report::default(),
        _ => Report::unknown(at, "the pattern changed, and patterns cannot be compared"),
    }
}
