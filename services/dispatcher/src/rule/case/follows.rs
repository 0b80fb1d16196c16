//! What follows from what was decided: for the task, its letter, its plan, and what stands in its place.

use selvedge_contracts::{
    fact::{CASE_DECIDED, PLAN_CANCELLED},
    fault::Fault,
    id::{Caller, ClaimToken, Owner},
    payload::{
        Nothing,
        arbitration::{CaseWhy, OnAbort},
        case::{Case, CaseOutput, CaseState, Decided, Decision},
        dead::{DeadLetter, DeadState},
        intent::FencingToken,
        plan::{Plan, PlanState},
        task::{Claim, DEFAULT_CLAIM_TTL_MS, Finding, Note, Output, Task, Verdict as Found},
    },
};
use selvedge_kit::rule::{Change, Verdict};

use super::{
    super::{
        cut, dead, effect, plan as plan_rule,
        split::Made,
        task::{self as task_rule, Of},
    },
    moot, split_plan,
};

/// What follows for the task from what was decided about its case. `leases` are on what it reserves, for the attempt
/// that an accepted output with effects is.
///
/// # Errors
/// Conflict if the task has gone on meanwhile.
pub(crate) fn task(
    current: &Task,
    of: Of<'_>,
    case: &Case,
    leases: &[FencingToken],
    now_ms: u64,
) -> Result<Verdict<Task>, Fault> {
    let Some(decision) = &case.decision else { return Ok(Verdict::Same) };
    still_failed(current, of.plan, case)?;
    match &decision.what {
        Decided::Retry { note } => {
            let note = note.as_ref().map(|text| Note {
                by: decision.by.clone(),
                case: case.id.clone(),
                text: text.clone(),
            });
            let waived = current.waived || case.why == CaseWhy::Precondition;
            let Verdict::Changed(change) = task_rule::replay(current, of, now_ms)? else {
                return Ok(Verdict::Same);
            };
            Ok(Change { state: Task { note, waived, ..change.state }, ..change }.into())
        }
        Decided::Accept { output, .. } => {
            let accepted = case.outputs.iter().find(|known| known.digest == *output);
            let accepted = accepted.ok_or_else(|| Fault::internal("an accepted output that is not there"))?;
            let value = accepted.value.clone();
            let value = value.ok_or_else(|| Fault::internal("an accepted output without its value"))?;
            let is_last = current.output.as_ref().is_some_and(|last| last.digest == *output);
            let findings = if is_last { case.findings.clone() } else { overruled_by(decision) };
            let output = Output { value, digest: output.clone(), at_ms: now_ms };
            let by = (&decision.by, decision.owner.as_ref());
            let task = judged(current, case, (output, findings), by, now_ms);
            if of.spec.effects.is_empty() {
                return Ok(task_rule::validated(task));
            }
            Ok(task_rule::accepted(adopted(task, of, case, accepted, leases, now_ms)))
        }
        Decided::Split { .. } | Decided::Abort => Ok(Verdict::Same),
    }
}

fn still_failed(current: &Task, plan: &Plan, case: &Case) -> Result<(), Fault> {
    match moot(&Case { state: CaseState::Open, ..case.clone() }, plan, current) {
        None => Ok(()),
        Some(why) => {
            let state = task_rule::name(current.state);
            Err(Fault::conflict(format!("there is nothing to decide: {why}; the task is {state}")))
        }
    }
}

/// What follows for the task of a case from the end of the plan that took its place.
///
/// # Errors
/// Conflict if the task has gone on meanwhile.
pub(crate) fn joined(
    current: &Task,
    (plan, case): (&Plan, &Case),
    made: &Made,
    by: &Caller,
    now_ms: u64,
) -> Result<Verdict<Task>, Fault> {
    still_failed(current, plan, case)?;
    let current = Task { effects: made.effects.clone(), ..current.clone() };
    let found = (made.output.clone(), made.findings.clone());
    Ok(task_rule::validated(judged(&current, case, found, (by, None), now_ms)))
}

pub(super) fn overruled_by(decision: &Decision) -> Vec<Finding> {
    match &decision.what {
        Decided::Accept { overruled, .. } => overruled.clone(),
        _ => Vec::new(),
    }
}

/// Ends a plan that stands in the place of a task which is not wanted any more.
pub(crate) fn orphan(current: Option<&Plan>, why: &str) -> Verdict<Plan> {
    let Some(current) = current.filter(|plan| plan.state.is_open()) else { return Verdict::Same };
    let reason = Some(format!("it stands in the place of a task of another plan: {why}"));
    let state = Plan { state: PlanState::Cancelled, reason, ..current.clone() };
    Change::new(&PLAN_CANCELLED, &Nothing {}, state).into()
}

/// The task of a case, with what was decided about it, and by whom.
fn judged(
    current: &Task,
    case: &Case,
    (output, findings): (Output, Vec<Finding>),
    (by, owner): (&Caller, Option<&Owner>),
    now_ms: u64,
) -> Task {
    let verdict = Found {
        passed: true,
        by: by.clone(),
        at_ms: now_ms,
        findings,
        case: Some(case.id.clone()),
        owner: owner.cloned(),
    };
    Task { output: Some(output), verdict: Some(verdict), ..current.clone() }
}

/// The attempt that an accepted output is whose task changes something outside: in the name of whoever handed it
/// in, and the last one unless somebody decides anew.
fn adopted(
    task: Task,
    of: Of<'_>,
    case: &Case,
    output: &CaseOutput,
    leases: &[FencingToken],
    now_ms: u64,
) -> Task {
    let (token, attempt) = adoption(case);
    let claim = Claim {
        worker: output.worker.clone(),
        owner: output.owner.clone(),
        session: task.id.scope(attempt),
        token,
        claimed_at_ms: now_ms,
        ttl_ms: DEFAULT_CLAIM_TTL_MS,
        deadline_ms: now_ms.saturating_add(of.spec.timeout_ms),
        inputs: output.inputs.clone(),
        pools: Vec::new(),
        scope: None,
        leases: leases.to_vec(),
    };
    let task = Task { attempt, tries: of.spec.attempts, claim: Some(claim), not_before_ms: None, ..task };
    Task { effects: effect::of_attempt(&task, of.spec, &output.effects), ..task }
}

/// Token and number of the attempt that an accepted output of a case is.
pub(crate) fn adoption(case: &Case) -> (ClaimToken, u32) {
    let attempt = case.attempt.saturating_add(1);
    (ClaimToken::of(case.id.as_str(), &case.task, attempt), attempt)
}

/// What follows for the task's dead letter from what was decided: it is replayed or discarded with the case.
///
/// # Errors
/// None, as long as the letter is open.
pub(crate) fn letter(current: Option<&DeadLetter>, case: &Case) -> Result<Verdict<DeadLetter>, Fault> {
    let (Some(letter), Some(decision)) = (current, &case.decision) else { return Ok(Verdict::Same) };
    if letter.state != DeadState::Open {
        return Ok(Verdict::Same);
    }
    match &decision.what {
        Decided::Retry { .. } => dead::replay(letter, &decision.by),
        what => dead::discard(letter, &decision.by, &format!("{}: {}", what.name(), decision.reason)),
    }
}

/// What follows for the plan from what was decided: it goes on, ends, or is left as it is.
///
/// # Errors
/// Conflict if it is over.
pub(crate) fn plan(current: &Plan, case: &Case) -> Result<Verdict<Plan>, Fault> {
    let Some(decision) = &case.decision else { return Ok(Verdict::Same) };
    match (&decision.what, case.arbitration.on_abort) {
        (Decided::Retry { .. } | Decided::Accept { .. }, _) => plan_rule::reopen(current),
        (Decided::Abort, OnAbort::Cancel)
            if !matches!(current.state, PlanState::Cancelled | PlanState::Done) =>
        {
            let reason =
                Some(cut(&format!("{}: {} was aborted: {}", decision.by, case.name, decision.reason)));
            let state = Plan { state: PlanState::Cancelled, reason, ..current.clone() };
            Ok(Change::new(&PLAN_CANCELLED, &Nothing {}, state).into())
        }
        (Decided::Abort | Decided::Split { .. }, _) => Ok(Verdict::Same),
    }
}

/// Decides a case because its dead letter is replayed: that is a retry.
///
/// # Errors
/// Conflict if a plan does in the task's place what it was to do.
pub(crate) fn replayed(
    current: Option<&Case>,
    by: &Caller,
    owner: Option<&Owner>,
    now_ms: u64,
) -> Result<Verdict<Case>, Fault> {
    let Some(current) = current.filter(|case| !case.state.is_over()) else { return Ok(Verdict::Same) };
    if let (CaseState::Split, Some((plan, _))) = (current.state, split_plan(current)) {
        return Err(Fault::conflict(format!("{plan} does it now; cancel that plan to decide otherwise")));
    }
    let decision = Decision {
        by: by.clone(),
        owner: owner.cloned(),
        at_ms: now_ms,
        reason: "its dead letter was replayed".to_owned(),
        what: Decided::Retry { note: None },
    };
    let state = Case { state: CaseState::Decided, decision: Some(decision), ..current.clone() };
    Ok(Change::new(&CASE_DECIDED, &Nothing {}, state).into())
}
