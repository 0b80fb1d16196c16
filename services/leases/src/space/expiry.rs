//! What became of writes: stored under a revision, or erased by the server's expiry marker.

use std::sync::Arc;

use selvedge_contracts::{id::LeaseId, payload::lease::Lease};

use super::{Key, Space, Write};
use crate::decision::Expired;

/// So long after its deadline the server has removed a record, unless it is changing its leader: with the
/// margin that the record outlives the lease, in milliseconds.
const OVERDUE_MS: u64 = 3_000;

impl Space {
    /// Notes that a written record is stored at `revision`, the token of a grant. Further writes follow if
    /// an expiry marker erased it already. Call it for every [`Write::Put`], with the very `Arc` it carried.
    ///
    /// The lease as it stands now, with its token; none if it is gone since.
    pub(crate) fn stored(
        &mut self,
        written: &Arc<Lease>,
        revision: u64,
        now_ms: u64,
    ) -> (Option<Arc<Lease>>, Vec<Write>) {
        let Some(&key) = self.ids.get(&written.id) else { return (None, Vec::new()) };
        let Some(entry) = self.entries.get_mut(&key) else { return (None, Vec::new()) };
        // Written anew since: that record's own storing counts.
        if !Arc::ptr_eq(&entry.lease, written) {
            return (Some(Arc::clone(&entry.lease)), Vec::new());
        }
        entry.stored = Some(revision);
        if entry.lease.is_held() && entry.lease.token.is_none() {
            entry.lease = Arc::new(Lease { token: written.token_at(revision), ..written.as_ref().clone() });
        }
        let writes = match entry.erased > revision {
            true => self.erased(key, now_ms).into_writes(),
            false => Vec::new(),
        };
        (self.lease(&written.id), writes)
    }

    /// Judges the server's expiry marker, stored at `revision`, of a lease's key.
    pub(crate) fn expired(&mut self, id: &LeaseId, revision: u64, now_ms: u64) -> Expired {
        let Some(&key) = self.ids.get(id) else { return Expired::Stale };
        let Some(entry) = self.entries.get_mut(&key) else { return Expired::Stale };
        match entry.stored {
            Some(stored) if revision <= stored => Expired::Stale,
            Some(_) => self.erased(key, now_ms),
            None => {
                entry.erased = entry.erased.max(revision);
                Expired::Undecided
            }
        }
    }

    /// Leases, held and waiting, whose stored record the server should have removed by now, and its
    /// revision; at most `most`.
    pub(crate) fn overdue(&self, now_ms: u64, most: usize) -> Vec<(LeaseId, u64)> {
        let is_overdue = |lease: &Lease| lease.expires_at_ms.saturating_add(OVERDUE_MS) <= now_ms;
        let overdue = self.entries.values().filter(|entry| is_overdue(&entry.lease));
        overdue.filter_map(|entry| Some((entry.lease.id.clone(), entry.stored?))).take(most).collect()
    }

    /// Frees a lease whose deadline has passed and whose record, stored at `revision`, is not in the bucket:
    /// its marker was never heard. Nothing if it stands otherwise by now.
    pub(crate) fn gone(&mut self, id: &LeaseId, revision: u64, now_ms: u64) -> Option<Vec<Write>> {
        let (key, entry) = self.entry(id)?;
        if entry.stored != Some(revision) || now_ms < entry.lease.expires_at_ms {
            return None;
        }
        let mut writes = Vec::new();
        self.take(key, None, now_ms, &mut writes);
        Some(writes)
    }

    /// The stored record of a lease was erased.
    fn erased(&mut self, key: Key, now_ms: u64) -> Expired {
        let Some(entry) = self.entries.get_mut(&key) else { return Expired::Stale };
        if now_ms < entry.lease.expires_at_ms {
            let again = entry.lease.as_ref().clone();
            return Expired::WriteAgain(vec![Write::Put(entry.rewrite(again))]);
        }
        let mut writes = Vec::new();
        self.take(key, None, now_ms, &mut writes);
        Expired::Freed(writes)
    }
}

impl Expired {
    fn into_writes(self) -> Vec<Write> {
        match self {
            Self::Stale | Self::Undecided => Vec::new(),
            Self::Freed(writes) | Self::WriteAgain(writes) => writes,
        }
    }
}
