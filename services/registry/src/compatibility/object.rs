//! Keywords of objects. Which schema holds for a property depends on three keywords of one schema
//! together: `properties`, `patternProperties` and, for the rest, `additionalProperties`.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{
    Comparison,
    known::{Below, Facts, Known, at_least, at_most},
    report::Report,
    types::Types,
};
use selvedge_kit::document::reference::under;

impl<'a> Comparison<'a> {
    /// The keywords of objects.
    pub(super) fn object(
        &mut self,
        facts: &Facts<'a>,
        siblings: &'a Map<String, Value>,
        (name, value): (&str, &'a Value),
        at: &str,
    ) -> Report {
        match name {
            _ if !facts.types.meets(Types::OBJECT) => Report::default(),
            "required" => required(facts, value, at),
            "dependentRequired" => dependent_required(facts, value, at),
            "minProperties" => at_least(least_properties(facts), value, at, "properties"),
            "maxProperties" => at_most(most_properties(facts), value, at, "properties"),
            "properties" => self.properties(facts, value, at),
            "patternProperties" => self.pattern_properties(facts, value, at),
            "propertyNames" => self.property_names(facts, value, at),
            _ => self.additional_properties(facts, siblings, value, at),
        }
    }

    fn properties(&mut self, facts: &Facts<'a>, value: &'a Value, at: &str) -> Report {
        let mut report = Report::default();
        for (name, asked) in value.as_object().into_iter().flatten() {
            report.absorb(self.property(facts, name, asked, &under(at, name)));
        }
        report
    }

    fn property(&mut self, facts: &Facts<'a>, name: &str, asked: &'a Value, at: &str) -> Report {
        let Below { known, is_all } = property(facts, name);
        match self.follows(&known, asked, at) {
            report if is_all => report,
            report => report.in_doubt(),
        }
    }

    fn pattern_properties(&mut self, facts: &Facts<'a>, value: &'a Value, at: &str) -> Report {
        let mut report = Report::default();
        for (pattern, asked) in value.as_object().into_iter().flatten() {
            let before =
                facts.all("patternProperties").filter_map(|patterns| patterns.get(pattern)).collect();
            report.absorb(self.follows(&Known::all(before), asked, &under(at, pattern)).in_doubt());
        }
        report
    }

    fn property_names(&mut self, facts: &Facts<'a>, value: &'a Value, at: &str) -> Report {
        let known = Known { types: Types::STRING, ..Known::all(facts.all("propertyNames").collect()) };
        match self.follows(&known, value, at) {
            report if facts.maps().any(is_closed) => report.in_doubt(),
            report => report,
        }
    }

    /// For properties that `properties` and `patternProperties` beside it leave over: those named
    /// before, then all others.
    fn additional_properties(
        &mut self,
        facts: &Facts<'a>,
        siblings: &'a Map<String, Value>,
        value: &'a Value,
        at: &str,
    ) -> Report {
        let patterns = siblings.get("patternProperties").and_then(Value::as_object);
        let named = siblings.get("properties").and_then(Value::as_object);
        let mut report = Report::default();
        let before: BTreeSet<&String> =
            facts.all("properties").filter_map(Value::as_object).flat_map(Map::keys).collect();
        for name in before.into_iter().filter(|name| !named.is_some_and(|named| named.contains_key(*name))) {
            let found = self.property(facts, name, value, at);
            let found = if patterns.is_some() { found.in_doubt() } else { found };
            report.absorb(found);
        }
        let Below { known, is_all } = others(facts, patterns);
        let found = self.follows(&known, value, at);
        report.absorb(if is_all && patterns.is_none() { found } else { found.in_doubt() });
        report
    }
}

fn has_patterns(part: &Map<String, Value>) -> bool {
    part.get("patternProperties").and_then(Value::as_object).is_some_and(|patterns| !patterns.is_empty())
}

/// Whether no property is allowed but those in `properties`.
fn is_closed(part: &Map<String, Value>) -> bool {
    part.get("additionalProperties") == Some(&Value::Bool(false)) && !has_patterns(part)
}

/// What is known of the property `name`. Patterns are not matched here, so that what holds for the
/// rest is not used where there are any.
fn property<'a>(facts: &Facts<'a>, name: &str) -> Below<'a> {
    let of = |part: &'a Map<String, Value>| match part.get("properties").and_then(|named| named.get(name)) {
        Some(schema) => Some(schema),
        None if has_patterns(part) => None,
        None => part.get("additionalProperties"),
    };
    Below {
        known: Known::all(facts.maps().filter_map(of).collect()),
        is_all: !facts.maps().any(has_patterns),
    }
}

/// What is known of properties that are named nowhere, before or after, and match none of the patterns
/// after. A part with another pattern says nothing of them for certain.
fn others<'a>(facts: &Facts<'a>, patterns: Option<&Map<String, Value>>) -> Below<'a> {
    let usable =
        |part: &&'a Map<String, Value>| match part.get("patternProperties").and_then(Value::as_object) {
            Some(before) => {
                before.keys().all(|pattern| patterns.is_some_and(|after| after.contains_key(pattern)))
            }
            None => true,
        };
    let parts = facts.maps().filter(usable).filter_map(|part| part.get("additionalProperties")).collect();
    Below { known: Known::all(parts), is_all: facts.maps().all(|part| usable(&part)) }
}

fn is_required(facts: &Facts<'_>, name: &Value) -> bool {
    facts.all("required").filter_map(Value::as_array).any(|names| names.contains(name))
}

fn required(facts: &Facts<'_>, value: &Value, at: &str) -> Report {
    let mut report = Report::default();
    for (index, name) in value.as_array().into_iter().flatten().enumerate() {
        if !is_required(facts, name) {
            report.absorb(Report::breaking(
                &under(at, &index.to_string()),
                format!("{name} is required; it could be left out"),
            ));
        }
    }
    report
}

fn dependent_required(facts: &Facts<'_>, value: &Value, at: &str) -> Report {
    let mut report = Report::default();
    for (trigger, names) in value.as_object().into_iter().flatten() {
        let is_known = |name: &Value| {
            let mut before =
                facts.all("dependentRequired").filter_map(|map| map.get(trigger)).filter_map(Value::as_array);
            is_required(facts, name) || before.any(|names| names.contains(name))
        };
        for name in names.as_array().into_iter().flatten().filter(|name| !is_known(name)) {
            let message = format!("{name} is required beside {trigger:?}; it could be left out");
            report.absorb(Report::breaking(&under(at, trigger), message));
        }
    }
    report
}

fn least_properties(facts: &Facts<'_>) -> u64 {
    let required: BTreeSet<&str> =
        facts.all("required").filter_map(Value::as_array).flatten().filter_map(Value::as_str).collect();
    facts.highest("minProperties").unwrap_or(0).max(required.len() as u64)
}

fn most_properties(facts: &Facts<'_>) -> Option<u64> {
    let named = |part: &Map<String, Value>| {
        part.get("properties").and_then(Value::as_object).map_or(0, Map::len) as u64
    };
    facts
        .lowest("maxProperties")
        .into_iter()
        .chain(facts.maps().filter(|part| is_closed(part)).map(named))
        .min()
}
