use proptest::prelude::*;
use serde_json::json;

use super::*;

fn wrong(effect: Value) -> Vec<String> {
    let effect: Effect = serde_json::from_value(effect).unwrap();
    let proposal =
        Proposal { at: "", title: "t", effect: &effect, undo: None, preconditions: &[], tokens: &[] };
    check(&proposal).into_iter().map(|detail| format!("{}: {}", detail.at, detail.message)).collect()
}

fn git(branch: &str, changes: Value) -> Value {
    json!({
        "kind": "git", "repository": "record", "branch": branch, "message": "why", "changes": changes,
        "base": "0123456789abcdef0123456789abcdef01234567",
    })
}

fn put(path: &str) -> Value {
    json!({"op": "put", "path": path, "content": "0".repeat(64)})
}

fn http(over: Value) -> Value {
    let mut effect = json!({"kind": "http", "method": "POST", "url": "https://example.org/a"});
    effect.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
    effect
}

#[test]
fn a_path_is_touched_once_and_is_a_file_or_a_folder() {
    let fine = json!([put("a"), put("b/c"), {"op": "rename", "from": "d", "path": "e"}, {"op": "delete", "path": "f"}]);
    assert_eq!(wrong(git("main", fine)), [""; 0]);
    for (changes, at) in [
        (json!([put("a"), put("a")]), "/effect/changes/1"),
        (json!([put("a"), {"op": "rename", "from": "a", "path": "b"}]), "/effect/changes/1"),
        (json!([{"op": "rename", "from": "a", "path": "a"}]), "/effect/changes/0"),
        (json!([put("a/b/c"), put("a/b")]), "/effect/changes/0"),
    ] {
        let found = wrong(git("main", changes.clone()));
        assert!(found.len() == 1 && found[0].starts_with(at), "{changes}: {found:?}");
    }
    let into_folder = json!([put("a/b"), {"op": "delete", "path": "a"}]);
    assert_eq!(wrong(git("main", into_folder)), [""; 0], "a file makes room for a folder");
}

#[test]
fn a_branch_is_one_that_git_takes() {
    for bad in [
        "-x",
        "HEAD",
        "@",
        "refs/heads/a",
        "a..b",
        "a b",
        "a~1",
        "/a",
        "a/",
        "a//b",
        ".a",
        "a/.b",
        "a.lock",
        "a@{1}",
        "a.",
        "a\u{7}",
        "a\\b",
    ] {
        assert_eq!(wrong(git(bad, json!([put("a")]))).len(), 1, "{bad:?}");
    }
    for good in ["main", "feature/a-b", "x@y", "ä"] {
        assert_eq!(wrong(git(good, json!([put("a")]))), [""; 0], "{good:?}");
    }
}

#[test]
fn a_request_goes_where_it_says_and_carries_no_secret_in_the_open() {
    assert_eq!(wrong(http(json!({"headers": {"X-A": "b"}, "secrets": {"Authorization": "token"}}))), [""; 0]);
    for (over, at) in [
        (json!({"url": "ftp://example.org/a"}), "/effect/url"),
        (json!({"url": "https://ada:pw@example.org/"}), "/effect/url"),
        (json!({"url": "example.org/a"}), "/effect/url"),
        (json!({"url": "https://example.org/#x"}), "/effect/url"),
        (json!({"headers": {"a b": "c"}}), "/effect/headers/a b"),
        (json!({"headers": {"Host": "c"}}), "/effect/headers/Host"),
        (json!({"headers": {"idempotency-key": "c"}}), "/effect/headers/idempotency-key"),
        (json!({"headers": {"Cookie": "c"}}), "/effect/headers/Cookie"),
        (json!({"headers": {"a": "b\r\nc: d"}}), "/effect/headers/a"),
        (json!({"headers": {"X-Key": "b"}, "secrets": {"x-key": "token"}}), "/effect/secrets/x-key"),
        (json!({"method": "GET", "body": "0".repeat(64)}), "/effect/body"),
        (json!({"content_type": "text/plain"}), "/effect/content_type"),
        (
            json!({"probe": {"url": "https://u@example.org/", "done": [200], "absent": [404]}}),
            "/effect/probe/url",
        ),
        (
            json!({"probe": {"url": "https://example.org/", "done": [200], "absent": [200]}}),
            "/effect/probe/absent",
        ),
        (
            json!({"probe": {"url": "https://example.org/", "done": [99], "absent": [404]}}),
            "/effect/probe/done/0",
        ),
    ] {
        let found = wrong(http(over.clone()));
        assert!(found.len() == 1 && found[0].starts_with(at), "{over}: {found:?}");
    }
}

#[test]
fn numbers_that_canonical_json_would_blur_and_values_that_are_too_large_are_refused() {
    let external = |arguments: Value| {
        wrong(json!({"kind": "external", "effector": "mailer", "operation": "send", "arguments": arguments}))
    };
    assert_eq!(
        external(json!({"a": [9_007_199_254_740_992_u64, -9_007_199_254_740_992_i64, 1e300, 0.1]})),
        [""; 0]
    );
    for (arguments, at) in [
        (json!({"a/b": [0, 9_007_199_254_740_993_u64]}), "/effect/arguments/a~1b/1"),
        (json!(-9_007_199_254_740_993_i64), "/effect/arguments"),
        (json!("x".repeat(MAX_VALUE_BYTES)), "/effect/arguments"),
    ] {
        let found = external(arguments);
        assert!(found.len() == 1 && found[0].starts_with(at), "{found:?}");
    }
    let record = |value: Value| wrong(json!({"kind": "memory", "key": "a", "revision": 0, "value": value}));
    assert_eq!(record(json!({"a": u64::MAX})).len(), 1);
}

#[test]
fn nobody_names_the_occurrence_of_a_step_of_a_saga() {
    assert!(occurrence(Some("saga_0/1")).is_some());
    assert!(occurrence(Some("a\nb")).is_some());
    assert_eq!((occurrence(Some("second")), occurrence(None)), (None, None));
}

proptest! {
    #[test]
    fn nothing_that_is_sent_makes_the_check_fail(branch in "\\PC{1,20}", path in "[a-z/.]{1,12}", url in "\\PC{1,30}", name in "\\PC{0,12}", n in any::<u64>()) {
        if serde_json::from_value::<Effect>(git(&branch, json!([put(&path)]))).is_ok() {
            wrong(git(&branch, json!([put(&path), put("z")])));
        }
        wrong(http(json!({"url": url, "headers": {name.clone(): name.clone()}})));
        let found = wrong(json!({"kind": "external", "effector": "m", "operation": "o", "arguments": {name: n}}));
        prop_assert_eq!(found.is_empty(), n <= 1 << 53);
    }
}
