//! The places in which calls are worked on: so many in all, so many for one mission and so many for one caller,
//! so that nobody can shut out the others. The bytes that calls carry beside their payloads are bounded in the
//! same way.
//!
//! A call that waits for something to happen works on nothing meanwhile: it gives its place back and parks, where
//! there is room for many more, and takes a place again when its wait is over.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use selvedge_contracts::{
    fault::Fault,
    id::{Caller, Mission},
};

/// Part of all places that one caller may take.
const SHARE: usize = 8;
/// Part of all places that one mission leaves to the others.
const LEFT_BY_MISSION: usize = 4;
/// Part of all bytes that one caller may take: several pieces at once, or its transfer is slow.
const BYTE_SHARE: usize = 2;
/// How many calls may be parked for each place: one of them holds some kilobytes.
const PARKED: usize = 16;
/// Longest body of a call that may park, in bytes: it is kept in memory meanwhile.
const MAX_PARKED_BODY_BYTES: usize = 16 << 10;

/// The places of one service.
pub(super) struct Slots {
    taken: Arc<Mutex<Taken>>,
}

/// What is taken, in all and by whom.
struct Taken {
    places: usize,
    bytes: usize,
    all: Use,
    by_caller: HashMap<Caller, Use>,
    by_mission: HashMap<Mission, Use>,
}

/// What somebody has taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Use {
    calls: usize,
    parked: usize,
    bytes: usize,
}

/// What a call takes.
pub(super) struct Wanted<'a> {
    pub(super) caller: &'a Caller,
    pub(super) mission: &'a Mission,
    /// Bytes that it holds beside its payload.
    pub(super) bytes: usize,
    /// Bytes of the message that it came with.
    pub(super) body_bytes: usize,
}

/// One place; it is free again when this is dropped.
pub(super) struct Slot {
    caller: Caller,
    mission: Mission,
    bytes: usize,
    may_park: bool,
    taken: Arc<Mutex<Taken>>,
}

/// A call that waits without a place. It has one again when this is dropped.
pub struct Parked<'a>(&'a Slot);

impl Slots {
    /// So many places, and room for so many bytes.
    pub(super) fn new(places: usize, bytes: usize) -> Self {
        let (by_caller, by_mission) = (HashMap::new(), HashMap::new());
        let taken = Taken { places, bytes, all: Use::default(), by_caller, by_mission };
        Self { taken: Arc::new(Mutex::new(taken)) }
    }

    /// A place for a call.
    ///
    /// # Errors
    /// `busy` if there is none, or its caller or its mission has its share.
    pub(super) fn take(&self, wanted: &Wanted<'_>) -> Result<Slot, Fault> {
        let &Wanted { caller, mission, bytes, body_bytes } = wanted;
        let mut taken = lock(&self.taken);
        taken.has_room(caller, mission, bytes)?;
        taken.change(caller, mission, |own| {
            own.calls += 1;
            own.bytes += bytes;
        });
        drop(taken);
        Ok(Slot {
            caller: caller.clone(),
            mission: mission.clone(),
            bytes,
            may_park: bytes == 0 && body_bytes <= MAX_PARKED_BODY_BYTES,
            taken: Arc::clone(&self.taken),
        })
    }
}

impl Taken {
    fn has_room(&self, caller: &Caller, mission: &Mission, bytes: usize) -> Result<(), Fault> {
        let busy = |what: String| Err(Fault::busy(format!("{what} in flight; try again in a moment")));
        let of_mission = self.by_mission.get(mission).copied().unwrap_or_default();
        let own = self.by_caller.get(caller).copied().unwrap_or_default();
        if self.all.calls >= self.places {
            return busy(format!("{} calls are", self.places));
        }
        if of_mission.calls >= self.share_of_mission() {
            return busy(format!("{} calls of the mission {mission} are", of_mission.calls));
        }
        if own.calls >= self.share_of_caller() {
            return busy(format!("{} calls of {caller} are", own.calls));
        }
        if bytes > 0 && self.all.bytes + bytes > self.bytes {
            return busy("too many bytes are".to_owned());
        }
        if bytes > 0 && own.bytes > 0 && own.bytes + bytes > self.bytes / BYTE_SHARE {
            return busy(format!("too many bytes of {caller} are"));
        }
        Ok(())
    }

    fn share_of_caller(&self) -> usize {
        (self.places / SHARE).max(1)
    }

    fn share_of_mission(&self) -> usize {
        self.places - self.places / LEFT_BY_MISSION
    }

    fn may_park(&self, caller: &Caller, mission: &Mission) -> bool {
        let parked = |found: Option<&Use>| found.map_or(0, |found| found.parked);
        self.all.parked < self.places * PARKED
            && parked(self.by_mission.get(mission)) < self.share_of_mission() * PARKED
            && parked(self.by_caller.get(caller)) < self.share_of_caller() * PARKED
    }

    /// Changes what is taken in all, by a caller and by a mission alike; nothing is kept of who has nothing.
    fn change(&mut self, caller: &Caller, mission: &Mission, change: impl Fn(&mut Use)) {
        change(&mut self.all);
        change_of(&mut self.by_caller, caller, &change);
        change_of(&mut self.by_mission, mission, &change);
    }
}

fn change_of<K: Hash + Eq + Clone>(of: &mut HashMap<K, Use>, key: &K, change: impl Fn(&mut Use)) {
    let mut own = of.get(key).copied().unwrap_or_default();
    change(&mut own);
    if own == Use::default() {
        of.remove(key);
    } else {
        of.insert(key.clone(), own);
    }
}

impl Slot {
    /// Gives the place back for as long as the call waits; nothing if too many wait already.
    pub(super) fn park(&self) -> Option<Parked<'_>> {
        let mut taken = lock(&self.taken);
        if !self.may_park || !taken.may_park(&self.caller, &self.mission) {
            return None;
        }
        taken.change(&self.caller, &self.mission, |own| {
            own.calls = own.calls.saturating_sub(1);
            own.parked += 1;
        });
        Some(Parked(self))
    }
}

impl Drop for Parked<'_> {
    /// Takes a place even if all are taken by now: what is waited for has come, and nobody else would answer.
    fn drop(&mut self) {
        let Slot { caller, mission, taken, .. } = self.0;
        lock(taken).change(caller, mission, |own| {
            own.calls += 1;
            own.parked = own.parked.saturating_sub(1);
        });
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let bytes = self.bytes;
        lock(&self.taken).change(&self.caller, &self.mission, |own| {
            own.calls = own.calls.saturating_sub(1);
            own.bytes = own.bytes.saturating_sub(bytes);
        });
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take_in(slots: &Slots, mission: &str, caller: &str, bytes: usize) -> Result<Slot, Fault> {
        let (caller, mission) = (Caller::new(caller).unwrap(), Mission::new(mission).unwrap());
        slots.take(&Wanted { caller: &caller, mission: &mission, bytes, body_bytes: 100 })
    }

    fn take(slots: &Slots, caller: &str, bytes: usize) -> Result<Slot, Fault> {
        take_in(slots, "demo", caller, bytes)
    }

    #[test]
    fn one_caller_cannot_shut_out_the_others() {
        let slots = Slots::new(16, 0);
        let held: Vec<_> = (0..2).map(|_| take(&slots, "ada", 0).unwrap()).collect();
        assert!(take(&slots, "ada", 0).is_err(), "ada has her share");
        assert!(take(&slots, "bob", 0).is_ok());
        drop(held);
        assert!(take(&slots, "ada", 0).is_ok(), "a place is free again");
    }

    #[test]
    fn one_mission_cannot_shut_out_the_others() {
        let slots = Slots::new(8, 0);
        let held: Vec<_> = (0..6).map(|n| take(&slots, &format!("a{n}"), 0).unwrap()).collect();
        let fault = take(&slots, "bob", 0).map(drop).unwrap_err();
        assert!(fault.message.contains("of the mission demo"), "{fault}");
        assert!(take_in(&slots, "other", "bob", 0).is_ok());
        drop(held);
    }

    #[test]
    fn there_are_so_many_places_and_no_more() {
        let slots = Slots::new(3, 0);
        let held: Vec<_> = ["a", "b", "c"].iter().map(|name| take(&slots, name, 0).unwrap()).collect();
        assert!(take(&slots, "d", 0).is_err());
        drop(held);
        let taken = lock(&slots.taken);
        assert!(
            taken.by_caller.is_empty() && taken.by_mission.is_empty(),
            "nothing is kept of those who left"
        );
    }

    #[test]
    fn whoever_waits_leaves_its_place_to_others_up_to_a_bound_of_its_own() {
        let slots = Slots::new(8, 0);
        let held: Vec<_> = (0..PARKED)
            .map(|_| {
                let slot = Box::leak(Box::new(take(&slots, "ada", 0).unwrap()));
                slot.park().expect("room to wait in")
            })
            .collect();
        assert_eq!(lock(&slots.taken).all.calls, 0);
        let more = take(&slots, "ada", 0).unwrap();
        assert!(more.park().is_none(), "ada has her share");
        let bob = take(&slots, "bob", 0).unwrap();
        let parked = bob.park().expect("there is room for others");
        drop(held);
        assert!(take(&slots, "ada", 0).is_err(), "they have places again");
        drop((parked, more));
        let (caller, mission) = (Caller::new("cid").unwrap(), Mission::new("other").unwrap());
        let slots = Slots::new(8, 0);
        let wanted =
            Wanted { caller: &caller, mission: &mission, bytes: 0, body_bytes: MAX_PARKED_BODY_BYTES + 1 };
        assert!(slots.take(&wanted).unwrap().park().is_none(), "its body is too long to be kept");
    }

    #[test]
    fn bytes_are_bounded_for_all_and_for_one_caller() {
        let slots = Slots::new(100, 8);
        let held = [take(&slots, "ada", 3).unwrap()];
        assert!(take(&slots, "ada", 2).is_err(), "ada has her share");
        let more = [take(&slots, "ada", 1).unwrap(), take(&slots, "bob", 4).unwrap()];
        assert!(take(&slots, "cid", 1).is_err(), "nothing is left");
        assert!(take(&slots, "cid", 0).is_ok(), "calls without bytes go on");
        drop((held, more));
        assert_eq!(lock(&slots.taken).all, Use::default());
    }
}
