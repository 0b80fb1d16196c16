//! What a proposal must be like beyond what its schema can say. Pure: the world is looked at elsewhere.

use std::collections::HashSet;

use selvedge_contracts::{
    fault::Detail,
    payload::intent::{
        Effect, FencingToken, IntentPrecondition, MAX_INTENT_BYTES, MAX_VALUE_BYTES, STEP_PREFIX,
    },
};
use serde_json::Value;

use crate::intent::detail;

mod git;
mod http;

/// Most findings that are listed.
const MAX_FINDINGS: usize = 100;

/// The parts of a proposal whose shape is checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proposal<'a> {
    /// JSON pointer to it in the request.
    pub(crate) at: &'a str,
    pub(crate) title: &'a str,
    pub(crate) effect: &'a Effect,
    pub(crate) undo: Option<&'a Effect>,
    pub(crate) preconditions: &'a [IntentPrecondition],
    pub(crate) tokens: &'a [FencingToken],
}

/// What is wrong, and where.
pub(super) struct Findings(Vec<Detail>);

impl Findings {
    pub(super) fn add(&mut self, at: impl AsRef<str>, message: impl Into<String>) {
        if self.0.len() < MAX_FINDINGS {
            self.0.push(detail(at.as_ref(), message));
        }
    }
}

/// Everything that is wrong with a proposal in itself.
pub(crate) fn check(proposal: &Proposal<'_>) -> Vec<Detail> {
    let Proposal { at, title, effect, undo, preconditions, tokens } = *proposal;
    let mut found = Findings(Vec::new());
    if title.chars().any(char::is_control) {
        found.add(format!("{at}/title"), "it holds a control character; expected one line");
    }
    check_effect(effect, &format!("{at}/effect"), &mut found);
    if let Some(undo) = undo {
        check_effect(undo, &format!("{at}/undo"), &mut found);
    }
    let size_bytes = json_bytes(effect) + undo.map_or(0, json_bytes);
    if size_bytes > MAX_INTENT_BYTES {
        let message = format!(
            "{size_bytes} bytes of JSON with its undo: expected at most {MAX_INTENT_BYTES}; make it several intents"
        );
        found.add(format!("{at}/effect"), message);
    }
    let mut entities = HashSet::new();
    for (index, wanted) in preconditions.iter().enumerate() {
        if !entities.insert((wanted.entity, &wanted.id)) {
            found.add(format!("{at}/preconditions/{index}"), "this entity is named twice");
        }
    }
    let mut leases = HashSet::new();
    for (index, token) in tokens.iter().enumerate() {
        if !leases.insert((&token.space, &token.lease)) {
            found.add(format!("{at}/tokens/{index}"), "this lease is named twice");
        }
    }
    found.0
}

/// What is wrong with an occurrence.
pub(crate) fn occurrence(occurrence: Option<&str>) -> Option<Detail> {
    let occurrence = occurrence?;
    if occurrence.starts_with(STEP_PREFIX) {
        return Some(detail(
            "/occurrence",
            format!("{STEP_PREFIX}… is for the steps of sagas; name another one"),
        ));
    }
    let is_plain = !occurrence.chars().any(char::is_control);
    (!is_plain).then(|| detail("/occurrence", "it holds a control character"))
}

fn check_effect(effect: &Effect, at: &str, found: &mut Findings) {
    match effect {
        Effect::Git(git) => git::check(git, at, found),
        Effect::Http(http) => http::check(http, at, found),
        Effect::Memory(memory) => {
            if let Some(value) = &memory.value {
                check_value(value, &format!("{at}/value"), found);
            }
        }
        Effect::External(external) => {
            if external.operation.chars().any(char::is_control) {
                found.add(format!("{at}/operation"), "it holds a control character");
            }
            check_value(&external.arguments, &format!("{at}/arguments"), found);
        }
    }
}

fn check_value(value: &Value, at: &str, found: &mut Findings) {
    let size_bytes = json_bytes(value);
    if size_bytes > MAX_VALUE_BYTES {
        found.add(
            at,
            format!(
                "{size_bytes} bytes of JSON: expected at most {MAX_VALUE_BYTES}; store it as an artifact"
            ),
        );
    }
    check_numbers(value, at, found);
}

/// Canonical JSON (RFC 8785) has doubles for numbers: whole ones beyond 2^53 would be blurred there, and two
/// different proposals be one.
fn check_numbers(value: &Value, at: &str, found: &mut Findings) {
    const EXACT: u64 = 1 << 53;
    match value {
        Value::Number(number) => {
            let magnitude = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
            if magnitude.is_some_and(|magnitude| magnitude > EXACT) {
                found.add(at, format!("{number} is beyond 2^53, where not every whole number has a form of its own; send it as a text"));
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check_numbers(item, &format!("{at}/{index}"), found);
            }
        }
        Value::Object(fields) => {
            for (key, field) in fields {
                let key = key.replace('~', "~0").replace('/', "~1"); // RFC 6901
                check_numbers(field, &format!("{at}/{key}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

fn json_bytes(value: &impl serde::Serialize) -> usize {
    serde_json::to_vec(value).map_or(usize::MAX / 4, |json| json.len())
}

#[cfg(test)]
mod tests;
