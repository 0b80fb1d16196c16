//! Whether every document that satisfied one version of a schema satisfies the next. The answer is
//! `Compatible` only where it is proven, keyword by keyword; `Breaking` where a difference refuses what
//! was allowed; `Unknown` where neither could be shown.
//!
//! `before` is what is known of a document, `after` what is asked of it. Every keyword of `after` must
//! follow from `before`; what is known may be forgotten (the answer gets more careful), what is asked
//! may not. Circles of `$ref` are proven by induction over the document: a question met again further
//! down in it may be taken for answered.
//!
//! Only the 2020-12 draft is compared. Never evaluates a document, but for the listed values of an `enum`.

mod array;
mod choice;
mod enumerated;
mod known;
mod number;
mod object;
mod report;
mod string;
#[cfg(test)]
mod tests;
mod types;

use std::collections::{HashMap, HashSet};

use selvedge_contracts::payload::contract::Compatibility;
use serde_json::{Map, Value};

use known::{Facts, Known};
use report::Report;
use selvedge_kit::document::reference::{resolve, under};
use types::Types;

/// Most steps taken for one pair of schemas, a step being one known part of one question: a tenth
/// of a second.
const MAX_STEPS: usize = 100_000;
/// Deepest chain of questions: what the stack holds.
const MAX_DEPTH: u32 = 64;
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Whether every document valid under `before` is valid under `after`. Pointers in the reasons lead
/// into `after`. Both schemas can become contracts.
pub(crate) fn compare(before: &Value, after: &Value) -> Compatibility {
    if before == after {
        return Compatibility::Compatible;
    }
    if [before, after].into_iter().any(|schema| !is_compared(schema)) {
        return Report::unknown("/$schema", format!("only schemas of {DRAFT} can be compared")).verdict();
    }
    let mut comparison = Comparison::new(before, after);
    comparison.follows(&Known::of(before), after, "").verdict()
}

fn is_compared(schema: &Value) -> bool {
    match schema.get("$schema") {
        None => true,
        Some(named) => named.as_str().is_some_and(|named| named.trim_end_matches('#') == DRAFT),
    }
}

/// A question: what is known, by address, and what is asked, by address.
type Question = (Vec<usize>, Types, usize);

/// One comparison: the two documents, and what is being asked of them.
struct Comparison<'a> {
    before: &'a Value,
    after: &'a Value,
    steps: usize,
    depth: u32,
    asked: HashSet<Question>,
    validators: HashMap<String, Option<jsonschema::Validator>>,
}

impl<'a> Comparison<'a> {
    fn new(before: &'a Value, after: &'a Value) -> Self {
        let (asked, validators) = (HashSet::new(), HashMap::new());
        Self { before, after, steps: 0, depth: 0, asked, validators }
    }

    /// Whether `asked`, which stands `at` in the schema after, follows from what is known.
    fn follows(&mut self, known: &Known<'a>, asked: &'a Value, at: &str) -> Report {
        let question = known.question(asked);
        if !self.asked.insert(question.clone()) {
            return Report::default();
        }
        let report = self.within_bounds(at, |this| this.answer(known, asked, at));
        self.asked.remove(&question);
        report
    }

    /// Goes one level down, if steps and levels are left.
    fn within_bounds(&mut self, at: &str, down: impl FnOnce(&mut Self) -> Report) -> Report {
        if self.steps >= MAX_STEPS || self.depth >= MAX_DEPTH {
            return Report::unknown(at, "the schemas are too large or too deep to be compared here");
        }
        self.depth = self.depth.saturating_add(1);
        let report = down(self);
        self.depth = self.depth.saturating_sub(1);
        report
    }

    fn facts(&mut self, known: &Known<'a>) -> Facts<'a> {
        let facts = known.facts(self.before);
        self.steps = self.steps.saturating_add(facts.parts.len()).saturating_add(1);
        facts
    }

    fn answer(&mut self, known: &Known<'a>, asked: &'a Value, at: &str) -> Report {
        let facts = self.facts(known);
        match asked {
            _ if facts.is_impossible() => Report::default(),
            Value::Bool(false) => Report::breaking(at, "nothing is allowed here any more"),
            Value::Object(keywords) if !facts.parts.iter().any(|part| self.is_same(part, asked)) => {
                self.answer_keywords(known, &facts, keywords, at)
            }
            _ => Report::default(),
        }
    }

    /// First with all that is known at once, then case by case, then value by value.
    fn answer_keywords(
        &mut self,
        known: &Known<'a>,
        facts: &Facts<'a>,
        keywords: &'a Map<String, Value>,
        at: &str,
    ) -> Report {
        let mut report = Report::default();
        for (name, value) in keywords {
            report.absorb(self.keyword(known, facts, keywords, (name, value), &under(at, name)));
        }
        if report.is_clean() {
            return report;
        }
        match facts.values() {
            Some(values) => self.each_value(&values, at).unwrap_or(report),
            None => self.by_cases(known, facts, keywords, at).unwrap_or(report),
        }
    }

    fn keyword(
        &mut self,
        known: &Known<'a>,
        facts: &Facts<'a>,
        siblings: &'a Map<String, Value>,
        (name, value): (&str, &'a Value),
        at: &str,
    ) -> Report {
        match name {
            "$ref" => self.reference(known, value, at),
            "allOf" => self.all_of(known, value, at),
            "anyOf" => self.any_of(known, facts, value, at),
            "oneOf" => self.one_of(known, facts, value, at),
            "type" => types::check(facts, value, at),
            "enum" | "const" => enumerated::check(facts, name, value, at),
            "minLength" | "maxLength" | "pattern" => string::check(facts, name, value, at),
            "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum" | "multipleOf" => {
                number::check(facts, name, value, at)
            }
            "properties"
            | "patternProperties"
            | "additionalProperties"
            | "propertyNames"
            | "required"
            | "dependentRequired"
            | "minProperties"
            | "maxProperties" => self.object(facts, siblings, (name, value), at),
            "prefixItems" | "items" | "contains" | "minItems" | "maxItems" | "uniqueItems" => {
                self.array(facts, siblings, (name, value), at)
            }
            _ => self.opaque(facts, siblings, (name, value), at),
        }
    }

    fn reference(&mut self, known: &Known<'a>, value: &'a Value, at: &str) -> Report {
        match value.as_str().and_then(|to| resolve(self.after, to)) {
            Some((target_at, target)) => self.follows(known, target, &target_at),
            None => Report::unknown(at, "this reference cannot be followed"),
        }
    }

    fn all_of(&mut self, known: &Known<'a>, value: &'a Value, at: &str) -> Report {
        let mut report = Report::default();
        for (index, part) in value.as_array().into_iter().flatten().enumerate() {
            report.absorb(self.follows(known, part, &under(at, &index.to_string())));
        }
        report
    }

    /// Keywords that are followed by no rule: fine where they say what they said before.
    fn opaque(
        &self,
        facts: &Facts<'a>,
        siblings: &Map<String, Value>,
        (name, value): (&str, &Value),
        at: &str,
    ) -> Report {
        let together: &[&str] = match name {
            "if" if !siblings.contains_key("then") && !siblings.contains_key("else") => {
                return Report::default();
            }
            "if" => &["if", "then", "else"],
            "unevaluatedProperties" | "unevaluatedItems" if *value != Value::Bool(true) => &[],
            "$dynamicRef" | "$recursiveRef" => &[],
            "not" | "dependentSchemas" | "dependencies" | "additionalItems" | "contentEncoding"
            | "contentMediaType" | "contentSchema" => &[name],
            // Annotations, definitions, `then` and `else` (judged with their `if`), and what no draft knows.
            _ => return Report::default(),
        };
        let is_same = |part: &&Map<String, Value>| {
            together.iter().all(|&name| match (part.get(name), siblings.get(name)) {
                (Some(before), Some(after)) => self.is_same(before, after),
                (before, after) => before.is_none() && after.is_none(),
            })
        };
        if !together.is_empty() && facts.maps().any(|part| is_same(&part)) {
            return Report::default();
        }
        Report::unknown(at, format!("{name} cannot be compared where it or what stands beside it changes"))
    }

    /// Whether both say the same, references included.
    fn is_same(&self, before: &Value, after: &Value) -> bool {
        before == after && self.leads_to_the_same(before, &mut HashSet::new())
    }

    fn leads_to_the_same<'v>(&'v self, value: &'v Value, seen: &mut HashSet<&'v str>) -> bool {
        match value {
            Value::Array(items) => items.iter().all(|item| self.leads_to_the_same(item, seen)),
            Value::Object(members) => members.iter().all(|(name, member)| match (name.as_str(), member) {
                ("$ref", Value::String(to)) if seen.insert(to) => {
                    match (resolve(self.before, to), resolve(self.after, to)) {
                        (Some((_, before)), Some((_, after))) => {
                            before == after && self.leads_to_the_same(before, seen)
                        }
                        _ => false,
                    }
                }
                ("$ref", Value::String(_)) => true,
                ("$dynamicRef" | "$recursiveRef", _) => false,
                _ => self.leads_to_the_same(member, seen),
            }),
            _ => true,
        }
    }
}
