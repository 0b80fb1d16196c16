//! What may become of a dead letter: it is replayed once, or discarded.

use selvedge_contracts::{
    fact::{DEAD_BURIED, DEAD_DISCARDED, DEAD_REPLAYED},
    fault::Fault,
    id::{Caller, DeadId, Digest},
    payload::{
        Nothing,
        dead::{DeadLetter, DeadState, Why},
        task::Task,
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
        ..blank(task, of, now_ms)?
    })
}

/// The letter about what was handed in under a claim that was over.
pub(crate) fn stale(
    task: &Task,
    of: Of<'_>,
    worker: &Caller,
    (token, output): (&str, &Value),
    error: &str,
    now_ms: u64,
) -> Option<DeadLetter> {
    let what = format!("{token} {}", Digest::of_json(output));
    Some(DeadLetter {
        id: DeadId::of(&task.id, 0, &what),
        worker: worker.clone(),
        why: Why::Stale,
        error: cut(error),
        output: Some(output.clone()),
        ..blank(task, of, now_ms)?
    })
}

fn blank(task: &Task, of: Of<'_>, now_ms: u64) -> Option<DeadLetter> {
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
        spec: of.spec.clone(),
        output: None,
        past: task.past.clone(),
        buried_at_ms: now_ms,
        state: DeadState::Open,
        settled_by: None,
        reason: None,
    })
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
    use selvedge_contracts::payload::task::Cause;

    use super::*;
    use crate::rule::{
        fixture::{claim, plan, plan_of},
        task,
    };

    fn buried() -> DeadLetter {
        let mut plan = plan(plan_of(&[("a", &[])]));
        plan.spec.tasks[0].attempts = 1;
        let spec = &plan.spec.tasks[0];
        let of = Of { plan: &plan, spec };
        let state = |verdict: Verdict<Task>| match verdict {
            Verdict::Changed(change) => change.state,
            Verdict::Same => panic!("nothing changed"),
        };
        let claimed = task::claim(None, of, |attempt| claim(&plan, spec, attempt, "ada-0a1b2c3d", 0), 0);
        let failed = state(task::give_up(&state(claimed.unwrap()), of, 1, Cause::Lost, 1));
        exhausted(&failed, of, 2).unwrap()
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
