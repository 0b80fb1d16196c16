//! What may become of a case. The table of its states stands at the head of `contracts::payload::case`.

use selvedge_contracts::{
    fact::{CASE_CLOSED, CASE_DECIDED, CASE_ESCALATED, CASE_OPENED, CASE_REOPENED, CASE_SPLIT},
    fault::Fault,
    id::{Caller, CaseId, Owner, PlanId, TaskName},
    payload::{
        Nothing,
        case::{
            Case, CaseMoved, CaseOutput, CaseState, Choice, Decided, Decision, MAX_CASE_OUTPUT_BYTES,
            MAX_CASE_OUTPUTS,
        },
        plan::{Plan, PlanState},
        task::{Task, TaskState},
    },
    role::Role,
};
use selvedge_kit::rule::{Change, Verdict};

use super::{cut, dead, dispute, effect, task::Of};

mod choice;
mod follows;

use choice::{accept, split, split_id};
pub(crate) use choice::{depth, split_spec};
pub(crate) use follows::{adoption, joined, letter, orphan, plan, replayed, task};

/// The case about a task that came to nothing; nothing if there is nothing to decide. `outputs` is what was
/// handed in, as [`outputs`] makes it.
pub(crate) fn about(task: &Task, of: Of<'_>, outputs: Vec<CaseOutput>, now_ms: u64) -> Option<Case> {
    let why = dispute::why(of, task)?;
    Some(Case {
        id: CaseId::of(&task.id, task.attempt),
        mission: task.mission.clone(),
        plan: task.plan.clone(),
        task: task.id.clone(),
        name: task.name.clone(),
        attempt: task.attempt,
        why,
        spec: of.spec.clone(),
        past: task.past.clone(),
        findings: task.verdict.iter().flat_map(|verdict| verdict.findings.clone()).collect(),
        inputs: task.claim.iter().flat_map(|claim| claim.inputs.clone()).collect(),
        outputs,
        letter: dead::exhausted(task, of, now_ms)?.id,
        arbitration: dispute::arbitration(of),
        opened_at_ms: now_ms,
        state: CaseState::Open,
        step: 0,
        step_at_ms: now_ms,
        splits: 0,
        decision: None,
    })
}

/// What was handed in, by the tasks after the facts that say so: each with its revision, in any order. The
/// newest come first, one for each digest and task, as many as a case has room for.
pub(crate) fn outputs<'a>(stated: impl Iterator<Item = (u64, &'a Task)>) -> Vec<CaseOutput> {
    let mut found: Vec<CaseOutput> =
        stated.filter_map(|(revision, task)| output_of(revision, task)).collect();
    found.sort_by_key(|output| std::cmp::Reverse(output.revision));
    let mut kept: Vec<CaseOutput> = Vec::new();
    let mut room = MAX_CASE_OUTPUT_BYTES;
    for mut output in found {
        let is_known = kept.iter().any(|kept| kept.digest == output.digest && kept.task == output.task);
        if is_known || kept.len() >= MAX_CASE_OUTPUTS {
            continue;
        }
        let bytes =
            serde_json::to_vec(&(&output.value, &output.effects)).map_or(usize::MAX, |text| text.len());
        match room.checked_sub(bytes) {
            Some(left) => room = left,
            None => (output.value, output.effects) = (None, Vec::new()),
        }
        kept.push(output);
    }
    kept
}

fn output_of(revision: u64, task: &Task) -> Option<CaseOutput> {
    let (output, claim) = (task.output.as_ref()?, task.claim.as_ref()?);
    Some(CaseOutput {
        digest: output.digest.clone(),
        task: task.name.clone(),
        attempt: task.attempt,
        worker: claim.worker.clone(),
        owner: claim.owner.clone(),
        revision,
        is_validated: task.state == TaskState::Validated,
        inputs: claim.inputs.clone(),
        value: Some(output.value.clone()),
        effects: effect::offers_of(task),
    })
}

/// Opens a case; one that is there already stays as it stands.
pub(crate) fn open(current: Option<&Case>, case: &Case) -> Verdict<Case> {
    match current {
        Some(_) => Verdict::Same,
        None => Change::new(&CASE_OPENED, &Nothing {}, case.clone()).into(),
    }
}

/// Who decides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decider<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) owner: Option<&'a Owner>,
    pub(crate) role: Role,
}

/// Decides a case, or passes it on. What follows for its task, letter and plan is for [`task`], [`letter`] and
/// [`plan`].
///
/// # Errors
/// `denied` to who is not asked, or would accept what is their own; conflict if somebody else was first;
/// `invalid` if there is no such output or the plan is too large.
pub(crate) fn decide(
    current: &Case,
    by: &Decider<'_>,
    choice: &Choice,
    reason: &str,
    now_ms: u64,
) -> Result<Verdict<Case>, Fault> {
    if !current.may_be_decided_by(by.role) {
        let message = format!("it asks for the decision of an {}, not of a {}", current.asks().0, by.role);
        return Err(Fault::denied(message));
    }
    if !current.state.is_open() {
        return settled(current, by, choice);
    }
    let what = match choice {
        Choice::Retry { note } => Decided::Retry { note: note.as_deref().map(cut_note) },
        Choice::Accept { output } => accept(current, by, output)?,
        Choice::Split { plan, result } => split(current, plan, result)?,
        Choice::Abort => Decided::Abort,
        Choice::Escalate => return escalate(current, by.caller, reason, now_ms),
    };
    let is_split = matches!(what, Decided::Split { .. });
    let decision = Decision {
        by: by.caller.clone(),
        owner: by.owner.cloned(),
        at_ms: now_ms,
        reason: cut(reason),
        what,
    };
    let state = Case {
        state: if is_split { CaseState::Split } else { CaseState::Decided },
        splits: current.splits.saturating_add(u32::from(is_split)),
        decision: Some(decision),
        ..current.clone()
    };
    let fact = if is_split { &CASE_SPLIT } else { &CASE_DECIDED };
    Ok(Change::new(fact, &Nothing {}, state).into())
}

/// Notes are longer than reasons.
fn cut_note(note: &str) -> String {
    const MOST_CHARS: usize = 4_000;
    note.chars().take(MOST_CHARS).collect()
}

/// A decision about what is decided: the same one by the same is none; another one comes too late.
fn settled(current: &Case, by: &Decider<'_>, choice: &Choice) -> Result<Verdict<Case>, Fault> {
    let Some(decision) = current.decision.as_ref().filter(|_| current.state != CaseState::Closed) else {
        return Err(Fault::conflict("there is nothing to decide any more: it is closed"));
    };
    if decision.by == *by.caller && is_the_same(current, &decision.what, choice) {
        return Ok(Verdict::Same);
    }
    let message = match (&decision.what, current.state) {
        (Decided::Split { plan, .. }, CaseState::Split) => {
            format!("{} split it: {plan} does it now. Cancel that plan to decide otherwise", decision.by)
        }
        (what, _) => format!("{} was first and decided {}: {}", decision.by, what.name(), decision.reason),
    };
    Err(Fault::conflict(message))
}

fn is_the_same(current: &Case, decided: &Decided, choice: &Choice) -> bool {
    match (decided, choice) {
        (Decided::Retry { note }, Choice::Retry { note: wanted }) => *note == wanted.as_deref().map(cut_note),
        (Decided::Accept { output, .. }, Choice::Accept { output: wanted }) => output == wanted,
        (Decided::Split { plan, result }, Choice::Split { plan: wanted, result: of }) => {
            result == of && *plan == split_id(current, (wanted, of), current.splits)
        }
        (Decided::Abort, Choice::Abort) => true,
        _ => false,
    }
}

/// Passes a case on to its next step.
///
/// # Errors
/// Conflict if there is none.
pub(crate) fn escalate(
    current: &Case,
    by: &Caller,
    reason: &str,
    now_ms: u64,
) -> Result<Verdict<Case>, Fault> {
    let steps = u32::try_from(current.arbitration.escalate.len()).unwrap_or(u32::MAX);
    if current.step >= steps {
        return Err(Fault::conflict("it is at the last step of its escalation path; decide otherwise"));
    }
    let state = Case {
        state: CaseState::Escalated,
        step: current.step.saturating_add(1),
        step_at_ms: now_ms,
        ..current.clone()
    };
    Ok(Change::new(&CASE_ESCALATED, &CaseMoved { by: by.clone(), reason: cut(reason) }, state).into())
}

/// What is due about a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing now.
    Nothing,
    /// It asks whoever the next step names.
    Escalate,
    /// It is aborted.
    Abort,
}

/// What is due about a case that is still at this step.
pub(crate) fn due(current: &Case, step: u32, now_ms: u64) -> Due {
    let is_due = current.step == step && current.due_at_ms().is_some_and(|at_ms| now_ms >= at_ms);
    let has_next = usize::try_from(step).is_ok_and(|step| step < current.arbitration.escalate.len());
    match (is_due, has_next) {
        (false, _) => Due::Nothing,
        (true, true) => Due::Escalate,
        (true, false) => Due::Abort,
    }
}

/// Why there is nothing to decide about a case any more, though nobody decided; nothing if there is.
pub(crate) fn moot(case: &Case, plan: &Plan, task: &Task) -> Option<&'static str> {
    if case.state.is_over() {
        return None;
    }
    if plan.state == PlanState::Cancelled {
        return Some("its plan was cancelled");
    }
    let goes_on = task.attempt != case.attempt || task.state != TaskState::Failed;
    if goes_on || task.round < plan.round {
        return Some("its task goes on without a decision");
    }
    None
}

/// Closes a case about which there is nothing to decide any more.
pub(crate) fn close(current: &Case, by: &Caller, reason: &str) -> Verdict<Case> {
    if current.state.is_over() {
        return Verdict::Same;
    }
    let state = Case { state: CaseState::Closed, ..current.clone() };
    Change::new(&CASE_CLOSED, &CaseMoved { by: by.clone(), reason: reason.to_owned() }, state).into()
}

/// The plan that took the task's place is done: the case is decided for good.
pub(crate) fn conclude(current: &Case, plan: &PlanId) -> Verdict<Case> {
    if !is_split_into(current, plan) {
        return Verdict::Same;
    }
    Change::new(&CASE_DECIDED, &Nothing {}, Case { state: CaseState::Decided, ..current.clone() }).into()
}

/// The plan that took the task's place came to nothing: somebody has to decide anew, at the step at which the
/// case was.
pub(crate) fn reopen(current: &Case, plan: &PlanId, by: &Caller, reason: &str, now_ms: u64) -> Verdict<Case> {
    if !is_split_into(current, plan) {
        return Verdict::Same;
    }
    let state = if current.step == 0 { CaseState::Open } else { CaseState::Escalated };
    let state = Case { state, step_at_ms: now_ms, ..current.clone() };
    Change::new(&CASE_REOPENED, &CaseMoved { by: by.clone(), reason: cut(reason) }, state).into()
}

/// Whether a case waits for this plan.
pub(crate) fn is_split_into(case: &Case, plan: &PlanId) -> bool {
    case.state == CaseState::Split && split_plan(case).is_some_and(|(into, _)| into == plan)
}

/// The plan that took the task's place, and its task whose output counts.
pub(crate) fn split_plan(case: &Case) -> Option<(&PlanId, &TaskName)> {
    match &case.decision.as_ref()?.what {
        Decided::Split { plan, result } => Some((plan, result)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
