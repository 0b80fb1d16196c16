//! How many intents there are, by who answers for them, so that nobody fills the fabric with them: those that
//! are not over, and those that lately ended without effect. Kept beside the view, as it changes.
//!
//! Proposals that are decided at the same moment do not see one another: a bound may be overshot by as many.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use selvedge_contracts::{
    fault::Fault,
    id::{Mission, Owner},
    payload::intent::Intent,
    subject::Entity,
};
use selvedge_kit::view::Watch;

/// How many intents there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntentLimits {
    /// Most of one owner in a mission that are not over.
    pub open_per_owner: usize,
    /// Most in a mission that are not over.
    pub open_per_mission: usize,
    /// Most of one owner in a mission that were proposed within an hour and came to nothing.
    pub vain_per_owner: usize,
}

impl Default for IntentLimits {
    fn default() -> Self {
        Self { open_per_owner: 1_000, open_per_mission: 10_000, vain_per_owner: 1_000 }
    }
}

/// How long it counts that an intent came to nothing, in milliseconds from its proposal.
const VAIN_MS: u64 = 3_600_000;

/// The counts of every mission.
pub(crate) struct Tally {
    limits: IntentLimits,
    missions: Mutex<HashMap<Mission, Counts>>,
}

#[derive(Default)]
struct Counts {
    open: usize,
    owners: HashMap<Owner, OfOwner>,
}

#[derive(Default)]
struct OfOwner {
    open: usize,
    /// When those were proposed that came to nothing: the last of them, as many as there may be.
    vain_at_ms: VecDeque<u64>,
}

impl Tally {
    pub(crate) fn new(limits: IntentLimits) -> Self {
        Self { limits, missions: Mutex::default() }
    }

    /// Whether `owner` may have `more` intents in the mission.
    ///
    /// # Errors
    /// Conflict that names the bound.
    pub(crate) fn room(
        &self,
        mission: &Mission,
        owner: &Owner,
        more: usize,
        now_ms: u64,
    ) -> Result<(), Fault> {
        let missions = self.missions();
        let Some(counts) = missions.get(mission) else { return Ok(()) };
        let IntentLimits { open_per_owner, open_per_mission, vain_per_owner } = self.limits;
        if counts.open + more > open_per_mission {
            return Err(full(format!(
                "{mission} has {} intents that are not over, and may have {open_per_mission} (governance.open_intents_per_mission)",
                counts.open
            )));
        }
        let Some(of) = counts.owners.get(owner) else { return Ok(()) };
        if of.open + more > open_per_owner {
            return Err(full(format!(
                "{owner} has {} intents in {mission} that are not over, and may have {open_per_owner} (governance.open_intents_per_owner)",
                of.open
            )));
        }
        let since_ms = now_ms.saturating_sub(VAIN_MS);
        let vain = of.vain_at_ms.iter().filter(|at_ms| **at_ms > since_ms).count();
        if vain + more > vain_per_owner {
            return Err(Fault::conflict(format!(
                "{vain} intents of {owner} in {mission} came to nothing within an hour, and {vain_per_owner} may (governance.vain_intents_per_owner); look at their reasons, and try again later"
            )));
        }
        Ok(())
    }

    fn missions(&self) -> MutexGuard<'_, HashMap<Mission, Counts>> {
        self.missions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn full(what: String) -> Fault {
    Fault::conflict(format!("{what}; cancel some, or wait until they are done"))
}

impl Watch<Intent> for Tally {
    fn changed(&self, entity: &Entity, before: Option<&Intent>, after: &Intent) {
        let mut missions = self.missions();
        let counts = missions.entry(entity.mission.clone()).or_default();
        if let Some(before) = before.filter(|before| !is_over(before)) {
            counts.open = counts.open.saturating_sub(1);
            let of = counts.owners.entry(before.owner.clone()).or_default();
            of.open = of.open.saturating_sub(1);
        }
        let of = counts.owners.entry(after.owner.clone()).or_default();
        if !is_over(after) {
            counts.open += 1;
            of.open += 1;
        } else if after.is_over_without_effect() && before.is_none_or(|before| !is_over(before)) {
            of.vain_at_ms.push_back(after.proposed_at_ms);
            while of.vain_at_ms.len() > self.limits.vain_per_owner {
                of.vain_at_ms.pop_front();
            }
        }
    }
}

/// Whether nothing more becomes of it, not even by a person.
fn is_over(intent: &Intent) -> bool {
    use selvedge_contracts::payload::intent::IntentState::{Committed, Compensated};
    intent.is_over_without_effect() || matches!(intent.state, Committed | Compensated)
}

#[cfg(test)]
mod tests {
    use selvedge_contracts::payload::intent::IntentState;

    use super::*;
    use crate::{
        fixture::{NOW_MS, intent},
        state::entity,
    };

    const LIMITS: IntentLimits = IntentLimits { open_per_owner: 2, open_per_mission: 3, vain_per_owner: 2 };

    fn of(owner: &str, state: IntentState) -> Intent {
        Intent { owner: Owner::new(owner).unwrap(), state, ..intent() }
    }

    fn told(tally: &Tally, before: Option<&Intent>, after: &Intent) {
        tally.changed(&entity(&after.mission, &after.id), before, after);
    }

    fn room(tally: &Tally, owner: &str, now_ms: u64) -> Result<(), String> {
        let room = tally.room(&intent().mission, &Owner::new(owner).unwrap(), 1, now_ms);
        room.map_err(|fault| fault.message)
    }

    #[test]
    fn what_is_not_over_counts_for_its_owner_and_its_mission_until_it_is() {
        let tally = Tally::new(LIMITS);
        let (open, unknown) =
            (of("person:olga", IntentState::Proposed), of("person:olga", IntentState::Unknown));
        told(&tally, None, &open);
        room(&tally, "person:olga", NOW_MS).unwrap();
        told(&tally, None, &unknown);
        let full = room(&tally, "person:olga", NOW_MS).unwrap_err();
        assert!(full.contains("governance.open_intents_per_owner"), "{full}");
        told(&tally, None, &of("person:paul", IntentState::Verified));
        let full = room(&tally, "person:eve", NOW_MS).unwrap_err();
        assert!(full.contains("governance.open_intents_per_mission"), "{full}");
        told(&tally, Some(&unknown), &of("person:olga", IntentState::Committed));
        room(&tally, "person:olga", NOW_MS).unwrap();
        // A new round of somebody else's counts for whoever answers for it now.
        told(&tally, Some(&open), &of("person:paul", IntentState::Proposed));
        assert!(room(&tally, "person:paul", NOW_MS).is_err());
    }

    #[test]
    fn what_came_to_nothing_counts_for_an_hour() {
        let tally = Tally::new(LIMITS);
        let open = of("person:olga", IntentState::Proposed);
        for _ in 0..5 {
            told(&tally, Some(&open), &of("person:olga", IntentState::Rejected));
        }
        let vain = room(&tally, "person:olga", NOW_MS).unwrap_err();
        assert!(vain.contains("governance.vain_intents_per_owner"), "{vain}");
        room(&tally, "person:paul", NOW_MS).unwrap();
        room(&tally, "person:olga", open.proposed_at_ms + VAIN_MS).unwrap();
    }
}
