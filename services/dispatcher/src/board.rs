//! What is ready, who waits for it, and what is due: in memory, made of the plans and tasks that were
//! followed from the ledger, by every replica for itself. Never the truth: whatever is given out here counts
//! only once it is stored under the task's guard, so two replicas may offer one task and one claim stands.

mod agenda;
mod docket;
mod held_up;
mod lane;
mod plan;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use selvedge_contracts::{
    id::{CaseId, EntityId, Mission, PlanId, PoolName, QueueName, TaskId},
    payload::{
        case::Case,
        handoff::Handoff,
        plan::{Capacity, Plan, PlanState},
        task::{MAX_VERDICT_WAIT_MS, Task, TaskState},
    },
    role::Role,
};
use selvedge_kit::{clock::Deadline, view::View};
use tokio::sync::{Notify, oneshot};

use agenda::Agenda;
pub(crate) use agenda::{Attempt, Job};
use docket::Docket;
use lane::{Lane, Seeker};
use plan::PlanCell;
pub(crate) use plan::Tally;

use crate::{
    ends::{following, is_under_way},
    inspections::Inspections,
    rule::{
        capacity::has_room,
        case as case_rule, dispute,
        plan::{Outcome, common_pools, named_pools, pools_of},
    },
};

/// A plan of a mission.
pub(crate) type PlanKey = (Mission, PlanId);

/// Where tasks wait for agents, and agents for tasks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct LaneKey {
    pub(crate) mission: Mission,
    pub(crate) queue: QueueName,
    pub(crate) role: Role,
}

/// A task, by its plan and its place in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TaskPlace {
    pub(crate) plan: PlanKey,
    pub(crate) index: usize,
}

/// All plans that are not over, and everybody who waits.
pub(crate) struct Board {
    inner: Mutex<Inner>,
    /// Told when something is due earlier than before.
    due: Notify,
    /// What waits for a verifier.
    pub(crate) inspections: Inspections,
    /// Told when there is a case that somebody may decide.
    asked: Notify,
    views: Views,
}

/// What the board reads.
#[derive(Clone, Default)]
pub(crate) struct Views {
    pub(crate) plans: Arc<View<Plan>>,
    pub(crate) tasks: Arc<View<Task>>,
    pub(crate) capacities: Arc<View<Capacity>>,
    pub(crate) cases: Arc<View<Case>>,
}

impl Views {
    /// Whether there is such a pool.
    pub(crate) fn is_set(&self, mission: &Mission, pool: &PoolName) -> bool {
        self.capacities.get(mission, &pool.into()).is_some()
    }
}

#[derive(Default)]
struct Inner {
    plans: HashMap<PlanKey, PlanCell>,
    lanes: HashMap<LaneKey, Lane>,
    agenda: Agenda,
    docket: Docket,
    /// Revisions of the handoffs that are not over, as they were taken in.
    handoffs: HashMap<(Mission, EntityId), u64>,
    /// Tasks that are about to count in a pool.
    coming: HashMap<(Mission, PoolName), usize>,
    /// Revisions of the pools that were taken in.
    pools: HashMap<(Mission, EntityId), u64>,
    /// Lanes in which somebody may be served now.
    stirred: HashSet<LaneKey>,
    /// Tasks that wait for what they reserve.
    held_up: BTreeSet<TaskPlace>,
}

/// A ready task that is offered to one agent. Dropped, it goes back to where it was, unless somebody has it
/// by then.
pub(crate) struct Ticket {
    board: Arc<Board>,
    pub(crate) place: TaskPlace,
    pub(crate) plan: Arc<Plan>,
    /// Pools in which it is about to count.
    pools: Vec<PoolName>,
    is_live: bool,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.is_live {
            let board = Arc::clone(&self.board);
            board.change(|inner| inner.take_back(&self.place, &self.pools));
        }
    }
}

impl Board {
    pub(crate) fn new(views: Views) -> Self {
        let inspections = Inspections::default();
        Self { inner: Mutex::default(), due: Notify::new(), asked: Notify::new(), inspections, views }
    }

    /// Waits for a ready task until the deadline; nothing if none came.
    pub(crate) async fn seek(self: &Arc<Self>, lane: &LaneKey, until: Deadline) -> Option<Ticket> {
        let (answer, answered) = oneshot::channel();
        self.change(|inner| {
            inner.lanes.entry(lane.clone()).or_default().waiting.push_back(Seeker { answer });
            inner.stirred.insert(lane.clone());
        });
        let found = tokio::time::timeout(until.remaining(), answered).await.ok().and_then(Result::ok);
        if found.is_none() {
            self.change(|inner| inner.sweep(lane));
        }
        found
    }

    /// Takes in a plan, as it stands.
    pub(crate) fn note_plan(self: &Arc<Self>, plan: &Arc<Plan>, revision: u64) {
        self.change(|inner| inner.note_plan(plan, revision, &self.views));
    }

    /// Takes in a task, as it stands.
    pub(crate) fn note_task(self: &Arc<Self>, task: &Task, revision: u64) {
        self.change(|inner| inner.note_task(task, revision, &self.views));
        self.inspections.note(task, self.inspected_in(task));
    }

    /// The queue of a task that a verifier has to look at.
    fn inspected_in(&self, task: &Task) -> Option<QueueName> {
        if task.state != TaskState::Submitted {
            return None;
        }
        let plan = self.views.plans.state(&task.mission, &(&task.plan).into())?;
        let spec = plan.spec.tasks.iter().find(|spec| spec.id == task.name)?;
        spec.needs_verifier().then(|| spec.queue.clone())
    }

    /// Takes in that something changed about a pool.
    pub(crate) fn note_capacity(self: &Arc<Self>, mission: &Mission, id: &EntityId, revision: u64) {
        self.change(|inner| {
            inner.pools.insert((mission.clone(), id.clone()), revision);
            inner.stir(mission);
        });
    }

    /// Takes in a case, as it stands.
    pub(crate) fn note_case(self: &Arc<Self>, case: &Case, revision: u64) {
        self.change(|inner| inner.note_case(case, revision, &self.views));
        if case.state.is_open() {
            self.asked.notify_waiters();
        }
    }

    /// Takes in a handoff, as it stands.
    pub(crate) fn note_handoff(self: &Arc<Self>, handoff: &Handoff, revision: u64) {
        let (key, deadline_ms) =
            ((handoff.mission.clone(), EntityId::from(&handoff.id)), handoff.offer.deadline_at_ms);
        self.change(|inner| {
            if !handoff.state.is_open() {
                inner.handoffs.remove(&key);
            } else if inner.handoffs.insert(key, revision).is_none() {
                let job = Job::Lapse(handoff.mission.clone(), handoff.id.clone());
                inner.agenda.add(job, deadline_ms);
            }
        });
    }

    /// Revision of a handoff that is not over, as it was taken in.
    pub(crate) fn handoff_revision(&self, mission: &Mission, id: &EntityId) -> Option<u64> {
        self.lock().handoffs.get(&(mission.clone(), id.clone())).copied()
    }

    /// Told when there is a case that somebody may decide, from its making on.
    pub(crate) fn asked(&self) -> tokio::sync::futures::Notified<'_> {
        self.asked.notified()
    }

    /// Revision of a case that is not over, as it was taken in.
    pub(crate) fn case_revision(&self, mission: &Mission, id: &EntityId) -> Option<u64> {
        let id = id.as_str().parse().ok()?;
        self.lock().docket.revision(mission, &id)
    }

    /// The cases of a plan that are not over, in order of id.
    pub(crate) fn cases_of(&self, plan: &PlanKey, most: usize) -> Vec<Arc<Case>> {
        let ids: Vec<CaseId> = self.lock().docket.of_plan(plan).take(most).cloned().collect();
        ids.iter().filter_map(|id| self.views.cases.state(&plan.0, &id.into())).collect()
    }

    /// The cases of a mission that are not over, in order of id.
    pub(crate) fn cases_in(&self, mission: &Mission) -> Vec<Arc<Case>> {
        let ids = self.lock().docket.of_mission(mission);
        ids.iter().filter_map(|id| self.views.cases.state(mission, &id.into())).collect()
    }

    /// Revision of a plan that is not over, as it was taken in.
    pub(crate) fn plan_revision(&self, mission: &Mission, id: &EntityId) -> Option<u64> {
        let id = id.as_str().parse().ok()?;
        self.lock().plans.get(&(mission.clone(), id)).map(|cell| cell.revision)
    }

    /// Revision of a task of a plan that is not over, as it was taken in; 0: it was not.
    pub(crate) fn task_revision(&self, mission: &Mission, id: &EntityId) -> Option<u64> {
        let task = self.views.tasks.state(mission, id)?;
        let inner = self.lock();
        let cell = inner.plans.get(&(mission.clone(), task.plan.clone()))?;
        cell.index_of(&task.name).and_then(|index| cell.cells.get(index)).map(|cell| cell.revision)
    }

    /// Revision of a pool, as it was taken in.
    pub(crate) fn capacity_revision(&self, mission: &Mission, id: &EntityId) -> Option<u64> {
        self.lock().pools.get(&(mission.clone(), id.clone())).copied()
    }

    /// How many tasks of a plan that is not over stand how.
    pub(crate) fn tally(&self, plan: &PlanKey) -> Option<Tally> {
        self.lock().plans.get(plan).map(|cell| cell.tally)
    }

    /// How many plans of the mission are not over.
    pub(crate) fn open_plans(&self, mission: &Mission) -> usize {
        self.lock().plans.keys().filter(|(of, _)| of == mission).count()
    }

    /// How a plan that is not over ends, if it has come to its end.
    pub(crate) fn outcome(&self, plan: &PlanKey) -> Option<Outcome> {
        self.lock().plans.get(plan)?.outcome()
    }

    /// Tasks that an agent has, of plans that are not over.
    pub(crate) fn held_by(&self, mission: &Mission, worker: &str) -> Vec<TaskId> {
        let inner = self.lock();
        let cells = inner.plans.iter().filter(|((of, _), _)| of == mission).flat_map(|(_, cell)| &cell.cells);
        cells.filter(|cell| cell.worker.as_deref() == Some(worker)).map(|cell| cell.id.clone()).collect()
    }

    /// Has something done at a time.
    pub(crate) fn put_off(&self, job: Job, at_ms: u64) {
        self.lock().agenda.add(job, at_ms);
        self.due.notify_one();
    }

    /// What is due by now, and when the next is.
    pub(crate) fn take_due(&self, now_ms: u64) -> (Vec<Job>, Option<u64>) {
        self.lock().agenda.take(now_ms)
    }

    /// Waits until something is put on the agenda that is due before all others.
    pub(crate) async fn something_new(&self) {
        self.due.notified().await;
    }

    /// A task's time to be tried again has come.
    pub(crate) fn wake(self: &Arc<Self>, place: &TaskPlace) {
        self.change(|inner| {
            if let Some(cell) = inner.plans.get_mut(&place.plan) {
                cell.wake(place.index);
                inner.list_if_ready(place);
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something, then serves whoever can be served.
    fn change(self: &Arc<Self>, change: impl FnOnce(&mut Inner)) {
        let mut inner = self.lock();
        let due_before = inner.agenda.next();
        change(&mut inner);
        while let Some(lane) = inner.stirred.iter().next().cloned() {
            inner.stirred.remove(&lane);
            self.serve(&mut inner, &lane);
        }
        if inner.agenda.next() != due_before {
            self.due.notify_one();
        }
    }

    /// Hands out ready tasks to those who wait, the longest first.
    fn serve(self: &Arc<Self>, inner: &mut Inner, key: &LaneKey) {
        loop {
            let Some(lane) = inner.lanes.get_mut(key) else { return };
            lane.waiting.retain(|seeker| !seeker.answer.is_closed());
            if lane.waiting.is_empty() {
                if lane.is_empty() {
                    inner.lanes.remove(key);
                }
                return;
            }
            let Some(place) = inner.first_with_room(key, &self.views) else { return };
            let Some((plan, pools)) = inner.offer(&place, &self.views) else { return };
            let seeker = inner.lanes.get_mut(key).and_then(|lane| lane.waiting.pop_front());
            let ticket = Ticket { board: Arc::clone(self), place, plan, pools, is_live: true };
            let refused = match seeker {
                Some(seeker) => seeker.answer.send(ticket).err(),
                None => Some(ticket),
            };
            if let Some(mut ticket) = refused {
                ticket.is_live = false; // or its drop would wait for the lock that we hold
                inner.take_back(&ticket.place, &ticket.pools);
            }
        }
    }
}

impl Inner {
    fn note_plan(&mut self, plan: &Arc<Plan>, revision: u64, views: &Views) {
        let key = (plan.mission.clone(), plan.id.clone());
        if self.plans.get(&key).is_some_and(|cell| cell.revision >= revision) {
            return;
        }
        if plan.split_of.is_some() && !plan.state.is_open() {
            self.agenda.add(Job::Join(key.clone()), 0);
        }
        let before = self.plans.remove(&key);
        for (lane, rank) in before.iter().flat_map(|cell| &cell.listed) {
            if let Some(lane) = self.lanes.get_mut(lane) {
                lane.unlist(rank);
            }
        }
        if plan.state.is_open() {
            let mut cell = PlanCell::new(plan, revision);
            // A task that is on offer stays so: its ticket comes back.
            for (new, old) in cell.cells.iter_mut().zip(before.iter().flat_map(|cell| &cell.cells)) {
                new.is_offered = old.is_offered;
            }
            self.plans.insert(key.clone(), cell);
        }
        if !plan.state.is_open() && plan.state != PlanState::Cancelled {
            return;
        }
        for spec in &plan.spec.tasks {
            let id = EntityId::from(&plan.id.task(&spec.id));
            if let Some(entry) = views.tasks.get(&plan.mission, &id) {
                self.note_task(&entry.state, entry.revision, views);
            }
        }
        for index in 0..plan.spec.tasks.len() {
            self.list_if_ready(&TaskPlace { plan: key.clone(), index });
        }
        self.finish_later(&key);
    }

    fn note_task(&mut self, task: &Task, revision: u64, views: &Views) {
        for (job, at_ms) in following(task, selvedge_kit::clock::now_ms()) {
            self.agenda.add(job, at_ms);
        }
        let key = (task.mission.clone(), task.plan.clone());
        self.close_if_moot(task, views);
        let Some(plan) = self.plans.get_mut(&key) else {
            self.see_to_its_end(task, views);
            return;
        };
        let Some((index, freed)) = plan.note(task, revision) else { return };
        if task.state == TaskState::Failed {
            let case = views.cases.state(&task.mission, &(&CaseId::of(&task.id, task.attempt)).into());
            plan.dispute(index, dispute::is_disputed(&plan.plan, index, task, case.as_deref()));
        } else {
            plan.dispute(index, false);
        }
        let place = TaskPlace { plan: key.clone(), index };
        self.put_on_agenda(task, &place);
        self.list_if_ready(&place);
        for index in freed {
            self.list_if_ready(&TaskPlace { plan: key.clone(), index });
        }
        self.rank_anew(&key);
        self.finish_later(&key);
    }

    /// What has to happen to a task at some time, if nothing else does before.
    fn put_on_agenda(&mut self, task: &Task, place: &TaskPlace) {
        match (task.state, &task.claim) {
            (TaskState::Running, Some(claim)) => {
                self.agenda.add(Job::Expire(place.clone(), task.attempt), claim.until_ms());
            }
            (TaskState::Submitted, _) => {
                let since_ms = task.output.as_ref().map_or(0, |output| output.at_ms);
                let due_ms = since_ms.saturating_add(MAX_VERDICT_WAIT_MS);
                self.agenda.add(Job::Expire(place.clone(), task.attempt), due_ms);
            }
            (TaskState::Waiting, _) => {
                self.agenda.add(Job::Wake(place.clone()), task.not_before_ms.unwrap_or(0));
            }
            (TaskState::Failed, _) => self.agenda.add(Job::Bury(place.clone(), task.attempt), 0),
            _ => {}
        }
    }

    /// What has to happen to a task though its plan is over: somebody may have claimed it while the plan was
    /// cancelled, and nobody may have buried what made the plan fail.
    fn see_to_its_end(&mut self, task: &Task, views: &Views) {
        let plan = views.plans.state(&task.mission, &(&task.plan).into());
        // Looked for in the plan only where it matters: a restart asks this of every task that there ever was.
        let may_go_on = |plan: &Arc<Plan>| matches!(plan.state, PlanState::Cancelled | PlanState::Failed);
        let Some(plan) = plan.filter(may_go_on) else { return };
        let Some(index) = plan.spec.tasks.iter().position(|spec| spec.id == task.name) else { return };
        let place = TaskPlace { plan: (task.mission.clone(), task.plan.clone()), index };
        match (plan.state, task.state) {
            (PlanState::Cancelled, state) if is_under_way(state) => {
                self.agenda.add(Job::Stop(place, task.attempt), 0);
            }
            (PlanState::Failed, TaskState::Failed) => self.agenda.add(Job::Bury(place, task.attempt), 0),
            _ => {}
        }
    }

    fn note_case(&mut self, case: &Case, revision: u64, views: &Views) {
        if !self.docket.note(case, revision) {
            return;
        }
        if let Some(at_ms) = case.due_at_ms() {
            self.agenda.add(Job::Escalate(case.mission.clone(), case.id.clone(), case.step), at_ms);
        }
        let Some(task) = views.tasks.state(&case.mission, &(&case.task).into()) else { return };
        self.close_if_moot(&task, views);
        let key = (case.mission.clone(), case.plan.clone());
        let Some(plan) = self.plans.get_mut(&key) else { return };
        if let Some(index) = plan.index_of(&case.name).filter(|_| task.attempt == case.attempt) {
            plan.dispute(index, dispute::is_disputed(&plan.plan, index, &task, Some(case)));
        }
        self.finish_later(&key);
    }

    /// Whoever has a task go on without deciding its case may not have closed it.
    fn close_if_moot(&mut self, task: &Task, views: &Views) {
        let Some(id) = self.docket.of_task(&task.id) else { return };
        let case = views.cases.state(&task.mission, &id.into());
        let plan = views.plans.state(&task.mission, &(&task.plan).into());
        let is_moot =
            case.zip(plan).is_some_and(|(case, plan)| case_rule::moot(&case, &plan, task).is_some());
        if is_moot {
            self.agenda.add(Job::Close(task.mission.clone(), id.clone()), 0);
        }
    }

    fn finish_later(&mut self, key: &PlanKey) {
        /// Whoever records the last of a plan ends it; where that did not happen, another does.
        const GRACE_MS: u64 = 1_000;
        if self.plans.get(key).is_some_and(|plan| plan.outcome().is_some()) {
            self.agenda.add(Job::Finish(key.clone()), selvedge_kit::clock::now_ms().saturating_add(GRACE_MS));
        }
    }

    /// Puts a task where it waits for an agent if it is ready, and takes it out if it is not.
    fn list_if_ready(&mut self, place: &TaskPlace) {
        let Some(plan) = self.plans.get_mut(&place.plan) else { return };
        let Some((lane, candidate, is_ready)) = plan.candidate(place.index) else { return };
        let key = LaneKey { mission: place.plan.0.clone(), queue: lane.0, role: lane.1 };
        let ready = plan.ready.entry(key.clone()).or_default();
        let has_changed = if is_ready { ready.insert(candidate) } else { ready.remove(&candidate) };
        if has_changed {
            self.rank_in(&place.plan, &key);
        }
        if is_ready {
            self.stirred.insert(key);
        }
    }

    /// Puts the plan at its place among the plans of every lane in which it has ready tasks.
    fn rank_anew(&mut self, key: &PlanKey) {
        let Some(plan) = self.plans.get(key) else { return };
        for lane in plan.ready.keys().cloned().collect::<Vec<_>>() {
            self.rank_in(key, &lane);
        }
    }

    fn rank_in(&mut self, key: &PlanKey, lane_key: &LaneKey) {
        let Some(plan) = self.plans.get_mut(key) else { return };
        let (before, now) = plan.rank_anew(lane_key);
        if before == now {
            return;
        }
        let lane = self.lanes.entry(lane_key.clone()).or_default();
        if let Some(before) = before {
            lane.unlist(&before);
        }
        if let Some(now) = now {
            lane.list(now);
        } else if lane.is_empty() && lane.waiting.is_empty() {
            self.lanes.remove(lane_key);
        }
    }

    /// The first ready task of a lane that has room in all its pools.
    fn first_with_room(&self, key: &LaneKey, views: &Views) -> Option<TaskPlace> {
        let lane = self.lanes.get(key)?;
        let has_room = |pool: &PoolName| self.has_room(&key.mission, pool, views);
        if !common_pools(&key.queue, |pool| views.is_set(&key.mission, pool)).iter().all(has_room) {
            return None;
        }
        for rank in lane.ranks() {
            let of = (key.mission.clone(), rank.plan.clone());
            let Some(plan) = self.plans.get(&of) else { continue };
            let ready = plan.ready.get(key).into_iter().flatten();
            let found =
                ready.map(|place| place.index).find(|index| named_pools(&plan.plan, *index).all(has_room));
            if let Some(index) = found {
                return Some(TaskPlace { plan: of, index });
            }
        }
        None
    }

    fn has_room(&self, mission: &Mission, pool: &PoolName, views: &Views) -> bool {
        let coming = self.coming.get(&(mission.clone(), pool.clone())).copied().unwrap_or(0);
        let capacity = views.capacities.state(mission, &pool.into());
        capacity.is_some_and(|capacity| has_room(&capacity, coming))
    }

    /// Marks a task as offered to somebody; says in which pools it is about to count.
    fn offer(&mut self, place: &TaskPlace, views: &Views) -> Option<(Arc<Plan>, Vec<PoolName>)> {
        let plan = self.plans.get_mut(&place.plan)?;
        plan.cells.get_mut(place.index)?.is_offered = true;
        let plan = Arc::clone(&plan.plan);
        let pools = pools_of(&plan, place.index, |pool| views.is_set(&plan.mission, pool));
        for pool in &pools {
            *self.coming.entry((plan.mission.clone(), pool.clone())).or_default() += 1;
        }
        self.list_if_ready(place);
        Some((plan, pools))
    }

    /// An offer is over: somebody has the task now, or it goes back.
    fn take_back(&mut self, place: &TaskPlace, pools: &[PoolName]) {
        let cell = self.plans.get_mut(&place.plan).and_then(|plan| plan.cells.get_mut(place.index));
        if let Some(cell) = cell {
            cell.is_offered = false;
        }
        let mission = &place.plan.0;
        for pool in pools {
            let key = (mission.clone(), pool.clone());
            if let Some(coming) = self.coming.get_mut(&key) {
                *coming = coming.saturating_sub(1);
                if *coming == 0 {
                    self.coming.remove(&key);
                }
            }
        }
        if !pools.is_empty() {
            self.stir(mission);
        }
        self.list_if_ready(place);
    }

    /// Looks at every lane of a mission again: there may be room in a pool.
    fn stir(&mut self, mission: &Mission) {
        let waiting =
            self.lanes.iter().filter(|(key, lane)| key.mission == *mission && !lane.waiting.is_empty());
        self.stirred.extend(waiting.map(|(key, _)| key.clone()).collect::<Vec<_>>());
    }

    /// Forgets those who wait no more.
    fn sweep(&mut self, key: &LaneKey) {
        if let Some(lane) = self.lanes.get_mut(key) {
            lane.waiting.retain(|seeker| !seeker.answer.is_closed());
            if lane.waiting.is_empty() && lane.is_empty() {
                self.lanes.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests;
