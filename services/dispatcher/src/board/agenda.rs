//! What is due when. Derived from the ledger, so a restart finds all of it again.

use std::collections::BTreeSet;

use selvedge_contracts::id::{CaseId, ClaimToken, HandoffId, Mission, ScopeId, SpaceId, TaskId};

use super::{PlanKey, TaskPlace};

/// Something that has to be looked at, at a time. Whoever does it looks at the ledger's state first, and
/// every write is guarded: that several replicas do it, or one does it twice, changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Job {
    /// A task may be tried again.
    Wake(TaskPlace),
    /// The claim of this attempt ends, unless it was renewed.
    Expire(TaskPlace, u32),
    /// Whoever claimed this attempt was gone before the answer came.
    Unheard(TaskPlace, u32),
    /// The attempt is to be stopped, since its plan was cancelled.
    Stop(TaskPlace, u32),
    /// A task has used up its attempts.
    Bury(TaskPlace, u32),
    /// A plan may have come to its end.
    Finish(PlanKey),
    /// Nobody may have decided a case at this step in time.
    Escalate(Mission, CaseId, u32),
    /// There is nothing to decide about a case any more.
    Close(Mission, CaseId),
    /// A plan that took the place of a task is over.
    Join(PlanKey),
    /// The deadline of a handoff may have passed.
    Lapse(Mission, HandoffId),
    /// What a task reserves may be free by now.
    Retry(TaskPlace),
    /// The leases of an attempt have to be kept.
    Keep(Attempt),
    /// What an attempt changes outside has to be proposed, or is settled.
    Commit(Attempt),
    /// What an attempt of a cancelled plan was to change is not proposed by anybody any more.
    CallOff(Attempt),
    /// The attempt that a credential is for has ended.
    EndScope(Mission, ScopeId),
    /// A task goes on whose attempts were used up before.
    Settle(Attempt),
    /// The claim that something was reserved for has ended.
    Unreserve(Mission, ClaimToken, Vec<SpaceId>),
}

/// One attempt of a task, also of a plan that is over.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Attempt {
    pub(crate) mission: Mission,
    pub(crate) task: TaskId,
    pub(crate) attempt: u32,
}

/// Jobs in the order of their times.
#[derive(Debug, Default)]
pub(super) struct Agenda(BTreeSet<(u64, Job)>);

impl Agenda {
    pub(super) fn add(&mut self, job: Job, at_ms: u64) {
        self.0.insert((at_ms, job));
    }

    /// When the first is due.
    pub(super) fn next(&self) -> Option<u64> {
        self.0.first().map(|(at_ms, _)| *at_ms)
    }

    /// What is due by now, the earliest first, and when the next is.
    pub(super) fn take(&mut self, now_ms: u64) -> (Vec<Job>, Option<u64>) {
        /// Most jobs at once: what is left comes next.
        const AT_ONCE: usize = 256;
        let mut due = Vec::new();
        while self.next().is_some_and(|at_ms| at_ms <= now_ms) && due.len() < AT_ONCE {
            due.extend(self.0.pop_first().map(|(_, job)| job));
        }
        (due, self.next())
    }
}
