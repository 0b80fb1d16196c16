//! Cases that are not over, by what they are about.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use selvedge_contracts::{
    id::{CaseId, Mission, TaskId},
    payload::case::Case,
};

use super::PlanKey;

/// The cases that are not over.
#[derive(Debug, Default)]
pub(super) struct Docket {
    open: BTreeMap<(Mission, CaseId), u64>,
    of_task: HashMap<TaskId, CaseId>,
    of_plan: HashMap<PlanKey, BTreeSet<CaseId>>,
}

impl Docket {
    /// Takes in a case as it stands; whether that is news.
    pub(super) fn note(&mut self, case: &Case, revision: u64) -> bool {
        let key = (case.mission.clone(), case.id.clone());
        if self.open.get(&key).is_some_and(|known| *known >= revision) {
            return false;
        }
        let of_plan = (case.mission.clone(), case.plan.clone());
        if !case.state.is_over() {
            self.open.insert(key, revision);
            self.of_task.insert(case.task.clone(), case.id.clone());
            self.of_plan.entry(of_plan).or_default().insert(case.id.clone());
            return true;
        }
        let was_open = self.open.remove(&key).is_some();
        if self.of_task.get(&case.task) == Some(&case.id) {
            self.of_task.remove(&case.task);
        }
        if let Some(cases) = self.of_plan.get_mut(&of_plan) {
            cases.remove(&case.id);
            if cases.is_empty() {
                self.of_plan.remove(&of_plan);
            }
        }
        was_open
    }

    /// Revision of a case that is not over, as it was taken in.
    pub(super) fn revision(&self, mission: &Mission, id: &CaseId) -> Option<u64> {
        self.open.get(&(mission.clone(), id.clone())).copied()
    }

    /// The case about a task, if there is one.
    pub(super) fn of_task(&self, task: &TaskId) -> Option<&CaseId> {
        self.of_task.get(task)
    }

    /// The cases of a plan, in order of id.
    pub(super) fn of_plan(&self, plan: &PlanKey) -> impl Iterator<Item = &CaseId> {
        self.of_plan.get(plan).into_iter().flatten()
    }

    /// The cases of a mission, in order of id.
    pub(super) fn of_mission(&self, mission: &Mission) -> Vec<CaseId> {
        let of_it = self.open.keys().filter(|(of, _)| of == mission);
        of_it.map(|(_, id)| id.clone()).collect()
    }
}
