use selvedge_contracts::payload::intent::Requirement;
use serde_json::json;

use super::*;

/// An intent that waits for one of two approvals.
pub(in crate::commands) fn intent() -> Intent {
    let mut intent: Intent = serde_json::from_value(json!({
        "id": format!("intent_{}", "0a1b2c3d".repeat(8)),
        "mission": "demo",
        "round": 0,
        "title": "write it down",
        "proposer": "ada-1a2b3c4d",
        "role": "worker",
        "owner": "person:ada",
        "session": "session_01",
        "request": "request_0a1b2c3d4e5f6071",
        "effect": { "kind": "memory", "key": "decisions/auth", "value": 1, "revision": 0 },
        "preconditions": [{ "entity": "memory", "id": "decisions:db", "revision": 7 }],
        "tokens": [{ "space": "shop", "lease": "lease_01", "token": 42 }],
        "proposed_at_ms": 1_000,
        "expires_at_ms": 86_401_000,
        "state": "verified",
        "decision": {
            "policy": 3, "activation": 2, "rules": ["two-eyes"],
            "requirement": { "approvals": 2, "role": "approver" },
            "seen": [{ "entity": "activation", "id": "_", "revision": 5 }],
            "approval_digest": "0".repeat(64),
            "decided_at_ms": 2_000
        },
        "grants": [{
            "approver": "olga-1a2b3c4d", "owner": "person:olga", "role": "approver",
            "key": format!("U{}", "A".repeat(55)), "signature": "s", "at_ms": 3_000
        }]
    }))
    .unwrap();
    let decision = intent.decision.clone().unwrap();
    let digest = selvedge_contracts::payload::intent::approval_digest(
        &intent,
        &decision.requirement,
        decision.activation,
    );
    intent.decision = Some(Decision { approval_digest: digest, ..decision });
    intent
}

#[test]
fn an_intent_is_shown_with_everything_that_decides_about_it() {
    let text = human(&IntentReply { intent: intent(), revision: 11 });
    for part in [
        "state       verified, waits for 1 of 2 approvals by an approver, not of person:ada",
        "proposer    ada-1a2b3c4d, worker, of person:ada",
        "request     request_0a1b2c3d4e5f6071",
        "    record decisions/auth, which does not exist, becomes\n    1\n",
        "only if memory decisions:db stands at revision 7",
        "only under lease_01=42 in space shop",
        "version 3 (activation 2)",
        "decided by  two-eyes",
        "needs       2 by distinct owners of role approver",
        "activation _@5",
        "granted by olga-1a2b3c4d, approver, of person:olga, at 1970-01-01T00:00:03Z",
        "next: selvedge approval show 0a1b2c3d0a1b --as APPROVER",
    ] {
        assert!(text.contains(part), "{part:?} is missing of\n{text}");
    }
}

#[test]
fn what_is_waited_for_follows_the_state() {
    let waits = |state, approvals| {
        let mut intent = intent();
        intent.state = state;
        let decision = intent.decision.as_mut().unwrap();
        decision.requirement = Requirement { approvals, ..decision.requirement.clone() };
        (waits_for(&intent).unwrap_or_default(), next(&intent).unwrap_or_default())
    };
    assert_eq!(waits(IntentState::Verified, 0).0, "the committer");
    assert!(waits(IntentState::Proposed, 0).1.starts_with("selvedge intent wait 0a1b2c3d0a1b"));
    assert!(waits(IntentState::Unknown, 0).1.contains("settle 0a1b2c3d0a1b"));
    assert_eq!(waits(IntentState::Committed, 1), (String::new(), String::new()));
}

#[test]
fn reasons_and_receipts_are_shown_without_what_a_terminal_would_obey() {
    let mut intent = intent();
    intent.title = "x\u{1b}[31m".to_owned();
    intent.state = IntentState::Rejected;
    intent.reasons =
        vec![selvedge_contracts::fault::Detail { at: "policy".to_owned(), message: "no\rway".to_owned() }];
    for text in [human(&IntentReply { intent: intent.clone(), revision: 1 }), briefly(&intent)] {
        assert!(text.contains("policy: no\\u{d}way") && !text.contains(['\u{1b}', '\r']), "{text:?}");
    }
}
