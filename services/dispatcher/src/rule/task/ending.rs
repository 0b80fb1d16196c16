//! Attempts that come to nothing: given up, lost, out of time, or of no use any more.

use selvedge_contracts::{
    fact::{TASK_EXHAUSTED, TASK_FAILED, TASK_STOPPED},
    id::{Caller, ClaimToken},
    payload::{
        Nothing,
        plan::MAX_BACKOFF_MS,
        task::{Cause, MAX_PAST, MAX_RETURNS, MAX_VERDICT_WAIT_MS, PastAttempt, Task, TaskState},
    },
};
use selvedge_kit::rule::{Change, Verdict};

use super::{super::cut, Of, Stale, holds};

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

/// Ends an attempt that its worker gives back: that is no try, unless it happens again and again.
///
/// # Errors
/// [`Stale`] if the claim is over.
pub(crate) fn give_back(
    current: &Task,
    of: Of<'_>,
    (worker, token): (&Caller, &ClaimToken),
    reason: &str,
    now_ms: u64,
) -> Result<Verdict<Task>, Stale> {
    let is_it = |past: &PastAttempt| past.attempt == current.attempt && past.token.as_ref() == Some(token);
    if current.past.last().is_some_and(|past| past.cause == Cause::Returned && is_it(past)) {
        return Ok(Verdict::Same);
    }
    holds(current, of.plan, worker, token, now_ms)?;
    let returns = current.past.iter().rev().take_while(|past| past.cause == Cause::Returned).count();
    let uncounted = u32::from(returns < MAX_RETURNS);
    let tries = current.tries.saturating_sub(uncounted);
    Ok(end(&Task { tries, ..current.clone() }, of, Cause::Returned, reason, now_ms))
}

/// Ends an attempt that nobody is heard of any more, or whose time is over, or whose plan is.
pub(crate) fn give_up(current: &Task, of: Of<'_>, attempt: u32, cause: Cause, now_ms: u64) -> Verdict<Task> {
    let is_open = match cause {
        Cause::Cancelled => matches!(current.state, TaskState::Running | TaskState::Submitted),
        Cause::Unjudged => current.state == TaskState::Submitted,
        _ => current.state == TaskState::Running,
    };
    if !is_open || current.attempt != attempt {
        return Verdict::Same;
    }
    let reason = match cause {
        Cause::Timeout => format!("it took longer than {} ms", of.spec.timeout_ms),
        Cause::Lost => "its worker was not heard of any more".to_owned(),
        Cause::Unjudged => format!("no verifier gave a verdict within {MAX_VERDICT_WAIT_MS} ms"),
        _ => format!("its plan is {}", of.plan.state.name()),
    };
    end(current, of, cause, &reason, now_ms)
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

/// Ends an attempt of somebody who was gone when the claim was answered. Nothing was begun: it does not count.
pub(crate) fn unheard(current: &Task, of: Of<'_>, attempt: u32, now_ms: u64) -> Verdict<Task> {
    if current.state != TaskState::Running || current.attempt != attempt {
        return Verdict::Same;
    }
    end_uncounted(current, of, "whoever claimed it was gone before the answer came", now_ms)
}

/// Takes a task back that was given to a request which had been answered with another one: that attempt does not
/// count.
pub(crate) fn take_back(current: &Task, of: Of<'_>, token: &ClaimToken, now_ms: u64) -> Verdict<Task> {
    let is_it = current.claim.as_ref().is_some_and(|claim| claim.token == *token);
    if !is_it || current.state != TaskState::Running {
        return Verdict::Same;
    }
    let reason = "its request, sent more than once, had been answered with another task already";
    end_uncounted(current, of, reason, now_ms)
}

/// Ends an attempt that nobody has begun: it costs no try, and another one may begin at once.
fn end_uncounted(current: &Task, of: Of<'_>, reason: &str, now_ms: u64) -> Verdict<Task> {
    let uncounted = Task { tries: 0, ..current.clone() };
    let Verdict::Changed(change) = end(&uncounted, of, Cause::Lost, reason, now_ms) else {
        return Verdict::Same;
    };
    let tries = current.tries.saturating_sub(1);
    Change { state: Task { tries, not_before_ms: Some(now_ms), ..change.state }, ..change }.into()
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
pub(super) fn end(current: &Task, of: Of<'_>, cause: Cause, reason: &str, now_ms: u64) -> Verdict<Task> {
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
            token: Some(claim.token.clone()),
            effects: Vec::new(),
        });
    }
    let ended = Task { past, ..current.clone() };
    if cause == Cause::Cancelled {
        return Change::new(&TASK_STOPPED, &Nothing {}, Task { state: TaskState::Stopped, ..ended }).into();
    }
    // Neither would come out otherwise if it were tried again.
    let is_final = matches!(cause, Cause::Precondition | Cause::Conflict | Cause::Unjudged);
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
