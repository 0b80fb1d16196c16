//! The places in which calls may wait: so many in all, and so many for one caller, so that nobody can
//! shut out the others. The bytes that calls carry beside their payloads are bounded in the same way.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use selvedge_contracts::{fault::Fault, id::Caller};

/// Part of all places that one caller may take.
const SHARE: usize = 8;
/// Part of all bytes that one caller may take: several pieces at once, or its transfer is slow.
const BYTE_SHARE: usize = 2;

/// The places of one service.
pub(super) struct Slots {
    all: usize,
    bytes: usize,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    bytes: usize,
    by_caller: HashMap<Caller, Own>,
}

/// What one caller has taken.
#[derive(Default)]
struct Own {
    calls: usize,
    bytes: usize,
}

/// One place; it is free again when this is dropped.
pub(super) struct Slot {
    caller: Caller,
    bytes: usize,
    taken: Arc<Mutex<Taken>>,
}

impl Slots {
    /// So many places, and room for so many bytes.
    pub(super) fn new(all: usize, bytes: usize) -> Self {
        Self { all, bytes, taken: Arc::default() }
    }

    /// A place for one of the caller's calls, which holds so many bytes.
    ///
    /// # Errors
    /// `busy` if there is none, or the caller has its share.
    pub(super) fn take(&self, caller: &Caller, bytes: usize) -> Result<Slot, Fault> {
        let mut taken = lock(&self.taken);
        if taken.all >= self.all {
            return Err(Fault::busy(format!("{} calls are in flight; try again in a moment", self.all)));
        }
        if bytes > 0 && taken.bytes + bytes > self.bytes {
            return Err(Fault::busy("too many bytes are in flight; try again in a moment"));
        }
        let share = (self.all / SHARE).max(1);
        let own = taken.by_caller.entry(caller.clone()).or_default();
        if own.calls >= share {
            return Err(Fault::busy(format!(
                "{share} calls of {caller} are in flight; try again in a moment"
            )));
        }
        if bytes > 0 && own.bytes > 0 && own.bytes + bytes > self.bytes / BYTE_SHARE {
            return Err(Fault::busy(format!(
                "too many bytes of {caller} are in flight; try again in a moment"
            )));
        }
        own.calls += 1;
        own.bytes += bytes;
        taken.all += 1;
        taken.bytes += bytes;
        drop(taken);
        Ok(Slot { caller: caller.clone(), bytes, taken: Arc::clone(&self.taken) })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.all = taken.all.saturating_sub(1);
        taken.bytes = taken.bytes.saturating_sub(self.bytes);
        if let Some(own) = taken.by_caller.get_mut(&self.caller) {
            own.calls = own.calls.saturating_sub(1);
            own.bytes = own.bytes.saturating_sub(self.bytes);
            if own.calls == 0 {
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
        let slots = Slots::new(16, 0);
        let held: Vec<_> = (0..2).map(|_| slots.take(&caller("ada"), 0).unwrap()).collect();
        assert!(slots.take(&caller("ada"), 0).is_err(), "ada has her share");
        assert!(slots.take(&caller("bob"), 0).is_ok());
        drop(held);
        assert!(slots.take(&caller("ada"), 0).is_ok(), "a place is free again");
    }

    #[test]
    fn there_are_so_many_places_and_no_more() {
        let slots = Slots::new(3, 0);
        let held: Vec<_> = ["a", "b", "c"].iter().map(|name| slots.take(&caller(name), 0).unwrap()).collect();
        assert!(slots.take(&caller("d"), 0).is_err());
        drop(held);
        assert!(lock(&slots.taken).by_caller.is_empty(), "nothing is kept of those who left");
    }

    #[test]
    fn bytes_are_bounded_for_all_and_for_one_caller() {
        let slots = Slots::new(100, 8);
        let held = [slots.take(&caller("ada"), 3).unwrap()];
        assert!(slots.take(&caller("ada"), 2).is_err(), "ada has her share");
        let more = [slots.take(&caller("ada"), 1).unwrap(), slots.take(&caller("bob"), 4).unwrap()];
        assert!(slots.take(&caller("cid"), 1).is_err(), "nothing is left");
        assert!(slots.take(&caller("cid"), 0).is_ok(), "calls without bytes go on");
        drop((held, more));
        assert_eq!(lock(&slots.taken).bytes, 0);
    }
}
