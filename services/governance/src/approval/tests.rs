use proptest::prelude::*;
use selvedge_contracts::fault::Code;

use super::*;
use crate::fixture::{NOW_MS, Person, blake3_of, change, state, verified};

fn seal(bytes: &[u8]) -> ApprovalToken {
    ApprovalToken { key_id: "k".to_owned(), mac: Digest::from(&blake3::hash(bytes)) }
}

fn give(current: &Intent, by: &Person) -> Result<Verdict<Intent>, Fault> {
    let (digest, signature) = by.sign(current);
    approve(current, by.as_approver(), seen(&digest), &signature, seal)
}

fn seen(digest: &Digest) -> Seen<'_> {
    Seen { digest, activation: 0, now_ms: NOW_MS }
}

fn paul() -> Person {
    Person::new("paul-1a2b3c4d", "person:paul")
}

#[test]
fn a_quorum_of_two_needs_two_owners() {
    let (paul, twin, rita) =
        (paul(), Person::new("paula-1a2b3c4d", "person:paul"), Person::new("rita-1a2b3c4d", "person:rita"));
    let first = change(give(&verified(2), &paul).unwrap());
    assert_eq!(
        (first.fact.name, first.state.state, &first.state.token),
        ("granted", IntentState::Verified, &None)
    );
    let refused = give(&first.state, &twin).unwrap_err();
    assert_eq!(refused.code, Code::Denied);
    assert!(refused.message.contains("counts owners"), "{refused}");
    assert!(!waits_for(&first.state, &twin.owner, Role::Approver, NOW_MS));
    assert!(waits_for(&first.state, &rita.owner, Role::Approver, NOW_MS));
    let second = change(give(&first.state, &rita).unwrap());
    assert_eq!((second.fact.name, second.state.state), ("approved", IntentState::Approved));
    let decision = second.state.decision.as_ref().unwrap();
    assert_eq!(second.state.token, Some(seal(&sealed_bytes(&second.state, decision))));
    assert_eq!(unsound(&second.state, decision), []);
    assert_eq!(give(&second.state, &paul), Ok(Verdict::Same), "again");
}

#[test]
fn every_reason_against_an_approval_is_listed() {
    let current = verified(1);
    let own = Person::new("oona-1a2b3c4d", "person:olga");
    let (_, signature) = own.sign(&current);
    let other = Digest::from(&blake3_of("other"));
    let by = Approver { role: Role::Planner, ..own.as_approver() };
    let seen = Seen { digest: &other, activation: 3, now_ms: current.expires_at_ms };
    let refused = approve(&current, by, seen, &signature, seal).unwrap_err();
    let all = refused.details.iter().map(|detail| detail.message.as_str()).collect::<Vec<_>>().join("; ");
    for reason in [
        "role approver",
        "answers for its proposer",
        "look at it again",
        "run out",
        "activation",
        "identity key",
    ] {
        assert!(all.contains(reason), "{reason}: {all}");
    }
    assert_eq!((refused.code, refused.details.len()), (Code::Denied, 6));
}

#[test]
fn a_signature_by_another_key_or_over_something_else_is_none() {
    let (current, paul, eve) = (verified(1), paul(), Person::new("eve-1a2b3c4d", "person:eve"));
    let (digest, own) = paul.sign(&current);
    let elsewhere = Intent { id: selvedge_contracts::id::IntentId::of(&blake3_of("x")), ..current.clone() };
    let short = own.get(..40).unwrap().to_owned();
    for signature in [eve.sign(&current).1, paul.sign(&elsewhere).1, short, "!".repeat(86)] {
        let refused = approve(&current, paul.as_approver(), seen(&digest), &signature, seal).unwrap_err();
        assert_eq!((refused.code, refused.details[0].at.as_str()), (Code::Denied, "/signature"));
    }
    let approved = state(give(&current, &paul).unwrap());
    let decision = approved.decision.clone().unwrap();
    let mut forged = approved.clone();
    forged.grants[0].key = eve.public.clone();
    assert_eq!(unsound(&forged, &decision)[0].at, "/grants/0");
    let none = Intent { grants: Vec::new(), ..approved };
    assert!(unsound(&none, &decision)[0].message.contains("0 owners approved it, of 1"));
}

#[test]
fn one_denial_by_whoever_could_approve_ends_it_also_when_it_is_approved() {
    let (paul, rita) = (paul(), Person::new("rita-1a2b3c4d", "person:rita"));
    let current = verified(1);
    let approved = state(give(&current, &paul).unwrap());
    let digest = paul.sign(&current).0;
    for open in [&current, &approved] {
        let denied = state(deny(open, rita.as_approver(), seen(&digest), "no").unwrap());
        assert_eq!((denied.state, &denied.token), (IntentState::Rejected, &None));
        assert!(denied.reasons[0].message.contains("person:rita"));
        assert_eq!(deny(&denied, rita.as_approver(), seen(&digest), "no"), Ok(Verdict::Same));
        assert_eq!(give(&denied, &paul).map(|_| ()).is_err(), open.grants.is_empty());
    }
    let other = Person::new("sam-1a2b3c4d", "person:sam");
    let denied = state(deny(&current, rita.as_approver(), seen(&digest), "no").unwrap());
    assert!(deny(&denied, other.as_approver(), seen(&digest), "no").is_err(), "it is over");
    let own = Person::new("oona-1a2b3c4d", "person:olga");
    assert_eq!(deny(&current, own.as_approver(), seen(&digest), "no").unwrap_err().code, Code::Denied);
    let taken = Intent { state: IntentState::Executing, ..approved };
    assert_eq!(deny(&taken, rita.as_approver(), seen(&digest), "no").unwrap_err().code, Code::Conflict);
}

#[test]
fn a_denial_is_for_good_until_its_owner_or_an_operator_lifts_it() {
    let rita = Person::new("rita-1a2b3c4d", "person:rita");
    let digest = rita.sign(&verified(1)).0;
    let denied = state(deny(&verified(1), rita.as_approver(), seen(&digest), "no").unwrap());
    let again = crate::fixture::wanted();
    assert_eq!(crate::intent::propose(Some(&denied), &again), Ok(Verdict::Same));
    let by = |owner: &str, role| {
        let (caller, owner) = (Caller::new("x-1a2b3c4d").unwrap(), Owner::new(owner).unwrap());
        lift(&denied, &caller, Some(&owner), role, "a mistake")
    };
    assert_eq!(by("person:olga", Role::Worker).unwrap_err().code, Code::Denied);
    for (owner, role) in [("person:rita", Role::Approver), ("person:olga", Role::Operator)] {
        let lifted = state(by(owner, role).unwrap());
        assert_eq!((lifted.state, &lifted.denied), (IntentState::Rejected, &None));
        assert!(lifted.reasons.last().unwrap().message.contains("lifted the denial: a mistake"));
        let caller = Caller::new("x-1a2b3c4d").unwrap();
        assert_eq!(lift(&lifted, &caller, Some(&rita.owner), role, "").unwrap_err().code, Code::Conflict);
        let anew = state(crate::intent::propose(Some(&lifted), &again).unwrap());
        assert_eq!((anew.state, anew.round, &anew.denied), (IntentState::Proposed, 1, &None));
    }
}

#[test]
fn what_needs_none_takes_none() {
    assert_eq!(give(&verified(0), &paul()).unwrap_err().code, Code::Conflict);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whoever comes in whichever order and however often: it is approved by exactly as many owners as asked
    /// for, none of them the proposer's.
    #[test]
    fn a_quorum_is_of_distinct_owners(wanted in 1_u32..4, comers in proptest::collection::vec(0_usize..6, 0..24)) {
        let people: Vec<_> = ["olga", "paul", "paul", "rita", "sam", "tom"]
            .iter()
            .enumerate()
            .map(|(index, owner)| Person::new(&format!("{owner}{index}-1a2b3c4d"), &format!("person:{owner}")))
            .collect();
        let mut current = verified(wanted);
        let mut owners = std::collections::BTreeSet::new();
        for comer in comers {
            let is_over = current.state == IntentState::Approved;
            match give(&current, &people[comer]) {
                Ok(Verdict::Changed(change)) => {
                    prop_assert!(!is_over);
                    prop_assert!(owners.insert(people[comer].owner.clone()));
                    current = change.state;
                    prop_assert_eq!(give(&current, &people[comer]), Ok(Verdict::Same), "its own result");
                }
                Ok(Verdict::Same) => prop_assert!(current.grants.iter().any(|grant| grant.approver == people[comer].agent)),
                Err(_) => prop_assert!(is_over || comer == 0 || owners.contains(&people[comer].owner)),
            }
        }
        prop_assert_eq!(current.state == IntentState::Approved, owners.len() == wanted as usize);
        prop_assert_eq!(current.token.is_some(), current.state == IntentState::Approved);
    }
}
