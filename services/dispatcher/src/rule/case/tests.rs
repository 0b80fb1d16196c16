use proptest::prelude::*;
use selvedge_contracts::{
    fault::Code,
    id::{Digest, TaskName},
    payload::{
        arbitration::{Arbitration, CaseWhy, OnAbort},
        case::{MAX_SPLIT_DEPTH, MAX_SPLIT_TASKS, MAX_SPLITS},
        dead::{DeadState, Why},
        intent::FencingToken,
        task::{Cause, Finding, Output, TaskEffect},
    },
};
use serde_json::{Value, json};

use super::{follows::overruled_by, *};
use crate::rule::{
    fixture::{claim, plan as planned, plan_of},
    split::Made,
    task::{self as task_rule, HandedIn},
};

const NOW_MS: u64 = 10_000;

fn changed<S>(verdict: Verdict<S>) -> S {
    match verdict {
        Verdict::Changed(change) => change.state,
        Verdict::Same => panic!("nothing changed"),
    }
}

fn happened<S>(verdict: &Verdict<S>) -> &'static str {
    match verdict {
        Verdict::Changed(change) => change.fact.name,
        Verdict::Same => "same",
    }
}

fn caller(name: &str) -> Caller {
    Caller::new(name).unwrap()
}

fn owner(name: &str) -> Owner {
    Owner::new(name).unwrap()
}

/// A plan of one task with one attempt, its failed task, and its case.
fn scene(arbitration: Value) -> (Plan, Task, Case) {
    let mut plan = planned(plan_of(&[("a", &[])]));
    plan.spec.tasks[0].attempts = 1;
    plan.spec.arbitration = Some(serde_json::from_value(arbitration).unwrap());
    let of = Of { plan: &plan, spec: &plan.spec.tasks[0] };
    let running = changed(
        task_rule::claim(None, of, |attempt| claim(&plan, of.spec, attempt, "ada-0a1b2c3d", 0), 0).unwrap(),
    );
    let value = json!({ "n": 1 });
    let handed_in = HandedIn {
        worker: &caller("ada-0a1b2c3d"),
        token: &running.claim.as_ref().unwrap().token,
        output: Output { digest: Digest::of_json(&value), value, at_ms: 1 },
        findings: vec![
            Finding { check: "x".to_owned(), passed: false, seen: "y".to_owned() },
            Finding { check: "z".to_owned(), passed: true, seen: "z".to_owned() },
        ],
        offers: Vec::new(),
        by: &caller("dispatcher"),
    };
    let failed = changed(task_rule::submit(&running, of, &handed_in, 1).unwrap());
    let outputs = outputs([(7, &failed)].into_iter());
    let case = about(&failed, of, outputs, NOW_MS).unwrap();
    (plan, failed, case)
}

fn path() -> Value {
    json!({ "escalate": [{ "to": "approver", "after_ms": 100 }, { "to": "operator", "after_ms": 200 }],
        "abort_after_ms": 300 })
}

struct By(Caller, Owner, Role);

impl By {
    fn new(name: &str, of: &str, role: Role) -> Self {
        Self(caller(name), owner(of), role)
    }

    fn decides(&self, case: &Case, choice: &Choice) -> Result<Verdict<Case>, Fault> {
        let by = Decider { caller: &self.0, owner: Some(&self.1), role: self.2 };
        decide(case, &by, choice, "because", NOW_MS + 1)
    }
}

fn judy() -> By {
    By::new("judy-0a1b2c3d", "person:judy", Role::Arbitrator)
}

fn retry() -> Choice {
    Choice::Retry { note: Some("look at the third line".to_owned()) }
}

fn of(plan: &Plan) -> Of<'_> {
    Of { plan, spec: &plan.spec.tasks[0] }
}

#[test]
fn a_case_holds_that_disagreement_and_no_more() {
    let (plan, failed, case) = scene(json!({}));
    assert_eq!((case.why, case.attempt, case.past.len()), (CaseWhy::Exhausted, 1, 1));
    assert_eq!((case.findings.len(), case.outputs[0].value.clone()), (2, Some(json!({ "n": 1 }))));
    assert_eq!(case.letter, dead::exhausted(&failed, of(&plan), 0).unwrap().id);
    assert_eq!((happened(&open(None, &case)), happened(&open(Some(&case), &case))), ("opened", "same"));
    let running = Task { state: TaskState::Running, ..failed.clone() };
    assert!(about(&running, of(&plan), Vec::new(), NOW_MS).is_none());
    let resumed = Plan { round: 1, ..plan.clone() };
    assert!(about(&failed, of(&resumed), Vec::new(), NOW_MS).is_none(), "it has attempts again");
    let cancelled = Plan { state: PlanState::Cancelled, ..plan };
    assert!(about(&failed, of(&cancelled), Vec::new(), NOW_MS).is_none());
}

#[test]
fn what_is_no_case_by_the_plan_is_a_letter_alone() {
    let (mut plan, failed, _) = scene(json!({}));
    let says = |cases: Value| Some(serde_json::from_value::<Arbitration>(json!({ "cases": cases })).unwrap());
    for (cases, is_case) in [(json!([]), false), (json!(["lost"]), false), (json!(["exhausted"]), true)] {
        plan.spec.arbitration = says(cases.clone());
        assert_eq!(about(&failed, of(&plan), Vec::new(), NOW_MS).is_some(), is_case, "{cases}");
    }
    plan.spec.arbitration = None;
    assert!(about(&failed, of(&plan), Vec::new(), NOW_MS).is_some(), "it asks by default");
    assert!(!dispute::is_waited_for(of(&plan), &failed, None), "and the plan does not wait");
    plan.spec.tasks[0].arbitration = says(json!(["exhausted"]));
    assert!(dispute::is_waited_for(of(&plan), &failed, None));
}

#[test]
fn only_who_was_asked_decides() {
    let (.., case) = scene(path());
    let approver = By::new("olga-0a1b2c3d", "person:olga", Role::Approver);
    assert_eq!(approver.decides(&case, &Choice::Abort).unwrap_err().code, Code::Denied);
    let passed_on = changed(judy().decides(&case, &Choice::Escalate).unwrap());
    assert_eq!(
        (passed_on.state, passed_on.step, passed_on.step_at_ms),
        (CaseState::Escalated, 1, NOW_MS + 1)
    );
    for by in [approver, judy(), By::new("op-0a1b2c3d", "person:op", Role::Operator)] {
        assert_eq!(happened(&by.decides(&passed_on, &Choice::Abort).unwrap()), "decided");
    }
    let last = changed(judy().decides(&passed_on, &Choice::Escalate).unwrap());
    assert_eq!(judy().decides(&last, &Choice::Escalate).unwrap_err().code, Code::Conflict);
}

#[test]
fn the_first_decision_stands_and_the_other_is_told() {
    let (.., case) = scene(json!({}));
    let decided = changed(judy().decides(&case, &retry()).unwrap());
    assert_eq!(judy().decides(&decided, &retry()).unwrap(), Verdict::Same);
    let other = Choice::Retry { note: None };
    for (by, choice) in
        [(judy(), &other), (By::new("jim-0a1b2c3d", "person:jim", Role::Arbitrator), &retry())]
    {
        let told = by.decides(&decided, choice).unwrap_err();
        assert!(told.code == Code::Conflict && told.message.contains("judy-0a1b2c3d was first"), "{told:?}");
    }
    let closed = changed(close(&case, &caller("dispatcher"), "x"));
    assert!(judy().decides(&closed, &retry()).unwrap_err().message.contains("closed"));
}

#[test]
fn a_retry_is_one_more_attempt_with_a_note_and_replays_the_letter() {
    let (plan, failed, case) = scene(json!({}));
    let decided = changed(judy().decides(&case, &retry()).unwrap());
    let waiting = changed(task(&failed, of(&plan), &decided, &[], NOW_MS).unwrap());
    assert_eq!((waiting.state, waiting.tries, waiting.waived), (TaskState::Waiting, 0, false));
    let note = waiting.note.clone().unwrap();
    assert_eq!((note.text.as_str(), note.by.as_str()), ("look at the third line", "judy-0a1b2c3d"));
    let claimed = task_rule::claim(
        Some(&waiting),
        of(&plan),
        |attempt| claim(&plan, &plan.spec.tasks[0], attempt, "bob-0a1b2c3d", NOW_MS),
        NOW_MS,
    );
    assert_eq!(changed(claimed.unwrap()).note, Some(note));
    let buried = dead::exhausted(&failed, of(&plan), 0).unwrap();
    assert_eq!(changed(letter(Some(&buried), &decided).unwrap()).state, DeadState::Replayed);
    assert_eq!(letter(None, &decided).unwrap(), Verdict::Same);
    let ended = Plan { state: PlanState::Failed, ..plan.clone() };
    assert_eq!(changed(super::plan(&ended, &decided).unwrap()).state, PlanState::Running);
    let gone = task(&waiting, of(&plan), &decided, &[], NOW_MS).unwrap_err();
    assert!(gone.code == Code::Conflict && gone.message.contains("goes on"), "{gone:?}");
}

#[test]
fn a_retry_of_a_blown_precondition_waives_it() {
    let (plan, failed, case) = scene(json!({}));
    let case = Case { why: CaseWhy::Precondition, ..case };
    let decided = changed(judy().decides(&case, &retry()).unwrap());
    assert!(changed(task(&failed, of(&plan), &decided, &[], NOW_MS).unwrap()).waived);
}

#[test]
fn an_accepted_output_names_who_overruled_what_and_is_nobodys_own() {
    let (plan, failed, case) = scene(json!({}));
    let choice = Choice::Accept { output: case.outputs[0].digest.clone() };
    let own = By::new("judy-0a1b2c3d", "person:ada", Role::Arbitrator).decides(&case, &choice).unwrap_err();
    assert_eq!(own.code, Code::Denied);
    let worker = By::new("ada-0a1b2c3d", "person:x", Role::Arbitrator).decides(&case, &choice).unwrap_err();
    assert_eq!(worker.code, Code::Denied);
    let unknown = Choice::Accept { output: Digest::of_json(&json!("other")) };
    assert_eq!(judy().decides(&case, &unknown).unwrap_err().code, Code::Invalid);
    let mut blank = case.clone();
    blank.outputs[0].value = None;
    assert_eq!(judy().decides(&blank, &choice).unwrap_err().code, Code::Conflict);
    let decided = changed(judy().decides(&case, &choice).unwrap());
    let Some(Decision { what: Decided::Accept { overruled, .. }, .. }) = &decided.decision else {
        panic!("{decided:?}")
    };
    assert_eq!(overruled.iter().map(|finding| finding.check.as_str()).collect::<Vec<_>>(), ["x"]);
    let validated = changed(task(&failed, of(&plan), &decided, &[], NOW_MS).unwrap());
    let verdict = validated.verdict.unwrap();
    assert_eq!(
        (validated.state, verdict.passed, verdict.by.as_str()),
        (TaskState::Validated, true, "judy-0a1b2c3d")
    );
    assert_eq!((verdict.case, verdict.findings.len()), (Some(case.id.clone()), 2));
    let buried = dead::exhausted(&failed, of(&plan), 0).unwrap();
    let settled = changed(letter(Some(&buried), &decided).unwrap());
    assert_eq!((settled.state, settled.reason.as_deref()), (DeadState::Discarded, Some("accept: because")));
    assert_eq!(settled.why, Why::Exhausted);
}

#[test]
fn an_earlier_attempts_output_overrules_what_was_found_then() {
    let (_, failed, mut case) = scene(json!({}));
    let earlier =
        CaseOutput { attempt: 0, digest: Digest::of_json(&json!("old")), ..case.outputs[0].clone() };
    case.outputs.push(earlier.clone());
    case.past.insert(
        0,
        selvedge_contracts::payload::task::PastAttempt {
            attempt: 0,
            reason: "then".to_owned(),
            ..failed.past[0].clone()
        },
    );
    let decided = changed(judy().decides(&case, &Choice::Accept { output: earlier.digest }).unwrap());
    let said = overruled_by(decided.decision.as_ref().unwrap());
    assert_eq!((said.len(), said[0].seen.as_str()), (1, "then"));
}

#[test]
fn an_abort_leaves_the_plan_or_cancels_it_as_the_plan_says() {
    let (plan, failed, case) = scene(json!({}));
    let decided = changed(judy().decides(&case, &Choice::Abort).unwrap());
    assert_eq!(super::plan(&plan, &decided).unwrap(), Verdict::Same);
    assert_eq!(task(&failed, of(&plan), &decided, &[], NOW_MS).unwrap(), Verdict::Same);
    assert!(!dispute::is_waited_for(of(&plan), &failed, Some(&decided)), "nothing is waited for any more");
    let mut cancels = decided.clone();
    cancels.arbitration.on_abort = OnAbort::Cancel;
    for state in [PlanState::Running, PlanState::Paused, PlanState::Failed] {
        let ended = changed(super::plan(&Plan { state, ..plan.clone() }, &cancels).unwrap());
        assert_eq!(ended.state, PlanState::Cancelled);
        assert!(ended.reason.unwrap().contains("a was aborted: because"));
    }
    let done = Plan { state: PlanState::Done, ..plan };
    assert_eq!(super::plan(&done, &cancels).unwrap(), Verdict::Same);
}

fn smaller(tasks: usize) -> Choice {
    let names: Vec<String> = (0..tasks).map(|n| format!("t{n}")).collect();
    let tasks: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), &[][..])).collect();
    Choice::Split { plan: Box::new(plan_of(&tasks)), result: TaskName::new("t0").unwrap() }
}

#[test]
fn a_split_waits_for_its_plan_and_is_open_again_if_that_comes_to_nothing() {
    let (_, _, case) = scene(json!({}));
    let split = changed(judy().decides(&case, &smaller(2)).unwrap());
    let (plan, result) = split_plan(&split).unwrap();
    assert_eq!((split.state, split.splits, result.as_str()), (CaseState::Split, 1, "t0"));
    assert_eq!(judy().decides(&split, &smaller(2)).unwrap(), Verdict::Same);
    assert!(judy().decides(&split, &smaller(3)).unwrap_err().message.contains("does it now"));
    assert!(judy().decides(&split, &Choice::Abort).unwrap_err().message.contains("does it now"));
    assert!(replayed(Some(&split), &caller("pia-0a1b2c3d"), None, 0).is_err());
    let dispatcher = caller("dispatcher");
    let again = changed(reopen(&split, plan, &dispatcher, "it failed", NOW_MS + 9));
    assert_eq!((again.state, again.step_at_ms), (CaseState::Open, NOW_MS + 9));
    assert_eq!(reopen(&again, plan, &dispatcher, "it failed", 0), Verdict::Same);
    let second = changed(judy().decides(&again, &smaller(2)).unwrap());
    assert_ne!(split_plan(&second).unwrap().0, plan, "the same once more is another plan");
    assert_eq!(conclude(&second, plan), Verdict::Same, "the first one is nobody's any more");
    let done = changed(conclude(&second, split_plan(&second).unwrap().0));
    assert_eq!(done.state, CaseState::Decided);
    assert_eq!(conclude(&done, split_plan(&done).unwrap().0), Verdict::Same);
}

#[test]
fn splits_are_bounded_in_number_size_and_depth() {
    let (plan, _, mut case) = scene(json!({}));
    assert_eq!(judy().decides(&case, &smaller(MAX_SPLIT_TASKS + 1)).unwrap_err().code, Code::Invalid);
    let Choice::Split { plan: spec, .. } = smaller(1) else { panic!() };
    let unknown = Choice::Split { plan: spec, result: TaskName::new("x").unwrap() };
    assert_eq!(judy().decides(&case, &unknown).unwrap_err().details[0].at, "/decision/result");
    case.splits = MAX_SPLITS;
    assert_eq!(judy().decides(&case, &smaller(1)).unwrap_err().code, Code::Conflict);
    assert_eq!(depth(&plan).unwrap(), 1);
    let deep = |depth| Plan {
        split_of: Some(selvedge_contracts::payload::plan::SplitOf {
            case: case.id.clone(),
            task: case.task.clone(),
            depth,
        }),
        ..plan.clone()
    };
    assert_eq!(depth(&deep(MAX_SPLIT_DEPTH - 1)).unwrap(), MAX_SPLIT_DEPTH);
    assert_eq!(depth(&deep(MAX_SPLIT_DEPTH)).unwrap_err().code, Code::Conflict);
}

#[test]
fn what_is_due_follows_the_path_to_its_end() {
    let (_, _, case) = scene(path());
    assert_eq!((due(&case, 0, NOW_MS + 99), due(&case, 0, NOW_MS + 100)), (Due::Nothing, Due::Escalate));
    assert_eq!(due(&case, 1, NOW_MS + 999), Due::Nothing, "it is not at that step");
    let dispatcher = caller("dispatcher");
    let first = changed(escalate(&case, &dispatcher, "late", NOW_MS + 100).unwrap());
    assert_eq!((due(&first, 0, u64::MAX), due(&first, 1, NOW_MS + 300)), (Due::Nothing, Due::Escalate));
    let last = changed(escalate(&first, &dispatcher, "late", NOW_MS + 300).unwrap());
    assert_eq!((due(&last, 2, NOW_MS + 599), due(&last, 2, NOW_MS + 600)), (Due::Nothing, Due::Abort));
    let decided = changed(judy().decides(&last, &Choice::Abort).unwrap());
    assert_eq!(due(&decided, 2, u64::MAX), Due::Nothing);
    let (_, _, plain) = scene(json!({}));
    assert_eq!(due(&plain, 0, u64::MAX), Due::Nothing, "it just stays open");
}

#[test]
fn a_case_is_moot_once_its_task_goes_on_or_its_plan_does_not() {
    let (plan, failed, case) = scene(json!({}));
    assert_eq!(moot(&case, &plan, &failed), None);
    let waiting = Task { state: TaskState::Waiting, ..failed.clone() };
    let next = Task { attempt: 2, ..failed.clone() };
    let cancelled = Plan { state: PlanState::Cancelled, ..plan.clone() };
    let resumed = Plan { round: 1, ..plan.clone() };
    assert!(moot(&case, &plan, &waiting).is_some() && moot(&case, &plan, &next).is_some());
    assert!(moot(&case, &cancelled, &failed).is_some() && moot(&case, &resumed, &failed).is_some());
    let closed = changed(close(&case, &caller("dispatcher"), "x"));
    assert_eq!(
        (moot(&closed, &cancelled, &failed), close(&closed, &caller("d"), "x")),
        (None, Verdict::Same)
    );
    assert_eq!(orphan(Some(&cancelled), "x"), Verdict::Same);
    assert_eq!(changed(orphan(Some(&plan), "x")).state, PlanState::Cancelled);
}

#[test]
fn a_letter_that_is_replayed_decides_its_case() {
    let (_, _, case) = scene(json!({}));
    let decided = changed(replayed(Some(&case), &caller("pia-0a1b2c3d"), None, 3).unwrap());
    assert_eq!(decided.decision.as_ref().unwrap().what, Decided::Retry { note: None });
    assert_eq!(replayed(Some(&decided), &caller("pia-0a1b2c3d"), None, 3).unwrap(), Verdict::Same);
    assert_eq!(replayed(None, &caller("pia-0a1b2c3d"), None, 3).unwrap(), Verdict::Same);
}

#[test]
fn each_attempts_cause_has_its_sort_of_case() {
    let sorts =
        [Cause::Worker, Cause::Rejected, Cause::Timeout, Cause::Lost, Cause::Precondition, Cause::Conflict]
            .map(|cause| CaseWhy::of(cause).unwrap().name());
    assert_eq!(sorts, ["exhausted", "exhausted", "timeout", "lost", "precondition", "conflict"]);
    assert_eq!(CaseWhy::of(Cause::Cancelled), None);
}

proptest! {
    /// Whatever was handed in: the newest first, each once, and no more than a message has room for.
    #[test]
    fn outputs_are_the_newest_and_bounded(sizes in prop::collection::vec((0_usize..70_000, 0_u8..6), 0..14)) {
        let (_, failed, _) = scene(json!({}));
        let stated: Vec<(u64, Task)> = sizes.iter().enumerate().map(|(at, (size, sort))| {
            let value = json!({ "sort": sort, "x": "x".repeat(if *sort == 0 { 5 } else { *size }) });
            let output = Output { digest: Digest::of_json(&value), value, at_ms: 0 };
            (at as u64 + 1, Task { output: Some(output), ..failed.clone() })
        }).collect();
        let kept = outputs(stated.iter().map(|(at, task)| (*at, task)));
        prop_assert!(kept.len() <= MAX_CASE_OUTPUTS);
        prop_assert!(kept.windows(2).all(|two| two[0].revision > two[1].revision));
        let bytes: usize = kept.iter().filter_map(|kept| kept.value.as_ref()).map(|v| v.to_string().len()).sum();
        prop_assert!(bytes <= MAX_CASE_OUTPUT_BYTES);
        if let Some((newest, _)) = stated.last() {
            prop_assert_eq!(kept[0].revision, *newest);
            prop_assert!(kept[0].value.is_some());
        }
        let mut digests: Vec<_> = kept.iter().map(|kept| kept.digest.clone()).collect();
        digests.sort();
        digests.dedup();
        prop_assert_eq!(digests.len(), kept.len());
    }
}

/// The scene's task with an effect, which its attempt said exactly.
fn changing() -> (Plan, Task, Case) {
    let (mut plan, mut failed, _) = scene(json!({}));
    let effects = json!([{ "name": "note", "on": { "kind": "memory", "key": "k" } }]);
    plan.spec.tasks[0].effects = serde_json::from_value(effects).unwrap();
    let propose =
        json!({ "title": "t", "effect": { "kind": "memory", "key": "k", "value": 1, "revision": 0 } });
    let offer = json!({ "name": "note", "propose": propose });
    let lease = json!({ "space": "shop", "lease": format!("lease_{}", "0a".repeat(16)), "token": 7 });
    failed.claim.as_mut().unwrap().leases = vec![serde_json::from_value(lease).unwrap()];
    let offers = [serde_json::from_value(offer).unwrap()];
    failed.effects = effect::of_attempt(&failed, &plan.spec.tasks[0], &offers);
    let case = about(&failed, of(&plan), outputs(std::iter::once((5, &failed))), NOW_MS).unwrap();
    (plan, failed, case)
}

#[test]
fn an_accepted_output_with_effects_is_an_attempt_of_its_own_in_its_workers_name() {
    let (plan, failed, case) = changing();
    assert!(case.outputs[0].effects[0].propose.tokens.is_empty(), "the leases of that attempt are over");
    let choice = Choice::Accept { output: case.outputs[0].digest.clone() };
    let decided = changed(judy().decides(&case, &choice).unwrap());
    let lease = json!({ "space": "shop", "lease": format!("lease_{}", "0b".repeat(16)), "token": 9 });
    let leases: Vec<FencingToken> = vec![serde_json::from_value(lease).unwrap()];
    let verdict = task(&failed, of(&plan), &decided, &leases, NOW_MS).unwrap();
    assert_eq!(happened(&verdict), "accepted");
    let taken = changed(verdict);
    let claim = taken.claim.as_ref().unwrap();
    assert_eq!((taken.state, taken.attempt, taken.tries), (TaskState::Committing, 2, 1));
    assert_eq!((&claim.worker, &claim.owner), (&case.outputs[0].worker, &case.outputs[0].owner));
    assert_eq!((&claim.token, &claim.leases), (&adoption(&case).0, &leases));
    let proposed = taken.effects[0].propose.as_ref().unwrap();
    assert_eq!(proposed.tokens, leases);
    assert_ne!(taken.effects[0].intent, failed.effects[0].intent, "another attempt, another intent");
    let verdict = taken.verdict.as_ref().unwrap();
    assert_eq!(
        (verdict.by.as_str(), verdict.owner.as_ref().unwrap().as_str()),
        ("judy-0a1b2c3d", "person:judy")
    );
    // What comes to nothing is for somebody to decide anew.
    let over = effect::Outcome::Over { reason: "no".to_owned(), is_final: false };
    let outcomes = [(taken.effects[0].intent.clone(), over)].into_iter().collect();
    let ended = changed(task_rule::commit(&taken, of(&plan), 2, &outcomes, NOW_MS));
    assert_eq!((ended.state, ended.past.last().unwrap().effects.len()), (TaskState::Failed, 1));
    assert_ne!(CaseId::of(&ended.id, ended.attempt), case.id);
}

#[test]
fn an_output_that_does_not_say_what_to_change_is_not_accepted() {
    let (_, _, case) = changing();
    let choice = Choice::Accept { output: case.outputs[0].digest.clone() };
    let mut silent = case.clone();
    silent.outputs[0].effects.clear();
    let refused = judy().decides(&silent, &choice).unwrap_err();
    assert!(refused.code == Code::Conflict && refused.message.contains("before"), "{refused:?}");
    let mut foreign = case;
    foreign.outputs[0].task = TaskName::new("other").unwrap();
    let refused = judy().decides(&foreign, &choice).unwrap_err();
    assert!(refused.message.contains("what other handed in"), "{refused:?}");
}

#[test]
fn the_end_of_a_plan_in_its_place_brings_what_was_found_and_what_was_changed_by_it() {
    let (plan, failed, mut case) = changing();
    case.state = CaseState::Split;
    let output = Output { value: json!(1), digest: Digest::of_json(&json!(1)), at_ms: 1 };
    let found = Finding { check: "x".to_owned(), passed: true, seen: "y".to_owned() };
    let receipt = json!({ "kind": "http", "status": 200 });
    let receipt = serde_json::from_value(receipt).unwrap();
    let effects = vec![TaskEffect { receipt: Some(receipt), ..failed.effects[0].clone() }];
    let made = Made { output, findings: vec![found.clone()], effects: effects.clone() };
    let done = changed(joined(&failed, (&plan, &case), &made, &caller("dispatcher"), NOW_MS).unwrap());
    assert_eq!((done.state, done.effects), (TaskState::Validated, effects));
    assert_eq!(done.verdict.unwrap().findings, [found]);
}

#[test]
fn a_split_that_leaves_out_what_the_task_changes_is_refused() {
    let (_, _, case) = changing();
    let refused = judy().decides(&case, &smaller(2)).unwrap_err();
    let said = &refused.details[0];
    assert!(refused.code == Code::Invalid && said.at == "/decision/plan/tasks", "{refused:?}");
    assert!(said.message.contains(&case.spec.effects[0].on.to_string()), "{refused:?}");
    let Choice::Split { mut plan, result } = smaller(2) else { panic!() };
    plan.tasks[1].effects = case.spec.effects.clone();
    judy().decides(&case, &Choice::Split { plan, result }).unwrap();
}
