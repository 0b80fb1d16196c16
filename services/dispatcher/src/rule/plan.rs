//! What may become of a plan. The table of its states stands at the head of `contracts::payload::plan`.

use selvedge_contracts::{
    fact::{PLAN_CANCELLED, PLAN_DONE, PLAN_FAILED, PLAN_PAUSED, PLAN_RESUMED, PLAN_SUBMITTED},
    fault::Fault,
    id::{Caller, Owner, PoolName, QueueName},
    payload::{
        Nothing,
        plan::{MISSION_POOL, Plan, PlanState, QUEUE_POOL_PREFIX},
    },
    role::Role,
};
use selvedge_kit::rule::{Change, Verdict};

use super::cut;

/// Puts a plan on the record. One that is there already stays as it stands, whoever asks.
pub(crate) fn submit(current: Option<&Plan>, wanted: &Plan) -> Verdict<Plan> {
    match current {
        Some(_) => Verdict::Same,
        None => Change::new(&PLAN_SUBMITTED, &Nothing {}, wanted.clone()).into(),
    }
}

/// Who wants to change a plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asker<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) owner: Option<&'a Owner>,
    pub(crate) role: Role,
}

/// Whether a plan is the asker's to change: its planner's, whoever answers for them, or an operator's.
///
/// # Errors
/// `denied` to others.
pub(crate) fn may_change(plan: &Plan, by: &Asker<'_>) -> Result<(), Fault> {
    if plan.planner == *by.caller || by.owner == Some(&plan.owner) || by.role == Role::Operator {
        return Ok(());
    }
    Err(Fault::denied(format!(
        "{} submitted it for {}: they may change it, or an operator",
        plan.planner, plan.owner
    )))
}

/// Ends a plan that nobody wants any more.
///
/// # Errors
/// `denied` to others than its planner; conflict if it is done.
pub(crate) fn cancel(current: &Plan, by: &Asker<'_>, reason: &str) -> Result<Verdict<Plan>, Fault> {
    may_change(current, by)?;
    match current.state {
        PlanState::Cancelled => Ok(Verdict::Same),
        PlanState::Done => Err(Fault::conflict("it is done: there is nothing to cancel")),
        _ => {
            Ok(Change::new(&PLAN_CANCELLED, &Nothing {}, told(current, PlanState::Cancelled, by, reason))
                .into())
        }
    }
}

/// Gives out none of its tasks for now.
///
/// # Errors
/// `denied` to others than its planner; conflict if it is over.
pub(crate) fn pause(current: &Plan, by: &Asker<'_>, reason: &str) -> Result<Verdict<Plan>, Fault> {
    may_change(current, by)?;
    match current.state {
        PlanState::Paused => Ok(Verdict::Same),
        PlanState::Running => {
            Ok(Change::new(&PLAN_PAUSED, &Nothing {}, told(current, PlanState::Paused, by, reason)).into())
        }
        state => Err(Fault::conflict(format!("it is {}: there is nothing to pause", state.name()))),
    }
}

fn told(current: &Plan, state: PlanState, by: &Asker<'_>, reason: &str) -> Plan {
    let reason = Some(cut(&format!("{}: {reason}", by.caller)));
    Plan { state, reason, ..current.clone() }
}

/// Lets a paused plan go on, or a failed one with all attempts anew.
///
/// # Errors
/// `denied` to others than its planner; conflict if it is done or cancelled.
pub(crate) fn resume(current: &Plan, by: &Asker<'_>) -> Result<Verdict<Plan>, Fault> {
    may_change(current, by)?;
    let round = match current.state {
        PlanState::Running => return Ok(Verdict::Same),
        PlanState::Paused => current.round,
        PlanState::Failed => current.round.saturating_add(1),
        state => {
            let message =
                format!("it is {}; to do it once more, submit it under another occurrence", state.name());
            return Err(Fault::conflict(message));
        }
    };
    Ok(go_on(current, round))
}

/// Lets a plan go on because one of its tasks is tried once more. Also where it is running: what is judged to
/// have failed meanwhile was judged on something else.
///
/// # Errors
/// Conflict if it is done or cancelled.
pub(crate) fn reopen(current: &Plan) -> Result<Verdict<Plan>, Fault> {
    match current.state {
        PlanState::Done | PlanState::Cancelled => {
            Err(Fault::conflict(format!("its plan is {}", current.state.name())))
        }
        PlanState::Paused => Ok(Verdict::Same),
        PlanState::Running | PlanState::Failed => Ok(go_on(current, current.round)),
    }
}

fn go_on(current: &Plan, round: u32) -> Verdict<Plan> {
    let state = Plan { state: PlanState::Running, round, reason: None, ..current.clone() };
    Change::new(&PLAN_RESUMED, &Nothing {}, state).into()
}

/// How a plan ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Every task is validated.
    Done,
    /// A task has used up its attempts, and nothing else can go on.
    Failed,
}

/// Ends a plan that came to its end.
pub(crate) fn finish(current: &Plan, outcome: Outcome) -> Verdict<Plan> {
    if !current.state.is_open() {
        return Verdict::Same;
    }
    let ended = |state, reason| Plan { state, reason, ..current.clone() };
    match outcome {
        Outcome::Done => Change::new(&PLAN_DONE, &Nothing {}, ended(PlanState::Done, None)).into(),
        Outcome::Failed => {
            let reason = "a task has used up its attempts, and nothing can go on without it".to_owned();
            Change::new(&PLAN_FAILED, &Nothing {}, ended(PlanState::Failed, Some(reason))).into()
        }
    }
}

/// Pools that a task of a plan and its plan name.
pub(crate) fn named_pools(plan: &Plan, index: usize) -> impl Iterator<Item = &PoolName> {
    let task = plan.spec.tasks.get(index);
    plan.spec.pools.iter().chain(task.into_iter().flat_map(|task| &task.pools))
}

/// Pools in which every task of a queue counts as soon as they are set: those of the mission and of the queue.
pub(crate) fn common_pools(queue: &QueueName, is_set: impl Fn(&PoolName) -> bool) -> Vec<PoolName> {
    let names = [MISSION_POOL.to_owned(), format!("{QUEUE_POOL_PREFIX}{queue}")];
    names.iter().filter_map(|name| PoolName::new(name).ok()).filter(is_set).collect()
}

/// Pools in which a task counts that is claimed now, each once.
pub(crate) fn pools_of(plan: &Plan, index: usize, is_set: impl Fn(&PoolName) -> bool) -> Vec<PoolName> {
    let queue = plan.spec.tasks.get(index).map(|task| &task.queue);
    let common = queue.map(|queue| common_pools(queue, is_set)).unwrap_or_default();
    let mut pools: Vec<PoolName> = named_pools(plan, index).cloned().chain(common).collect();
    pools.sort_unstable();
    pools.dedup();
    pools
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::fixture::{plan, plan_of};

    fn after(verdict: Verdict<Plan>) -> Plan {
        match verdict {
            Verdict::Changed(change) => change.state,
            Verdict::Same => panic!("nothing changed"),
        }
    }

    fn pia(plan: &Plan) -> (Caller, Owner) {
        (plan.planner.clone(), plan.owner.clone())
    }

    #[test]
    fn the_same_plan_again_stays_as_it_stands() {
        let wanted = plan(plan_of(&[("a", &[])]));
        let submitted = after(submit(None, &wanted));
        let (caller, owner) = pia(&wanted);
        let by = Asker { caller: &caller, owner: Some(&owner), role: Role::Planner };
        let cancelled = after(cancel(&submitted, &by, "no").unwrap());
        assert_eq!(submit(Some(&submitted), &wanted), Verdict::Same);
        assert_eq!(submit(Some(&cancelled), &wanted), Verdict::Same);
    }

    #[test]
    fn only_its_planner_their_owner_or_an_operator_changes_a_plan() {
        let plan = plan(plan_of(&[("a", &[])]));
        let (stranger, other) = (Caller::new("eve-0a1b2c3d").unwrap(), Owner::new("person:eve").unwrap());
        let by = |role| Asker { caller: &stranger, owner: Some(&other), role };
        assert!(cancel(&plan, &by(Role::Planner), "no").is_err());
        assert!(
            pause(&plan, &by(Role::Planner), "no").is_err() && resume(&plan, &by(Role::Planner)).is_err()
        );
        assert!(cancel(&plan, &by(Role::Operator), "no").is_ok());
        assert!(cancel(&plan, &Asker { owner: Some(&plan.owner), ..by(Role::Planner) }, "no").is_ok());
    }

    #[test]
    fn only_a_failed_plan_begins_a_new_round() {
        let running = plan(plan_of(&[("a", &[])]));
        let (caller, owner) = pia(&running);
        let by = Asker { caller: &caller, owner: Some(&owner), role: Role::Planner };
        assert_eq!(resume(&running, &by).unwrap(), Verdict::Same);
        let paused = after(pause(&running, &by, "lunch").unwrap());
        assert_eq!(pause(&paused, &by, "lunch").unwrap(), Verdict::Same);
        assert_eq!(after(resume(&paused, &by).unwrap()).round, 0);
        let failed = after(finish(&running, Outcome::Failed));
        assert_eq!(finish(&failed, Outcome::Failed), Verdict::Same);
        assert_eq!(
            (after(resume(&failed, &by).unwrap()).round, after(reopen(&failed).unwrap()).round),
            (1, 0)
        );
        let done = after(finish(&paused, Outcome::Done));
        assert!(resume(&done, &by).is_err() && cancel(&done, &by, "no").is_err() && reopen(&done).is_err());
    }

    #[test]
    fn a_task_counts_where_it_its_plan_its_queue_and_its_mission_say() {
        let pool = |name: &str| PoolName::new(name).unwrap();
        let mut spec = plan_of(&[("a", &[]), ("b", &[])]);
        assert_eq!(pools_of(&plan(spec.clone()), 0, |_| false), []);
        spec.pools = vec![pool("gpu")];
        spec.tasks[0].queue = QueueName::new("rust").unwrap();
        spec.tasks[1].pools = vec![pool("gpu"), pool("db")];
        let (plan, set) = (plan(spec), |name: &PoolName| ["queue-rust", "mission"].contains(&name.as_str()));
        assert_eq!(pools_of(&plan, 0, set), ["gpu", "mission", "queue-rust"].map(pool));
        assert_eq!(pools_of(&plan, 1, set), ["db", "gpu", "mission"].map(pool));
        assert_eq!(pools_of(&plan, 0, |_| false), [pool("gpu")], "what is not set caps nothing");
    }
}
