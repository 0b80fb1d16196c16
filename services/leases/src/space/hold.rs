//! What may be done with a lease that is there: renew, release, remove, check.

use std::{collections::BTreeSet, sync::Arc};

use selvedge_contracts::{
    envelope::MAX_BODY_BYTES,
    fault::Fault,
    id::{Caller, LeaseId, ScopeId},
    payload::lease::{Before, Checked, Lease, LeaseState, Renew, Standing, Verdict},
};

use super::{Removal, Space, Write};
use crate::{claim::wrong_ttl, decision::Decision};

impl Space {
    /// Puts the deadline of a held lease off.
    ///
    /// # Errors
    /// Invalid: the life asked for. NotFound: there is no such lease (any more). Denied: it is another's.
    /// Conflict: it waits, its token is another, or its deadline has passed. Unavailable: its grant is not
    /// stored yet.
    pub(crate) fn renew(
        &mut self,
        wanted: &Renew,
        holder: &Caller,
        now_ms: u64,
    ) -> Result<Decision<Arc<Lease>>, Fault> {
        let id = &wanted.lease;
        let ttl_ms = wanted.ttl_ms.map(wrong_ttl).transpose().map_err(|detail| {
            Fault::invalid("the life asked for is not one of a lease").at(detail.at, detail.message)
        })?;
        let (key, entry) = self.entry(id).ok_or_else(|| lost(id))?;
        let lease = &entry.lease;
        owned(lease, holder)?;
        match (lease.state, lease.token) {
            (LeaseState::Waiting, _) => {
                return Err(Fault::conflict(format!("the lease {id} waits; only a held lease is renewed")));
            }
            (LeaseState::Held, None) => {
                return Err(Fault::unavailable(format!(
                    "the grant of the lease {id} is not stored yet; try again"
                )));
            }
            (LeaseState::Held, Some(token)) if token != wanted.token => {
                return Err(Fault::conflict(format!(
                    "the lease {id} is held under another token: {} is not its own; acquire anew",
                    wanted.token
                ))
                .at("/token", "expected the token of the reply to leases.acquire"));
            }
            (LeaseState::Held, Some(_)) if now_ms >= lease.expires_at_ms => {
                return Err(Fault::conflict(format!(
                    "the lease {id} ran out {} ms ago and is lost; stop, and acquire anew",
                    now_ms.saturating_sub(lease.expires_at_ms)
                )));
            }
            (LeaseState::Held, Some(_)) => {}
        }
        let ttl_ms = ttl_ms.unwrap_or(lease.ttl_ms);
        let mut expires_at_ms = now_ms.saturating_add(ttl_ms);
        if lease.is_reserved() {
            expires_at_ms = expires_at_ms.max(lease.expires_at_ms); // its holder must not end it sooner
        }
        let renewed = Lease { ttl_ms, expires_at_ms, ..lease.as_ref().clone() };
        let entry = self.entries.get_mut(&key).ok_or_else(|| lost(id))?;
        let lease = entry.rewrite(renewed);
        Ok(Decision { outcome: Arc::clone(&lease), writes: vec![Write::Put(lease)] })
    }

    /// Gives a lease back, or withdraws a request that waits.
    ///
    /// # Errors
    /// Denied: it is another's.
    pub(crate) fn release(
        &mut self,
        id: &LeaseId,
        holder: &Caller,
        now_ms: u64,
    ) -> Result<Decision<Before>, Fault> {
        let Some((key, entry)) = self.entry(id) else {
            return Ok(Decision { outcome: Before::Gone, writes: Vec::new() });
        };
        owned(&entry.lease, holder)?;
        super::reserve::may_end(&entry.lease)?;
        let outcome = match entry.lease.state {
            LeaseState::Held => Before::Held,
            LeaseState::Waiting => Before::Waiting,
        };
        let mut writes = Vec::new();
        self.take(key, Some(Removal::Released), now_ms, &mut writes);
        Ok(Decision { outcome, writes })
    }

    /// Takes a lease away, whoever holds it; nothing if there is none.
    pub(crate) fn remove(&mut self, id: &LeaseId, removal: Removal, now_ms: u64) -> Vec<Write> {
        let mut writes = Vec::new();
        if let Some((key, _)) = self.entry(id) {
            self.take(key, Some(removal), now_ms, &mut writes);
        }
        writes
    }

    /// Takes away everything that a session holds or waits for.
    pub(crate) fn end_session(&mut self, session: &ScopeId, now_ms: u64) -> Vec<Write> {
        let (mut again, mut writes) = (BTreeSet::new(), Vec::new());
        // All of them before anybody is looked at: else one's going would grant another of the same session.
        for key in self.by_session.get(session).cloned().unwrap_or_default() {
            self.drop_entry(key, Some(Removal::SessionEnded), &mut again, &mut writes);
        }
        self.look_at(again, now_ms, &mut writes);
        writes
    }

    /// Whether tokens still count. True only as long as this replica owns the space: confirm that first.
    /// Leases that would make the reply longer than a message may be are left out of it.
    pub(crate) fn check(&self, tokens: &[Checked], now_ms: u64) -> Vec<Verdict> {
        let mut left = MAX_SHOWN_BYTES;
        tokens.iter().map(|checked| self.check_one(checked, &mut left, now_ms)).collect()
    }

    fn check_one(&self, checked: &Checked, left: &mut usize, now_ms: u64) -> Verdict {
        let lease = self.entry(&checked.lease).map(|(_, entry)| entry.lease.as_ref());
        let standing = match lease {
            None => Standing::Gone,
            Some(lease) if !lease.is_held() => Standing::Waiting,
            Some(lease) if lease.token != Some(checked.token) => Standing::OtherToken,
            Some(lease) if now_ms >= lease.expires_at_ms => Standing::Expired,
            Some(_) => Standing::Valid,
        };
        let shown = lease.filter(|lease| {
            *left = left.saturating_sub(weight(lease));
            *left > 0
        });
        Verdict { standing, now: shown.cloned(), ..Verdict::gone(checked) }
    }
}

/// Most bytes of the leases that one reply shows: as JSON they may take twice as many.
const MAX_SHOWN_BYTES: usize = MAX_BODY_BYTES / 4;

/// How many bytes a lease takes in a reply, about.
fn weight(lease: &Lease) -> usize {
    const OF_ONE: usize = 512;
    const OF_CLAIM: usize = 64;
    let claims = lease.claims.iter().map(|claim| OF_CLAIM + claim.to_string().len());
    OF_ONE + lease.purpose.len() + claims.sum::<usize>()
}

/// The refusal of a lease that is not there.
pub(crate) fn lost(id: &LeaseId) -> Fault {
    Fault::not_found(format!(
        "there is no lease {id}: it was released, ran out or was taken; leases.list shows who holds what"
    ))
}

fn owned(lease: &Lease, holder: &Caller) -> Result<(), Fault> {
    if lease.holder == *holder {
        return Ok(());
    }
    Err(Fault::denied(format!("the lease {} is held by {}, not by {holder}", lease.id, lease.holder)))
}
