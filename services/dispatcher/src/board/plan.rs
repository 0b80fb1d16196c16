//! One plan that is not over, and how each of its tasks stands.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use selvedge_contracts::{
    id::{QueueName, TaskId, TaskName},
    payload::{
        plan::{Plan, PlanState},
        task::{Task, TaskState},
    },
    role::Role,
};

use super::{LaneKey, held_up::HeldUp};
use crate::rule::{
    choice::{Place, Rank},
    graph::dependents,
    plan::Outcome,
};

/// A plan in memory.
pub(super) struct PlanCell {
    pub(super) plan: Arc<Plan>,
    /// Revision of the fact that it was made of.
    pub(super) revision: u64,
    /// In the plan's order.
    pub(super) cells: Vec<Cell>,
    pub(super) tally: Tally,
    /// Ready tasks that are not on offer.
    pub(super) ready: HashMap<LaneKey, BTreeSet<Place>>,
    /// Where the plan stands in each lane.
    pub(super) listed: HashMap<LaneKey, Rank>,
    places: HashMap<TaskName, usize>,
    dependents: Vec<Vec<usize>>,
}

/// A task in memory.
pub(super) struct Cell {
    pub(super) id: TaskId,
    /// Revision of its last fact; 0: there is none.
    pub(super) revision: u64,
    /// Who has it.
    pub(super) worker: Option<String>,
    pub(super) is_offered: bool,
    /// The plan waits for a decision about it.
    is_disputed: bool,
    /// Somebody holds what it reserves, or did.
    pub(super) held_up: Option<HeldUp>,
    state: Option<TaskState>,
    round: u32,
    /// Tasks that it needs and that are not validated.
    missing: usize,
    /// Its next attempt may begin.
    is_awake: bool,
}

/// How many tasks stand how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) validated: usize,
    pub(crate) running: usize,
    pub(crate) submitted: usize,
    pub(crate) waiting: usize,
    pub(crate) failed: usize,
}

impl Tally {
    fn of(&mut self, state: Option<TaskState>) -> Option<&mut usize> {
        match state? {
            TaskState::Validated => Some(&mut self.validated),
            TaskState::Running => Some(&mut self.running),
            TaskState::Submitted | TaskState::Committing => Some(&mut self.submitted),
            TaskState::Waiting => Some(&mut self.waiting),
            TaskState::Failed => Some(&mut self.failed),
            TaskState::Opened | TaskState::Stopped => None,
        }
    }
}

impl PlanCell {
    pub(super) fn new(plan: &Arc<Plan>, revision: u64) -> Self {
        let tasks = &plan.spec.tasks;
        let places: HashMap<_, _> =
            tasks.iter().enumerate().map(|(at, task)| (task.id.clone(), at)).collect();
        let needs: Vec<Vec<usize>> = tasks
            .iter()
            .map(|task| task.needs.iter().filter_map(|need| places.get(need).copied()).collect())
            .collect();
        let cells = tasks.iter().zip(&needs).map(|(task, needs)| Cell {
            id: plan.id.task(&task.id),
            revision: 0,
            worker: None,
            is_offered: false,
            is_disputed: false,
            held_up: None,
            state: None,
            round: 0,
            missing: needs.len(),
            is_awake: true,
        });
        Self {
            plan: Arc::clone(plan),
            revision,
            cells: cells.collect(),
            tally: Tally::default(),
            ready: HashMap::new(),
            listed: HashMap::new(),
            dependents: dependents(&needs),
            places,
        }
    }

    /// Place of a task in the plan.
    pub(super) fn index_of(&self, name: &TaskName) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// Takes in a task. Answers with its place, and those of tasks that waited for it, if that is news.
    pub(super) fn note(&mut self, task: &Task, revision: u64) -> Option<(usize, Vec<usize>)> {
        let index = self.index_of(&task.name)?;
        let cell = self.cells.get_mut(index).filter(|cell| cell.revision < revision)?;
        let before = cell.state.replace(task.state);
        cell.revision = revision;
        cell.round = task.round;
        cell.held_up = None;
        cell.is_awake = task.state != TaskState::Waiting;
        cell.worker = match (task.state, &task.claim) {
            (TaskState::Running, Some(claim)) => Some(claim.worker.to_string()),
            _ => None,
        };
        if let Some(count) = self.tally.of(before) {
            *count = count.saturating_sub(1);
        }
        if let Some(count) = self.tally.of(Some(task.state)) {
            *count += 1;
        }
        let is_news = task.state == TaskState::Validated && before != Some(TaskState::Validated);
        let freed =
            if is_news { self.dependents.get(index).cloned().unwrap_or_default() } else { Vec::new() };
        for dependent in &freed {
            if let Some(cell) = self.cells.get_mut(*dependent) {
                cell.missing = cell.missing.saturating_sub(1);
            }
        }
        Some((index, freed))
    }

    /// Whether the plan waits for a decision about a task.
    pub(super) fn dispute(&mut self, index: usize, is_disputed: bool) {
        if let Some(cell) = self.cells.get_mut(index) {
            cell.is_disputed = is_disputed;
        }
    }

    /// The time of a task's next attempt has come.
    pub(super) fn wake(&mut self, index: usize) {
        if let Some(cell) = self.cells.get_mut(index) {
            cell.is_awake = true;
        }
    }

    /// Where a task waits for an agent, its place there, and whether it does now.
    pub(super) fn candidate(&self, index: usize) -> Option<((QueueName, Role), Place, bool)> {
        let (spec, cell) = (self.plan.spec.tasks.get(index)?, self.cells.get(index)?);
        let urgency = Reverse(self.plan.spec.priority_of(spec));
        let is_ready = self.plan.state == PlanState::Running && !cell.is_offered && self.is_free(index);
        Some(((spec.queue.clone(), spec.role), Place { urgency, index }, is_ready))
    }

    /// Whether nothing stands in the way of a task's next attempt.
    fn is_free(&self, index: usize) -> bool {
        let (Some(spec), Some(cell)) = (self.plan.spec.tasks.get(index), self.cells.get(index)) else {
            return false;
        };
        cell.missing == 0
            && cell.held_up.as_ref().is_none_or(|held_up| held_up.is_over)
            && match cell.state {
                None => spec.gate.is_none(),
                Some(TaskState::Opened) => true,
                Some(TaskState::Waiting) => cell.is_awake,
                Some(TaskState::Failed) => cell.round < self.plan.round,
                Some(
                    TaskState::Running
                    | TaskState::Submitted
                    | TaskState::Committing
                    | TaskState::Validated
                    | TaskState::Stopped,
                ) => false,
            }
    }

    /// Where the plan stood in a lane, and where it stands now.
    pub(super) fn rank_anew(&mut self, lane: &LaneKey) -> (Option<Rank>, Option<Rank>) {
        let first = self.ready.get(lane).and_then(BTreeSet::first);
        let now = first.map(|place| Rank {
            urgency: place.urgency,
            running: self.tally.running,
            since: self.plan.submitted_at_ms,
            plan: self.plan.id.clone(),
        });
        let before = match &now {
            Some(now) => self.listed.insert(lane.clone(), now.clone()),
            None => {
                self.ready.remove(lane);
                self.listed.remove(lane)
            }
        };
        (before, now)
    }

    /// How the plan ends, if it has come to its end: nothing of it is under way or can be.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        let Tally { validated, running, submitted, waiting, failed } = self.tally;
        if validated == self.cells.len() {
            return Some(Outcome::Done);
        }
        let is_over = failed > 0 && running + submitted + waiting == 0;
        let can_go_on = || (0..self.cells.len()).any(|index| self.may_yet(index));
        (is_over && !can_go_on()).then_some(Outcome::Failed)
    }

    /// Whether a task that nobody has may still be done without anything else changing: also one that waits for
    /// a person, to let it pass or to decide about it.
    fn may_yet(&self, index: usize) -> bool {
        let has_all = |cell: &Cell| cell.missing == 0 && (cell.state.is_none() || cell.held_up.is_some());
        let is_disputed = self.cells.get(index).is_some_and(|cell| cell.is_disputed);
        is_disputed || self.cells.get(index).is_some_and(has_all) || self.is_free(index)
    }
}
