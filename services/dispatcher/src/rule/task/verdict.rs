//! What is handed in, what is found about it, and what it changes outside once it holds.

use std::collections::BTreeMap;

use selvedge_contracts::{
    fact::{TASK_ACCEPTED, TASK_SUBMITTED, TASK_VALIDATED},
    fault::Fault,
    id::{Caller, ClaimToken, IntentId},
    payload::{
        Nothing,
        task::{Cause, EffectOffer, Finding, Output, Task, TaskState, Verdict as Found},
    },
};
use selvedge_kit::rule::{Change, Verdict};

use super::{
    super::{
        dispute,
        effect::{self, Outcome, Settled},
    },
    Of, Stale,
    ending::end,
    holds, name,
};

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
pub(in crate::rule) fn accepted(task: Task) -> Verdict<Task> {
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
    let ending = match effect::settled(&current.effects, outcomes) {
        Settled::Open => return Verdict::Same,
        Settled::Done(effects) => return validated(Task { effects, ..current.clone() }),
        Settled::Over(ending) => ending,
    };
    let cause = if of.plan.state.is_open() { Cause::Effect } else { Cause::Cancelled };
    let tries = if ending.is_final { of.spec.attempts } else { current.tries };
    let verdict = end(&Task { tries, ..current.clone() }, of, cause, &ending.reason, now_ms);
    let Verdict::Changed(mut change) = verdict else { return verdict };
    if let Some(past) = change.state.past.last_mut().filter(|past| past.attempt == attempt) {
        past.effects = ending.effects;
    }
    change.into()
}

pub(in crate::rule) fn validated(task: Task) -> Verdict<Task> {
    Change::new(&TASK_VALIDATED, &Nothing {}, Task { state: TaskState::Validated, ..task }).into()
}

fn found(findings: Vec<Finding>, by: &Caller, now_ms: u64) -> Found {
    let passed = findings.iter().all(|finding| finding.passed);
    Found { passed, by: by.clone(), at_ms: now_ms, findings, case: None, owner: None }
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
