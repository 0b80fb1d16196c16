//! Finding plans and tasks, and saying how they stand.

use std::sync::Arc;

use selvedge_contracts::{
    envelope::MAX_BODY_BYTES,
    fact::EntityName,
    fault::Fault,
    id::{EntityId, Mission, PlanId, TaskId, TaskName},
    payload::{
        plan::{Plan, PlanReply, PlanState, TaskSpec},
        task::{Input, MAX_LINE_REASON_BYTES, Phase, Task, TaskLine, TaskState},
    },
    subject::Entity,
};
use selvedge_kit::{
    clock::now_ms,
    service::{Answer, Call, Recorded},
    view::Entry,
};

use crate::{
    board::TaskPlace,
    handlers::page::within,
    rule::cut_to,
    rule::task::{self, Of},
    state::{Dispatcher, entity},
};

/// A task and what its plan says of it.
#[derive(Clone)]
pub(crate) struct Found {
    pub(crate) plan: Arc<Plan>,
    pub(crate) index: usize,
}

impl Found {
    /// The task's own part of the plan.
    ///
    /// # Errors
    /// `internal` if the plan is shorter than it was.
    pub(crate) fn of(&self) -> Answer<Of<'_>> {
        let spec = self.plan.spec.tasks.get(self.index);
        let spec = spec.ok_or_else(|| Fault::internal("a plan without one of its tasks"))?;
        Ok(Of { plan: &self.plan, spec })
    }

    pub(crate) fn place(&self) -> TaskPlace {
        TaskPlace { plan: (self.plan.mission.clone(), self.plan.id.clone()), index: self.index }
    }
}

impl Dispatcher {
    /// Tells the board of a handoff as the view has it.
    pub(crate) fn note_handoff(&self, of: &Entity) {
        if let Some(entry) = self.handoffs.get(&of.mission, &of.id) {
            self.board.note_handoff(&entry.state, entry.revision);
        }
    }

    /// Waits until all is known here that is stored by now: what seems to be missing may have been made a moment
    /// ago by way of another replica.
    ///
    /// # Errors
    /// `unavailable` if that takes longer than the call may.
    pub(crate) async fn catch_up(&self, call: &Call) -> Answer<()> {
        let last = self.feed.last_revision(call.deadline()).await;
        let last = last.map_err(|error| Fault::unavailable(error.to_string()))?;
        if self.feed.reaches(last, call.deadline()).await {
            return Ok(());
        }
        Err(Fault::unavailable(format!("revision {last} is not known here yet; try again")))
    }

    /// A plan as the view has it.
    ///
    /// # Errors
    /// `not_found`.
    pub(crate) fn plan(&self, mission: &Mission, id: &PlanId) -> Answer<Entry<Plan>> {
        self.views.plans.get(mission, &id.into()).ok_or_else(|| no_plan(id))
    }

    /// A task's record, if it has one.
    pub(crate) fn task(&self, mission: &Mission, id: &TaskId) -> Option<Entry<Task>> {
        self.views.tasks.get(mission, &id.into())
    }

    /// The plan of a task that has a record.
    ///
    /// # Errors
    /// `not_found`.
    pub(crate) fn found(&self, mission: &Mission, id: &TaskId) -> Answer<Found> {
        let task = self.task(mission, id).ok_or_else(|| no_task(id))?.state;
        let plan = self.plan(mission, &task.plan)?.state;
        let index = plan.spec.tasks.iter().position(|spec| spec.id == task.name);
        Ok(Found { index: index.ok_or_else(|| no_task(id))?, plan })
    }

    /// The same for a call that was told of the task by another replica a moment ago.
    ///
    /// # Errors
    /// `not_found`; `unavailable` if the ledger cannot be asked.
    pub(crate) async fn found_now(&self, call: &Call, id: &TaskId) -> Answer<Found> {
        let mission = call.mission();
        if let Ok(found) = self.found(mission, id) {
            return Ok(found);
        }
        call.writer.refresh(&entity(mission, EntityName::Task, id)).await?;
        if let Some(task) = self.task(mission, id) {
            call.writer.refresh(&entity(mission, EntityName::Plan, &task.state.plan)).await?;
        }
        self.found(mission, id)
    }

    /// A task of any plan of the mission that is known, whether it has a record or not.
    ///
    /// # Errors
    /// `not_found`.
    pub(crate) fn found_anywhere(&self, mission: &Mission, id: &TaskId) -> Answer<Found> {
        if let Ok(found) = self.found(mission, id) {
            return Ok(found);
        }
        let is_it = |plan: &Plan| plan.spec.tasks.iter().position(|spec| plan.id.task(&spec.id) == *id);
        // Every task of a plan that is done has a record.
        let may_be = |plan: &Plan| plan.state != PlanState::Done && is_it(plan).is_some();
        let (plans, _) = self.views.plans.page(mission, None, 1, may_be);
        let plan = plans.into_iter().next().ok_or_else(|| no_task(id))?;
        Ok(Found { index: is_it(&plan).ok_or_else(|| no_task(id))?, plan })
    }

    /// Records of what a task needs, in the order of its needs, each with its revision; nothing in place of
    /// one that is not validated.
    pub(crate) fn needs(&self, plan: &Plan, spec: &TaskSpec) -> Vec<(Input, Option<Entry<Task>>)> {
        let input = |need| {
            let id = plan.id.task(need);
            let entry = self.task(&plan.mission, &id);
            let entry = entry.filter(|entry| entry.state.state == TaskState::Validated);
            let output = entry.as_ref().and_then(|entry| entry.state.output.as_ref());
            let input = Input {
                task: need.clone(),
                digest: output.map_or_else(
                    || selvedge_contracts::id::Digest::of_json(&serde_json::Value::Null),
                    |output| output.digest.clone(),
                ),
                revision: entry.as_ref().map_or(0, |entry| entry.revision),
            };
            (input, entry)
        };
        spec.needs.iter().map(input).collect()
    }

    /// How one task of a plan stands.
    pub(crate) fn line(&self, plan: &Plan, spec: &TaskSpec) -> TaskLine {
        let id = plan.id.task(&spec.id);
        let entry = self.task(&plan.mission, &id);
        let task = entry.as_ref().map(|entry| entry.state.as_ref());
        let is_validated = |need| {
            let needed = self.task(&plan.mission, &plan.id.task(need));
            needed.is_some_and(|entry| entry.state.state == TaskState::Validated)
        };
        let of = (plan.mission.clone(), plan.id.clone());
        let held_up = (!spec.reserve.is_empty()).then(|| self.board.held_up_by(&of, &spec.id)).flatten();
        let waits_for: Vec<_> = spec.needs.iter().filter(|need| !is_validated(need)).cloned().collect();
        let phase = match task::phase(Of { plan, spec }, task, !waits_for.is_empty(), now_ms()) {
            Phase::Ready if held_up.is_some() => Phase::Waiting,
            phase => phase,
        };
        TaskLine {
            waits_for_lease: held_up
                .filter(|_| phase == Phase::Waiting)
                .map(|why| cut_to(&why, MAX_LINE_REASON_BYTES)),
            phase,
            id,
            plan: plan.id.clone(),
            name: spec.id.clone(),
            title: spec.title.clone(),
            queue: spec.queue.clone(),
            attempt: task.map_or(0, |task| task.attempt),
            worker: task.and_then(|task| task.claim.as_ref()).map(|claim| claim.worker.clone()),
            waits_for,
            reason: task
                .and_then(|task| task.past.last())
                .map(|past| cut_to(&past.reason, MAX_LINE_REASON_BYTES)),
        }
    }

    /// A plan and how its tasks stand: the first of them that one message holds.
    pub(crate) fn reply(&self, recorded: &Recorded<Plan>) -> PlanReply {
        self.reply_after(recorded, None)
    }

    /// The same from the task after this one on; from the first on if there is none of that name.
    pub(crate) fn reply_after(&self, recorded: &Recorded<Plan>, after: Option<&TaskName>) -> PlanReply {
        /// Most cases that a plan is shown with.
        const MOST_CASES: usize = 100;
        /// Room for the cases, in bytes.
        const CASES_BYTES: usize = 128 << 10;
        /// Room for the envelope and the rest, in bytes.
        const REST_BYTES: usize = 16 << 10;
        let plan = recorded.state.as_ref();
        let cases = self.board.cases_of(&(plan.mission.clone(), plan.id.clone()), MOST_CASES);
        let (cases, _) = within(CASES_BYTES, cases.iter().map(|case| case.line()).collect(), false);
        let taken = serde_json::to_vec(plan).map_or(0, |text| text.len()) + CASES_BYTES + REST_BYTES;
        let place = after.and_then(|after| plan.spec.tasks.iter().position(|task| task.id == *after));
        let specs = plan.spec.tasks.iter().skip(place.map_or(0, |place| place + 1));
        let lines = specs.map(|spec| self.line(plan, spec)).collect();
        let (tasks, more) = within(MAX_BODY_BYTES.saturating_sub(taken), lines, false);
        PlanReply { plan: plan.clone(), revision: recorded.revision, tasks, more, cases }
    }
}

/// Where a plan stands in the ledger.
pub(crate) fn plan_entity(mission: &Mission, id: &PlanId) -> selvedge_contracts::subject::Entity {
    entity(mission, EntityName::Plan, EntityId::from(id))
}

pub(crate) fn no_plan(id: &PlanId) -> Fault {
    Fault::not_found(format!("there is no {id} in this mission; dispatcher.plan_list shows those there are"))
}

pub(crate) fn no_task(id: &TaskId) -> Fault {
    Fault::not_found(format!("there is no {id} in this mission; dispatcher.task_list shows those there are"))
}
