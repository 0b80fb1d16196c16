use proptest::prelude::*;
use selvedge_contracts::{
    fact::EntityName,
    fault::Code,
    id::{EntityId, LeaseId, SpaceId},
    payload::intent::FencingToken,
};

use super::*;
use crate::fixture::{LIFE_MS, NOW_MS, change, intent, state, terms, verified, wanted};

const STATES: &[IntentState] = &[
    IntentState::Proposed,
    IntentState::Verified,
    IntentState::Approved,
    IntentState::Executing,
    IntentState::Committed,
    IntentState::Unknown,
    IntentState::Rejected,
    IntentState::Expired,
    IntentState::Cancelled,
    IntentState::Failed,
    IntentState::Compensating,
    IntentState::Compensated,
    IntentState::Stuck,
];

fn token(token: u64) -> FencingToken {
    FencingToken { space: SpaceId::new("shop").unwrap(), lease: LeaseId::new("lease_1").unwrap(), token }
}

fn by(caller: &str) -> Caller {
    Caller::new(caller).unwrap()
}

fn in_state(state: IntentState) -> Intent {
    Intent { state, ..verified(1) }
}

#[test]
fn the_same_proposal_of_anybody_finds_an_intent_as_it_stands() {
    let other = Wanted { intent: Intent { proposer: by("bob-1a2b3c4d"), ..intent() }, ..wanted() };
    for current in [intent(), verified(0), verified(2)] {
        assert_eq!(propose(Some(&current), &wanted()), Ok(Verdict::Same));
        assert_eq!(propose(Some(&current), &other), Ok(Verdict::Same));
    }
}

#[test]
fn what_is_over_without_effect_is_taken_up_anew_by_anybody_and_nothing_else_is() {
    let other = Wanted { intent: Intent { proposer: by("bob-1a2b3c4d"), ..intent() }, ..wanted() };
    for current in STATES.iter().map(|state| Intent { round: 3, ..in_state(*state) }) {
        let verdict = propose(Some(&current), &other).unwrap();
        if !current.is_over_without_effect() {
            assert_eq!(verdict, Verdict::Same, "{:?}", current.state);
            continue;
        }
        let again = state(verdict);
        assert_eq!((again.round, again.state, again.decision), (4, IntentState::Proposed, None));
        assert_eq!(again.proposer, other.intent.proposer);
    }
}

#[test]
fn its_proposer_binds_an_open_intent_anew_and_others_do_not() {
    let anew = [
        Wanted { intent: Intent { tokens: vec![token(7)], ..intent() }, ..wanted() },
        Wanted { ttl_ms: Some(LIFE_MS + 1), ..wanted() },
        Wanted { activation: 1, ..wanted() },
        Wanted {
            intent: Intent {
                preconditions: vec![IntentPrecondition {
                    entity: EntityName::Memory,
                    id: EntityId::new("a").unwrap(),
                    revision: 4,
                }],
                ..intent()
            },
            ..wanted()
        },
    ];
    for wanted in anew {
        for open in [IntentState::Verified, IntentState::Approved] {
            let bound = state(propose(Some(&in_state(open)), &wanted).unwrap());
            assert_eq!((bound.round, bound.state, bound.grants.len()), (1, IntentState::Proposed, 0));
        }
        for taken in [IntentState::Executing, IntentState::Committed, IntentState::Unknown] {
            assert_eq!(propose(Some(&in_state(taken)), &wanted), Ok(Verdict::Same), "{taken:?}");
        }
        let foreign = Wanted { intent: Intent { proposer: by("eve-1a2b3c4d"), ..wanted.intent }, ..wanted };
        assert_eq!(propose(Some(&verified(1)), &foreign), Ok(Verdict::Same), "by somebody else");
    }
}

#[test]
fn a_life_that_the_policy_cut_is_no_other_binding() {
    let mut short = terms(0);
    short.requirement.expires_after_ms = Some(500);
    let current = intent();
    let cut = state(verify(&current, &current, &Finding::Fits(short), NOW_MS));
    assert_eq!(cut.expires_at_ms, NOW_MS + 500);
    assert_eq!(propose(Some(&cut), &wanted()), Ok(Verdict::Same));
    let shorter = Wanted { ttl_ms: Some(400), ..wanted() };
    assert_eq!(state(propose(Some(&cut), &shorter).unwrap()).round, 1);
}

#[test]
fn a_refusal_lists_every_reason_and_a_late_one_that_it_is_late() {
    let current = intent();
    let reasons = vec![detail("/a", "one"), detail("/b", "two")];
    let refused = change(verify(&current, &current, &Finding::Refused(reasons.clone()), NOW_MS));
    assert_eq!((refused.fact.name, &refused.state.reasons), ("rejected", &reasons));
    let late = state(verify(&current, &current, &Finding::Fits(terms(0)), current.expires_at_ms));
    assert_eq!(late.state, IntentState::Rejected);
    assert!(late.reasons[0].message.contains("time ran out"));
}

#[test]
fn what_was_found_about_another_round_decides_nothing() {
    let (seen, current) = (intent(), Intent { round: 1, ..intent() });
    assert_eq!(verify(&current, &seen, &Finding::Fits(terms(0)), NOW_MS), Verdict::Same);
}

#[test]
fn the_proposers_owner_and_an_operator_cancel_and_nobody_else() {
    let (olga, eve) = (Owner::new("person:olga").unwrap(), Owner::new("person:eve").unwrap());
    let by = |caller: &str, owner, role, current: &Intent| {
        let caller = Caller::new(caller).unwrap();
        cancel(current, &Canceller { caller: &caller, owner: Some(owner), role }, "why")
    };
    let current = verified(1);
    assert_eq!(by("eve-1a2b3c4d", &eve, Role::Planner, &current).unwrap_err().code, Code::Denied);
    by("opa-1a2b3c4d", &eve, Role::Operator, &current).unwrap();
    by("bob-1a2b3c4d", &olga, Role::Worker, &current).unwrap();
    let ended = state(by("ada-1a2b3c4d", &olga, Role::Worker, &current).unwrap());
    assert!(ended.reasons[0].message.contains("ada-1a2b3c4d cancelled it: why"));
    assert_eq!(by("ada-1a2b3c4d", &olga, Role::Worker, &ended), Ok(Verdict::Same));
    let taken = in_state(IntentState::Executing);
    assert_eq!(by("ada-1a2b3c4d", &olga, Role::Worker, &taken).unwrap_err().code, Code::Conflict);
}

#[test]
fn only_what_is_open_and_late_expires() {
    for current in STATES.iter().map(|state| in_state(*state)) {
        assert_eq!(expire(&current, current.expires_at_ms - 1), Verdict::Same);
        let expired = expire(&current, current.expires_at_ms) != Verdict::Same;
        assert_eq!(expired, is_open(&current), "{:?}", current.state);
    }
}

#[test]
fn an_approved_intent_is_stale_once_another_policy_is_in_force_and_a_free_one_is_decided_anew() {
    let fits = |approvals, activation| Finding::Fits(Terms { activation, ..terms(approvals) });
    assert_eq!(staleness(&verified(0), &fits(0, 1), NOW_MS), []);
    let raised = staleness(&verified(0), &fits(1, 1), NOW_MS);
    assert!(raised[0].message.contains("1 approvals by the role approver"), "{raised:?}");
    let mut hurried = terms(0);
    hurried.requirement.expires_after_ms = Some(500);
    let hurried = Finding::Fits(hurried);
    assert_eq!(staleness(&verified(0), &hurried, NOW_MS + 499), []);
    assert!(staleness(&verified(0), &hurried, NOW_MS + 500)[0].message.contains("within 500 ms"));
    let paul = crate::fixture::Person::new("paul-1a2b3c4d", "person:paul");
    let current = verified(1);
    let (digest, signature) = paul.sign(&current);
    let seen = crate::approval::Seen { digest: &digest, activation: 0, now_ms: NOW_MS };
    let seal = |_: &[u8]| selvedge_contracts::payload::intent::ApprovalToken {
        key_id: "k".to_owned(),
        mac: digest.clone(),
    };
    let approved =
        state(crate::approval::approve(&current, paul.as_approver(), seen, &signature, seal).unwrap());
    assert_eq!(staleness(&approved, &fits(1, 0), NOW_MS), []);
    assert!(staleness(&approved, &fits(1, 1), NOW_MS)[0].message.contains("activation 1"));
    let moved = Intent { tokens: vec![token(8)], ..approved };
    assert!(staleness(&moved, &fits(1, 0), NOW_MS)[0].message.contains("not what was approved"));
}

fn any_state() -> impl Strategy<Value = Intent> {
    (0..STATES.len(), 0_u32..3, 0_u32..3).prop_map(|(state, approvals, round)| Intent {
        state: STATES[state],
        round,
        ..verified(approvals)
    })
}

fn any_wanted() -> impl Strategy<Value = Wanted> {
    let ttl = proptest::option::of(1_000_u64..100_000);
    (ttl, 0_u32..2, 0_u64..3, any::<bool>()).prop_map(|(ttl_ms, activation, held, is_other)| {
        let proposer = by(if is_other { "bob-1a2b3c4d" } else { "ada-1a2b3c4d" });
        let expires_at_ms = NOW_MS + ttl_ms.unwrap_or(LIFE_MS);
        let tokens = (0..held).map(token).collect();
        Wanted { intent: Intent { proposer, tokens, expires_at_ms, ..intent() }, ttl_ms, activation }
    })
}

proptest! {
    #[test]
    fn every_rule_accepts_its_own_result(current in any_state(), wanted in any_wanted(), late in any::<bool>()) {
        if let Verdict::Changed(change) = propose(Some(&current), &wanted).unwrap() {
            prop_assert!(change.state.round > current.round);
            prop_assert_eq!(propose(Some(&change.state), &wanted).unwrap(), Verdict::Same);
        }
        let now_ms = if late { current.expires_at_ms } else { NOW_MS };
        for finding in [Finding::Fits(terms(1)), Finding::Refused(vec![detail("", "no")])] {
            if let Verdict::Changed(change) = verify(&current, &current, &finding, now_ms) {
                prop_assert_eq!(current.state, IntentState::Proposed);
                prop_assert_eq!(verify(&change.state, &current, &finding, now_ms), Verdict::Same);
                prop_assert_eq!(verify(&change.state, &change.state, &finding, now_ms), Verdict::Same);
            }
        }
        for verdict in [expire(&current, now_ms), end(&current, "why"), reject(&current, &[])] {
            if let Verdict::Changed(change) = verdict {
                prop_assert!(is_open(&current) && change.state.is_over_without_effect());
                for again in [expire(&change.state, now_ms), end(&change.state, "why"), reject(&change.state, &[])] {
                    prop_assert_eq!(again, Verdict::Same);
                }
            }
        }
    }
}

#[test]
fn however_many_reasons_there_are_their_fact_fits_a_message() {
    let many: Vec<_> =
        (0..3_000).map(|n| detail(&format!("/effect/changes/{n}"), "x".repeat(4_096))).collect();
    let Verdict::Changed(change) = reject(&intent(), &many) else { panic!("nothing changed") };
    let kept = &change.state.reasons;
    let bytes: usize = kept.iter().map(|reason| reason.at.len() + reason.message.len()).sum();
    assert!(bytes < 40_000 && kept.len() > 5, "{bytes} bytes, {} reasons", kept.len());
    assert_eq!(kept.last().unwrap().message, format!("and {} more", many.len() - kept.len() + 1));
    let Verdict::Changed(few) = reject(&intent(), &many[..3]) else { panic!("nothing changed") };
    assert_eq!(few.state.reasons, many[..3]);
}
