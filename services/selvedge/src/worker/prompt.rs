//! What a command is told of its task: for an agent that reads, in plain words.

use clap::ValueEnum;
use selvedge_contracts::payload::{
    plan::{Check, UndoWish},
    task::Claimed,
};
use serde_json::Value;

/// How a command gets its prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum How {
    /// On its standard input.
    #[default]
    Stdin,
    /// In the file that `SELVEDGE_PROMPT` names, and `{prompt_file}` in the command.
    File,
    /// In place of `{prompt}` in the command.
    Arg,
}

/// Most bytes of one input that stand in the prompt; all of it stands in its file.
const MAX_SHOWN_BYTES: usize = 4_096;

/// The prompt; `schema` is that of the output, if it has a contract.
pub(super) fn text(claimed: &Claimed, schema: Option<&Value>) -> String {
    let Claimed { spec, plan_title, .. } = claimed;
    let mut text = format!("# {}\n\nA task of the plan {plan_title:?}.\n", spec.title);
    if !spec.description.is_empty() {
        text.push_str(&format!("\n{}\n", spec.description));
    }
    if let Some(input) = &spec.input {
        text.push_str(&format!("\n## Parameters\n\n```json\n{input:#}\n```\n"));
    }
    inputs(claimed, &mut text);
    if let Some(workspace) = &spec.workspace {
        text.push_str(&format!(
            "\n## Where\n\nThe current folder is a checkout of the branch {} of {}. What differs in its files in the end is handed in as a change set; commit or not, as you like.\n",
            workspace.branch, workspace.repository
        ));
    }
    text.push_str("\n## What to hand in\n\nWrite one JSON document to the file that SELVEDGE_OUTPUT names, or to standard output.\n");
    if let Some(contract) = &spec.output_contract {
        text.push_str(&format!("It has to satisfy the contract {contract}"));
        match schema {
            Some(schema) => text.push_str(&format!(":\n\n```json\n{schema:#}\n```\n")),
            None => text.push_str(".\n"),
        }
    }
    if !spec.checks.is_empty() {
        text.push_str("\nWhat will be looked at:\n");
        spec.checks.iter().for_each(|check| text.push_str(&format!("- {}\n", checked(check))));
    }
    effects(claimed, &mut text);
    past(claimed, &mut text);
    note(claimed, &mut text);
    text
}

fn inputs(claimed: &Claimed, text: &mut String) {
    if !claimed.inputs.is_empty() {
        text.push_str("\n## What the tasks before it handed in\n");
    }
    for input in &claimed.inputs {
        let name = &input.input.task;
        text.push_str(&format!("\n{name} (all of it: $SELVEDGE_INPUTS/{name}.json)\n"));
        if let Some(value) = &input.value {
            text.push_str(&format!("```json\n{}\n```\n", cut(&format!("{value:#}"))));
        }
    }
}

fn past(claimed: &Claimed, text: &mut String) {
    if !claimed.task.past.is_empty() {
        text.push_str("\n## What came of earlier attempts\n\n");
    }
    for past in &claimed.task.past {
        text.push_str(&format!("- attempt {} ({}): {}\n", past.attempt, past.cause.name(), past.reason));
    }
}

/// What whoever had it tried once more wants said: last, since it holds against what is said before.
fn note(claimed: &Claimed, text: &mut String) {
    let Some(note) = &claimed.task.note else { return };
    text.push_str(&format!(
        "\n## What {} says, who decided that it is tried once more\n\n{}\n",
        note.by, note.text
    ));
}

fn effects(claimed: &Claimed, text: &mut String) {
    let declared = &claimed.spec.effects;
    if declared.is_empty() {
        return;
    }
    text.push_str("\nWhat it changes outside, once its output holds, in this order. What exactly, you write as the payload of governance.propose to $SELVEDGE_EFFECTS/NAME.json");
    text.push_str(
        " (a change set of the checkout that fits one is handed in for it where there is no such file):\n",
    );
    for effect in declared {
        let undo = if effect.undo == UndoWish::Required { ", with its undo" } else { "" };
        text.push_str(&format!("- {}: {}{undo}\n", effect.name, effect.on));
    }
}

fn checked(check: &Check) -> String {
    let is_command = matches!(check, Check::Command { .. });
    if is_command { format!("{check}, run by somebody else") } else { check.to_string() }
}

fn cut(text: &str) -> String {
    if text.len() <= MAX_SHOWN_BYTES {
        return text.to_owned();
    }
    let mut end = MAX_SHOWN_BYTES;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}\n[… the rest stands in its file]", text.get(..end).unwrap_or_default())
}

/// Puts what is meant in the place of `{name}` in an argument; what was put in is not looked at again.
pub(super) fn filled(argument: &str, places: &[(&str, &str)]) -> String {
    let mut text = String::new();
    let mut rest = argument;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let found = places
            .iter()
            .find_map(|(name, value)| Some((value, after.strip_prefix(name)?.strip_prefix('}')?)));
        match found {
            Some((value, left)) => {
                text.push_str(value);
                rest = left;
            }
            None => {
                text.push('{');
                rest = after;
            }
        }
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn claimed(spec: Value) -> Claimed {
        serde_json::from_value(json!({
            "task": {
                "id": format!("task_{}", "1".repeat(32)), "mission": "demo",
                "plan": format!("plan_{}", "2".repeat(64)), "name": "b", "state": "running", "attempt": 2,
                "tries": 2, "round": 0,
                "past": [{ "attempt": 1, "worker": "ada", "ended_at_ms": 1, "cause": "rejected",
                    "reason": "`make` ends with 0: status 2" }],
                "note": { "by": "judy", "case": format!("case_{}", "4".repeat(32)), "text": "mind the tabs" },
            },
            "revision": 1, "plan_title": "a plan", "spec": spec,
            "inputs": [{ "input": { "task": "a", "digest": "0".repeat(64), "revision": 1 },
                "id": format!("task_{}", "3".repeat(32)), "value": { "n": 1 } }],
        }))
        .unwrap()
    }

    #[test]
    fn all_that_matters_stands_in_it() {
        let claimed = claimed(json!({
            "id": "b", "title": "Do it", "description": "like this", "input": { "x": 7 },
            "output_contract": { "name": "test.out", "version": 1 },
            "checks": [{ "kind": "command", "run": ["make"] }, { "kind": "pointer", "at": "/ok" }],
            "workspace": { "repository": "record", "branch": "main" },
            "effects": [{ "name": "tell", "on": { "kind": "external", "effector": "mailer" }, "undo": "required" }],
        }));
        let text = text(&claimed, Some(&json!({ "type": "object" })));
        for said in [
            "# Do it",
            "like this",
            "\"x\": 7",
            "a (all of it",
            "\"n\": 1",
            "branch main of record",
            "test.out/1",
            "\"type\": \"object\"",
            "`make` ends with 0, run by somebody else",
            "attempt 1 (rejected)",
            "tell: external mailer, with its undo",
            "judy says",
            "mind the tabs",
        ] {
            assert!(text.contains(said), "{said}: {text}");
        }
    }

    #[test]
    fn what_is_too_long_is_cut_and_places_are_filled_once() {
        assert!(cut(&"ä".repeat(MAX_SHOWN_BYTES)).ends_with("in its file]"));
        let places = [("prompt", "{output} y"), ("output", "o")];
        assert_eq!(filled("-p={prompt} {x} {output}{", &places), "-p={output} y {x} o{");
    }
}
