//! A space: who holds what, who waits, and what must be written when somebody asks for something. Pure
//! state: the one replica that owns the space keeps it in memory, loaded from the bucket.
//!
//! **Order.** A request is granted if and only if it clashes with nothing held and with nothing that waits
//! and came earlier; so it overtakes only those with whom it has nothing in common. All its claims are
//! granted at once or none; while it waits it holds nothing, but nobody later gets what it waits for.
//!
//! **How a waiting request wakes.** It watches one lease that it clashes with, or one pool. When that goes,
//! it is looked at again: granted, or set to watch another. What it clashes with can only become less, as
//! all that comes later counts for nothing; so nobody is forgotten and nobody is looked at in vain.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use selvedge_contracts::{
    id::{Caller, LeaseId, PoolName, ScopeId},
    payload::lease::{Lease, Pool},
};

use crate::{
    claim::Cover,
    decision::{Removal, Write},
    entry::{Entry, Watch},
    index::{Clash, Index, Key},
    limits::Limits,
    pool::{Slot, slots_of},
};

mod acquire;
mod blocker;
mod expiry;
mod hold;
mod pools;
mod queue;
mod reserve;
mod unanswered;

pub(crate) use hold::lost;

/// The leases, queue and pools of one space.
#[derive(Debug)]
pub(crate) struct Space {
    limits: Limits,
    /// What is added to the sequence of a grant to make its token.
    token_offset: u64,
    /// Place in the order of arrival that the next request gets.
    next_order: u64,
    next_key: u64,
    ids: BTreeMap<LeaseId, Key>,
    entries: HashMap<Key, Entry>,
    index: Index,
    pools: BTreeMap<PoolName, Slot>,
    by_session: HashMap<ScopeId, BTreeSet<Key>>,
    by_holder: HashMap<Caller, usize>,
    /// Waiting requests in order of arrival.
    waiting: BTreeMap<u64, Key>,
    /// Waiting requests by the time at which they give up.
    deadlines: BTreeSet<(u64, Key)>,
    /// Who watches a lease.
    watched: HashMap<Key, BTreeSet<Key>>,
    /// Waiting requests that are to be looked at, by order: more than one pass may cost.
    pending: BTreeSet<(u64, Key)>,
    /// What the last pass cost.
    cost: u32,
}

impl Space {
    /// An empty space.
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            token_offset: 0,
            next_order: 1,
            next_key: 1,
            ids: BTreeMap::new(),
            entries: HashMap::new(),
            index: Index::default(),
            pools: BTreeMap::new(),
            by_session: HashMap::new(),
            by_holder: HashMap::new(),
            waiting: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            watched: HashMap::new(),
            pending: BTreeSet::new(),
            cost: 0,
        }
    }

    /// From now on the token of a grant is so much more than the sequence of its record.
    pub(crate) fn offset_tokens(&mut self, token_offset: u64) {
        self.token_offset = token_offset;
    }

    /// Takes in a record of the bucket, stored at `revision`: its token if it is held and names none. When
    /// all are in, [`Space::settle`] grants what a crash left ungranted.
    pub(crate) fn load(&mut self, mut lease: Lease, revision: u64) {
        lease.token = lease.token_at(revision);
        if let Some(&stale) = self.ids.get(&lease.id) {
            self.forget(stale);
        }
        let covers: Arc<[Cover]> = lease.claims.iter().map(Cover::of_stored).collect();
        self.insert(Arc::new(lease), covers, Some(revision));
    }

    /// Takes in a pool's record of the bucket, stored at `revision`.
    pub(crate) fn load_pool(&mut self, pool: Pool, revision: u64) {
        let slot = self.pools.entry(pool.name.clone()).or_default();
        slot.pool = Some(Arc::new(pool));
        slot.set_at = revision;
    }

    /// The lease as it stands now; its token is absent while the record that grants it is on its way.
    pub(crate) fn lease(&self, id: &LeaseId) -> Option<Arc<Lease>> {
        self.entry(id).map(|(_, entry)| Arc::clone(&entry.lease))
    }

    /// Whether the lease's record, as it stands now, is stored.
    pub(crate) fn is_stored(&self, id: &LeaseId) -> bool {
        self.entry(id).is_some_and(|(_, entry)| entry.stored.is_some())
    }

    /// All leases, held and waiting, in order of id, from after `after`.
    pub(crate) fn leases(&self, after: Option<&LeaseId>) -> impl Iterator<Item = &Arc<Lease>> {
        let from = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        let keys = self.ids.range::<LeaseId, _>((from, std::ops::Bound::Unbounded));
        keys.filter_map(|(_, key)| self.entries.get(key)).map(|entry| &entry.lease)
    }

    /// Sessions that hold or wait for something here.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = &ScopeId> {
        self.by_session.keys()
    }

    /// How many leases there are, held and waiting.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is nothing in it: no lease, no request that waits, no pool.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.pools.values().all(|slot| slot.pool.is_none())
    }

    /// How many requests wait.
    pub(crate) fn waiters(&self) -> usize {
        self.waiting.len()
    }

    fn entry(&self, id: &LeaseId) -> Option<(Key, &Entry)> {
        let key = *self.ids.get(id)?;
        self.entries.get(&key).map(|entry| (key, entry))
    }

    fn insert(&mut self, lease: Arc<Lease>, covers: Arc<[Cover]>, stored: Option<u64>) -> Key {
        let key = Key(self.next_key);
        self.next_key = self.next_key.saturating_add(1);
        self.next_order = self.next_order.max(lease.order.saturating_add(1));
        let slots = slots_of(&lease.claims);
        for (pool, wanted) in &slots {
            let slot = self.pools.entry(pool.clone()).or_default();
            slot.enter(key, &lease, *wanted);
        }
        if !lease.is_held() {
            self.waiting.insert(lease.order, key);
            self.deadlines.insert((lease.expires_at_ms, key));
        }
        self.index.insert(key, &covers);
        self.ids.insert(lease.id.clone(), key);
        self.by_session.entry(lease.session.clone()).or_default().insert(key);
        *self.by_holder.entry(lease.holder.clone()).or_default() += 1;
        self.entries.insert(key, Entry { lease, covers, slots, stored, erased: 0, watch: None });
        key
    }

    /// Takes a lease out of every table but `watched`: who watched it is returned.
    fn forget(&mut self, key: Key) -> Option<(Entry, BTreeSet<Key>)> {
        let entry = self.entries.remove(&key)?;
        let lease = &entry.lease;
        self.unwatch(key, entry.watch.as_ref());
        self.ids.remove(&lease.id);
        self.index.remove(key, &entry.covers);
        self.leave_queue(key, lease);
        for pool in entry.slots.keys() {
            if let Some(slot) = self.pools.get_mut(pool) {
                slot.leave(key, lease.order);
            }
        }
        if let Some(keys) = self.by_session.get_mut(&lease.session) {
            keys.remove(&key);
            if keys.is_empty() {
                self.by_session.remove(&lease.session);
            }
        }
        if let Some(count) = self.by_holder.get_mut(&lease.holder) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.by_holder.remove(&lease.holder);
            }
        }
        let watchers = self.watched.remove(&key).unwrap_or_default();
        Some((entry, watchers))
    }

    fn leave_queue(&mut self, key: Key, lease: &Lease) {
        if !lease.is_held() {
            self.waiting.remove(&lease.order);
            self.deadlines.remove(&(lease.expires_at_ms, key));
        }
    }

    fn unwatch(&mut self, key: Key, watch: Option<&Watch>) {
        let Some(Watch::Lease(watched)) = watch else { return };
        if let Some(keys) = self.watched.get_mut(watched) {
            keys.remove(&key);
            if keys.is_empty() {
                self.watched.remove(watched);
            }
        }
    }
}

#[cfg(test)]
mod tests;
