use std::collections::BTreeMap;

use proptest::prelude::*;
use selvedge_contracts::{
    id::Digest,
    payload::{
        plan::Check,
        task::{Cause, EffectEnd, Finding, MAX_PAST, MAX_RETURNS, Output},
    },
};
use serde_json::{Value, json};

use super::*;
use crate::rule::{
    effect::Outcome,
    fixture::{claim as claim_by, plan, plan_of},
};

const ADA: &str = "ada-0a1b2c3d";
const BOB: &str = "bob-0a1b2c3d";
const TTL_MS: u64 = 30_000;

fn ada() -> Caller {
    Caller::new(ADA).unwrap()
}

fn service() -> Caller {
    Caller::new("dispatcher").unwrap()
}

fn after(verdict: Verdict<Task>) -> Task {
    match verdict {
        Verdict::Changed(change) => change.state,
        Verdict::Same => panic!("nothing changed"),
    }
}

fn happened(verdict: &Verdict<Task>) -> &'static str {
    match verdict {
        Verdict::Changed(change) => change.fact.name,
        Verdict::Same => "same",
    }
}

fn one() -> Plan {
    plan(plan_of(&[("a", &[])]))
}

fn taken(plan: &Plan, current: Option<&Task>, worker: &str, now_ms: u64) -> Result<Verdict<Task>, Fault> {
    let spec = &plan.spec.tasks[0];
    claim(current, Of { plan, spec }, |attempt| claim_by(plan, spec, attempt, worker, now_ms), now_ms)
}

fn output(value: Value) -> Output {
    Output { digest: Digest::of_json(&value), value, at_ms: 0 }
}

fn finding(passed: bool) -> Finding {
    Finding { check: "x".to_owned(), passed, seen: "y".to_owned() }
}

fn handed_in<'a>(task: &'a Task, by: &'a Caller, passed: bool) -> HandedIn<'a> {
    let claim = task.claim.as_ref().unwrap();
    HandedIn {
        worker: &claim.worker,
        token: &claim.token,
        output: output(json!({ "ok": passed })),
        findings: vec![finding(passed)],
        offers: Vec::new(),
        by,
    }
}

#[test]
fn a_claim_that_nobody_heard_of_costs_no_try_and_no_wait() {
    let mut plan = one();
    plan.spec.tasks[0].attempts = 1;
    plan.spec.tasks[0].backoff_ms = 60_000;
    let of = Of { plan: &plan, spec: &plan.spec.tasks[0] };
    let first = after(taken(&plan, None, ADA, 0).unwrap());
    assert_eq!(unheard(&first, of, 2, 5), Verdict::Same, "of another attempt");
    let back = after(unheard(&first, of, 1, 5));
    assert_eq!(
        (back.state, back.attempt, back.tries, back.not_before_ms),
        (TaskState::Waiting, 1, 0, Some(5))
    );
    assert_eq!(back.past.iter().map(|past| past.cause).collect::<Vec<_>>(), [Cause::Lost]);
    assert_eq!(unheard(&back, of, 1, 6), Verdict::Same);
    let second = after(taken(&plan, Some(&back), BOB, 5).unwrap());
    assert_eq!((second.attempt, second.tries), (2, 1));
    assert_eq!(happened(&give_up(&second, of, 2, Cause::Lost, TTL_MS * 2)), "exhausted");
}

#[test]
fn a_task_is_claimed_once_handed_in_and_validated() {
    let plan = one();
    let of = Of { plan: &plan, spec: &plan.spec.tasks[0] };
    let claimed = after(taken(&plan, None, ADA, 5).unwrap());
    assert_eq!((claimed.attempt, claimed.tries, claimed.state), (1, 1, TaskState::Running));
    assert_eq!(taken(&plan, Some(&claimed), ADA, 6).unwrap(), Verdict::Same, "the same claim again");
    assert!(taken(&plan, Some(&claimed), BOB, 6).is_err(), "somebody has it");
    let service = service();
    let done = after(submit(&claimed, of, &handed_in(&claimed, &service, true), 7).unwrap());
    assert_eq!((done.state, done.verdict.as_ref().unwrap().passed), (TaskState::Validated, true));
    assert_eq!(submit(&done, of, &handed_in(&claimed, &service, true), 8).unwrap(), Verdict::Same);
    assert!(submit(&done, of, &handed_in(&claimed, &service, false), 8).is_err(), "something else, too late");
    assert!(taken(&plan, Some(&done), BOB, 9).is_err(), "a validated task never runs again");
}

#[test]
fn what_does_not_hold_is_tried_again_later_and_later_until_there_is_no_attempt_left() {
    let plan = one();
    let of = Of { plan: &plan, spec: &plan.spec.tasks[0] };
    let (mut current, mut now_ms, mut waits) = (None, 0, Vec::new());
    let by = service();
    let last = loop {
        let claimed = after(taken(&plan, current.as_ref(), ADA, now_ms).unwrap());
        let ended = after(submit(&claimed, of, &handed_in(&claimed, &by, false), now_ms).unwrap());
        if ended.state == TaskState::Failed {
            break ended;
        }
        let not_before_ms = ended.not_before_ms.unwrap();
        assert!(taken(&plan, Some(&ended), ADA, not_before_ms - 1).is_err(), "not yet");
        waits.push(not_before_ms - now_ms);
        (now_ms, current) = (not_before_ms, Some(ended));
    };
    assert_eq!((waits, last.attempt, last.past.len()), (vec![1_000, 2_000], 3, 3));
    assert!(last.past.iter().all(|past| past.cause == Cause::Rejected && past.reason == "x: y"));
    assert!(taken(&plan, Some(&last), ADA, now_ms).is_err());
    let resumed = Plan { round: 1, ..plan.clone() };
    let again = after(taken(&resumed, Some(&last), ADA, now_ms).unwrap());
    assert_eq!((again.attempt, again.tries, again.round), (4, 1, 1), "attempts go on, tries begin anew");
}

#[test]
fn a_worker_that_gives_up_for_good_ends_the_task() {
    let plan = one();
    let of = Of { plan: &plan, spec: &plan.spec.tasks[0] };
    let claimed = after(taken(&plan, None, ADA, 0).unwrap());
    let (worker, token) = (ada(), claimed.claim.clone().unwrap().token);
    let failed = after(fail(&claimed, of, (&worker, &token), ("no", true), 1).unwrap());
    assert_eq!(failed.state, TaskState::Failed);
    assert_eq!(fail(&failed, of, (&worker, &token), ("no", true), 2).unwrap(), Verdict::Same);
    let replayed = after(replay(&failed, of, 3).unwrap());
    assert!(replay(&replayed, of, 3).is_err(), "once");
    let last = after(taken(&plan, Some(&replayed), ADA, 3).unwrap());
    assert_eq!((last.attempt, last.tries), (2, of.spec.attempts), "one more attempt, and no other");
}

#[test]
fn what_a_worker_gives_back_is_no_try_but_not_for_ever() {
    let plan = one();
    let of = Of { plan: &plan, spec: &plan.spec.tasks[0] };
    let (worker, mut current, mut returns) = (ada(), None, 0_usize);
    let last = loop {
        let claimed = after(taken(&plan, current.as_ref(), ADA, u64::from(u32::MAX)).unwrap());
        let token = claimed.claim.clone().unwrap().token;
        let back = after(give_back(&claimed, of, (&worker, &token), "stopped", 0).unwrap());
        assert_eq!(give_back(&back, of, (&worker, &token), "stopped", 0).unwrap(), Verdict::Same);
        returns += 1;
        if returns <= MAX_RETURNS {
            assert_eq!((claimed.tries, back.tries, back.state), (1, 0, TaskState::Waiting), "{returns}");
        }
        if back.state == TaskState::Failed {
            break back;
        }
        current = Some(back);
    };
    assert_eq!(returns, MAX_RETURNS + usize::try_from(of.spec.attempts).unwrap());
    assert!(last.past.iter().all(|past| past.cause == Cause::Returned));
}

#[test]
fn what_nobody_judges_is_for_somebody_to_decide_and_not_made_again() {
    let mut plan = one();
    plan.spec.tasks[0].checks =
        serde_json::from_value(json!([{ "kind": "command", "run": ["nonesuch-prog"] }])).unwrap();
    let of = Of { plan: &plan, spec: &plan.spec.tasks[0] };
    let claimed = after(taken(&plan, None, ADA, 0).unwrap());
    assert_eq!(give_up(&claimed, of, 1, Cause::Unjudged, 1), Verdict::Same, "it was not handed in");
    let by = service();
    let waits = after(submit(&claimed, of, &handed_in(&claimed, &by, true), 1).unwrap());
    assert_eq!(waits.state, TaskState::Submitted);
    let ended = after(give_up(&waits, of, 1, Cause::Unjudged, 2));
    assert_eq!((ended.state, ended.past[0].cause), (TaskState::Failed, Cause::Unjudged));
    assert!(ended.past[0].reason.contains("no verifier") && ended.output.is_some());
}

#[test]
fn whoever_lost_a_claim_hands_nothing_in() {
    let plan = one();
    let of = Of { plan: &plan, spec: &plan.spec.tasks[0] };
    let by = service();
    let first = after(taken(&plan, None, ADA, 0).unwrap());
    let lost = after(give_up(&first, of, 1, Cause::Lost, TTL_MS));
    assert_eq!(give_up(&lost, of, 1, Cause::Lost, TTL_MS), Verdict::Same);
    let stale = submit(&lost, of, &handed_in(&first, &by, true), TTL_MS).unwrap_err();
    assert!(stale.0.contains("attempt 1 is over"), "{stale:?}");
    let second = after(taken(&plan, Some(&lost), ADA, TTL_MS + 2_000).unwrap());
    assert_ne!(second.claim.as_ref().unwrap().token, first.claim.as_ref().unwrap().token);
    assert!(
        submit(&second, of, &handed_in(&first, &by, true), TTL_MS + 2_001).is_err(),
        "its own second claim"
    );
    assert_eq!(give_up(&second, of, 1, Cause::Lost, TTL_MS), Verdict::Same, "of another attempt");
    let bob = Caller::new(BOB).unwrap();
    let stolen = HandedIn { worker: &bob, ..handed_in(&second, &by, true) };
    assert!(submit(&second, of, &stolen, TTL_MS + 2_001).is_err(), "a token is of one worker");
    let late = second.claim.as_ref().unwrap().deadline_ms;
    assert!(submit(&second, of, &handed_in(&second, &by, true), late).is_err(), "past its deadline");
    let cancelled = Plan { state: PlanState::Cancelled, ..plan.clone() };
    let of_cancelled = Of { plan: &cancelled, spec: of.spec };
    assert!(submit(&second, of_cancelled, &handed_in(&second, &by, true), TTL_MS + 2_001).is_err());
    assert_eq!(happened(&give_up(&second, of_cancelled, 2, Cause::Cancelled, 0)), "stopped");
}

#[test]
fn a_command_is_for_a_verifier_that_is_not_the_worker() {
    let mut plan = one();
    plan.spec.tasks[0].checks.push(Check::Command {
        run: vec!["true".to_owned()],
        timeout_ms: 1_000,
        memory_bytes: None,
    });
    let of = Of { plan: &plan, spec: &plan.spec.tasks[0] };
    let (by, bob) = (service(), Caller::new(BOB).unwrap());
    let claimed = after(taken(&plan, None, ADA, 0).unwrap());
    let submitted = after(submit(&claimed, of, &handed_in(&claimed, &by, true), 1).unwrap());
    assert_eq!(submitted.state, TaskState::Submitted);
    let verdict =
        |by: &Caller, attempt, findings: &[Finding]| judge(&submitted, of, by, (attempt, findings), 2);
    assert!(verdict(&ada(), 1, &[finding(true)]).unwrap_err().message.contains("somebody else"));
    assert!(verdict(&bob, 2, &[finding(true)]).is_err() && verdict(&bob, 1, &[]).is_err());
    let validated = after(verdict(&bob, 1, &[finding(true)]).unwrap());
    assert_eq!((validated.state, validated.verdict.unwrap().findings.len()), (TaskState::Validated, 2));
    let rejected = after(verdict(&bob, 1, &[finding(false)]).unwrap());
    assert_eq!((rejected.state, rejected.past[0].cause), (TaskState::Waiting, Cause::Rejected));
    assert_eq!(judge(&rejected, of, &bob, (1, &[finding(false)]), 3).unwrap(), Verdict::Same);
}

#[test]
fn a_gate_is_passed_with_the_consent_of_somebody_else() {
    let mut plan = one();
    plan.spec.tasks[0].gate = serde_json::from_value(json!({ "asks": "go?" })).unwrap();
    let of = Of { plan: &plan, spec: &plan.spec.tasks[0] };
    assert_eq!(phase(of, None, false, 0), Phase::Gated);
    assert!(taken(&plan, None, ADA, 0).is_err());
    let (paul, owner) = (Caller::new("paul-0a1b2c3d").unwrap(), Owner::new("person:paul").unwrap());
    assert!(open(None, of, &paul, &plan.owner, 0).unwrap_err().message.contains("somebody else"));
    let opened = after(open(None, of, &paul, &owner, 0).unwrap());
    assert_eq!(open(Some(&opened), of, &paul, &owner, 1).unwrap(), Verdict::Same);
    assert_eq!(after(taken(&plan, Some(&opened), ADA, 1).unwrap()).opened.unwrap().by, paul);
}

#[test]
fn a_task_that_was_given_to_an_answered_request_goes_back_without_having_cost_an_attempt() {
    let mut plan = one();
    plan.spec.tasks[0].attempts = 1;
    let of = Of { plan: &plan, spec: &plan.spec.tasks[0] };
    let claimed = after(taken(&plan, None, ADA, 5).unwrap());
    let token = claimed.claim.as_ref().unwrap().token.clone();
    let other = ClaimToken::of("other", &claimed.id, 1);
    assert_eq!(take_back(&claimed, of, &other, 6), Verdict::Same);
    let back = after(take_back(&claimed, of, &token, 6));
    assert_eq!((back.state, back.tries, back.not_before_ms), (TaskState::Waiting, 0, Some(6)));
    assert_eq!(take_back(&back, of, &token, 7), Verdict::Same);
    let again = after(taken(&plan, Some(&back), ADA, 7).unwrap());
    assert_eq!((again.attempt, again.tries), (2, 1), "its only attempt is still to be made");
}

#[test]
fn what_holds_and_changes_something_outside_is_done_once_that_is() {
    let mut plan = one();
    let declared = json!([{ "name": "note", "on": { "kind": "memory", "key": "notes" } }]);
    plan.spec.tasks[0].effects = serde_json::from_value(declared).unwrap();
    let of = Of { plan: &plan, spec: &plan.spec.tasks[0] };
    let claimed = after(taken(&plan, None, ADA, 5).unwrap());
    let offer = json!({ "name": "note", "propose": { "title": "t",
        "effect": { "kind": "memory", "key": "notes/a", "value": 1, "revision": 0 } } });
    let service = service();
    let offers = vec![serde_json::from_value(offer).unwrap()];
    let with = HandedIn { offers, ..handed_in(&claimed, &service, true) };
    let verdict = submit(&claimed, of, &with, 7).unwrap();
    assert_eq!(happened(&verdict), "accepted");
    let accepted = after(verdict);
    assert_eq!(submit(&accepted, of, &with, 8).unwrap(), Verdict::Same);
    let outcome = |outcome| BTreeMap::from([(accepted.effects[0].intent.clone(), outcome)]);
    assert_eq!(commit(&accepted, of, 1, &outcome(Outcome::Open), 9), Verdict::Same);
    assert_eq!(commit(&accepted, of, 2, &outcome(Outcome::Committed(None)), 9), Verdict::Same);
    let done = after(commit(&accepted, of, 1, &outcome(Outcome::Committed(None)), 9));
    assert_eq!((done.state, done.effects[0].propose.is_none()), (TaskState::Validated, true));
    let over = |is_final| outcome(Outcome::Over { reason: "no".to_owned(), is_final });
    let again = after(commit(&accepted, of, 1, &over(false), 9));
    assert_eq!(
        (again.state, again.past[0].cause, again.past[0].effects[0].end),
        (TaskState::Waiting, Cause::Effect, EffectEnd::NotDone)
    );
    assert!(again.effects[0].propose.is_some(), "kept for whoever decides about it");
    let next = after(taken(&plan, Some(&again), ADA, 20_000).unwrap());
    assert_eq!(next.effects, []);
    assert_eq!(after(commit(&accepted, of, 1, &over(true), 9)).state, TaskState::Failed, "a person said no");
    let failed =
        after(submit(&claimed, of, &HandedIn { findings: vec![finding(false)], ..with.clone() }, 7).unwrap());
    assert_eq!((failed.state, failed.past[0].effects.len()), (TaskState::Waiting, 0), "nothing is proposed");
    let cancelled = Plan { state: PlanState::Cancelled, ..plan.clone() };
    let of = Of { plan: &cancelled, spec: &cancelled.spec.tasks[0] };
    assert_eq!(happened(&commit(&accepted, of, 1, &over(false), 9)), "stopped");
}

/// What may happen to a task, by whom, and how the clock moves before.
#[derive(Debug, Clone)]
enum Step {
    Claim(bool),
    HandIn { is_current: bool, passed: bool },
    Fail(bool),
    Lose,
    Resume,
    Later(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        any::<bool>().prop_map(Step::Claim),
        (any::<bool>(), any::<bool>()).prop_map(|(is_current, passed)| Step::HandIn { is_current, passed }),
        any::<bool>().prop_map(Step::Fail),
        Just(Step::Lose),
        Just(Step::Resume),
        (0_u64..5_000).prop_map(Step::Later),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    /// Whatever happens: attempts only grow, tries stay within their bound, what is validated stays so, and
    /// only the claim in force ends in anything.
    #[test]
    fn the_laws_of_a_task_hold_whatever_happens(steps in steps()) {
        let mut plan = one();
        let by = service();
        let (mut current, mut now_ms): (Option<Task>, u64) = (None, 0);
        let mut tokens: Vec<(Caller, ClaimToken)> = Vec::new();
        for step in steps {
            let of = Of { plan: &plan, spec: &plan.spec.tasks[0] };
            let verdict = match (&step, &current) {
                (Step::Later(ms), _) => { now_ms += ms; continue }
                (Step::Resume, _) => { plan.round += 1; continue }
                (Step::Claim(is_ada), current) =>
                    taken(&plan, current.as_ref(), if *is_ada { ADA } else { BOB }, now_ms).ok(),
                (_, None) => continue,
                (Step::HandIn { is_current, passed }, Some(task)) => {
                    let place = if *is_current { tokens.last() } else { tokens.first() };
                    let Some((worker, token)) = place else { continue };
                    let handed_in = HandedIn { worker, token, output: output(json!(passed)), findings: vec![finding(*passed)], offers: Vec::new(), by: &by };
                    submit(task, of, &handed_in, now_ms).ok()
                }
                (Step::Fail(is_final), Some(task)) => {
                    let Some((worker, token)) = tokens.last() else { continue };
                    fail(task, of, (worker, token), ("no", *is_final), now_ms).ok()
                }
                (Step::Lose, Some(task)) => Some(give_up(task, of, task.attempt, Cause::Lost, now_ms)),
            };
            let Some(Verdict::Changed(change)) = verdict else { continue };
            let next = change.state;
            if let Some(before) = &current {
                prop_assert!(before.state != TaskState::Validated, "{:?} changed it", step);
                prop_assert!(next.attempt >= before.attempt);
                prop_assert_eq!(next.attempt > before.attempt, next.state == TaskState::Running);
            }
            prop_assert!((1..=of.spec.attempts).contains(&next.tries));
            prop_assert!(next.past.len() <= MAX_PAST);
            if next.state == TaskState::Running {
                let claim = next.claim.clone().unwrap();
                prop_assert!(!tokens.iter().any(|(_, token)| *token == claim.token), "a token came twice");
                tokens.push((claim.worker, claim.token));
            } else {
                prop_assert_eq!(&next.claim.as_ref().unwrap().token, &tokens.last().unwrap().1);
            }
            current = Some(next);
        }
    }
}
