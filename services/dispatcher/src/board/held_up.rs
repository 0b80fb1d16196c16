//! Tasks that are ready but for what they reserve: somebody else holds it. They stand aside for a while, so that
//! others are offered meanwhile, and are tried again when something is given back, or after a pause that grows.

use std::sync::Arc;

use selvedge_contracts::id::{Mission, TaskName};

use super::{Board, Inner, Job, PlanKey, TaskPlace};

/// First pause, in milliseconds; it doubles from try to try.
const FIRST_MS: u64 = 250;
/// Longest pause, in milliseconds.
const LONGEST_MS: u64 = 4_000;

/// Why a task stands aside.
#[derive(Debug, Clone)]
pub(super) struct HeldUp {
    /// Who holds what it needs, in words.
    why: String,
    /// How often it was tried in vain, one after the other.
    tries: u32,
    /// It may be tried again.
    pub(super) is_over: bool,
}

fn pause_ms(tries: u32) -> u64 {
    FIRST_MS.saturating_mul(1 << tries.saturating_sub(1).min(16)).min(LONGEST_MS)
}

impl Board {
    /// Puts a task aside, since somebody else holds what it reserves.
    pub(crate) fn hold_up(self: &Arc<Self>, place: &TaskPlace, why: &str, now_ms: u64) {
        self.change(|inner| {
            let cell = inner.plans.get_mut(&place.plan).and_then(|plan| plan.cells.get_mut(place.index));
            let Some(cell) = cell else { return };
            let tries = cell.held_up.as_ref().map_or(0, |held_up| held_up.tries).saturating_add(1);
            cell.held_up = Some(HeldUp { why: why.to_owned(), tries, is_over: false });
            inner.held_up.insert(place.clone());
            inner.agenda.add(Job::Retry(place.clone()), now_ms.saturating_add(pause_ms(tries)));
            inner.list_if_ready(place);
        });
    }

    /// Lets a task be tried again.
    pub(crate) fn retry(self: &Arc<Self>, place: &TaskPlace) {
        self.change(|inner| inner.retry(place));
    }

    /// Lets every task of a mission be tried again: something was given back.
    pub(crate) fn retry_all(self: &Arc<Self>, mission: &Mission) {
        self.change(|inner| {
            let of_mission = inner.held_up.iter().filter(|place| place.plan.0 == *mission);
            for place in of_mission.cloned().collect::<Vec<_>>() {
                inner.retry(&place);
            }
        });
    }

    /// Who holds what a task needs, as it was seen when it was tried last.
    pub(crate) fn held_up_by(&self, plan: &PlanKey, task: &TaskName) -> Option<String> {
        let inner = self.lock();
        let plan = inner.plans.get(plan)?;
        let cell = plan.cells.get(plan.index_of(task)?)?;
        cell.held_up.as_ref().map(|held_up| held_up.why.clone())
    }
}

impl Inner {
    fn retry(&mut self, place: &TaskPlace) {
        self.held_up.remove(place);
        let cell = self.plans.get_mut(&place.plan).and_then(|plan| plan.cells.get_mut(place.index));
        if let Some(held_up) = cell.and_then(|cell| cell.held_up.as_mut()) {
            held_up.is_over = true;
            self.list_if_ready(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_up_to_its_bound() {
        let pauses: Vec<u64> = (1..8).map(pause_ms).collect();
        assert_eq!(pauses, [250, 500, 1_000, 2_000, 4_000, 4_000, 4_000]);
        assert_eq!(pause_ms(u32::MAX), LONGEST_MS);
    }
}
