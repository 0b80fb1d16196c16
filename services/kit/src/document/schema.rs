//! Whether a JSON Schema may become a contract: a bounded document that names nothing outside itself
//! and is valid by its own draft's metaschema. Every violation is listed with its JSON pointer.
//!
//! Never fetches anything, from the network or from files.

use selvedge_contracts::{
    fault::{Detail, Fault},
    payload::contract::MAX_SCHEMA_BYTES,
};
use serde_json::{Map, Value};

use super::{
    canonical::canonical,
    checker::MAX_VIOLATIONS,
    reference::{resolve, under},
};

/// Deepest nesting of a schema; beyond it no person reads it, and every walk over it is a stack.
pub(crate) const MAX_SCHEMA_DEPTH: usize = 64;
/// Most regular expressions in a schema: each may compile to [`super::checker::MAX_PATTERN_BYTES`].
pub(crate) const MAX_PATTERNS: usize = 64;

/// Keywords whose value is data, not schemas.
const DATA: &[&str] = &["const", "enum", "default", "example", "examples"];
/// Keywords that map names to subschemas.
const BY_NAME: &[&str] =
    &["properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"];
/// Keywords that could lead out of the document, or whose target depends on how one got there.
const DYNAMIC: &[&str] = &["$dynamicRef", "$recursiveRef"];

/// Whether the schema may become a contract.
///
/// # Errors
/// Invalid, with every violation.
pub(crate) fn check(schema: &Value) -> Result<(), Fault> {
    let size_bytes = canonical(schema)?.len();
    if size_bytes > MAX_SCHEMA_BYTES {
        return Err(too_large(size_bytes));
    }
    if is_deeper(schema, MAX_SCHEMA_DEPTH) {
        return Err(too_deep());
    }
    let mut found = Findings { root: schema, details: Vec::new(), patterns: 0 };
    found.schema(schema, "");
    if found.patterns > MAX_PATTERNS {
        found.add("", format!("{} regular expressions: expected at most {MAX_PATTERNS}", found.patterns));
    }
    found.metaschema();
    match found.details {
        details if details.is_empty() => Ok(()),
        details => Err(Fault { details, ..unfit() }),
    }
}

/// Whether the value nests deeper than `levels`.
fn is_deeper(value: &Value, levels: usize) -> bool {
    let Some(below) = levels.checked_sub(1) else {
        return true;
    };
    match value {
        Value::Array(items) => items.iter().any(|item| is_deeper(item, below)),
        Value::Object(members) => members.values().any(|member| is_deeper(member, below)),
        _ => false,
    }
}

struct Findings<'a> {
    root: &'a Value,
    details: Vec<Detail>,
    patterns: usize,
}

impl Findings<'_> {
    /// The parts of a metaschema may find the same thing; it is listed once.
    fn add(&mut self, at: impl Into<String>, message: impl Into<String>) {
        let detail = Detail { at: at.into(), message: message.into() };
        if self.details.len() < MAX_VIOLATIONS && !self.details.contains(&detail) {
            self.details.push(detail);
        }
    }

    fn schema(&mut self, value: &Value, at: &str) {
        match value {
            Value::Object(keywords) => self.keywords(keywords, at),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.schema(item, &under(at, &index.to_string()));
                }
            }
            data => self.data(data, at),
        }
    }

    fn keywords(&mut self, keywords: &Map<String, Value>, at: &str) {
        for (name, value) in keywords {
            let at = under(at, name);
            self.keyword(name, value, &at);
            match value {
                Value::Object(map) if BY_NAME.contains(&name.as_str()) => {
                    for (name, schema) in map {
                        self.schema(schema, &under(&at, name));
                    }
                }
                data if DATA.contains(&name.as_str()) => self.data(data, &at),
                schema => self.schema(schema, &at),
            }
        }
    }

    fn keyword(&mut self, name: &str, value: &Value, at: &str) {
        match (name, value) {
            ("$ref", Value::String(to)) if resolve(self.root, to).is_none() => self.add(at, stray(to)),
            ("$id", Value::String(_)) if at != "/$id" => {
                self.add(
                    at,
                    "a subschema with its own $id is another document; move it to $defs and drop the $id",
                );
            }
            ("pattern", Value::String(_)) => self.patterns = self.patterns.saturating_add(1),
            ("patternProperties", Value::Object(map)) => {
                self.patterns = self.patterns.saturating_add(map.len())
            }
            (name, _) if DYNAMIC.contains(&name) => {
                self.add(at, format!("{name} is not supported; use $ref"))
            }
            _ => {}
        }
    }

    /// Numbers that a double cannot hold would make two schemas look like one.
    fn data(&mut self, value: &Value, at: &str) {
        match value {
            Value::Number(number) if !is_double(number) => {
                self.add(at, format!("{number} is not exact as a double (RFC 8785); write it as a string"));
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.data(item, &under(at, &index.to_string()));
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    self.data(member, &under(at, name));
                }
            }
            _ => {}
        }
    }

    fn metaschema(&mut self) {
        match jsonschema::meta::validator_for(self.root) {
            Ok(metaschema) => {
                for violation in metaschema.iter_errors(self.root) {
                    self.add(violation.instance_path().as_str(), violation.masked().to_string());
                }
            }
            Err(error) => {
                self.add("/$schema", format!("{error}; name a draft of json-schema.org, or leave it out"))
            }
        }
    }
}

/// Whether a double holds the number exactly.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "this is where the loss is looked for"
)]
fn is_double(number: &serde_json::Number) -> bool {
    let integer = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    integer.is_none_or(|integer| integer as f64 as i128 == integer)
}

fn stray(to: &str) -> String {
    let to: String = to.chars().take(100).collect();
    format!(
        "{to:?} leads to nothing in this schema; a contract stands alone: copy the definition to $defs and refer to it as #/$defs/<name>"
    )
}

fn unfit() -> Fault {
    Fault::invalid("the schema cannot become a contract; mend what is listed and add it again")
}

fn too_large(size_bytes: usize) -> Fault {
    Fault::invalid("the schema is too large").at(
        "",
        format!("{size_bytes} bytes in canonical form: expected at most {MAX_SCHEMA_BYTES}; split it into several contracts"),
    )
}

fn too_deep() -> Fault {
    Fault::invalid("the schema is nested too deeply").at(
        "",
        format!("expected at most {MAX_SCHEMA_DEPTH} levels; move inner schemas to $defs and refer to them"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn places(schema: &Value) -> Vec<String> {
        check(schema).unwrap_err().details.into_iter().map(|detail| detail.at).collect()
    }

    #[test]
    fn an_ordinary_schema_is_taken() {
        for schema in [
            json!(true),
            json!({}),
            json!({"$ref": "#/$defs/a", "$defs": {"a": {"type": "object", "properties": {"$ref": {"type": "string"}}}}}),
            json!({"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": true}, "$ref": "#/definitions/a"}),
            json!({"const": {"$ref": "https://example.com", "$id": "x"}, "properties": {"default": {"type": "null"}}}),
        ] {
            assert_eq!(check(&schema), Ok(()), "{schema}");
        }
    }

    #[test]
    fn nothing_outside_the_schema_is_named() {
        for (reference, keyword) in [
            ("https://example.com/x.json", "$ref"),
            ("file:///etc/passwd", "$ref"),
            ("other.json#/a", "$ref"),
            ("#/$defs/nothing", "$ref"),
            ("#anchor", "$ref"),
            ("#x", "$dynamicRef"),
            ("urn:inner", "$id"),
        ] {
            let schema = json!({"properties": {"a/b": {keyword: reference}}});
            assert!(places(&schema).contains(&format!("/properties/a~1b/{keyword}")), "{schema}");
        }
    }

    #[test]
    fn every_violation_of_the_metaschema_is_listed_where_it_stands() {
        let schema = json!({"type": "strin", "properties": {"a": {"minLength": -1}}, "required": "a"});
        let mut places = places(&schema);
        places.sort();
        assert_eq!(places, ["/properties/a/minLength", "/required", "/type"]);
        assert_eq!(self::places(&json!(7)), [""]);
        assert_eq!(self::places(&json!({"$schema": "https://example.com/mine"})), ["/$schema"]);
    }

    #[test]
    fn numbers_that_a_double_cannot_hold_are_refused() {
        let schema =
            json!({"enum": [9_007_199_254_740_992u64, 9_007_199_254_740_993u64], "maximum": u64::MAX});
        assert_eq!(places(&schema), ["/enum/1", "/maximum"]);
    }

    #[test]
    fn a_schema_is_bounded_in_size_depth_and_patterns() {
        let large = json!({"description": "x".repeat(MAX_SCHEMA_BYTES)});
        assert!(check(&large).unwrap_err().message.contains("too large"));
        let deep = (0..MAX_SCHEMA_DEPTH).fold(json!(true), |inner, _| json!({"not": inner}));
        assert!(check(&deep).unwrap_err().message.contains("nested"));
        let patterns: Vec<Value> = (0..=MAX_PATTERNS).map(|n| json!({"pattern": n.to_string()})).collect();
        assert_eq!(places(&json!({"anyOf": patterns})), [""]);
    }
}
