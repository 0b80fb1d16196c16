//! Asking for a lease.

use std::sync::Arc;

use selvedge_contracts::{
    fault::Fault,
    id::{Caller, PoolName},
    payload::lease::{DEFAULT_LEASE_TTL_MS, Lease, LeaseState, MAX_BLOCKERS},
};

use selvedge_kit::sabotage::{Guard, is_broken};

use super::{Clash, Cover, Entry, Key, Space, Write, slots_of};
use crate::{
    claim,
    decision::{Acquired, Decision, Want},
    pool::Slots,
    space::blocker::refusal,
};

impl Space {
    /// Grants what is wanted, lets it wait, or refuses it. A repetition (same id, same content) finds its
    /// lease and keeps its place; its deadline in the queue stays as it was first asked for.
    ///
    /// # Errors
    /// Invalid: the request is wrong in itself, names no pool of this space, or more slots than one has.
    /// Conflict: what stands in the way, if nothing is to be waited for; or the id stands for another
    /// request. Busy: a bound of the space is reached, or the lease of this id ran out a moment ago.
    pub(crate) fn acquire(&mut self, want: &Want, now_ms: u64) -> Result<Decision<Acquired>, Fault> {
        if let Some((key, entry)) = self.entry(&want.id) {
            return self.repeated(key, entry, want, now_ms);
        }
        let covers: Arc<[Cover]> = claim::check(&want.request)?.into();
        let slots = slots_of(&want.request.claims);
        self.check_pools(&slots, &want.request.claims)?;
        self.check_room(want)?;
        let clashes = self.index.clashing(&covers, |_| true, MAX_BLOCKERS);
        let is_free = (clashes.is_empty() && self.lacking(&slots, self.next_order).is_none())
            || is_broken(Guard::Leases);
        let wait_ms = want.request.wait_ms.unwrap_or(0);
        if is_free {
            return Ok(self.admit(want, covers, LeaseState::Held, now_ms));
        }
        if wait_ms == 0 {
            return Err(refusal(&self.name_blockers(
                &clashes,
                &want.request.claims,
                self.next_order,
                now_ms,
            )));
        }
        if self.waiting.len() >= self.limits.waiters {
            let waiting = self.waiting.len();
            return Err(Fault::busy(format!(
                "{waiting} requests wait in this space already; try again later"
            )));
        }
        self.check_queue_of(&want.holder)?;
        Ok(self.admit(want, covers, LeaseState::Waiting, now_ms))
    }

    fn repeated(
        &self,
        key: Key,
        entry: &Entry,
        want: &Want,
        now_ms: u64,
    ) -> Result<Decision<Acquired>, Fault> {
        let lease = &entry.lease;
        let ttl_ms = want.request.ttl_ms.unwrap_or(DEFAULT_LEASE_TTL_MS);
        let same = lease.holder == want.holder
            && lease.claims == want.request.claims
            && lease.purpose == want.request.purpose
            && want.request.space == lease.space
            && (lease.ttl_ms == ttl_ms || lease.is_held());
        if !same {
            return Err(Fault::conflict(format!(
                "the idempotency key was used before, for the lease {} with other content; use a new key for a new lease",
                lease.id
            )));
        }
        if now_ms >= lease.expires_at_ms {
            return Err(Fault::busy(format!(
                "the lease {} ran out and is being removed; try again in a moment, or use a new key",
                lease.id
            )));
        }
        let outcome = match lease.state {
            LeaseState::Held => Acquired::Held(Arc::clone(lease)),
            LeaseState::Waiting => Acquired::Waiting(Arc::clone(lease), self.blockers_of(key, entry, now_ms)),
        };
        Ok(Decision { outcome, writes: Vec::new() })
    }

    fn check_queue_of(&self, holder: &Caller) -> Result<(), Fault> {
        let entries = self.waiting.values().filter_map(|key| self.entries.get(key));
        let waiting = entries.filter(|entry| entry.lease.holder == *holder).count();
        if waiting < self.limits.waiters_per_holder {
            return Ok(());
        }
        Err(Fault::busy(format!(
            "{waiting} requests of {holder} wait in this space, the most of one holder; try again later"
        )))
    }

    fn check_room(&self, want: &Want) -> Result<(), Fault> {
        let held = self.by_holder.get(&want.holder).copied().unwrap_or(0);
        if held >= self.limits.leases_per_holder {
            let holder = &want.holder;
            return Err(Fault::busy(format!(
                "{holder} has {held} leases in this space, the most that one holder may have; release some first"
            )));
        }
        if self.entries.len() >= self.limits.leases {
            let all = self.entries.len();
            return Err(Fault::busy(format!(
                "this space has {all} leases, the most it may have; try again later"
            )));
        }
        Ok(())
    }

    /// Enters a request as held or waiting.
    fn admit(
        &mut self,
        want: &Want,
        covers: Arc<[Cover]>,
        state: LeaseState,
        now_ms: u64,
    ) -> Decision<Acquired> {
        let ttl_ms = want.request.ttl_ms.unwrap_or(DEFAULT_LEASE_TTL_MS);
        let life_ms = match state {
            LeaseState::Held => ttl_ms,
            LeaseState::Waiting => want.request.wait_ms.unwrap_or(0),
        };
        let lease = Arc::new(Lease {
            id: want.id.clone(),
            mission: want.mission.clone(),
            space: want.request.space.clone(),
            holder: want.holder.clone(),
            session: want.session.clone(),
            task: want.task.clone(),
            purpose: want.request.purpose.clone(),
            claims: want.request.claims.clone(),
            state,
            token: None,
            token_offset: self.token_offset,
            order: self.next_order,
            since_ms: now_ms,
            ttl_ms,
            expires_at_ms: now_ms.saturating_add(life_ms),
        });
        let key = self.insert(Arc::clone(&lease), covers, None);
        let writes = vec![Write::Put(Arc::clone(&lease))];
        if state == LeaseState::Held {
            return Decision { outcome: Acquired::Held(lease), writes };
        }
        self.look(key);
        let blockers = self.entries.get(&key).map(|entry| self.blockers_of(key, entry, now_ms));
        Decision { outcome: Acquired::Waiting(lease, blockers.unwrap_or_default()), writes }
    }

    /// What stands in the way of a request that waits, and what finding it cost.
    pub(super) fn clashes_of(&self, key: Key, entry: &Entry, most: usize) -> (Vec<Clash>, u32) {
        let counts = |other: Key| {
            other != key
                && self
                    .entries
                    .get(&other)
                    .is_some_and(|other| other.lease.is_held() || other.lease.order < entry.lease.order)
        };
        self.index.clashing_at_cost(&entry.covers, counts, most)
    }

    /// The first pool that has not enough slots for somebody who came at `order`.
    pub(super) fn lacking<'a>(&self, slots: &'a Slots, order: u64) -> Option<&'a PoolName> {
        slots.iter().find(|(pool, wanted)| !self.fits(pool, **wanted, order)).map(|(pool, _)| pool)
    }

    pub(super) fn fits(&self, pool: &PoolName, wanted: u64, order: u64) -> bool {
        self.pools.get(pool).is_some_and(|slot| slot.fits(wanted, order))
    }
}
