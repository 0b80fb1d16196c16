//! What may become of a case. The table of its states stands at the head of `contracts::payload::case`.

use selvedge_contracts::{
    fact::{
        CASE_CLOSED, CASE_DECIDED, CASE_ESCALATED, CASE_OPENED, CASE_REOPENED, CASE_SPLIT, PLAN_CANCELLED,
        TASK_VALIDATED,
    },
    fault::{Detail, Fault},
    id::{Caller, CaseId, ClaimToken, Digest, Owner, PlanId},
    payload::{
        Nothing,
        case::{
            Case, CaseMoved, CaseOutput, CaseState, Choice, Decided, Decision, MAX_CASE_OUTPUT_BYTES,
            MAX_CASE_OUTPUTS, MAX_SPLIT_DEPTH, MAX_SPLIT_TASKS, MAX_SPLITS,
        },
        dead::{DeadLetter, DeadState},
        intent::FencingToken,
        plan::{Plan, PlanSpec, PlanState, plan_id},
        task::{Claim, DEFAULT_CLAIM_TTL_MS, Finding, Note, Output, Task, TaskState, Verdict as Found},
    },
    role::Role,
};
use selvedge_kit::rule::{Change, Verdict};

use super::{
    cut, dead, dispute, effect,
    split::{self, Made},
    task as task_rule,
    task::Of,
};

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

fn accept(current: &Case, by: &Decider<'_>, wanted: &Digest) -> Result<Decided, Fault> {
    let mut found = current.outputs.iter().filter(|output| output.digest == *wanted);
    let Some(output) = found.clone().next() else {
        let known: Vec<_> = current.outputs.iter().map(|output| output.digest.as_str()).collect();
        let message = format!("is none of the case's outputs; expected one of {}", known.join(", "));
        return Err(Fault::invalid("there is no such output").at("/decision/output", message));
    };
    // Where several handed in the same, it must be nobody's own.
    let own = found.find(|output| output.worker == *by.caller || Some(&output.owner) == by.owner);
    if let Some(own) = own {
        return Err(Fault::denied(format!(
            "{} of {} handed it in: nobody accepts what is their own",
            own.worker, own.owner
        )));
    }
    if output.value.is_none() {
        return Err(Fault::conflict("the case had no room for that output, so it cannot be accepted; retry"));
    }
    changes_what_was_planned(current, output)?;
    Ok(Decided::Accept { output: wanted.clone(), overruled: overruled(current, output) })
}

/// An output that is accepted says what its task changes outside, too.
fn changes_what_was_planned(current: &Case, output: &CaseOutput) -> Result<(), Fault> {
    let Some(declared) = current.spec.effects.first() else { return Ok(()) };
    let is_offered = |name| output.effects.iter().any(|offer| offer.name == name);
    if output.task == current.name
        && current.spec.effects.iter().all(|declared| is_offered(declared.name.clone()))
    {
        return Ok(());
    }
    let why = if output.task == current.name {
        "it was handed in before what came with it was kept".to_owned()
    } else {
        format!("it is what {} handed in", output.task)
    };
    Err(Fault::conflict(format!(
        "the task changes {} outside, and that output does not say what exactly ({why}), so it cannot be accepted; retry or split",
        declared.on
    )))
}

/// What was found about an output, and does not count any more.
fn overruled(current: &Case, output: &CaseOutput) -> Vec<Finding> {
    let is_last = output.task != current.name || output.attempt == current.attempt;
    if is_last {
        return current.findings.iter().filter(|finding| !finding.passed).cloned().collect();
    }
    let past = current.past.iter().filter(|past| past.attempt == output.attempt);
    let found = |past: &selvedge_contracts::payload::task::PastAttempt| Finding {
        check: format!("attempt {}", past.attempt),
        passed: false,
        seen: past.reason.clone(),
    };
    past.map(found).collect()
}

fn split(
    current: &Case,
    plan: &PlanSpec,
    result: &selvedge_contracts::id::TaskName,
) -> Result<Decided, Fault> {
    if current.splits >= MAX_SPLITS {
        return Err(Fault::conflict(format!("it was split {MAX_SPLITS} times already")));
    }
    if plan.tasks.len() > MAX_SPLIT_TASKS {
        let message = format!("has {} tasks; at most {MAX_SPLIT_TASKS} are accepted", plan.tasks.len());
        return Err(Fault::invalid("the plan is too large").at("/decision/plan/tasks", message));
    }
    if !plan.tasks.iter().any(|task| task.id == *result) {
        let message = format!("no task of the plan is called {result}");
        return Err(Fault::invalid("its result is unknown").at("/decision/result", message));
    }
    let details = split::wrong(&current.spec, &split::owing(&current.spec, plan, result), result);
    if !details.is_empty() {
        let fault = Fault::invalid("the plan does not do what the task in whose place it stands has to do");
        let details =
            details.into_iter().map(|detail| Detail { at: format!("/decision{}", detail.at), ..detail });
        return Err(Fault { details: details.collect(), ..fault });
    }
    let next = current.splits.saturating_add(1);
    Ok(Decided::Split { plan: split_id(current, (plan, result), next), result: result.clone() })
}

/// The plan that takes the place of a case's task, as it is submitted: the case and the number of the split are
/// its occurrence, so it is no plan that was there before. Its result owes what the task owed.
pub(crate) fn split_spec(
    case: &Case,
    (plan, result): (&PlanSpec, &selvedge_contracts::id::TaskName),
    number: u32,
) -> PlanSpec {
    let occurrence = Some(format!("{}/{number}", case.id));
    PlanSpec { occurrence, ..split::owing(&case.spec, plan, result) }
}

fn split_id(case: &Case, wanted: (&PlanSpec, &selvedge_contracts::id::TaskName), number: u32) -> PlanId {
    plan_id(&case.mission, &split_spec(case, wanted, number))
}

/// How deep a plan that takes the place of one of this plan's tasks stands.
///
/// # Errors
/// Conflict if that is too deep.
pub(crate) fn depth(plan: &Plan) -> Result<u32, Fault> {
    let depth = plan.split_of.as_ref().map_or(0, |split| split.depth).saturating_add(1);
    if depth > MAX_SPLIT_DEPTH {
        return Err(Fault::conflict(format!(
            "its plan stands {MAX_SPLIT_DEPTH} deep in the place of other tasks already; decide otherwise"
        )));
    }
    Ok(depth)
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
pub(crate) fn split_plan(case: &Case) -> Option<(&PlanId, &selvedge_contracts::id::TaskName)> {
    match &case.decision.as_ref()?.what {
        Decided::Split { plan, result } => Some((plan, result)),
        _ => None,
    }
}

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
            let waived =
                current.waived || case.why == selvedge_contracts::payload::arbitration::CaseWhy::Precondition;
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
                return Ok(validated(task));
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
    Ok(validated(judged(&current, case, found, (by, None), now_ms)))
}

fn overruled_by(decision: &Decision) -> Vec<Finding> {
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

fn validated(task: Task) -> Verdict<Task> {
    Change::new(&TASK_VALIDATED, &Nothing {}, Task { state: TaskState::Validated, ..task }).into()
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
    use selvedge_contracts::payload::arbitration::OnAbort;
    let Some(decision) = &case.decision else { return Ok(Verdict::Same) };
    match (&decision.what, case.arbitration.on_abort) {
        (Decided::Retry { .. } | Decided::Accept { .. }, _) => super::plan::reopen(current),
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

#[cfg(test)]
mod tests;
