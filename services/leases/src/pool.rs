//! Pools of slots: how many are held, and whether more may be.

use std::{collections::BTreeMap, sync::Arc};

use selvedge_contracts::{
    id::PoolName,
    payload::{
        claim::Claim,
        lease::{Lease, Pool, PoolUse},
    },
};

use crate::index::Key;

/// The slots that one lease claims, by pool.
pub(crate) type Slots = BTreeMap<PoolName, u64>;

/// Sums the slots that the claims name.
pub(crate) fn slots_of(claims: &[Claim]) -> Slots {
    let mut slots = Slots::new();
    for claim in claims {
        if let Claim::Slots { pool, slots: wanted } = claim {
            *slots.entry(pool.clone()).or_default() += u64::from(*wanted);
        }
    }
    slots
}

/// One pool of a space, and its use.
#[derive(Debug, Clone, Default)]
pub(crate) struct Slot {
    /// The pool as it was set; absent while only leases name it (its record is not there).
    pub(crate) pool: Option<Arc<Pool>>,
    /// Revision of its record, as it was loaded; 0 if this replica wrote it.
    pub(crate) set_at: u64,
    /// Slots held, by lease.
    held: BTreeMap<Key, u64>,
    /// Sum of them.
    held_slots: u64,
    /// Slots waited for, by order of arrival.
    waiting: BTreeMap<u64, u64>,
}

impl Slot {
    fn size(&self) -> u64 {
        self.pool.as_ref().map_or(0, |pool| u64::from(pool.slots))
    }

    /// Whether `wanted` more can be held beside what is held and what everybody earlier than `order` waits
    /// for: nobody later may take what an earlier one needs.
    pub(crate) fn fits(&self, wanted: u64, order: u64) -> bool {
        let earlier: u64 = self.waiting.range(..order).map(|(_, slots)| slots).sum();
        self.held_slots.saturating_add(earlier).saturating_add(wanted) <= self.size()
    }

    /// The requests (by order of arrival) that have enough slots now.
    pub(crate) fn fitting(&self) -> impl Iterator<Item = u64> {
        let mut taken = self.held_slots;
        self.waiting
            .iter()
            .take_while(move |(_, slots)| {
                taken = taken.saturating_add(**slots);
                taken <= self.size()
            })
            .map(|(order, _)| *order)
    }

    /// The requests (by order of arrival) that want more than there are.
    pub(crate) fn impossible(&self) -> impl Iterator<Item = u64> {
        self.waiting.iter().filter(|(_, slots)| **slots > self.size()).map(|(order, _)| *order)
    }

    /// The leases that hold slots.
    pub(crate) fn users(&self) -> impl Iterator<Item = Key> {
        self.held.keys().copied()
    }

    /// The requests (by order of arrival) that wait and came before `order`.
    pub(crate) fn earlier(&self, order: u64) -> impl Iterator<Item = u64> {
        self.waiting.range(..order).map(|(order, _)| *order)
    }

    /// Whether more is held than there is.
    pub(crate) fn is_overfull(&self) -> bool {
        self.held_slots > self.size()
    }

    /// Takes in a lease or a request that waits.
    pub(crate) fn enter(&mut self, key: Key, lease: &Lease, slots: u64) {
        if lease.is_held() {
            self.held.insert(key, slots);
            self.held_slots = self.held_slots.saturating_add(slots);
        } else {
            self.waiting.insert(lease.order, slots);
        }
    }

    /// Makes what is waited for held.
    pub(crate) fn grant(&mut self, key: Key, order: u64) {
        if let Some(slots) = self.waiting.remove(&order) {
            self.held.insert(key, slots);
            self.held_slots = self.held_slots.saturating_add(slots);
        }
    }

    /// Lets go of a lease or of a request that waits.
    pub(crate) fn leave(&mut self, key: Key, order: u64) {
        match self.held.remove(&key) {
            Some(slots) => self.held_slots = self.held_slots.saturating_sub(slots),
            None => {
                self.waiting.remove(&order);
            }
        }
    }

    /// The pool and its use; nothing if it was never set.
    pub(crate) fn usage(&self) -> Option<PoolUse> {
        let pool = Pool { settings: Vec::new(), ..self.pool.as_ref()?.as_ref().clone() };
        Some(PoolUse { pool, held: self.held_slots, waited_for: self.waiting.values().sum() })
    }
}
