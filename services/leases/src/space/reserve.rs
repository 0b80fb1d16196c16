//! Keeping what is reserved for the claim of a task.

use std::sync::Arc;

use selvedge_contracts::{fault::Fault, payload::lease::Lease};

use super::{Space, Write, hold::lost};
use crate::decision::{Decision, Want};

impl Space {
    /// Keeps what is held for this claim already, for as long as is wanted now at least; nothing if it has to be
    /// acquired.
    ///
    /// # Errors
    /// NotFound or conflict: it was to be held under a token, and is not, or no longer.
    pub(crate) fn keep(
        &mut self,
        want: &Want,
        token: Option<u64>,
        now_ms: u64,
    ) -> Result<Decision<Option<Arc<Lease>>>, Fault> {
        let acquire = Decision { outcome: None, writes: Vec::new() };
        let Some((key, entry)) = self.entry(&want.id) else {
            return if token.is_some() { Err(lost(&want.id)) } else { Ok(acquire) };
        };
        let held = Arc::clone(&entry.lease);
        if token.is_some_and(|token| held.token != Some(token))
            || (token.is_some() && now_ms >= held.expires_at_ms)
        {
            return Err(Fault::conflict(format!(
                "the lease {} is not held under that token any more",
                want.id
            )));
        }
        let is_same = held.holder == want.holder && held.claims == want.request.claims;
        if held.token.is_none() || !is_same || now_ms >= held.expires_at_ms {
            return Ok(acquire); // which waits until it is stored, or says what is wrong
        }
        let expires_at_ms = now_ms.saturating_add(want.request.ttl_ms.unwrap_or(held.ttl_ms));
        if expires_at_ms <= held.expires_at_ms {
            return Ok(Decision { outcome: Some(held), writes: Vec::new() });
        }
        let kept = Lease { expires_at_ms, ..held.as_ref().clone() };
        let entry = self.entries.get_mut(&key).ok_or_else(|| lost(&want.id))?;
        let lease = entry.rewrite(kept);
        Ok(Decision { outcome: Some(Arc::clone(&lease)), writes: vec![Write::Put(lease)] })
    }
}

/// Refuses its holder what only the end of its claim may do.
///
/// # Errors
/// Denied: it is reserved for a task.
pub(super) fn may_end(lease: &Lease) -> Result<(), Fault> {
    if !lease.is_reserved() {
        return Ok(());
    }
    Err(Fault::denied(format!(
        "the lease {} is reserved for a task and ends with its attempt: hand the task in, or give it up",
        lease.id
    )))
}
