//! What may become of a task. The table of its states stands at the head of `contracts::payload::task`.

use selvedge_contracts::{
    fact::{TASK_CLAIMED, TASK_OPENED, TASK_REPLAYED},
    fault::Fault,
    id::{Caller, ClaimToken, Owner},
    payload::{
        Nothing,
        plan::{Plan, PlanState, TaskSpec},
        task::{Claim, Opened, Phase, Task, TaskState},
    },
};
use selvedge_kit::rule::{Change, Verdict};

mod ending;
mod verdict;

pub(crate) use ending::{blow, fail, give_back, give_up, lose_lease, take_back, unheard};
pub(crate) use verdict::{HandedIn, commit, judge, submit};
pub(super) use verdict::{accepted, validated};

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
