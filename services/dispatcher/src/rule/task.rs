//! What may become of a task. The table of its states stands at the head of `contracts::payload::task`.

use std::collections::BTreeMap;

use selvedge_contracts::{
    fact::{
        TASK_ACCEPTED, TASK_CLAIMED, TASK_EXHAUSTED, TASK_FAILED, TASK_OPENED, TASK_REPLAYED, TASK_STOPPED,
        TASK_SUBMITTED, TASK_VALIDATED,
    },
    fault::Fault,
    id::{Caller, ClaimToken, IntentId, Owner},
    payload::{
        Nothing,
        plan::{MAX_BACKOFF_MS, Plan, PlanState, TaskSpec},
        task::{
            Cause, Claim, EffectOffer, Finding, MAX_PAST, Opened, Output, PastAttempt, Phase, Task,
            TaskState, Verdict as Found,
        },
    },
};
use selvedge_kit::rule::{Change, Verdict};

use super::{
    cut, dispute,
    effect::{self, Outcome},
};

/// A task, and what its plan says of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Of<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) spec: &'a TaskSpec,
}

impl Of<'_> {
    /// The task before its first fact.
    fn untouched(&self) -> Task {
        Task {
            id: self.plan.id.task(&self.spec.id),
            mission: self.plan.mission.clone(),
            plan: self.plan.id.clone(),
            name: self.spec.id.clone(),
            state: TaskState::Opened,
            attempt: 0,
            tries: 0,
            round: self.plan.round,
            claim: None,
            not_before_ms: None,
            output: None,
            verdict: None,
            opened: None,
            effects: Vec::new(),
            past: Vec::new(),
            note: None,
            waived: false,
        }
    }
}

/// How a task stands, seen with its plan; `is_blocked` says whether it waits for others.
pub(crate) fn phase(of: Of<'_>, task: Option<&Task>, is_blocked: bool, now_ms: u64) -> Phase {
    let is_over = matches!(of.plan.state, PlanState::Cancelled);
    let open = |gated: bool| match (is_over, is_blocked) {
        (true, _) => Phase::Stopped,
        (false, true) => Phase::Blocked,
        (false, false) if gated => Phase::Gated,
        (false, false) => Phase::Ready,
    };
    let Some(task) = task else { return open(of.spec.gate.is_some()) };
    match task.state {
        TaskState::Opened => open(false),
        TaskState::Running => Phase::Running,
        TaskState::Submitted => Phase::Submitted,
        TaskState::Committing => Phase::Committing,
        TaskState::Validated => Phase::Validated,
        TaskState::Waiting if is_over => Phase::Stopped,
        TaskState::Waiting if task.not_before_ms.is_some_and(|at_ms| at_ms > now_ms) => Phase::Waiting,
        TaskState::Waiting => open(false),
        TaskState::Failed if task.round < of.plan.round => open(false),
        TaskState::Failed => Phase::Failed,
        TaskState::Stopped => Phase::Stopped,
    }
}

/// Gives a task to whoever asks: `claim_of` makes the claim of the next attempt. Everything that it needs is
/// validated; that never changes, so it is not looked at here.
///
/// # Errors
/// Conflict if it is not to be given out, or somebody else was first.
pub(crate) fn claim(
    current: Option<&Task>,
    of: Of<'_>,
    claim_of: impl Fn(u32) -> Claim,
    now_ms: u64,
) -> Result<Verdict<Task>, Fault> {
    let held = current.filter(|task| task.state == TaskState::Running).and_then(|task| task.claim.as_ref());
    if let (Some(held), Some(task)) = (held, current)
        && held.token == claim_of(task.attempt).token
    {
        return Ok(Verdict::Same);
    }
    if of.plan.state != PlanState::Running {
        return Err(Fault::conflict(format!("its plan is {}", of.plan.state.name())));
    }
    let phase = phase(of, current, false, now_ms);
    if phase != Phase::Ready {
        return Err(Fault::conflict(format!("it is {}", phase.name())));
    }
    let before = current.cloned().unwrap_or_else(|| of.untouched());
    let attempt = before.attempt.saturating_add(1);
    let tries = if before.round < of.plan.round { 1 } else { before.tries.saturating_add(1) };
    let state = Task {
        state: TaskState::Running,
        attempt,
        tries,
        round: of.plan.round,
        claim: Some(claim_of(attempt)),
        not_before_ms: None,
        output: None,
        verdict: None,
        effects: Vec::new(),
        ..before
    };
    Ok(Change::new(&TASK_CLAIMED, &Nothing {}, state).into())
}

/// Why what somebody hands in does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stale(pub(crate) String);

impl From<Stale> for Fault {
    fn from(Stale(why): Stale) -> Self {
        Self::conflict(why)
    }
}

/// Whether a claim is in force: somebody's, under this token, for a plan that is still wanted.
///
/// # Errors
/// [`Stale`] says what came between.
pub(crate) fn holds<'a>(
    task: &'a Task,
    plan: &Plan,
    worker: &Caller,
    token: &ClaimToken,
    now_ms: u64,
) -> Result<&'a Claim, Stale> {
    let claim = task.claim.as_ref().filter(|claim| claim.token == *token && claim.worker == *worker);
    let Some(claim) = claim else {
        return Err(Stale(format!(
            "{token} is no claim of {worker} that is in force; attempt {} counts now",
            task.attempt
        )));
    };
    if task.state != TaskState::Running {
        return Err(Stale(format!("attempt {} is over: the task is {}", task.attempt, name(task.state))));
    }
    if !plan.state.is_open() {
        return Err(Stale(format!("its plan is {}", plan.state.name())));
    }
    if now_ms >= claim.deadline_ms {
        return Err(Stale(format!("the time of attempt {} is over", task.attempt)));
    }
    Ok(claim)
}

/// What somebody hands in, and what the service found about it.
#[derive(Debug, Clone)]
pub(crate) struct HandedIn<'a> {
    pub(crate) worker: &'a Caller,
    pub(crate) token: &'a ClaimToken,
    pub(crate) output: Output,
    pub(crate) findings: Vec<Finding>,
    /// What is to be changed outside, as the plan declares it.
    pub(crate) offers: Vec<EffectOffer>,
    /// Who looked: the service.
    pub(crate) by: &'a Caller,
}

/// Takes what somebody hands in: it holds, it does not, or a verifier has to look.
///
/// # Errors
/// [`Stale`] if the claim is over.
pub(crate) fn submit(
    current: &Task,
    of: Of<'_>,
    handed_in: &HandedIn<'_>,
    now_ms: u64,
) -> Result<Verdict<Task>, Stale> {
    let HandedIn { worker, token, output, findings, offers, by } = handed_in;
    let has_taken = [TaskState::Submitted, TaskState::Committing, TaskState::Validated];
    let is_repetition = has_taken.contains(&current.state)
        && current.claim.as_ref().is_some_and(|claim| claim.token == **token && claim.worker == **worker)
        && current.output.as_ref().is_some_and(|stored| stored.digest == output.digest);
    if is_repetition {
        return Ok(Verdict::Same);
    }
    holds(current, of.plan, worker, token, now_ms)?;
    let found = found(findings.clone(), by, now_ms);
    let with_output = Task {
        output: Some(output.clone()),
        verdict: Some(found.clone()),
        effects: effect::of_attempt(current, of.spec, offers),
        ..current.clone()
    };
    Ok(match (found.passed, of.spec.needs_verifier()) {
        (false, _) => end(&with_output, of, dispute::cause(of, &found.findings), &in_words(&found), now_ms),
        (true, true) => {
            let state = Task { state: TaskState::Submitted, ..with_output };
            Change::new(&TASK_SUBMITTED, &Nothing {}, state).into()
        }
        (true, false) => accepted(with_output),
    })
}

/// What was handed in holds: it is done, or is to change something outside first.
fn accepted(task: Task) -> Verdict<Task> {
    if task.effects.is_empty() {
        return validated(task);
    }
    Change::new(&TASK_ACCEPTED, &Nothing {}, Task { state: TaskState::Committing, ..task }).into()
}

/// Takes in what became of what an accepted task changes outside: all of it is done, or the attempt has come to
/// nothing. What trying again cannot help is final.
pub(crate) fn commit(
    current: &Task,
    of: Of<'_>,
    attempt: u32,
    outcomes: &BTreeMap<IntentId, Outcome>,
    now_ms: u64,
) -> Verdict<Task> {
    if current.state != TaskState::Committing || current.attempt != attempt {
        return Verdict::Same;
    }
    match effect::settled(&current.effects, outcomes) {
        Ok(None) => Verdict::Same,
        Ok(Some(effects)) => validated(Task { effects, ..current.clone() }),
        Err((reason, _)) if !of.plan.state.is_open() => end(current, of, Cause::Cancelled, &reason, now_ms),
        Err((reason, is_final)) => {
            let tries = if is_final { of.spec.attempts } else { current.tries };
            end(&Task { tries, ..current.clone() }, of, Cause::Effect, &reason, now_ms)
        }
    }
}

fn validated(task: Task) -> Verdict<Task> {
    Change::new(&TASK_VALIDATED, &Nothing {}, Task { state: TaskState::Validated, ..task }).into()
}

fn found(findings: Vec<Finding>, by: &Caller, now_ms: u64) -> Found {
    let passed = findings.iter().all(|finding| finding.passed);
    Found { passed, by: by.clone(), at_ms: now_ms, findings, case: None }
}

/// The findings that do not hold.
fn in_words(found: &Found) -> String {
    let failed = found.findings.iter().filter(|finding| !finding.passed);
    let said: Vec<_> = failed.map(|finding| format!("{}: {}", finding.check, finding.seen)).collect();
    said.join("; ")
}

/// Takes a verifier's verdict on what was handed in.
///
/// # Errors
/// `denied` to whoever made it; `invalid` if the findings are not of the task's commands; conflict if it does
/// not wait for a verdict on this attempt.
pub(crate) fn judge(
    current: &Task,
    of: Of<'_>,
    by: &Caller,
    (attempt, findings): (u32, &[Finding]),
    now_ms: u64,
) -> Result<Verdict<Task>, Fault> {
    if current.claim.as_ref().is_some_and(|claim| claim.worker == *by) {
        return Err(Fault::denied(format!("{by} made it: somebody else has to look")));
    }
    if current.verdict.as_ref().is_some_and(|verdict| verdict.by == *by) && current.attempt == attempt {
        return Ok(Verdict::Same);
    }
    if current.state != TaskState::Submitted || current.attempt != attempt {
        return Err(Fault::conflict(format!(
            "attempt {attempt} does not wait for a verdict: attempt {} is {}",
            current.attempt,
            name(current.state)
        )));
    }
    if !of.plan.state.is_open() {
        return Err(Fault::conflict(format!("its plan is {}", of.plan.state.name())));
    }
    let commands = of.spec.checks.iter().filter(|check| check.needs_verifier()).count();
    if findings.len() != commands {
        let message = format!(
            "expected {commands} findings, one for each command of the task's checks, in their order"
        );
        return Err(Fault::invalid("the findings do not fit the task").at("/findings", message));
    }
    let before = current.verdict.iter().flat_map(|verdict| verdict.findings.iter());
    let found = found(before.chain(findings).cloned().collect(), by, now_ms);
    let judged = Task { verdict: Some(found.clone()), ..current.clone() };
    Ok(if found.passed {
        accepted(judged)
    } else {
        end(&judged, of, Cause::Rejected, &in_words(&found), now_ms)
    })
}

/// Ends the attempt that somebody gives up. `is_final`: it is not to be tried again.
///
/// # Errors
/// [`Stale`] if the claim is over.
pub(crate) fn fail(
    current: &Task,
    of: Of<'_>,
    (worker, token): (&Caller, &ClaimToken),
    (reason, is_final): (&str, bool),
    now_ms: u64,
) -> Result<Verdict<Task>, Stale> {
    let is_repetition = current.state != TaskState::Running
        && current.claim.as_ref().is_some_and(|claim| claim.token == *token && claim.worker == *worker)
        && current
            .past
            .last()
            .is_some_and(|past| past.attempt == current.attempt && past.cause == Cause::Worker);
    if is_repetition {
        return Ok(Verdict::Same);
    }
    holds(current, of.plan, worker, token, now_ms)?;
    let tries = if is_final { of.spec.attempts } else { current.tries };
    Ok(end(&Task { tries, ..current.clone() }, of, Cause::Worker, reason, now_ms))
}

/// Ends an attempt that nobody is heard of any more, or whose time is over, or whose plan is.
pub(crate) fn give_up(current: &Task, of: Of<'_>, attempt: u32, cause: Cause, now_ms: u64) -> Verdict<Task> {
    let is_open = match cause {
        Cause::Cancelled => matches!(current.state, TaskState::Running | TaskState::Submitted),
        _ => current.state == TaskState::Running,
    };
    if !is_open || current.attempt != attempt {
        return Verdict::Same;
    }
    let reason = match cause {
        Cause::Timeout => format!("it took longer than {} ms", of.spec.timeout_ms),
        Cause::Lost => "its worker was not heard of any more".to_owned(),
        _ => format!("its plan is {}", of.plan.state.name()),
    };
    end(current, of, cause, &reason, now_ms)
}

/// Ends an attempt of somebody who was gone when the claim was answered. Nothing was begun: it costs no try, and
/// another one may begin at once.
pub(crate) fn unheard(current: &Task, of: Of<'_>, attempt: u32, now_ms: u64) -> Verdict<Task> {
    if current.state != TaskState::Running || current.attempt != attempt {
        return Verdict::Same;
    }
    let at_once = TaskSpec { backoff_ms: 0, ..of.spec.clone() };
    let untried = Task { tries: current.tries.saturating_sub(1), ..current.clone() };
    let reason = "whoever claimed it was gone before the answer came";
    end(&untried, Of { spec: &at_once, ..of }, Cause::Lost, reason, now_ms)
}

/// Ends an attempt right after it began, since what it rests on has moved on.
pub(crate) fn blow(
    current: &Task,
    of: Of<'_>,
    token: &ClaimToken,
    reason: &str,
    now_ms: u64,
) -> Verdict<Task> {
    let is_it = current.claim.as_ref().is_some_and(|claim| claim.token == *token);
    if !is_it || current.state != TaskState::Running {
        return Verdict::Same;
    }
    end(current, of, Cause::Precondition, reason, now_ms)
}

/// Ends an attempt whose task was reserved something that somebody else may have by now.
pub(crate) fn lose_lease(
    current: &Task,
    of: Of<'_>,
    attempt: u32,
    reason: &str,
    now_ms: u64,
) -> Verdict<Task> {
    if current.state != TaskState::Running || current.attempt != attempt {
        return Verdict::Same;
    }
    end(current, of, Cause::Lost, &format!("what it reserves was lost: {reason}"), now_ms)
}

/// Ends an attempt that came to nothing: there is another one after a while, or there is none left.
fn end(current: &Task, of: Of<'_>, cause: Cause, reason: &str, now_ms: u64) -> Verdict<Task> {
    let mut past = current.past.clone();
    if past.len() >= MAX_PAST {
        past.remove(0);
    }
    if let Some(claim) = &current.claim {
        past.push(PastAttempt {
            attempt: current.attempt,
            worker: claim.worker.clone(),
            ended_at_ms: now_ms,
            cause,
            reason: cut(reason),
            output: current.output.as_ref().map(|output| output.digest.clone()),
        });
    }
    let ended = Task { past, effects: Vec::new(), ..current.clone() };
    if cause == Cause::Cancelled {
        return Change::new(&TASK_STOPPED, &Nothing {}, Task { state: TaskState::Stopped, ..ended }).into();
    }
    // Neither would come out otherwise if it were tried again.
    let is_final = matches!(cause, Cause::Precondition | Cause::Conflict);
    if is_final || current.tries >= of.spec.attempts {
        return Change::new(&TASK_EXHAUSTED, &Nothing {}, Task { state: TaskState::Failed, ..ended }).into();
    }
    let not_before_ms = Some(now_ms.saturating_add(pause_ms(of.spec.backoff_ms, current.tries)));
    let state = Task { state: TaskState::Waiting, not_before_ms, ..ended };
    Change::new(&TASK_FAILED, &Nothing {}, state).into()
}

/// Wait after so many tries, in milliseconds.
fn pause_ms(backoff_ms: u64, tries: u32) -> u64 {
    let doublings = tries.saturating_sub(1).min(32);
    backoff_ms.saturating_mul(1 << doublings).min(MAX_BACKOFF_MS)
}

/// Lets a task pass its gate.
///
/// # Errors
/// `denied` to the plan's own owner; conflict if it has no gate, or its plan is over.
pub(crate) fn open(
    current: Option<&Task>,
    of: Of<'_>,
    by: &Caller,
    owner: &Owner,
    now_ms: u64,
) -> Result<Verdict<Task>, Fault> {
    if of.spec.gate.is_none() {
        return Err(Fault::conflict(format!("{} has no gate", of.spec.id)));
    }
    if *owner == of.plan.owner {
        return Err(Fault::denied(format!(
            "{owner} answers for the plan: somebody else's consent is asked for"
        )));
    }
    if current.is_some() {
        return Ok(Verdict::Same);
    }
    if !of.plan.state.is_open() {
        return Err(Fault::conflict(format!("its plan is {}", of.plan.state.name())));
    }
    let opened = Some(Opened { by: by.clone(), owner: owner.clone(), at_ms: now_ms });
    Ok(Change::new(&TASK_OPENED, &Nothing {}, Task { opened, ..of.untouched() }).into())
}

/// Has a task that has used up its attempts tried once more.
///
/// # Errors
/// Conflict if it has not.
pub(crate) fn replay(current: &Task, of: Of<'_>, now_ms: u64) -> Result<Verdict<Task>, Fault> {
    if current.state != TaskState::Failed {
        return Err(Fault::conflict(format!(
            "the task is {}: only one that failed is tried again",
            name(current.state)
        )));
    }
    let state = Task {
        state: TaskState::Waiting,
        tries: of.spec.attempts.saturating_sub(1),
        round: of.plan.round,
        not_before_ms: Some(now_ms),
        ..current.clone()
    };
    Ok(Change::new(&TASK_REPLAYED, &Nothing {}, state).into())
}

pub(super) fn name(state: TaskState) -> &'static str {
    match state {
        TaskState::Opened => "opened",
        TaskState::Running => "running",
        TaskState::Submitted => "submitted",
        TaskState::Committing => "accepted, and its effects are under way",
        TaskState::Validated => "validated",
        TaskState::Waiting => "waiting for its next attempt",
        TaskState::Failed => "failed",
        TaskState::Stopped => "stopped",
    }
}

#[cfg(test)]
mod tests;
