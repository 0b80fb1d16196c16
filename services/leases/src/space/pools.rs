//! Pools: their sizes, and who gets slots when they change.

use std::{collections::BTreeSet, sync::Arc};

use selvedge_contracts::{
    fault::{Code, Fault},
    id::PoolName,
    payload::{
        claim::Claim,
        lease::{MAX_SLOTS, Pool, PoolSetting, PoolUse},
    },
};

use super::{Key, Removal, Space, Watch, Write};
use crate::{
    decision::Decision,
    pool::{Slot, Slots},
};

/// Most requests that a pool is known to have been set by.
const MOST_SETTINGS: usize = 64;
/// Digits of a request's digest that are kept: enough to tell those of one pool apart.
const DIGITS: usize = 24;

/// What a request is known by among those that set a pool.
fn short(request: &str) -> &str {
    request.get(..DIGITS).unwrap_or(request)
}

/// The requests that set a pool, with the one that does so now: the newest.
fn settings(before: Option<&Pool>, now: &Pool, request: Option<&str>) -> Vec<PoolSetting> {
    let mut settings: Vec<PoolSetting> = before.map(|pool| pool.settings.clone()).unwrap_or_default();
    settings.extend(request.map(|request| PoolSetting {
        request: short(request).to_owned(),
        slots: now.slots,
        at_ms: now.set_at_ms,
    }));
    let surplus = settings.len().saturating_sub(MOST_SETTINGS);
    settings.drain(..surplus);
    settings
}

impl Space {
    /// Makes a pool or changes its size. Held leases stay; what waits for more slots than there are now is
    /// given up; what fits now is granted. `request` is what a repetition is known by: one of a request that set it
    /// before changes nothing, whatever was set since.
    ///
    /// # Errors
    /// Invalid: too many slots. Busy: the space has as many pools as it may.
    pub(crate) fn set_pool(
        &mut self,
        mut pool: Pool,
        request: Option<&str>,
        now_ms: u64,
    ) -> Result<Decision<PoolUse>, Fault> {
        if let Some(outcome) = request.and_then(|request| self.first_answer(&pool, request)) {
            return Ok(Decision { outcome, writes: Vec::new() });
        }
        if pool.slots > MAX_SLOTS {
            let message = format!("{} slots are too many; expected 0 to {MAX_SLOTS}", pool.slots);
            return Err(Fault::invalid("the pool's size is not one").at("/slots", message));
        }
        let name = pool.name.clone();
        let is_known = self.pools.get(&name).is_some_and(|slot| slot.pool.is_some());
        if !is_known && self.pools.len() >= self.limits.pools {
            return Err(Fault::busy(format!(
                "this space has {} pools, the most it may have",
                self.pools.len()
            )));
        }
        let slot = self.pools.entry(name.clone()).or_default();
        pool.settings = settings(slot.pool.as_deref(), &pool, request);
        let pool = Arc::new(pool);
        slot.pool = Some(Arc::clone(&pool));
        let impossible: Vec<Key> =
            slot.impossible().filter_map(|order| self.waiting.get(&order).copied()).collect();
        let mut writes = vec![Write::PutPool(pool)];
        let mut again = BTreeSet::new();
        for key in impossible {
            self.drop_entry(key, Some(Removal::Impossible), &mut again, &mut writes);
        }
        self.add_pool_waiters(&name, &mut again);
        self.look_at(again, now_ms, &mut writes);
        let outcome = self.pools.get(&name).and_then(Slot::usage);
        let outcome = outcome.ok_or_else(|| Fault::internal("the pool that was just set is gone"))?;
        Ok(Decision { outcome, writes })
    }

    /// What a request was answered that set a pool before: the size that it set, and how much is in use now.
    fn first_answer(&self, wanted: &Pool, request: &str) -> Option<PoolUse> {
        let slot = self.pools.get(&wanted.name)?;
        let set = slot.pool.as_ref()?.settings.iter().find(|set| set.request == short(request))?;
        let now = slot.usage()?;
        let pool = Pool { slots: set.slots, set_at_ms: set.at_ms, set_by: wanted.set_by.clone(), ..now.pool };
        Some(PoolUse { pool, ..now })
    }

    /// The pools of the space, in order of name.
    pub(crate) fn pools(&self) -> impl Iterator<Item = PoolUse> {
        self.pools.values().filter_map(Slot::usage)
    }

    /// Adds the requests that wait for slots of this pool alone, and that have enough now.
    pub(super) fn add_pool_waiters(&self, pool: &PoolName, again: &mut BTreeSet<(u64, Key)>) {
        let Some(slot) = self.pools.get(pool) else { return };
        for order in slot.fitting() {
            let Some(key) = self.waiting.get(&order) else { continue };
            let watch = self.entries.get(key).and_then(|entry| entry.watch.as_ref());
            if matches!(watch, Some(Watch::Pool(watched)) if watched == pool) {
                again.insert((order, *key));
            }
        }
    }

    /// Refuses slots that could never be granted.
    pub(super) fn check_pools(&self, slots: &Slots, claims: &[Claim]) -> Result<(), Fault> {
        let mut details = Vec::new();
        for (index, claim) in claims.iter().enumerate() {
            let Claim::Slots { pool, .. } = claim else { continue };
            let size =
                self.pools.get(pool).and_then(|slot| slot.pool.as_ref()).map(|pool| u64::from(pool.slots));
            let wanted = slots.get(pool).copied().unwrap_or(0);
            let message = match size {
                None => format!("there is no pool {pool} in this space; leases.pool_set makes it"),
                Some(size) if wanted > size => {
                    format!("{wanted} slots of {pool} are wanted together, and it has {size}")
                }
                Some(_) if wanted == 0 => "no slots are wanted; expected at least 1".to_owned(),
                Some(_) => continue,
            };
            details.push(selvedge_contracts::fault::Detail { at: format!("/claims/{index}"), message });
        }
        if details.is_empty() {
            return Ok(());
        }
        let message = "slots are claimed that the space does not have".to_owned();
        Err(Fault { code: Code::Invalid, message, details })
    }
}
