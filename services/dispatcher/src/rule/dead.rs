//! What may become of a dead letter: it is replayed once, or discarded.

use selvedge_contracts::{
    fact::{DEAD_BURIED, DEAD_DISCARDED, DEAD_REPLAYED},
    fault::Fault,
    id::{Caller, ClaimToken, DeadId},
    payload::{
        Nothing,
        dead::{DeadLetter, DeadState, Why},
        task::{PastAttempt, Task, TaskState},
    },
};
use selvedge_kit::rule::{Change, Verdict};
use serde_json::Value;

use super::{cut, task::Of};

/// The letter about a task that has used up its attempts.
pub(crate) fn exhausted(task: &Task, of: Of<'_>, now_ms: u64) -> Option<DeadLetter> {
    let (claim, last) = (task.claim.as_ref()?, task.past.last()?);
    Some(DeadLetter {
        id: DeadId::of(&task.id, task.attempt, "exhausted"),
        attempt: task.attempt,
        worker: claim.worker.clone(),
        why: Why::Exhausted,
        error: format!("{}: {}", last.cause.name(), last.reason),
        output: task.output.as_ref().map(|output| output.value.clone()),
        spec: Some(of.spec.clone()),
        ..blank(task, now_ms)?
    })
}

/// The attempt of a task that a claim was for, if it was somebody's claim of it: the present one, or one of those
/// that it tells of.
pub(crate) fn attempt_of(task: &Task, worker: &Caller, token: &ClaimToken) -> Option<u32> {
    let present = task.claim.as_ref().filter(|claim| claim.token == *token && claim.worker == *worker);
    let past = || {
        let is_it = |past: &&PastAttempt| past.token.as_ref() == Some(token) && past.worker == *worker;
        task.past.iter().find(is_it).map(|past| past.attempt)
    };
    present.map(|_| task.attempt).or_else(past)
}

/// The letter about what was handed in for an attempt that was over: the first of each, and nothing of what its plan
/// says, so that nobody can fill the ledger by handing in again and again.
pub(crate) fn stale(
    task: &Task,
    (worker, token): (&Caller, &ClaimToken),
    output: &Value,
    error: &str,
    now_ms: u64,
) -> Option<DeadLetter> {
    let attempt = attempt_of(task, worker, token)?;
    Some(DeadLetter {
        id: DeadId::of(&task.id, attempt, "stale"),
        attempt,
        worker: worker.clone(),
        why: Why::Stale,
        error: cut(error),
        spec: None,
        output: Some(output.clone()),
        past: Vec::new(),
        ..blank(task, now_ms)?
    })
}

fn blank(task: &Task, now_ms: u64) -> Option<DeadLetter> {
    Some(DeadLetter {
        id: DeadId::of(&task.id, task.attempt, ""),
        mission: task.mission.clone(),
        plan: task.plan.clone(),
        task: task.id.clone(),
        name: task.name.clone(),
        attempt: task.attempt,
        worker: task.claim.as_ref()?.worker.clone(),
        why: Why::Stale,
        error: String::new(),
        spec: None,
        output: None,
        past: task.past.clone(),
        buried_at_ms: now_ms,
        state: DeadState::Open,
        settled_by: None,
        reason: None,
    })
}

/// Settles the letter of an attempt since its task went on without it: its plan was resumed.
pub(crate) fn overtaken(current: &DeadLetter, task: &Task, by: &Caller) -> Verdict<DeadLetter> {
    let has_gone_on = task.attempt > current.attempt || task.state == TaskState::Validated;
    if current.state != DeadState::Open || current.why != Why::Exhausted || !has_gone_on {
        return Verdict::Same;
    }
    let state = DeadLetter {
        state: DeadState::Replayed,
        settled_by: Some(by.clone()),
        reason: Some("its plan went on, and its task with it".to_owned()),
        ..current.clone()
    };
    Change::new(&DEAD_REPLAYED, &Nothing {}, state).into()
}

/// The letters of a task's attempts that used up all there were, if it has any.
pub(crate) fn letters_of(task: &Task) -> impl Iterator<Item = DeadId> {
    task.past.iter().map(|past| DeadId::of(&task.id, past.attempt, "exhausted"))
}

/// Keeps a letter; one that is there already stays as it stands.
pub(crate) fn bury(current: Option<&DeadLetter>, letter: &DeadLetter) -> Verdict<DeadLetter> {
    match current {
        Some(_) => Verdict::Same,
        None => Change::new(&DEAD_BURIED, &Nothing {}, letter.clone()).into(),
    }
}

/// Settles a letter by having its task tried once more.
///
/// # Errors
/// Conflict if it is settled, or about work that came too late.
pub(crate) fn replay(current: &DeadLetter, by: &Caller) -> Result<Verdict<DeadLetter>, Fault> {
    if current.why == Why::Stale {
        return Err(Fault::conflict(
            "it came under a claim that was over; its task goes on without it. Discard it once it was looked at",
        ));
    }
    let state = DeadLetter {
        state: DeadState::Replayed,
        settled_by: Some(by.clone()),
        ..unsettled(current)?.clone()
    };
    Ok(Change::new(&DEAD_REPLAYED, &Nothing {}, state).into())
}

/// Settles a letter as of no use.
///
/// # Errors
/// Conflict if it is settled otherwise.
pub(crate) fn discard(current: &DeadLetter, by: &Caller, reason: &str) -> Result<Verdict<DeadLetter>, Fault> {
    if current.state == DeadState::Discarded {
        return Ok(Verdict::Same);
    }
    let state = DeadLetter {
        state: DeadState::Discarded,
        settled_by: Some(by.clone()),
        reason: Some(cut(reason)),
        ..unsettled(current)?.clone()
    };
    Ok(Change::new(&DEAD_DISCARDED, &Nothing {}, state).into())
}

fn unsettled(current: &DeadLetter) -> Result<&DeadLetter, Fault> {
    match current.state {
        DeadState::Open => Ok(current),
        DeadState::Replayed => Err(Fault::conflict("it was replayed already")),
        DeadState::Discarded => Err(Fault::conflict("it was discarded")),
    }
}

#[cfg(test)]
mod tests {
    use selvedge_contracts::payload::{plan::Plan, task::Cause};
    use serde_json::json;

    use super::*;
    use crate::rule::{
        fixture::{claim, plan, plan_of},
        task,
    };

    /// A task whose only attempt, by ada, has failed; and its plan.
    fn failed() -> (Plan, Task) {
        let mut plan = plan(plan_of(&[("a", &[])]));
        plan.spec.tasks[0].attempts = 1;
        let spec = &plan.spec.tasks[0];
        let of = Of { plan: &plan, spec };
        let claimed = task::claim(None, of, |attempt| claim(&plan, spec, attempt, "ada-0a1b2c3d", 0), 0);
        let failed = state(task::give_up(&state(claimed.unwrap()), of, 1, Cause::Lost, 1));
        (plan, failed)
    }

    fn state(verdict: Verdict<Task>) -> Task {
        match verdict {
            Verdict::Changed(change) => change.state,
            Verdict::Same => panic!("nothing changed"),
        }
    }

    fn buried() -> DeadLetter {
        let (plan, failed) = failed();
        exhausted(&failed, Of { plan: &plan, spec: &plan.spec.tasks[0] }, 2).unwrap()
    }

    #[test]
    fn what_came_too_late_is_kept_of_those_who_had_the_task_once_for_each_attempt_and_under_its_number() {
        let (mut plan, failed) = failed();
        plan.round = 1;
        let spec = &plan.spec.tasks[0];
        let of = Of { plan: &plan, spec };
        let again = task::claim(Some(&failed), of, |n| claim(&plan, spec, n, "bob-0a1b2c3d", 3), 3);
        let again = state(again.unwrap());
        let (ada, bob) = (Caller::new("ada-0a1b2c3d").unwrap(), Caller::new("bob-0a1b2c3d").unwrap());
        let (first, second) =
            (failed.claim.as_ref().unwrap().token.clone(), again.claim.as_ref().unwrap().token.clone());
        let letter = |worker, token, output: &str| stale(&again, (worker, token), &json!(output), "late", 4);
        let late = letter(&ada, &first, "x").unwrap();
        assert_eq!((late.attempt, late.worker.clone(), late.spec.clone()), (1, ada.clone(), None));
        assert_eq!(late.id, letter(&ada, &first, "y").unwrap().id, "one for each attempt");
        assert_ne!(late.id, letter(&bob, &second, "x").unwrap().id);
        assert_eq!(letter(&bob, &first, "x"), None, "it was never bob's");
        assert_eq!(letter(&ada, &ClaimToken::of("made up", &again.id, 1), "x"), None);
    }

    #[test]
    fn a_letter_is_settled_with_its_task_once_that_goes_on() {
        let (mut plan, failed) = failed();
        let letter = exhausted(&failed, Of { plan: &plan, spec: &plan.spec.tasks[0] }, 2).unwrap();
        let me = Caller::new("dispatcher").unwrap();
        assert_eq!(overtaken(&letter, &failed, &me), Verdict::Same, "it is where it was");
        plan.round = 1;
        let (spec, of) = (&plan.spec.tasks[0], Of { plan: &plan, spec: &plan.spec.tasks[0] });
        let again = task::claim(Some(&failed), of, |n| claim(&plan, spec, n, "bob-0a1b2c3d", 3), 3);
        let again = state(again.unwrap());
        assert_eq!(letters_of(&again).collect::<Vec<_>>(), std::slice::from_ref(&letter.id));
        let Verdict::Changed(settled) = overtaken(&letter, &again, &me) else { panic!("not settled") };
        assert_eq!(
            (settled.state.state, settled.state.settled_by.clone()),
            (DeadState::Replayed, Some(me.clone()))
        );
        assert_eq!(overtaken(&settled.state, &again, &me), Verdict::Same);
        let stale = DeadLetter { why: Why::Stale, ..letter };
        assert_eq!(overtaken(&stale, &again, &me), Verdict::Same, "somebody has to look at it");
    }

    #[test]
    fn a_letter_tells_what_was_tried_and_is_kept_once() {
        let letter = buried();
        assert_eq!((letter.past.len(), letter.error.starts_with("lost: ")), (1, true));
        assert_eq!(bury(Some(&letter), &letter), Verdict::Same);
    }

    #[test]
    fn a_letter_is_settled_once() {
        let (letter, pia) = (buried(), Caller::new("pia-0a1b2c3d").unwrap());
        let Verdict::Changed(replayed) = replay(&letter, &pia).unwrap() else { panic!("not replayed") };
        assert!(replay(&replayed.state, &pia).is_err() && discard(&replayed.state, &pia, "no").is_err());
        let Verdict::Changed(discarded) = discard(&letter, &pia, "no").unwrap() else {
            panic!("not discarded")
        };
        assert!(replay(&discarded.state, &pia).is_err());
        assert_eq!(discard(&discarded.state, &pia, "no").unwrap(), Verdict::Same);
        assert!(replay(&DeadLetter { why: Why::Stale, ..letter }, &pia).is_err());
    }
}
