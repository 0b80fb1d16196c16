//! Naming what stands in the way.

use selvedge_contracts::{
    fault::Fault,
    id::LeaseId,
    payload::{
        claim::Claim,
        lease::{Blocker, MAX_BLOCKERS},
    },
};

use super::{Clash, Entry, Key, Space};
use crate::pool::Slots;

impl Space {
    /// What a waiting request waits for, at most [`MAX_BLOCKERS`]; none if it is held or unknown.
    pub(crate) fn blockers(&self, id: &LeaseId, now_ms: u64) -> Vec<Blocker> {
        match self.entry(id) {
            Some((key, entry)) if !entry.lease.is_held() => self.blockers_of(key, entry, now_ms),
            _ => Vec::new(),
        }
    }

    pub(super) fn blockers_of(&self, key: Key, entry: &Entry, now_ms: u64) -> Vec<Blocker> {
        let clashes = self.clashes_of(key, entry, MAX_BLOCKERS);
        self.name_blockers(&clashes, &entry.lease.claims, &entry.slots, now_ms)
            .into_iter()
            .filter(|blocker| blocker.lease != entry.lease.id)
            .collect()
    }

    /// Names the leases that clash; if there are none, who holds the slots that are lacking.
    pub(super) fn name_blockers(
        &self,
        clashes: &[Clash],
        wanted: &[Claim],
        slots: &Slots,
        now_ms: u64,
    ) -> Vec<Blocker> {
        let named = clashes.iter().filter_map(|clash| {
            let claims = |held: &Entry| {
                clash.held.iter().filter_map(|at| held.lease.claims.get(*at as usize).cloned()).collect()
            };
            let held = self.entries.get(&clash.key)?;
            Some(blocker(held, claims(held), clash.wanted, now_ms))
        });
        if !clashes.is_empty() {
            return named.collect();
        }
        let mut found = Vec::new();
        for pool in slots.keys() {
            let Some(slot) = self.pools.get(pool) else { continue };
            let of_pool = |claim: &&Claim| matches!(claim, Claim::Slots { pool: named, .. } if named == pool);
            let index = wanted.iter().position(|claim| of_pool(&claim)).unwrap_or(0);
            let users = slot.users().filter_map(|key| self.entries.get(&key));
            found.extend(users.take(MAX_BLOCKERS).map(|held| {
                let claims = held.lease.claims.iter().filter(of_pool).cloned().collect();
                blocker(held, claims, u32::try_from(index).unwrap_or(u32::MAX), now_ms)
            }));
        }
        found.truncate(MAX_BLOCKERS);
        found
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
