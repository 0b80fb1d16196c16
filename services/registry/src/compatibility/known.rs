//! What is known of a value: schemas that it satisfies, all of them in the document before. Facts may
//! be forgotten, never invented.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::{Question, report::Report, types::Types};
use selvedge_kit::document::reference::resolve;

/// Schemas that a value satisfies.
#[derive(Debug, Clone)]
pub(super) struct Known<'a> {
    /// Each of them holds.
    pub parts: Vec<&'a Value>,
    /// It is of one of these types.
    pub types: Types,
    /// Alternatives (by address) of which one was already added to the parts.
    pub chosen: Vec<usize>,
}

impl<'a> Known<'a> {
    /// That a value satisfies `schema`.
    pub(super) fn of(schema: &'a Value) -> Self {
        Self::all(vec![schema])
    }

    /// That a value satisfies each of the schemas.
    pub(super) fn all(parts: Vec<&'a Value>) -> Self {
        Self { parts, types: Types::ALL, chosen: Vec::new() }
    }

    /// Also that it satisfies `branch`, one of the `alternatives`.
    pub(super) fn choosing(&self, alternatives: &'a [Value], branch: &'a Value) -> Self {
        let mut next = self.clone();
        next.parts.push(branch);
        next.chosen.push(alternatives.as_ptr().addr());
        next
    }

    /// The question whether `asked` follows from this.
    pub(super) fn question(&self, asked: &Value) -> Question {
        let mut parts: Vec<usize> = self.parts.iter().map(|part| std::ptr::from_ref(*part).addr()).collect();
        parts.sort_unstable();
        parts.dedup();
        (parts, self.types, std::ptr::from_ref(asked).addr())
    }

    /// The parts with `$ref` and `allOf` followed in the document `root`.
    pub(super) fn facts(&self, root: &'a Value) -> Facts<'a> {
        let (mut parts, mut todo, mut seen) = (Vec::new(), self.parts.clone(), HashSet::new());
        while let Some(part) = todo.pop() {
            if !seen.insert(std::ptr::from_ref(part)) {
                continue;
            }
            parts.push(part);
            todo.extend(
                part.get("$ref").and_then(Value::as_str).and_then(|to| resolve(root, to)).map(|(_, to)| to),
            );
            todo.extend(part.get("allOf").and_then(Value::as_array).into_iter().flatten());
        }
        let types = parts.iter().fold(self.types, |types, part| types.and(Types::of_schema(root, part)));
        Facts { parts, types }
    }
}

/// What is known, spread out: each part is one schema without the ones it refers to.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    /// Each of them holds.
    pub parts: Vec<&'a Value>,
    /// The value is of one of these types.
    pub types: Types,
}

/// What is known of a value inside, and whether some of it could not be used.
pub(super) struct Below<'a> {
    /// What is known.
    pub known: Known<'a>,
    /// Whether that is all there is to know.
    pub is_all: bool,
}

impl<'a> Facts<'a> {
    /// The parts that are objects of keywords.
    pub(super) fn maps(&self) -> impl Iterator<Item = &'a Map<String, Value>> + '_ {
        self.parts.iter().filter_map(|part| part.as_object())
    }

    /// Every value of one keyword.
    pub(super) fn all(&self, keyword: &'static str) -> impl Iterator<Item = &'a Value> + '_ {
        self.maps().filter_map(move |part| part.get(keyword))
    }

    /// Whether no value can be like this.
    pub(super) fn is_impossible(&self) -> bool {
        self.types == Types::NONE
    }

    /// The only values possible, if they are listed.
    pub(super) fn values(&self) -> Option<Vec<&'a Value>> {
        let constant = self.all("const").next().map(|value| vec![value]);
        let listed = || self.all("enum").filter_map(Value::as_array).min_by_key(|values| values.len());
        let values = constant.or_else(|| listed().map(|values| values.iter().collect()))?;
        Some(values.into_iter().filter(|value| Types::of_value(value).is_within(self.types)).collect())
    }

    /// The highest of the counts that `keyword` sets.
    pub(super) fn highest(&self, keyword: &'static str) -> Option<u64> {
        self.all(keyword).filter_map(count).max()
    }

    /// The lowest of the counts that `keyword` sets.
    pub(super) fn lowest(&self, keyword: &'static str) -> Option<u64> {
        self.all(keyword).filter_map(count).min()
    }
}

/// The count that a keyword such as `minLength` sets; `3.0` is 3.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be whole and in range"
)]
pub(super) fn count(value: &Value) -> Option<u64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let whole = |number: &f64| number.fract() == 0.0 && (0.0..=EXACT).contains(number);
    value.as_u64().or_else(|| value.as_f64().filter(whole).map(|number| number as u64))
}

/// A lower bound of a count, kept from before or raised.
pub(super) fn at_least(before: u64, value: &Value, at: &str, what: &str) -> Report {
    match count(value) {
        Some(after) if before >= after => Report::default(),
        Some(after) => Report::breaking(at, format!("at least {after} {what}; {before} were enough")),
        None => Report::unknown(at, "this bound is no count"),
    }
}

/// An upper bound of a count, kept from before or lowered.
pub(super) fn at_most(before: Option<u64>, value: &Value, at: &str, what: &str) -> Report {
    match (count(value), before) {
        (Some(after), Some(before)) if before <= after => Report::default(),
        (Some(after), Some(before)) => {
            Report::breaking(at, format!("at most {after} {what}; {before} were allowed"))
        }
        (Some(after), None) => Report::breaking(at, format!("at most {after} {what}; there was no bound")),
        (None, _) => Report::unknown(at, "this bound is no count"),
    }
}
