//! The intents that this process is at: one at a time each, in a bounded number.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use selvedge_contracts::{
    fault::Fault,
    id::{EntityId, Mission},
    subject::Entity,
};

/// Intents that one instance is at, those among them that wait for a place or pause before their next attempt.
const MOST: usize = 10_000;
/// Those of one mission.
const MOST_PER_MISSION: usize = MOST / 2;

/// The intents that this process is at.
#[derive(Clone, Default)]
pub(crate) struct Claims(Arc<Mutex<HashMap<Mission, HashSet<EntityId>>>>);

/// The right to be at an intent, in this process; given back when it is dropped.
pub(crate) struct Claim {
    pub(crate) about: Entity,
    claims: Claims,
}

impl Claims {
    /// Claims an intent; nothing if somebody is at it.
    ///
    /// # Errors
    /// `busy` if there are too many.
    pub(crate) fn claim(&self, about: &Entity) -> Result<Option<Claim>, Fault> {
        let mut claimed = self.lock();
        let all: usize = claimed.values().map(HashSet::len).sum();
        let of_mission = claimed.entry(about.mission.clone()).or_default();
        if of_mission.contains(&about.id) {
            return Ok(None);
        }
        if all >= MOST || of_mission.len() >= MOST_PER_MISSION {
            return Err(Fault::busy("too many intents at once"));
        }
        of_mission.insert(about.id.clone());
        Ok(Some(Claim { about: about.clone(), claims: self.clone() }))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Mission, HashSet<EntityId>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut claimed = self.claims.lock();
        if let Some(of_mission) = claimed.get_mut(&self.about.mission) {
            of_mission.remove(&self.about.id);
            if of_mission.is_empty() {
                claimed.remove(&self.about.mission);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use selvedge_contracts::fact::EntityName;

    use super::*;

    fn about(mission: &str, id: &str) -> Entity {
        Entity {
            mission: Mission::new(mission).unwrap(),
            name: EntityName::Intent,
            id: EntityId::new(id).unwrap(),
        }
    }

    #[test]
    fn one_of_a_process_is_at_an_intent_and_it_is_free_when_that_one_is_gone() {
        let claims = Claims::default();
        let claim = claims.claim(&about("demo", "a")).unwrap().unwrap();
        assert!(claims.claim(&about("demo", "a")).unwrap().is_none());
        assert!(claims.claim(&about("other", "a")).unwrap().is_some());
        drop(claim);
        assert!(claims.claim(&about("demo", "a")).unwrap().is_some());
        assert!(claims.lock().is_empty(), "nothing is kept of what is over");
    }

    #[test]
    fn no_mission_takes_all() {
        let claims = Claims::default();
        let held: Vec<_> =
            (0..MOST_PER_MISSION).map(|n| claims.claim(&about("demo", &format!("i{n}"))).unwrap()).collect();
        assert!(claims.claim(&about("demo", "more")).is_err());
        assert!(claims.claim(&about("other", "a")).unwrap().is_some());
        drop(held);
    }
}
