//! Keywords of arrays. Which schema holds for an item depends on `prefixItems` and, for the rest, on
//! `items` of one schema together.

use serde_json::{Map, Value};

use super::{
    Comparison,
    known::{Facts, Known, at_least, at_most, count},
    report::Report,
    types::Types,
};
use selvedge_kit::document::reference::under;

impl<'a> Comparison<'a> {
    /// The keywords of arrays.
    pub(super) fn array(
        &mut self,
        facts: &Facts<'a>,
        siblings: &'a Map<String, Value>,
        (name, value): (&str, &'a Value),
        at: &str,
    ) -> Report {
        match name {
            _ if !facts.types.meets(Types::ARRAY) => Report::default(),
            "minItems" => at_least(facts.highest("minItems").unwrap_or(0), value, at, "items"),
            "maxItems" => at_most(most_items(facts), value, at, "items"),
            "uniqueItems" => unique(facts, value, at),
            "contains" => self.contains(facts, siblings, value, at),
            "prefixItems" => self.prefix(facts, value, at),
            _ => self.rest(facts, siblings, value, at),
        }
    }

    fn prefix(&mut self, facts: &Facts<'a>, value: &'a Value, at: &str) -> Report {
        let most = most_items(facts).unwrap_or(u64::MAX);
        let mut report = Report::default();
        for (index, asked) in (0..most).zip(value.as_array().into_iter().flatten()) {
            let index = usize::try_from(index).unwrap_or(usize::MAX);
            report.absorb(self.follows(&item(facts, index), asked, &under(at, &index.to_string())));
        }
        report
    }

    /// Keyword `items`: for the items after the prefix, of which a longer prefix before may name some.
    fn rest(
        &mut self,
        facts: &Facts<'a>,
        siblings: &'a Map<String, Value>,
        value: &'a Value,
        at: &str,
    ) -> Report {
        let from = siblings.get("prefixItems").and_then(Value::as_array).map_or(0, Vec::len);
        let to = facts.maps().map(|part| prefix(part).len()).max().unwrap_or(0).max(from);
        let most = most_items(facts).unwrap_or(u64::MAX);
        let mut report = Report::default();
        for index in (from..=to).filter(|index| (*index as u64) < most) {
            report.absorb(self.follows(&item(facts, index), value, at));
        }
        report
    }

    fn contains(&self, facts: &Facts<'a>, siblings: &Map<String, Value>, value: &Value, at: &str) -> Report {
        let (least, most) = contained(siblings);
        let implies = |part: &Map<String, Value>| {
            let (before_least, before_most) = contained(part);
            part.get("contains").is_some_and(|before| self.is_same(before, value))
                && before_least >= least
                && most.is_none_or(|most| before_most.is_some_and(|before| before <= most))
        };
        match () {
            () if least == 0 && most.is_none() => Report::default(),
            () if facts.maps().any(implies) => Report::default(),
            () => Report::unknown(at, "contains cannot be compared where it or its bounds change"),
        }
    }
}

fn prefix(part: &Map<String, Value>) -> &[Value] {
    part.get("prefixItems").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// What is known of the item at `index`; from the longest prefix on, of every further one.
fn item<'a>(facts: &Facts<'a>, index: usize) -> Known<'a> {
    Known::all(
        facts.maps().filter_map(|part| prefix(part).get(index).or_else(|| part.get("items"))).collect(),
    )
}

/// Most items possible: by `maxItems`, or where no item may follow the prefix.
fn most_items(facts: &Facts<'_>) -> Option<u64> {
    let closed = facts.maps().filter(|part| part.get("items") == Some(&Value::Bool(false)));
    facts.lowest("maxItems").into_iter().chain(closed.map(|part| prefix(part).len() as u64)).min()
}

fn unique(facts: &Facts<'_>, value: &Value, at: &str) -> Report {
    let is_unique = facts.all("uniqueItems").any(|before| *before == Value::Bool(true));
    match value {
        Value::Bool(true) if !is_unique && most_items(facts).is_none_or(|most| most > 1) => {
            Report::breaking(at, "items must be unique; they could repeat")
        }
        _ => Report::default(),
    }
}

/// How many items must, and at most may, satisfy `contains`.
fn contained(part: &Map<String, Value>) -> (u64, Option<u64>) {
    (part.get("minContains").map_or(Some(1), count).unwrap_or(1), part.get("maxContains").and_then(count))
}
