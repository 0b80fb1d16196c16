//! What the service itself sees of an output: values at its places, numbers of items, and where it refers to
//! stored content.

use selvedge_contracts::{
    id::{ArtifactRef, Digest},
    payload::{
        artifact::Meaning,
        plan::{Check, TaskSpec},
        task::Finding,
    },
};
use serde_json::Value;

use super::cut;

/// The references to stored content that the checks of a task are about, in the order of those checks;
/// nothing where none stands.
pub(crate) fn references(spec: &TaskSpec, output: &Value) -> Vec<Option<ArtifactRef>> {
    let reference = |check: &Check| match check {
        Check::Artifact { at, .. } => {
            Some(output.pointer(at).and_then(Value::as_str).and_then(|text| ArtifactRef::new(text).ok()))
        }
        _ => None,
    };
    spec.checks.iter().filter_map(reference).collect()
}

/// What is seen of each check that the service can make; `meant` says what the references mean, in the order
/// of [`references`].
pub(crate) fn look(spec: &TaskSpec, output: &Value, meant: &[Option<Meaning>]) -> Vec<Finding> {
    let mut meant = meant.iter();
    let mut findings = Vec::new();
    for check in spec.checks.iter().filter(|check| !check.needs_verifier()) {
        let (passed, seen) = match check {
            Check::Pointer { at, equals } => value(output.pointer(at), equals.as_ref()),
            Check::Rows { at, min, max } => rows(output.pointer(at), *min, *max),
            Check::Artifact { digest, .. } => content(meant.next().and_then(Option::as_ref), digest.as_ref()),
            Check::Command { .. } | Check::Agrees { .. } => continue,
        };
        findings.push(finding(&check.to_string(), passed, &seen));
    }
    findings
}

pub(crate) fn finding(check: &str, passed: bool, seen: &str) -> Finding {
    Finding { check: cut(check), passed, seen: cut(seen) }
}

fn value(found: Option<&Value>, wanted: Option<&Value>) -> (bool, String) {
    match (found, wanted) {
        (None, _) => (false, "nothing stands there".to_owned()),
        (Some(found), None) => (true, found.to_string()),
        (Some(found), Some(wanted)) => (is_same(found, wanted), found.to_string()),
    }
}

/// Whether two values have one canonical form: 1 and 1.0 are one number.
pub(super) fn is_same(one: &Value, other: &Value) -> bool {
    Digest::of_json(one) == Digest::of_json(other)
}

fn rows(found: Option<&Value>, min: u64, max: Option<u64>) -> (bool, String) {
    let Some(items) = found.and_then(Value::as_array) else {
        return (false, "no array stands there".to_owned());
    };
    let count = u64::try_from(items.len()).unwrap_or(u64::MAX);
    (count >= min && max.is_none_or(|max| count <= max), format!("{count} items"))
}

fn content(meant: Option<&Meaning>, wanted: Option<&Digest>) -> (bool, String) {
    match (meant, wanted) {
        (None, _) => (false, "no reference to content stands there".to_owned()),
        (Some(Meaning::Unusable(reason)), _) => (false, reason.clone()),
        (Some(Meaning::Content(digest)), wanted) => {
            (wanted.is_none_or(|wanted| wanted == digest), format!("the content {digest}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rule::fixture::task;

    fn seen(checks: Value, output: &Value, meant: &[Option<Meaning>]) -> Vec<bool> {
        let spec = TaskSpec { checks: serde_json::from_value(checks).unwrap(), ..task("a", &[]) };
        look(&spec, output, meant).into_iter().map(|finding| finding.passed).collect()
    }

    #[test]
    fn values_and_rows_are_held_against_what_was_asked_for() {
        let output = json!({ "n": 1, "rows": [1, 2, 3], "": { "a/b": null } });
        let checks = json!([
            { "kind": "pointer", "at": "/n" }, { "kind": "pointer", "at": "/n", "equals": 1.0 },
            { "kind": "pointer", "at": "/n", "equals": "1" }, { "kind": "pointer", "at": "/m" },
            { "kind": "pointer", "at": "//a~1b", "equals": null },
            { "kind": "rows", "at": "/rows", "min": 3, "max": 3 }, { "kind": "rows", "at": "/rows", "min": 4 },
            { "kind": "rows", "at": "/rows", "max": 2 }, { "kind": "rows", "at": "/n" },
            { "kind": "command", "run": ["true"] },
        ]);
        assert_eq!(seen(checks, &output, &[]), [true, true, false, false, true, true, false, false, false]);
    }

    #[test]
    fn references_are_held_against_what_they_mean() {
        let digest = Digest::of_json(&json!("x"));
        let output = json!({ "a": digest, "b": "name@v2", "c": 1 });
        let checks = json!([
            { "kind": "artifact", "at": "/a", "digest": digest }, { "kind": "artifact", "at": "/b" },
            { "kind": "artifact", "at": "/c" },
        ]);
        let spec = TaskSpec { checks: serde_json::from_value(checks.clone()).unwrap(), ..task("a", &[]) };
        let found = references(&spec, &output);
        assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false]);
        let other = Digest::of_json(&json!("y"));
        let meant = |of_a| [Some(Meaning::Content(of_a)), Some(Meaning::Unusable("gone".to_owned())), None];
        assert_eq!(seen(checks.clone(), &output, &meant(digest)), [true, false, false]);
        assert_eq!(seen(checks, &output, &meant(other)), [false, false, false]);
    }
}
