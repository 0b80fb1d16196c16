//! Naming what stands in the way.

use selvedge_contracts::{
    fault::Fault,
    id::{LeaseId, PoolName},
    payload::{
        claim::Claim,
        lease::{Blocker, MAX_BLOCKERS},
    },
};

use super::{Clash, Entry, Key, Space};
use crate::pool::slots_of;

impl Space {
    /// What a waiting request waits for, at most [`MAX_BLOCKERS`]; none if it is held or unknown.
    pub(crate) fn blockers(&self, id: &LeaseId, now_ms: u64) -> Vec<Blocker> {
        match self.entry(id) {
            Some((key, entry)) if !entry.lease.is_held() => self.blockers_of(key, entry, now_ms),
            _ => Vec::new(),
        }
    }

    pub(super) fn blockers_of(&self, key: Key, entry: &Entry, now_ms: u64) -> Vec<Blocker> {
        let (clashes, _) = self.clashes_of(key, entry, MAX_BLOCKERS);
        self.name_blockers(&clashes, &entry.lease.claims, entry.lease.order, now_ms)
    }

    /// Names the leases that clash with what somebody who came at `order` claims; if there are none, who
    /// holds the slots that are lacking or waits for them and came earlier.
    pub(super) fn name_blockers(
        &self,
        clashes: &[Clash],
        wanted: &[Claim],
        order: u64,
        now_ms: u64,
    ) -> Vec<Blocker> {
        let named = clashes.iter().filter_map(|clash| {
            let held = self.entries.get(&clash.key)?;
            let claims = clash.held.iter().filter_map(|at| held.lease.claims.get(*at as usize).cloned());
            Some(blocker(held, claims.collect(), clash.wanted, now_ms))
        });
        if !clashes.is_empty() {
            return named.collect();
        }
        let lacking = slots_of(wanted).into_iter().filter(|(pool, slots)| !self.fits(pool, *slots, order));
        let mut found: Vec<Blocker> =
            lacking.flat_map(|(pool, _)| self.slots_taken(&pool, wanted, order, now_ms)).collect();
        found.truncate(MAX_BLOCKERS);
        found
    }

    fn slots_taken(&self, pool: &PoolName, wanted: &[Claim], order: u64, now_ms: u64) -> Vec<Blocker> {
        let Some(slot) = self.pools.get(pool) else { return Vec::new() };
        let of_pool = |claim: &Claim| matches!(claim, Claim::Slots { pool: named, .. } if named == pool);
        let index = wanted.iter().position(of_pool).and_then(|at| u32::try_from(at).ok()).unwrap_or(0);
        let waiting = slot.earlier(order).filter_map(|order| self.waiting.get(&order).copied());
        let users = slot.users().chain(waiting).filter_map(|key| self.entries.get(&key));
        let named = users.take(MAX_BLOCKERS).map(|held| {
            let claims = held.lease.claims.iter().filter(|claim| of_pool(claim)).cloned().collect();
            blocker(held, claims, index, now_ms)
        });
        named.collect()
    }
}

fn blocker(held: &Entry, claims: Vec<Claim>, wanted: u32, now_ms: u64) -> Blocker {
    let lease = &held.lease;
    Blocker {
        lease: lease.id.clone(),
        holder: lease.holder.clone(),
        purpose: lease.purpose.clone(),
        state: lease.state,
        claims,
        remaining_ms: lease.remaining_ms(now_ms),
        wanted,
    }
}

/// The refusal of a request whose way is not free: one detail for each blocker, at the claim that clashes.
pub(crate) fn refusal(blockers: &[Blocker]) -> Fault {
    let message = match blockers {
        [] => "what is claimed is not free; ask again with wait_ms to queue for it".to_owned(),
        [first, rest @ ..] => {
            let more = if rest.is_empty() { String::new() } else { format!(", and {} more", rest.len()) };
            format!("{first}{more}; ask again with wait_ms to queue for it")
        }
    };
    blockers.iter().fold(Fault::conflict(message), |fault, blocker| {
        fault.at(format!("/claims/{}", blocker.wanted), blocker.to_string())
    })
}
