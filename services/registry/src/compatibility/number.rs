//! Keywords of numbers. Bounds are compared as doubles; a whole number above another is at least one
//! above it.

use serde_json::Value;

use super::{known::Facts, report::Report, types::Types};

/// Doubles up to this one hold every whole number.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Keywords `minimum`, `exclusiveMinimum`, `maximum`, `exclusiveMaximum` and `multipleOf`.
pub(super) fn check(facts: &Facts<'_>, name: &str, value: &Value, at: &str) -> Report {
    match name {
        _ if !facts.types.meets(Types::NUMBER) => Report::default(),
        "multipleOf" => multiple_of(facts, value, at),
        "minimum" | "exclusiveMinimum" => bound(facts, Side::Low, (name, value), at),
        _ => bound(facts, Side::High, (name, value), at),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Low,
    High,
}

/// A lower bound; an upper one is its mirror image.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bound {
    limit: f64,
    is_open: bool,
}

impl Bound {
    fn new(limit: f64, name: &str, side: Side, whole: Whole) -> Self {
        let limit = if side == Side::Low { limit } else { -limit };
        let is_open = name.starts_with("exclusive");
        match whole {
            Whole::Numbers if limit.abs() < EXACT && is_open => {
                Self { limit: limit.floor() + 1.0, is_open: false }
            }
            Whole::Numbers if limit.abs() < EXACT => Self { limit: limit.ceil(), is_open: false },
            _ => Self { limit, is_open },
        }
    }

    fn implies(self, other: Self) -> bool {
        self.limit > other.limit || (self.limit >= other.limit && (self.is_open || !other.is_open))
    }
}

#[derive(Clone, Copy)]
enum Whole {
    Numbers,
    OrNot,
}

fn bound(facts: &Facts<'_>, side: Side, (name, value): (&str, &Value), at: &str) -> Report {
    let whole = if facts.types.meets(Types::FRACTION) { Whole::OrNot } else { Whole::Numbers };
    let Some(after) = exact(value) else {
        return Report::unknown(at, "this bound is not exact as a double");
    };
    let after = Bound::new(after, name, side, whole);
    let names = match side {
        Side::Low => ["minimum", "exclusiveMinimum"],
        Side::High => ["maximum", "exclusiveMaximum"],
    };
    let mut before = names
        .iter()
        .flat_map(|name| facts.all(name).filter_map(exact).map(|limit| Bound::new(limit, name, side, whole)));
    if before.any(|before| before.implies(after)) {
        return Report::default();
    }
    Report::breaking(at, format!("numbers beyond {name} {value} were allowed"))
}

fn multiple_of(facts: &Facts<'_>, value: &Value, at: &str) -> Report {
    let Some(after) = exact(value) else {
        return Report::unknown(at, "this number is not exact as a double");
    };
    let is_whole = |number: f64| number.fract() == 0.0 && number.abs() < EXACT;
    let implies = |before: f64| {
        before.to_bits() == after.to_bits() || (is_whole(before) && is_whole(after) && before % after == 0.0)
    };
    let before: Vec<f64> = facts.all("multipleOf").filter_map(exact).collect();
    let are_whole = !facts.types.meets(Types::FRACTION);
    match before.as_slice() {
        [] if are_whole && implies(1.0) => Report::default(),
        [] if are_whole && !is_whole(after) => {
            Report::unknown(at, "multiples of a fraction cannot be compared")
        }
        [] => Report::breaking(at, format!("numbers that are no multiple of {value} were allowed")),
        before if before.iter().any(|before| implies(*before)) => Report::default(),
        _ => Report::unknown(at, "multiples of different numbers cannot be compared"),
    }
}

/// The number, if a double holds it exactly.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "this is where the loss is looked for"
)]
fn exact(value: &Value) -> Option<f64> {
    let number = value.as_number()?;
    let integer = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    match integer {
        Some(integer) => Some(integer as f64).filter(|double| *double as i128 == integer),
        None => number.as_f64(),
    }
}
