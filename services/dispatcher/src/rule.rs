//! The rules: what a plan must be, what may become of it and of its tasks, and which task comes next. Pure:
//! they never wait, read a clock or draw a number.

pub(crate) mod capacity;
pub(crate) mod case;
pub(crate) mod choice;
pub(crate) mod dead;
pub(crate) mod dispute;
pub(crate) mod effect;
#[cfg(test)]
pub(crate) mod fixture;
pub(crate) mod graph;
pub(crate) mod handoff;
pub(crate) mod judge;
pub(crate) mod plan;
pub(crate) mod shape;
pub(crate) mod split;
pub(crate) mod task;

use selvedge_contracts::{fault::Detail, payload::task::MAX_SAID_BYTES};
use serde_json::Value;

pub(crate) fn detail(at: impl Into<String>, message: impl Into<String>) -> Detail {
    Detail { at: at.into(), message: message.into() }
}

/// As much of a text as a fact has room for.
pub(crate) fn cut(text: &str) -> String {
    cut_to(text, MAX_SAID_BYTES)
}

/// The text, or what so many bytes hold of it.
pub(crate) fn cut_to(text: &str, most_bytes: usize) -> String {
    let mut end = text.len().min(most_bytes);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}

/// Largest whole number that every reader of JSON reads alike.
const MAX_EXACT: u64 = 1 << 53;

/// Places of numbers that not every reader of JSON reads alike: they have no canonical form.
pub(crate) fn inexact(value: &Value, at: &str, found: &mut Vec<Detail>) {
    match value {
        Value::Number(number) => {
            let whole = number.as_i64().map(i64::unsigned_abs).or(number.as_u64());
            if whole.is_some_and(|whole| whole > MAX_EXACT) {
                found.push(detail(
                    at,
                    "a whole number beyond 2^53 is not read alike by all; write it as text",
                ));
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                inexact(item, &format!("{at}/{index}"), found);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields {
                let name = name.replace('~', "~0").replace('/', "~1");
                inexact(field, &format!("{at}/{name}"), found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_without_a_canonical_form_are_found_where_they_stand() {
        let mut found = Vec::new();
        inexact(&json!({ "a/b": [1, 1.5, u64::MAX], "c": i64::MIN, "d": 1_u64 << 53 }), "", &mut found);
        let places: Vec<_> = found.iter().map(|detail| detail.at.as_str()).collect();
        assert_eq!(places, ["/a~1b/2", "/c"]);
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        let long = "ä".repeat(MAX_SAID_BYTES);
        assert!(cut(&long).len() <= MAX_SAID_BYTES && cut(&format!("x{long}")).ends_with('ä'));
    }
}
