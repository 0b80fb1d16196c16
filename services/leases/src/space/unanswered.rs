//! Grants that nobody was told of. An owner writes a removal and the grant that follows from it one behind
//! the other; when its connection breaks, the removal can be lost and the grant, sent over the next one,
//! be stored. The owner then answers neither, so the holder still holds, and the grant never counted: who
//! takes the space over finds both held, and takes the grant back. Its request is sent again and waits.

use std::collections::BTreeSet;

use super::{Key, Removal, Space, Write};

/// Most writes that an owner has in flight: older ones were answered. More than one lane keeps.
const MOST_IN_FLIGHT: usize = 2_048;

impl Space {
    /// Takes back grants that clash with an older held lease, or overfill a pool that was large enough for
    /// the older ones.
    pub(super) fn take_back_unanswered(&mut self, writes: &mut Vec<Write>) {
        for (token, key) in self.newest_grants() {
            if self.clashes_with_an_older_one(key, token) || self.overfills(key) {
                // Whoever waits is looked at afterwards, all at once.
                self.drop_entry(key, Some(Removal::Unanswered), &mut BTreeSet::new(), writes);
            }
        }
    }

    /// The grants that may have been in flight, newest first, by token. A lease that was renewed since is
    /// none: its holder knew its token.
    fn newest_grants(&self) -> Vec<(u64, Key)> {
        let granted = self.entries.iter().filter_map(|(key, entry)| {
            let granted_at = |token: &u64| token.checked_sub(entry.lease.token_offset);
            let token = entry.lease.token.filter(|token| granted_at(token) == entry.stored)?;
            entry.lease.is_held().then_some((token, *key))
        });
        let mut newest: Vec<_> = granted.collect();
        newest.sort_unstable_by(|a, b| b.cmp(a));
        newest.truncate(MOST_IN_FLIGHT);
        newest
    }

    fn clashes_with_an_older_one(&self, key: Key, token: u64) -> bool {
        let Some(entry) = self.entries.get(&key) else { return false };
        let is_older = |other: Key| {
            other != key
                && self
                    .entries
                    .get(&other)
                    .is_some_and(|other| other.lease.is_held() && other.lease.token < Some(token))
        };
        !self.index.clashing(&entry.covers, is_older, 1).is_empty()
    }

    /// A pool that was made smaller later may be overfull by right.
    fn overfills(&self, key: Key) -> bool {
        let Some(entry) = self.entries.get(&key) else { return false };
        let pools = entry.slots.keys().filter_map(|name| self.pools.get(name));
        pools.into_iter().any(|pool| Some(pool.set_at) < entry.stored && pool.is_overfull())
    }
}
