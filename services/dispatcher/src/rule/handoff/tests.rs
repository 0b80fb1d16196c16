use selvedge_contracts::{
    id::{Digest, PublicKeyShape, ScopeId, Shape as _},
    payload::handoff::handoff_id,
};
use serde_json::json;

use super::*;

const NOW_MS: u64 = 10_000;

fn changed(verdict: Verdict<Handoff>) -> Handoff {
    match verdict {
        Verdict::Changed(change) => change.state,
        Verdict::Same => panic!("nothing changed"),
    }
}

fn mission() -> Mission {
    Mission::new("demo").unwrap()
}

fn agent(name: &str, role: &str, capabilities: &[&str]) -> Agent {
    serde_json::from_value(json!({
        "id": format!("{name}-0a1b2c3d"), "name": name, "owner": format!("person:{name}"),
        "key": PublicKeyShape::EXAMPLE,
        "roles": { "demo": role }, "about": { "capabilities": capabilities }, "status": "active",
        "registered_at_ms": 0,
    }))
    .unwrap()
}

fn wanted(more: Value) -> Offer {
    let mut offer = json!({ "title": "t", "to": { "kind": "agent", "agent": "bob-0a1b2c3d" }, "input": {},
        "input_contract": { "name": "a", "version": 1 }, "output_contract": { "name": "b", "version": 1 },
        "deadline_at_ms": NOW_MS + 1_000 });
    for (name, value) in more.as_object().unwrap() {
        offer[name] = value.clone();
    }
    serde_json::from_value(offer).unwrap()
}

fn fits() -> Seen {
    Seen { input: Some(Vec::new()), has_output_contract: true, has_task: true, ..Seen::default() }
}

fn made(offer: Offer) -> Handoff {
    let from = AgentId::new("ada-0a1b2c3d").unwrap();
    Handoff {
        id: handoff_id(&mission(), &from, &offer),
        mission: mission(),
        from,
        owner: Owner::new("person:ada").unwrap(),
        session: ScopeId::new("session_1").unwrap(),
        request: None,
        offer,
        signature: String::new(),
        key: agent("ada", "worker", &[]).key,
        key_revision: 1,
        offered_at_ms: NOW_MS,
        state: HandoffState::Offered,
        receiver: None,
        result: None,
        reason: None,
        history: Vec::new(),
    }
}

struct By(AgentId, Caller, Role);

impl By {
    fn new(name: &str, role: Role) -> Self {
        let id = format!("{name}-0a1b2c3d");
        Self(AgentId::new(&id).unwrap(), Caller::new(&id).unwrap(), role)
    }

    fn asker(&self) -> Asker<'_> {
        Asker { agent: &self.0, caller: &self.1, role: self.2 }
    }

    fn taken(&self, at_ms: u64) -> Taken {
        Taken {
            by: self.0.clone(),
            owner: Owner::new("person:bob").unwrap(),
            session: ScopeId::new("session_2").unwrap(),
            at_ms,
        }
    }

    fn accepts(&self, handoff: &Handoff) -> Result<Verdict<Handoff>, Fault> {
        accept(handoff, &self.asker(), &self.taken(NOW_MS + 1))
    }
}

fn bob() -> By {
    By::new("bob", Role::Worker)
}

fn result(n: u64, at_ms: u64) -> HandoffResult {
    let output = json!({ "n": n });
    HandoffResult { digest: Digest::of_json(&output), output, artifacts: Vec::new(), at_ms }
}

fn places(found: &[Detail]) -> Vec<&str> {
    found.iter().map(|detail| detail.at.as_str()).collect()
}

#[test]
fn every_reason_is_listed_each_with_its_place() {
    let pin = |id: &str| json!({ "entity": "memory", "id": id, "revision": 1 });
    let offer = wanted(json!({
        "input": { "n": u64::MAX }, "deadline_at_ms": NOW_MS, "task": format!("task_{}", "0a".repeat(16)),
        "preconditions": [pin("x"), pin("y"), pin("z")], "artifacts": ["a@v1", "b@v2"],
        "capabilities": ["rust", "sql"],
    }));
    let bob = agent("bob", "approver", &["sql"]);
    let seen = Seen {
        input: Some(vec![detail("/n", "is too large")]),
        revisions: vec![2, 1, 0],
        unusable: vec![None, Some("is not there".to_owned())],
        receiver: receiver(&offer, &AgentId::new("ada-0a1b2c3d").unwrap(), &mission(), [&bob]),
        ..Seen::default()
    };
    let found = reasons(&offer, &seen, NOW_MS);
    let expected = [
        "/offer/input/n",
        "/offer/input/n",
        "/offer/output_contract",
        "/offer/task",
        "/offer/deadline_at_ms",
        "/offer/preconditions/0",
        "/offer/preconditions/2",
        "/offer/artifacts/1",
        "/offer/to",
        "/offer/capabilities/0",
    ];
    assert_eq!(places(&found), expected, "{found:#?}");
    assert!(
        found[5].message.contains("memory x is at revision 1") && found[5].message.contains("revision 2")
    );
    assert!(found[9].message.contains("\"rust\"; it says: sql"), "{found:#?}");
    let unknown = reasons(&offer, &Seen { input: None, ..seen }, NOW_MS);
    assert!(places(&unknown).contains(&"/offer/input_contract"));
    assert_eq!(reasons(&wanted(json!({})), &fits(), NOW_MS), []);
}

#[test]
fn an_input_is_bounded_and_a_deadline_lies_in_between() {
    let large = wanted(json!({ "input": "x".repeat(MAX_HANDOFF_BYTES) }));
    let found = reasons(&large, &fits(), NOW_MS);
    assert!(found.len() == 1 && found[0].message.contains("store it with artifacts.put"), "{found:?}");
    for (at_ms, is_fit) in [
        (NOW_MS, false),
        (NOW_MS + 1, true),
        (NOW_MS + MAX_HANDOFF_MS, true),
        (NOW_MS + MAX_HANDOFF_MS + 1, false),
    ] {
        let offer = wanted(json!({ "deadline_at_ms": at_ms }));
        assert_eq!(reasons(&offer, &fits(), NOW_MS).is_empty(), is_fit, "{at_ms}");
    }
}

#[test]
fn a_receiver_is_an_able_member_and_never_the_sender() {
    let from = AgentId::new("ada-0a1b2c3d").unwrap();
    let (ada, bob) = (agent("ada", "worker", &["rust"]), agent("bob", "worker", &["rust", "sql"]));
    let says = |more: Value, known: &[&Agent]| {
        receiver(&wanted(more), &from, &mission(), known.iter().copied())
            .into_iter()
            .map(|d| d.message)
            .collect::<Vec<_>>()
    };
    assert!(says(json!({ "capabilities": ["rust"] }), &[&bob]).is_empty());
    assert!(says(json!({}), &[])[0].contains("no agent bob"));
    assert!(
        says(json!({ "to": { "kind": "agent", "agent": "ada-0a1b2c3d" } }), &[&ada])[0].contains("yourself")
    );
    let retired = Agent { status: AgentStatus::Retired, ..bob.clone() };
    assert!(says(json!({}), &[&retired])[0].contains("retired"));
    let elsewhere = Agent { roles: std::collections::BTreeMap::new(), ..bob.clone() };
    assert!(says(json!({}), &[&elsewhere])[0].contains("no member"));
    let workers = json!({ "to": { "kind": "role", "role": "worker" }, "capabilities": ["rust"] });
    assert!(says(workers.clone(), &[&ada, &bob]).is_empty());
    assert!(says(workers.clone(), &[&ada])[0].contains("no other worker"), "the sender alone does not count");
    assert!(says(workers, &[&retired])[0].contains("says that it can rust"));
    let nobody = json!({ "to": { "kind": "role", "role": "approver" } });
    assert!(says(nobody, &[&bob])[0].contains("takes no handoffs"));
}

#[test]
fn only_its_receiver_accepts_and_only_the_first_one_has_it() {
    let offered = made(wanted(json!({})));
    assert_eq!(offer(Some(&offered), &offered), Verdict::Same);
    let eve = By::new("eve", Role::Worker);
    assert_eq!(eve.accepts(&offered).unwrap_err().code, Code::Denied);
    let accepted = changed(bob().accepts(&offered).unwrap());
    assert_eq!((accepted.state, accepted.history.len()), (HandoffState::Accepted, 1));
    assert_eq!(bob().accepts(&accepted).unwrap(), Verdict::Same);
    let many = made(wanted(json!({ "to": { "kind": "role", "role": "worker" } })));
    assert_eq!(By::new("ada", Role::Worker).accepts(&many).unwrap_err().code, Code::Denied, "its sender");
    assert_eq!(By::new("eve", Role::Verifier).accepts(&many).unwrap_err().code, Code::Denied);
    let taken = changed(eve.accepts(&many).unwrap());
    let told = bob().accepts(&taken).unwrap_err();
    assert!(told.code == Code::Conflict && told.message.contains("eve-0a1b2c3d was first"), "{told:?}");
    let late = made(wanted(json!({ "deadline_at_ms": NOW_MS + 1 })));
    assert!(bob().accepts(&late).unwrap_err().message.contains("deadline"));
}

#[test]
fn only_who_is_meant_alone_declines() {
    let by = bob();
    let declines = |handoff: &Handoff| decline(handoff, &by.asker(), &by.taken(NOW_MS), "no time");
    let offered = made(wanted(json!({})));
    let declined = changed(declines(&offered).unwrap());
    assert_eq!((declined.state, declined.reason.as_deref()), (HandoffState::Declined, Some("no time")));
    assert_eq!(declines(&declined).unwrap(), Verdict::Same);
    assert!(bob().accepts(&declined).unwrap_err().message.contains("declined by bob-0a1b2c3d"));
    let many = made(wanted(json!({ "to": { "kind": "role", "role": "worker" } })));
    assert_eq!(declines(&many).unwrap_err().code, Code::Denied);
    assert_eq!(declines(&changed(by.accepts(&offered).unwrap())).unwrap_err().code, Code::Conflict);
}

#[test]
fn what_was_expected_comes_from_its_receiver_in_time_and_once() {
    let offered = made(wanted(json!({})));
    let by = bob();
    let done = |handoff: &Handoff, n, at_ms| complete(handoff, &by.asker(), &result(n, at_ms));
    assert!(done(&offered, 1, NOW_MS).unwrap_err().message.contains("nobody has accepted"));
    let accepted = changed(by.accepts(&offered).unwrap());
    let eve = By::new("eve", Role::Worker);
    assert_eq!(complete(&accepted, &eve.asker(), &result(1, NOW_MS)).unwrap_err().code, Code::Denied);
    assert!(done(&accepted, 1, NOW_MS + 1_000).unwrap_err().message.contains("deadline"));
    let completed = changed(done(&accepted, 1, NOW_MS + 2).unwrap());
    assert_eq!((completed.state, completed.history.len()), (HandoffState::Completed, 2));
    assert_eq!(done(&completed, 1, NOW_MS + 3).unwrap(), Verdict::Same);
    assert_eq!(done(&completed, 2, NOW_MS + 3).unwrap_err().code, Code::Conflict);
}

#[test]
fn its_sender_takes_it_back_and_the_clock_ends_it() {
    let offered = made(wanted(json!({})));
    let accepted = changed(bob().accepts(&offered).unwrap());
    let caller = |name: &str| Caller::new(name).unwrap();
    let owner = |name: &str| Owner::new(name).unwrap();
    let takes = |handoff: &Handoff, by: &str, of: &str, role| {
        withdraw(handoff, (&caller(by), Some(&owner(of)), role), "not needed", NOW_MS)
    };
    assert_eq!(takes(&offered, "bob-0a1b2c3d", "person:bob", Role::Worker).unwrap_err().code, Code::Denied);
    for (by, of, role) in [
        ("ada-0a1b2c3d", "person:x", Role::Worker),
        ("amy-0a1b2c3d", "person:ada", Role::Planner),
        ("op-0a1b2c3d", "person:op", Role::Operator),
    ] {
        let withdrawn = changed(takes(&accepted, by, of, role).unwrap());
        assert_eq!(takes(&withdrawn, by, of, role).unwrap(), Verdict::Same);
        assert!(bob().accepts(&withdrawn).is_err());
    }
    let dispatcher = caller("dispatcher");
    assert_eq!(expire(&offered, &dispatcher, NOW_MS + 999), Verdict::Same);
    for open in [&offered, &accepted] {
        let expired = changed(expire(open, &dispatcher, NOW_MS + 1_000));
        assert_eq!(expired.state, HandoffState::Expired);
        assert_eq!(expire(&expired, &dispatcher, u64::MAX), Verdict::Same);
        assert!(takes(&expired, "ada-0a1b2c3d", "person:ada", Role::Worker).is_err());
    }
    let stale = changed(spoil(&offered, &dispatcher, "it moved", NOW_MS));
    assert_eq!(
        (stale.state, spoil(&accepted, &dispatcher, "x", NOW_MS)),
        (HandoffState::Stale, Verdict::Same)
    );
    assert!(bob().accepts(&stale).unwrap_err().message.contains("stale"));
}
