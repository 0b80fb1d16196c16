//! The queue: who is looked at again when something goes, and who is granted then.

use std::{collections::BTreeSet, sync::Arc};

use selvedge_contracts::payload::lease::MAX_BLOCKERS;

use super::{Entry, Key, Removal, Space, Watch, Write};

/// What one pass over the queue may cost, in pairs of states and claims looked at, before others get their
/// turn: milliseconds. The look that goes beyond it is finished, at the cost of one decision at most.
pub(super) const MOST_OF_A_PASS: u32 = 500_000;

impl Space {
    /// Looks at every waiting request once, after the records of the bucket were loaded: grants what is free
    /// and gives up what is overdue. Grants that nobody was told of, and that cannot stand, are taken back
    /// first.
    pub(crate) fn settle(&mut self, now_ms: u64) -> Vec<Write> {
        let mut writes = Vec::new();
        self.take_back_unanswered(&mut writes);
        let all = self.waiting.iter().map(|(order, key)| (*order, *key)).collect();
        self.look_at(all, now_ms, &mut writes);
        writes
    }

    /// Gives up every waiting request whose deadline has passed. Until it is given up it is never granted,
    /// but still holds up those behind it.
    pub(crate) fn sweep(&mut self, now_ms: u64) -> Vec<Write> {
        let (mut again, mut writes) = (BTreeSet::new(), Vec::new());
        while let Some(&(deadline_ms, key)) = self.deadlines.first() {
            if deadline_ms > now_ms {
                break;
            }
            self.drop_entry(key, Some(Removal::GaveUp), &mut again, &mut writes);
        }
        self.look_at(again, now_ms, &mut writes);
        writes
    }

    /// Takes a lease out, and grants what it held up. `removal`: absent if its record is gone already.
    pub(super) fn take(&mut self, key: Key, removal: Option<Removal>, now_ms: u64, writes: &mut Vec<Write>) {
        let mut again = BTreeSet::new();
        self.drop_entry(key, removal, &mut again, writes);
        self.look_at(again, now_ms, writes);
    }

    /// Takes a lease out, and adds to `again` whom that may free.
    pub(super) fn drop_entry(
        &mut self,
        key: Key,
        removal: Option<Removal>,
        again: &mut BTreeSet<(u64, Key)>,
        writes: &mut Vec<Write>,
    ) {
        let Some((entry, watchers)) = self.forget(key) else { return };
        for watcher in watchers {
            if let Some(waiting) = self.entries.get_mut(&watcher) {
                waiting.watch = None;
                again.insert((waiting.lease.order, watcher));
            }
        }
        for pool in entry.slots.keys() {
            self.add_pool_waiters(pool, again);
        }
        if let Some(removal) = removal {
            writes.push(Write::Remove(entry.lease, removal));
        }
    }

    /// Looks at requests in order of arrival, and at those that this frees in turn: as many as one pass may
    /// cost. The rest are [`Space::is_pending`]; until they are looked at they hold up who came later, as before.
    pub(super) fn look_at(&mut self, again: BTreeSet<(u64, Key)>, now_ms: u64, writes: &mut Vec<Write>) {
        self.pending.extend(again);
        self.cost = 0;
        while self.cost < MOST_OF_A_PASS {
            let Some((_, key)) = self.pending.pop_first() else { return };
            let Some(entry) = self.entries.get(&key).filter(|entry| !entry.lease.is_held()) else { continue };
            if entry.lease.expires_at_ms <= now_ms {
                let mut freed = BTreeSet::new();
                self.drop_entry(key, Some(Removal::GaveUp), &mut freed, writes);
                self.pending.extend(freed);
            } else if self.look(key) {
                writes.extend(self.grant(key, now_ms).map(Write::Put));
            }
        }
    }

    /// Whether requests are left to be looked at.
    pub(crate) fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Looks at what the last pass left: one more pass.
    pub(crate) fn go_on(&mut self, now_ms: u64) -> Vec<Write> {
        let mut writes = Vec::new();
        self.look_at(BTreeSet::new(), now_ms, &mut writes);
        writes
    }

    /// Whether nothing stands in a waiting request's way any more; else it is set to watch what does.
    pub(super) fn look(&mut self, key: Key) -> bool {
        let Some(entry) = self.entries.get(&key) else { return false };
        let (watch, cost) = self.in_the_way(key, entry);
        self.cost = self.cost.saturating_add(cost);
        let Some(entry) = self.entries.get(&key) else { return false };
        let before = entry.watch.clone();
        self.unwatch(key, before.as_ref());
        if let Some(Watch::Lease(watched)) = &watch {
            self.watched.entry(*watched).or_default().insert(key);
        }
        let is_free = watch.is_none();
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.watch = watch;
        }
        is_free
    }

    /// What to watch: the latest of what it clashes with, so that a queue is woken one by one.
    fn in_the_way(&self, key: Key, entry: &Entry) -> (Option<Watch>, u32) {
        let (clashes, cost) = self.clashes_of(key, entry, MAX_BLOCKERS);
        let order = |key: &Key| self.entries.get(key).map(|entry| entry.lease.order);
        let watch = match clashes.into_iter().map(|clash| clash.key).max_by_key(order) {
            Some(latest) => Some(Watch::Lease(latest)),
            None => self.lacking(&entry.slots, entry.lease.order).cloned().map(Watch::Pool),
        };
        (watch, cost)
    }

    fn grant(&mut self, key: Key, now_ms: u64) -> Option<Arc<selvedge_contracts::payload::lease::Lease>> {
        let token_offset = self.token_offset;
        let entry = self.entries.get_mut(&key)?;
        self.waiting.remove(&entry.lease.order);
        self.deadlines.remove(&(entry.lease.expires_at_ms, key));
        for pool in entry.slots.keys() {
            if let Some(slot) = self.pools.get_mut(pool) {
                slot.grant(key, entry.lease.order);
            }
        }
        Some(entry.grant(token_offset, now_ms))
    }
}
