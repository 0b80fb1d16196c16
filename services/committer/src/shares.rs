//! What there is little of (places to work at, bytes of memory), shared out: whoever asks first gets first, and
//! no mission gets more than half of it, however much it wants.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use selvedge_contracts::id::Mission;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Missions that are remembered while they have nothing.
const MOST_IDLE: usize = 1_024;

/// All of it.
pub(crate) struct Shares {
    all: Arc<Semaphore>,
    most_per_mission: usize,
    missions: Mutex<HashMap<Mission, Arc<Semaphore>>>,
}

/// A part of it; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    of_mission: OwnedSemaphorePermit,
    of_all: OwnedSemaphorePermit,
}

impl Shares {
    /// So much, of which one mission gets half, or `at_least` if that is more.
    pub(crate) fn new(all: usize, at_least: usize) -> Self {
        let all = all.clamp(at_least.max(1), Semaphore::MAX_PERMITS);
        let most_per_mission = (all / 2).max(at_least).max(1);
        Self { all: Arc::new(Semaphore::new(all)), most_per_mission, missions: Mutex::default() }
    }

    /// Waits in line for so much; for ever, if it is more than a mission gets.
    pub(crate) async fn take(&self, mission: &Mission, amount: u32) -> Option<Share> {
        // The mission's first: who waits for that keeps nobody else waiting.
        let of_mission = self.of(mission).acquire_many_owned(amount).await.ok()?;
        let of_all = Arc::clone(&self.all).acquire_many_owned(amount).await.ok()?;
        Some(Share { of_mission, of_all })
    }

    /// So much, if nobody has to wait for it.
    pub(crate) fn try_take(&self, mission: &Mission, amount: u32) -> Option<Share> {
        let of_mission = self.of(mission).try_acquire_many_owned(amount).ok()?;
        let of_all = Arc::clone(&self.all).try_acquire_many_owned(amount).ok()?;
        Some(Share { of_mission, of_all })
    }

    fn of(&self, mission: &Mission) -> Arc<Semaphore> {
        let mut missions = self.missions.lock().unwrap_or_else(PoisonError::into_inner);
        if missions.len() > MOST_IDLE {
            missions.retain(|_, of| Arc::strong_count(of) > 1); // whoever has a share, or waits, holds it
        }
        let fresh = || Arc::new(Semaphore::new(self.most_per_mission));
        Arc::clone(missions.entry(mission.clone()).or_insert_with(fresh))
    }
}

impl Share {
    pub(crate) fn amount(&self) -> usize {
        self.of_all.num_permits()
    }

    /// Adds another part of the same.
    pub(crate) fn add(&mut self, more: Self) {
        self.of_mission.merge(more.of_mission);
        self.of_all.merge(more.of_all);
    }

    /// Gives back all but so much.
    pub(crate) fn keep(&mut self, amount: usize) {
        let over = self.amount().saturating_sub(amount);
        drop((self.of_mission.split(over), self.of_all.split(over)));
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    fn mission(name: &str) -> Mission {
        Mission::new(name).unwrap()
    }

    #[test]
    fn no_mission_takes_all_and_what_is_given_back_is_there_again() {
        let shares = Shares::new(4, 1);
        let (one, two) = (mission("one"), mission("two"));
        let held: Vec<_> = (0..2).map(|_| shares.try_take(&one, 1).unwrap()).collect();
        assert!(shares.try_take(&one, 1).is_none(), "it has its half");
        assert!(shares.take(&one, 1).now_or_never().is_none(), "and waits");
        let other = shares.try_take(&two, 2).unwrap();
        assert!(shares.try_take(&mission("three"), 1).is_none(), "nothing is left");
        drop((held, other));
        assert!(shares.try_take(&one, 2).is_some());
    }

    #[test]
    fn a_share_grows_and_shrinks() {
        let shares = Shares::new(10, 8);
        let one = mission("one");
        let mut share = shares.try_take(&one, 1).unwrap();
        share.add(shares.try_take(&one, 7).unwrap());
        assert_eq!((share.amount(), shares.try_take(&one, 1).is_none()), (8, true));
        share.keep(3);
        assert_eq!(share.amount(), 3);
        assert!(shares.try_take(&one, 5).is_some());
        share.keep(9);
        assert_eq!(share.amount(), 3, "it keeps no more than it has");
    }

    #[test]
    fn missions_that_have_nothing_are_forgotten() {
        let shares = Shares::new(4, 1);
        let held = shares.try_take(&mission("held"), 1).unwrap();
        for n in 0..3 * MOST_IDLE {
            drop(shares.try_take(&mission(&format!("m{n}")), 1).unwrap());
        }
        let missions = shares.missions.lock().unwrap();
        assert!(missions.len() <= MOST_IDLE + 1 && missions.contains_key(&mission("held")));
        drop((missions, held));
    }
}
