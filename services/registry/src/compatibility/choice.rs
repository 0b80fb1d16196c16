//! Alternatives: `anyOf` and `oneOf`, known or asked.

use serde_json::{Map, Value};

use super::{
    Comparison,
    enumerated::{equal, values_of},
    known::{Facts, Known},
    report::Report,
    types::Types,
};
use selvedge_kit::document::reference::{resolve, under};

/// Most alternatives of a `oneOf` that are compared pair by pair.
const MAX_ALTERNATIVES: usize = 64;

impl<'a> Comparison<'a> {
    /// One alternative has to follow.
    pub(super) fn any_of(
        &mut self,
        known: &Known<'a>,
        facts: &Facts<'a>,
        value: &'a Value,
        at: &str,
    ) -> Report {
        if facts.all("anyOf").any(|before| self.is_same(before, value)) {
            return Report::default();
        }
        let (mut possible, mut allowed) = (Vec::new(), Types::NONE);
        for (index, branch) in value.as_array().into_iter().flatten().enumerate() {
            let types = Types::of_schema(self.after, branch);
            if types.meets(facts.types) {
                possible.push(self.follows(known, branch, &under(at, &index.to_string())));
            }
            if possible.last().is_some_and(Report::is_clean) {
                return Report::default();
            }
            allowed = allowed.or(types);
        }
        match (facts.types.without(allowed), possible.len(), possible.pop()) {
            (Types::NONE, 1, Some(only)) => only,
            (Types::NONE, _, _) => {
                Report::unknown(at, "no one alternative could be shown to allow all that was allowed")
            }
            (lost, _, _) => Report::breaking(at, format!("no alternative allows {lost}")),
        }
    }

    /// One alternative has to follow, and no other may hold beside it.
    pub(super) fn one_of(
        &mut self,
        known: &Known<'a>,
        facts: &Facts<'a>,
        value: &'a Value,
        at: &str,
    ) -> Report {
        if facts.all("oneOf").any(|before| self.is_same(before, value)) {
            return Report::default();
        }
        let mut report = self.any_of(known, facts, value, at);
        if !self.are_apart(value.as_array().map(Vec::as_slice).unwrap_or_default()) {
            report.absorb(Report::unknown(
                at,
                "two alternatives may hold for one value; tell them apart by a required const property",
            ));
        }
        report
    }

    fn are_apart(&self, branches: &[Value]) -> bool {
        branches.len() <= MAX_ALTERNATIVES
            && branches.iter().enumerate().all(|(index, one)| {
                branches.iter().skip(index.saturating_add(1)).all(|other| self.is_apart(one, other))
            })
    }

    fn is_apart(&self, one: &Value, other: &Value) -> bool {
        let [of_one, of_other] = [one, other].map(|branch| Types::of_schema(self.after, branch));
        if !of_one.meets(of_other) {
            return true;
        }
        match (target(self.after, one), target(self.after, other)) {
            (Some(a), Some(b)) if of_one.and(of_other) == Types::OBJECT => {
                is_listed_apart(a, b) || has_apart_property(a, b)
            }
            (Some(a), Some(b)) => is_listed_apart(a, b),
            _ => false,
        }
    }

    /// Asks again for each of the cases there are: each alternative known, then each type. Nothing if
    /// there is only one case.
    pub(super) fn by_cases(
        &mut self,
        known: &Known<'a>,
        facts: &Facts<'a>,
        keywords: &'a Map<String, Value>,
        at: &str,
    ) -> Option<Report> {
        let cases = alternatives(known, facts).or_else(|| each_type(known, facts, keywords))?;
        let mut report = Report::default();
        for case in cases {
            report.absorb(self.within_bounds(at, |this| this.case(&case, keywords, at)));
        }
        Some(report)
    }

    fn case(&mut self, known: &Known<'a>, keywords: &'a Map<String, Value>, at: &str) -> Report {
        match self.facts(known) {
            facts if facts.is_impossible() => Report::default(),
            facts => self.answer_keywords(known, &facts, keywords, at),
        }
    }
}

/// What is known with each alternative of the first choice not made yet.
fn alternatives<'a>(known: &Known<'a>, facts: &Facts<'a>) -> Option<Vec<Known<'a>>> {
    let choices = facts.all("anyOf").chain(facts.all("oneOf")).filter_map(Value::as_array).map(Vec::as_slice);
    let mut open =
        choices.filter(|choice| !choice.is_empty() && !known.chosen.contains(&choice.as_ptr().addr()));
    let choice: &'a [Value] = open.next()?;
    Some(choice.iter().map(|branch| known.choosing(choice, branch)).collect())
}

/// What is known with each type it can be, where alternatives are asked for.
fn each_type<'a>(
    known: &Known<'a>,
    facts: &Facts<'a>,
    keywords: &Map<String, Value>,
) -> Option<Vec<Known<'a>>> {
    let types: Vec<Types> =
        Types::EACH.into_iter().map(|one| one.and(facts.types)).filter(|one| *one != Types::NONE).collect();
    let asks_for_one = keywords.contains_key("anyOf") || keywords.contains_key("oneOf");
    (asks_for_one && types.len() > 1)
        .then(|| types.into_iter().map(|types| Known { types, ..known.clone() }).collect())
}

/// The keywords of the schema, or of the one it refers to.
fn target<'v>(root: &'v Value, schema: &'v Value) -> Option<&'v Map<String, Value>> {
    match schema.get("$ref").and_then(Value::as_str) {
        Some(to) => resolve(root, to)?.1.as_object(),
        None => schema.as_object(),
    }
}

fn listed(keywords: &Map<String, Value>) -> Option<Vec<&Value>> {
    ["const", "enum"].into_iter().find_map(|name| keywords.get(name).map(|value| values_of(name, value)))
}

fn is_listed_apart(one: &Map<String, Value>, other: &Map<String, Value>) -> bool {
    match (listed(one), listed(other)) {
        (Some(one), Some(other)) => one.iter().all(|one| !other.iter().any(|other| equal(one, other))),
        _ => false,
    }
}

/// Whether both require a property whose listed values differ.
fn has_apart_property(one: &Map<String, Value>, other: &Map<String, Value>) -> bool {
    let required = |keywords: &Map<String, Value>, name: &Value| {
        keywords.get("required").and_then(Value::as_array).is_some_and(|names| names.contains(name))
    };
    let values = |keywords: &'_ Map<String, Value>, name: &str| {
        keywords
            .get("properties")
            .and_then(|properties| properties.get(name))
            .and_then(Value::as_object)
            .cloned()
    };
    let names = one.get("required").and_then(Value::as_array).into_iter().flatten();
    names.filter(|name| required(other, name)).filter_map(Value::as_str).any(|name| {
        match (values(one, name), values(other, name)) {
            (Some(one), Some(other)) => is_listed_apart(&one, &other),
            _ => false,
        }
    })
}
