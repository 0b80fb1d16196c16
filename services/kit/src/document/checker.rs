//! Holds documents against a contract's schema, at a bounded cost: every violation, with its JSON
//! pointer. `format` is an annotation, as the 2020-12 draft has it, in every draft.
//!
//! Never fetches anything. Regular expressions run on the engine of linear time, so none of them can
//! stall the service; look-around and back-references are refused with the schema.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jsonschema::{PatternOptions, Validator};
use selvedge_contracts::{
    fault::{Detail, Fault},
    id::EntityId,
    payload::contract::Contract,
};
use serde_json::Value;

use super::{
    cost::{Counter, MAX_CHAIN},
    schema,
};

/// Most violations that are listed.
pub const MAX_VIOLATIONS: usize = 100;
/// Most characters of a violation's message.
const MAX_MESSAGE_CHARS: usize = 500;
/// Largest compiled regular expression in bytes.
pub(super) const MAX_PATTERN_BYTES: usize = 1 << 20;
/// Most subschemas evaluated for one document: some tenths of a second.
const MAX_VISITS: u64 = 250_000;
/// Deepest document that is checked; serde_json itself stops at 128.
const MAX_DEPTH: u32 = 64;
/// Every schema must be able to check documents of this depth.
const MIN_DEPTH: u32 = 4;

/// A schema, ready to be checked against.
pub struct Checker {
    validator: Validator,
    /// Most subschemas evaluated at one place, by depth in the document.
    visits: Vec<u64>,
}

impl Checker {
    /// Compiles a schema, if it may become a contract.
    ///
    /// # Errors
    /// Invalid, with every violation.
    pub fn new(schema: &Value) -> Result<Self, Fault> {
        schema::check(schema)?;
        let visits = visits(schema)?;
        let validator = options().build(schema).map_err(|error| uncompilable(&error))?;
        Ok(Self { validator, visits })
    }

    /// Every violation, with its JSON pointer into the document; at most [`MAX_VIOLATIONS`].
    ///
    /// # Errors
    /// Invalid if the document is so deep or large that this schema cannot check it within its bounds.
    pub fn check(&self, document: &Value) -> Result<Vec<Detail>, Fault> {
        let mut places = vec![0; self.visits.len()];
        count(document, &mut places).ok_or_else(|| too_deep(self.visits.len()))?;
        let cost = places
            .iter()
            .zip(&self.visits)
            .fold(0u64, |sum, (places, visits)| sum.saturating_add(visits.saturating_mul(*places)));
        match cost {
            0..=MAX_VISITS if self.validator.is_valid(document) => Ok(Vec::new()),
            0..=MAX_VISITS => {
                Ok(self.validator.iter_errors(document).take(MAX_VIOLATIONS).map(|e| detail(&e)).collect())
            }
            _ => Err(too_costly(cost)),
        }
    }
}

/// Compiled contracts, kept because a version never changes. Holds a bounded number; when it
/// is exceeded it starts anew.
#[derive(Default)]
pub struct Checkers(Mutex<HashMap<EntityId, Arc<Checker>>>);

impl Checkers {
    const KEPT: usize = 256;

    /// The checker of one version of a contract.
    ///
    /// # Errors
    /// As [`Checker::new`].
    pub fn of(&self, contract: &Contract) -> Result<Arc<Checker>, Fault> {
        let id = contract.name.version_id(contract.version);
        if let Some(checker) = self.lock().get(&id) {
            return Ok(Arc::clone(checker));
        }
        let checker = Arc::new(Checker::new(&contract.schema)?);
        let mut kept = self.lock();
        if kept.len() >= Self::KEPT {
            kept.clear();
        }
        kept.insert(id, Arc::clone(&checker));
        Ok(checker)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<EntityId, Arc<Checker>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How schemas are compiled, here and wherever one is evaluated.
pub fn options<'a>() -> jsonschema::ValidationOptions<'a> {
    jsonschema::options().offline().should_validate_formats(false).with_pattern_options(
        PatternOptions::regex().size_limit(MAX_PATTERN_BYTES).dfa_size_limit(MAX_PATTERN_BYTES),
    )
}

/// Visits per place at each depth that the schema can afford.
fn visits(schema: &Value) -> Result<Vec<u64>, Fault> {
    let mut counter = Counter::new(schema);
    let mut visits = Vec::new();
    for depth in 0..=MAX_DEPTH {
        match counter.at(depth) {
            Ok(cost) if cost.visits <= MAX_VISITS => visits.push(cost.visits),
            Ok(_) if depth <= MIN_DEPTH => return Err(explodes(depth)),
            Err(_) if depth <= MIN_DEPTH => return Err(endless()),
            Ok(_) | Err(_) => break,
        }
    }
    Ok(visits)
}

/// Counts the document's places by depth; nothing if it is deeper than `places`.
fn count(document: &Value, places: &mut [u64]) -> Option<()> {
    let (here, below) = places.split_first_mut()?;
    *here = here.saturating_add(1);
    match document {
        Value::Array(items) => items.iter().try_for_each(|item| count(item, below)),
        Value::Object(members) => members.values().try_for_each(|member| count(member, below)),
        _ => Some(()),
    }
}

/// The violation without the document's values: they may be large, or secret.
fn detail(violation: &jsonschema::ValidationError<'_>) -> Detail {
    let message = violation.masked().to_string().chars().take(MAX_MESSAGE_CHARS).collect();
    Detail { at: violation.instance_path().to_string(), message }
}

fn uncompilable(error: &jsonschema::ValidationError<'_>) -> Fault {
    let message: String = error.to_string().chars().take(MAX_MESSAGE_CHARS).collect();
    Fault::invalid("the schema cannot be compiled; mend what is listed and add it again").at(
        error.instance_path().to_string(),
        format!("{message} (regular expressions: no look-around, no back-references, at most {MAX_PATTERN_BYTES} bytes compiled)"),
    )
}

fn explodes(depth: u32) -> Fault {
    Fault::invalid(format!(
        "checking a document of {depth} levels against this schema could take more than {MAX_VISITS} steps; \
         refer to each definition once in allOf, anyOf and oneOf"
    ))
}

fn endless() -> Fault {
    Fault::invalid(format!(
        "the schema's references run in a circle without going into the document, or more than {MAX_CHAIN} deep; \
         let each circle pass through properties or items"
    ))
}

fn too_deep(levels: usize) -> Fault {
    Fault::invalid(format!("the document is nested deeper than the {levels} levels this contract can check"))
        .at("/document", "flatten it, or give the contract's unions fewer alternatives")
}

fn too_costly(cost: u64) -> Fault {
    Fault::invalid("the document is too large to be checked against this contract")
        .at("/document", format!("{cost} steps: expected at most {MAX_VISITS}; check its parts one by one"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, json};

    fn violations(schema: &Value, document: &Value) -> Vec<(String, String)> {
        let details = Checker::new(schema).unwrap().check(document).unwrap();
        details.into_iter().map(|detail| (detail.at, detail.message)).collect()
    }

    #[test]
    fn every_violation_is_listed_where_it_stands() {
        let schema = json!({
            "required": ["a", "b"],
            "properties": {"c/d": {"type": "string"}, "e": {"items": {"maximum": 3}}},
            "additionalProperties": false,
        });
        let mut found = violations(&schema, &json!({"c/d": "secret".len(), "e": [1, 5, 9], "f": 1}));
        found.sort();
        let places: Vec<&str> = found.iter().map(|(at, _)| at.as_str()).collect();
        assert_eq!(places, ["", "", "", "/c~1d", "/e/1", "/e/2"]);
        assert_eq!(violations(&json!({"required": ["a"]}), &json!({"a": 1, "b": 2})), []);
    }

    #[test]
    fn a_violation_does_not_repeat_the_documents_values() {
        let found = violations(&json!({"type": "object"}), &json!("secret".repeat(1_000)));
        assert!(!found.first().unwrap().1.contains("secret"), "{found:?}");
    }

    #[test]
    fn at_most_a_hundred_violations_are_listed() {
        let found = violations(&json!({"items": {"type": "string"}}), &json!(vec![1; 1_000]));
        assert_eq!(found.len(), MAX_VIOLATIONS);
    }

    #[test]
    fn format_is_an_annotation_in_every_draft() {
        for draft in
            ["https://json-schema.org/draft/2020-12/schema", "http://json-schema.org/draft-07/schema#"]
        {
            assert_eq!(violations(&json!({"$schema": draft, "format": "email"}), &json!("x")), []);
        }
    }

    #[test]
    fn patterns_run_in_linear_time_or_not_at_all() {
        for pattern in ["(?=x)y", r"(a)\1", "(", r"(\pL{1000}){1000}"] {
            let Err(fault) = Checker::new(&json!({"properties": {"a": {"pattern": pattern}}})) else {
                panic!("{pattern} was taken")
            };
            assert_eq!(fault.details.first().unwrap().at, "/properties/a/pattern");
        }
        let slow = json!({"pattern": "^(a+)+$"});
        assert_eq!(violations(&slow, &json!(format!("{}b", "a".repeat(100_000)))).len(), 1);
    }

    #[test]
    fn a_schema_that_explodes_or_runs_in_a_circle_is_refused() {
        let reference = |level: u32| json!({"$ref": format!("#/$defs/a{level}")});
        let laugh = |levels: u32| {
            let mut defs: Map<String, Value> = (0..levels)
                .map(|level| {
                    (format!("a{level}"), json!({"allOf": [reference(level + 1), reference(level + 1)]}))
                })
                .collect();
            defs.insert(format!("a{levels}"), json!(true));
            json!({"$ref": "#/$defs/a0", "$defs": defs})
        };
        assert!(Checker::new(&laugh(8)).is_ok());
        for bad in [laugh(60), laugh(400), json!({"$ref": "#"}), json!({"not": {"$ref": "#"}})] {
            assert!(Checker::new(&bad).is_err(), "{bad}");
        }
    }

    /// Worst documents that the bounds let through: they end, and fit on the stack of a test's thread.
    #[test]
    fn a_document_that_explodes_is_refused_and_one_at_the_bound_ends() {
        let twice = json!({"properties": {"a": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}}, "type": "object"});
        let checker = Checker::new(&twice).unwrap();
        let nested = |levels: u32| (0..levels).fold(json!(1), |inner, _| json!({"a": inner}));
        assert!(!checker.check(&nested(14)).unwrap().is_empty());
        assert!(checker.check(&nested(30)).is_err());
        let chain = json!({"properties": {"a": {"allOf": [{"allOf": [{"allOf": [{"$ref": "#"}]}]}]}}, "type": "object"});
        let checker = Checker::new(&chain).unwrap();
        let deepest = u32::try_from(checker.visits.len()).unwrap() - 1;
        assert!(deepest >= 40, "{deepest}");
        assert!(!checker.check(&nested(deepest)).unwrap().is_empty());
        assert!(checker.check(&nested(deepest + 1)).is_err());
    }
}
