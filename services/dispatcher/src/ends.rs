//! What follows from how a task stands. The end of an attempt: its credential is worth nothing any more, and what it reserved is free.
//!
//! It follows from the ledger, and every replica sees to it: a replica that dies between the end of an attempt
//! and what follows it leaves that to the others, or to itself once it is back. A credential that is made after
//! the end of its attempt, by a replica that was behind, is ended when its session is seen to begin.

use std::sync::Arc;

use selvedge_contracts::{
    fact::EntityName,
    id::TaskId,
    payload::{
        session::{Session, SessionStatus},
        task::{Task, TaskState},
    },
    subject::Entity,
};
use selvedge_kit::{
    clock::now_ms,
    ledger::{FactRecord, RequestDigest},
    view::{Apply, View},
};

use crate::{
    board::{Attempt, Board, Job},
    reserve::{JUDGING_MS, KEEP_AFTER_MS},
};

/// How much later the leases of what was handed in are looked at, in milliseconds: they were kept for longer before.
const LATER_MS: u64 = 60_000;

/// Whether an attempt has not ended: somebody has the task, or what was handed in is not settled.
pub(crate) const fn is_under_way(state: TaskState) -> bool {
    matches!(state, TaskState::Running | TaskState::Submitted | TaskState::Committing)
}

/// What has to be done because a task stands so, and when: nothing for most, whose claims bring neither a
/// credential nor leases.
pub(crate) fn following(task: &Task, now_ms: u64) -> Vec<(Job, u64)> {
    let Some(claim) = &task.claim else { return Vec::new() };
    let mut jobs = Vec::new();
    let of = || Attempt { mission: task.mission.clone(), task: task.id.clone(), attempt: task.attempt };
    if task.state == TaskState::Committing {
        jobs.push((Job::Commit(of()), 0));
    }
    let goes_on = matches!(task.state, TaskState::Running | TaskState::Validated);
    if goes_on && !task.past.is_empty() {
        jobs.push((Job::Settle(of()), 0));
    }
    if is_under_way(task.state) {
        // From the claim on; each time says when the next one is. A replica that starts later finds it too.
        if !claim.leases.is_empty() {
            let is_new = task.state == TaskState::Running || is_by_decision(task);
            let from_ms = if is_new { claim.claimed_at_ms } else { now_ms.saturating_add(LATER_MS) };
            jobs.push((Job::Keep(of()), from_ms.saturating_add(KEEP_AFTER_MS)));
        }
        return jobs;
    }
    if let Some(scope) = claim.scope.as_ref().filter(|_| now_ms < claim.deadline_ms) {
        jobs.push((Job::EndScope(task.mission.clone(), scope.clone()), 0));
    }
    // Whatever was kept longer is kept no more: half of its life is over by then.
    let until_ms = claim.deadline_ms.max(last_seen_ms(task)).saturating_add(2 * JUDGING_MS);
    if !claim.leases.is_empty() && now_ms < until_ms {
        let spaces = claim.leases.iter().map(|lease| lease.space.clone()).collect();
        jobs.push((Job::Unreserve(task.mission.clone(), claim.token.clone(), spaces), 0));
    }
    jobs
}

/// Whether somebody decided that what was handed in holds: what it reserves was leased anew then.
fn is_by_decision(task: &Task) -> bool {
    task.verdict.as_ref().is_some_and(|verdict| verdict.case.is_some())
}

/// When the attempt ended, as far as it says.
fn last_seen_ms(task: &Task) -> u64 {
    let ended = task.past.last().map_or(0, |past| past.ended_at_ms);
    let judged = task.verdict.as_ref().map_or(0, |verdict| verdict.at_ms);
    ended.max(judged)
}

/// The sessions, which tell the board of credentials for attempts that are over.
pub(crate) struct Scopes {
    pub(crate) sessions: Arc<View<Session>>,
    pub(crate) tasks: Arc<View<Task>>,
    pub(crate) board: Arc<Board>,
}

impl Apply for Scopes {
    fn entity(&self) -> EntityName {
        self.sessions.entity()
    }

    fn apply(&self, fact: &FactRecord) -> Result<(), serde_json::Error> {
        self.sessions.apply(fact)?;
        let entity = &fact.fact.entity;
        let session = self.sessions.state(&entity.mission, &entity.id);
        if let Some(session) = session.filter(|session| session.task.is_some() && self.is_left(session)) {
            self.board.put_off(Job::EndScope(session.mission.clone(), session.id.clone()), now_ms());
        }
        Ok(())
    }

    fn revision_of(&self, entity: &Entity) -> u64 {
        self.sessions.revision_of(entity)
    }

    fn may_hold(&self, entity: &Entity, request: RequestDigest) -> bool {
        self.sessions.may_hold(entity, request)
    }

    fn is_of_newest(&self) -> bool {
        true
    }

    fn remember(&self, entity: &Entity, request: RequestDigest) {
        self.sessions.remember(entity, request);
    }
}

impl Scopes {
    /// Whether it is open, and its attempt is over. One for something else than an attempt is none of ours.
    fn is_left(&self, session: &Session) -> bool {
        let Some((task, attempt)) = TaskId::of_scope(&session.id) else { return false };
        let task = self.tasks.state(&session.mission, &(&task).into());
        let is_over =
            |task: &Task| task.attempt > attempt || (task.attempt == attempt && !is_under_way(task.state));
        session.status == SessionStatus::Open && task.is_some_and(|task| is_over(&task))
    }
}

#[cfg(test)]
mod tests {
    use selvedge_contracts::{
        id::SpaceId,
        payload::{intent::FencingToken, task::Cause},
    };
    use selvedge_kit::rule::Verdict;

    use super::*;
    use crate::rule::{
        fixture::{claim, plan, plan_of},
        task::{self, Of},
    };

    fn state(verdict: Verdict<Task>) -> Task {
        match verdict {
            Verdict::Changed(change) => change.state,
            Verdict::Same => panic!("nothing changed"),
        }
    }

    #[test]
    fn the_end_of_an_attempt_ends_its_credential_and_frees_what_it_reserved() {
        let plan = plan(plan_of(&[("a", &[])]));
        let of = Of { plan: &plan, spec: &plan.spec.tasks[0] };
        let plain = state(task::claim(None, of, |n| claim(&plan, of.spec, n, "ada-0a1b2c3d", 0), 0).unwrap());
        assert_eq!(following(&plain, 0), []);
        let mut held = plain.clone();
        let (space, token) = (SpaceId::new("shop").unwrap(), held.claim.as_ref().unwrap().token.clone());
        let lease = FencingToken { lease: token.lease_in(&space), space, token: 7 };
        let of_claim = held.claim.as_mut().unwrap();
        (of_claim.scope, of_claim.leases) = (Some(plain.id.scope(1)), vec![lease]);
        assert!(
            matches!(following(&held, 0).as_slice(), [(Job::Keep(of), KEEP_AFTER_MS)] if of.attempt == 1)
        );
        let failed = state(task::give_up(&held, of, 1, Cause::Lost, 10));
        let jobs = following(&failed, 20);
        assert!(
            matches!(jobs.as_slice(), [(Job::EndScope(..), 0), (Job::Unreserve(_, of, _), 0)] if *of == token),
            "{jobs:?}"
        );
        assert_eq!(following(&failed, u64::MAX), [], "by then all of it has run out");
    }
}
