//! Sets of JSON types: an upper bound of what a schema allows. Numbers are two of them, whole ones and
//! others, since `integer` is a part of `number`.

use std::fmt;

use serde_json::Value;

use super::{known::Facts, report::Report};
use selvedge_kit::document::reference::resolve;

/// A set of JSON types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Types(u8);

/// Most subschemas looked into for one bound; beyond it, all types are possible.
const MAX_LOOKS: u32 = 1_000;

impl Types {
    pub(super) const NONE: Self = Self(0);
    pub(super) const NULL: Self = Self(1);
    pub(super) const BOOLEAN: Self = Self(2);
    pub(super) const INTEGER: Self = Self(4);
    pub(super) const FRACTION: Self = Self(8);
    pub(super) const NUMBER: Self = Self(4 | 8);
    pub(super) const STRING: Self = Self(16);
    pub(super) const ARRAY: Self = Self(32);
    pub(super) const OBJECT: Self = Self(64);
    pub(super) const ALL: Self = Self(127);
    /// The types that JSON itself tells apart.
    pub(super) const EACH: [Self; 6] =
        [Self::NULL, Self::BOOLEAN, Self::NUMBER, Self::STRING, Self::ARRAY, Self::OBJECT];

    /// Types in both.
    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Types in either.
    pub(super) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the two have a type in common.
    pub(super) fn meets(self, other: Self) -> bool {
        self.and(other) != Self::NONE
    }

    /// Whether all of these are in `other`.
    pub(super) fn is_within(self, other: Self) -> bool {
        self.and(other) == self
    }

    /// Those not in `other`.
    pub(super) const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    fn named(name: &str) -> Self {
        match name {
            "null" => Self::NULL,
            "boolean" => Self::BOOLEAN,
            "integer" => Self::INTEGER,
            "number" => Self::NUMBER,
            "string" => Self::STRING,
            "array" => Self::ARRAY,
            "object" => Self::OBJECT,
            _ => Self::NONE,
        }
    }

    /// What the keyword `type` allows.
    pub(super) fn of_keyword(value: &Value) -> Self {
        match value {
            Value::String(name) => Self::named(name),
            Value::Array(names) => union(names.iter().filter_map(Value::as_str).map(Self::named)),
            _ => Self::ALL,
        }
    }

    /// The type of one value; `1.0` is whole.
    pub(super) fn of_value(value: &Value) -> Self {
        match value {
            Value::Null => Self::NULL,
            Value::Bool(_) => Self::BOOLEAN,
            Value::Number(number) if number.is_i64() || number.is_u64() => Self::INTEGER,
            Value::Number(number) if number.as_f64().is_some_and(|number| number.fract() == 0.0) => {
                Self::INTEGER
            }
            Value::Number(_) => Self::FRACTION,
            Value::String(_) => Self::STRING,
            Value::Array(_) => Self::ARRAY,
            Value::Object(_) => Self::OBJECT,
        }
    }

    /// No other types than these are allowed by `schema`, a part of the document `root`.
    pub(super) fn of_schema(root: &Value, schema: &Value) -> Self {
        let mut looks = MAX_LOOKS;
        look(root, schema, &mut looks, 16)
    }
}

fn union(types: impl Iterator<Item = Types>) -> Types {
    types.fold(Types::NONE, Types::or)
}

fn look(root: &Value, schema: &Value, looks: &mut u32, room: u32) -> Types {
    let (Some(left), Some(room)) = (looks.checked_sub(1), room.checked_sub(1)) else {
        return Types::ALL;
    };
    *looks = left;
    let keywords = match schema {
        Value::Bool(false) => return Types::NONE,
        Value::Object(keywords) => keywords,
        _ => return Types::ALL,
    };
    keywords.iter().fold(Types::ALL, |types, (name, value)| {
        types.and(match (name.as_str(), value) {
            ("type", names) => Types::of_keyword(names),
            ("const", value) => Types::of_value(value),
            ("enum", Value::Array(values)) => union(values.iter().map(Types::of_value)),
            ("$ref", Value::String(to)) => {
                resolve(root, to).map_or(Types::ALL, |(_, target)| look(root, target, looks, room))
            }
            ("allOf", Value::Array(all)) => {
                all.iter().fold(Types::ALL, |types, one| types.and(look(root, one, looks, room)))
            }
            ("anyOf" | "oneOf", Value::Array(any)) => {
                union(any.iter().map(|one| look(root, one, looks, room)))
            }
            _ => Types::ALL,
        })
    })
}

impl fmt::Display for Types {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names = Vec::new();
        for (types, name) in [
            (Self::NULL, "null"),
            (Self::BOOLEAN, "boolean"),
            (Self::NUMBER, "number"),
            (Self::STRING, "string"),
            (Self::ARRAY, "array"),
            (Self::OBJECT, "object"),
        ] {
            match self.and(types) {
                Self::NONE => {}
                Self::INTEGER => names.push("integer"),
                Self::FRACTION => names.push("number that is not whole"),
                _ => names.push(name),
            }
        }
        f.write_str(&names.join(", "))
    }
}

/// Keyword `type`: all types that were possible must be allowed.
pub(super) fn check(facts: &Facts<'_>, value: &Value, at: &str) -> Report {
    match facts.types.without(Types::of_keyword(value)) {
        Types::NONE => Report::default(),
        lost => Report::breaking(at, format!("not allowed any more: {lost}")),
    }
}
