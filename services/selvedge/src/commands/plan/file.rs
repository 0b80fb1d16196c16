//! Plans in files: JSON or YAML.

use std::path::Path;

use selvedge_contracts::{fault::Fault, payload::plan::PlanSpec};

use crate::{exit::Failure, input};

/// The plan in a file, or on standard input for `-`. What is no JSON is read as YAML.
///
/// # Errors
/// [`Failure`] says what cannot be read, and where.
pub(in crate::commands) fn plan(path: &Path) -> Result<PlanSpec, Failure> {
    let text = input::text(path)?;
    let name = path.display().to_string();
    let is_json = text.trim_start().starts_with('{');
    let read = match is_json {
        true => serde_json::from_str(&text).map_err(|error| error.to_string()),
        false => yaml(&text),
    };
    read.map_err(|error| {
        let sort = if is_json { "JSON" } else { "YAML" };
        Fault::invalid(format!("{name} is no plan in {sort}: {error}")).into()
    })
}

fn yaml(text: &str) -> Result<PlanSpec, String> {
    serde_saphyr::from_str(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_in_yaml_is_the_plan_in_json() {
        let written = yaml(
            "title: a test\ntasks:\n  - id: a\n    title: first\n    checks: [{kind: pointer, at: /ok, equals: true}]\n  - id: b\n    title: second\n    needs: [a]\n    timeout_ms: 5000\n    input: {n: 1, text: \"yes\"}\n    output_contract: {name: x.y, version: 2}\n",
        );
        let json = serde_json::json!({ "title": "a test", "tasks": [
            { "id": "a", "title": "first", "checks": [{ "kind": "pointer", "at": "/ok", "equals": true }] },
            { "id": "b", "title": "second", "needs": ["a"], "timeout_ms": 5000, "input": { "n": 1, "text": "yes" },
                "output_contract": { "name": "x.y", "version": 2 } },
        ] });
        assert_eq!(written.unwrap(), serde_json::from_value(json).unwrap());
        assert!(yaml("title: a\ntasks: []\nteam: x\n").unwrap_err().contains("team"));
    }
}
