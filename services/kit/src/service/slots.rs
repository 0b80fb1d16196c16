//! The places in which calls may wait: so many in all, and so many for one caller, so that nobody can
//! shut out the others.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use selvedge_contracts::{fault::Fault, id::Caller};

/// Part of all places that one caller may take.
const SHARE: usize = 8;

/// The places of one service.
pub(super) struct Slots {
    all: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_caller: HashMap<Caller, usize>,
}

/// One place; it is free again when this is dropped.
pub(super) struct Slot {
    caller: Caller,
    taken: Arc<Mutex<Taken>>,
}

impl Slots {
    /// So many places.
    pub(super) fn new(all: usize) -> Self {
        Self { all, taken: Arc::default() }
    }

    /// A place for one of the caller's calls.
    ///
    /// # Errors
    /// `busy` if there is none, or the caller has its share.
    pub(super) fn take(&self, caller: &Caller) -> Result<Slot, Fault> {
        let mut taken = lock(&self.taken);
        if taken.all >= self.all {
            return Err(Fault::busy(format!("{} calls are in flight; try again in a moment", self.all)));
        }
        let share = (self.all / SHARE).max(1);
        let own = taken.by_caller.entry(caller.clone()).or_default();
        if *own >= share {
            return Err(Fault::busy(format!(
                "{share} calls of {caller} are in flight; try again in a moment"
            )));
        }
        *own += 1;
        taken.all += 1;
        drop(taken);
        Ok(Slot { caller: caller.clone(), taken: Arc::clone(&self.taken) })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.all = taken.all.saturating_sub(1);
        if let Some(own) = taken.by_caller.get_mut(&self.caller) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                taken.by_caller.remove(&self.caller);
            }
        }
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(name: &str) -> Caller {
        Caller::new(name).unwrap()
    }

    #[test]
    fn one_caller_cannot_shut_out_the_others() {
        let slots = Slots::new(16);
        let held: Vec<_> = (0..2).map(|_| slots.take(&caller("ada")).unwrap()).collect();
        assert!(slots.take(&caller("ada")).is_err(), "ada has her share");
        assert!(slots.take(&caller("bob")).is_ok());
        drop(held);
        assert!(slots.take(&caller("ada")).is_ok(), "a place is free again");
    }

    #[test]
    fn there_are_so_many_places_and_no_more() {
        let slots = Slots::new(3);
        let held: Vec<_> = ["a", "b", "c"].iter().map(|name| slots.take(&caller(name)).unwrap()).collect();
        assert!(slots.take(&caller("d")).is_err());
        drop(held);
        assert!(lock(&slots.taken).by_caller.is_empty(), "nothing is kept of those who left");
    }
}
