//! Taking a space over: write the owner's key under its own guard, set fencing tokens aside, wait until the
//! mirror holds that write, and load what is stored. From then on nobody else can write there.

use std::sync::Arc;

use selvedge_contracts::{
    fault::Fault,
    id::{LeaseId, Mission, ScopeId},
    payload::lease::{Lease, Pool},
};
use selvedge_kit::{
    bucket::{AppendError, Expect},
    clock::{Deadline, now_ms},
    mirror::Value,
};
use serde::de::DeserializeOwned;
use tracing::{info, warn};

use crate::{
    decision::Removal,
    key::{Leaf, Owner, Place, parse},
    owner::{Owned, Slot},
    space::Space,
    state::Leases,
    tokens::Tokens,
};

/// Longest wait for one write of the owner's key, in milliseconds.
const STEP_MS: u64 = 2_000;

impl Leases {
    /// Takes the space over from `gone`, from nobody, or from ourselves; leaves it where it is if somebody
    /// else owns it by now.
    ///
    /// # Errors
    /// `unavailable` if the bucket does not answer within the deadline.
    pub(crate) async fn take_over(
        &self,
        slot: &Arc<Slot>,
        gone: Option<&ScopeId>,
        deadline: Deadline,
    ) -> Result<(), Fault> {
        let _taking = slot.taking.lock().await;
        if slot.is_owned() {
            return Ok(());
        }
        let mut attempt = 0;
        loop {
            let (owner, known) = self.named_owner(&slot.place);
            let may_take = owner
                .as_ref()
                .is_none_or(|owner| Some(&owner.instance) == gone || owner.instance == self.instance);
            if !may_take {
                return Ok(());
            }
            if known == 0 {
                self.check_room(&slot.place.mission)?;
            }
            match self.write_owner(&slot.place, known, deadline.at_most_ms(STEP_MS)).await {
                Ok(revision) => {
                    // An answer that is lost, as with the ledger's leader, must not cost the whole deadline.
                    match self.reserve(&slot.place, revision, deadline.at_most_ms(STEP_MS)).await {
                        Ok(tokens) => {
                            return self.load(slot, Tokens::new(tokens), revision, deadline).await;
                        }
                        Err(fault) if deadline.has_passed() || !fault.is_retryable() => return Err(fault),
                        Err(_) => {}
                    }
                }
                Err(AppendError::Contended) => {
                    self.see_owner(&slot.place, deadline).await;
                    deadline.back_off(attempt).await;
                }
                Err(AppendError::Denied { subject }) => {
                    return Err(Fault::internal(format!("this service may not publish {subject}")));
                }
                Err(error) if deadline.has_passed() => {
                    return Err(Fault::unavailable(format!("the space cannot be taken over now: {error}")));
                }
                Err(_) => deadline.back_off(attempt).await,
            }
            if deadline.has_passed() {
                return Err(Fault::unavailable("the space cannot be taken over now; ask again"));
            }
            attempt += 1;
        }
    }

    /// Refuses one space more than a mission may have.
    fn check_room(&self, mission: &Mission) -> Result<(), Fault> {
        let most = self.limits.spaces_per_mission;
        if self.count_spaces(mission, most) < most {
            return Ok(());
        }
        // Not busy: callers would ask on until their deadlines.
        Err(Fault::conflict(format!(
            "the mission {mission} has {most} spaces, the most it may have; use one of them, or try again \
             later: a space with nothing in it goes by itself"
        )))
    }

    async fn write_owner(&self, place: &Place, known: u64, deadline: Deadline) -> Result<u64, AppendError> {
        let owner = Owner { instance: self.instance.clone(), since_ms: now_ms() };
        let bytes = serde_json::to_vec(&owner).unwrap_or_default();
        self.bucket.keep(&place.owner_key(), bytes.into(), Expect::Revision(known), deadline).await
    }

    /// Waits until the mirror holds the owner's key as the leader has it.
    async fn see_owner(&self, place: &Place, deadline: Deadline) {
        let read = self.bucket.get(&place.owner_key(), deadline.at_most_ms(STEP_MS)).await;
        if let Ok(Some(value)) = read {
            self.mirror.reaches(value.revision, deadline.at_most_ms(STEP_MS)).await;
        }
    }

    async fn load(
        &self,
        slot: &Arc<Slot>,
        tokens: Tokens,
        revision: u64,
        deadline: Deadline,
    ) -> Result<(), Fault> {
        if !self.mirror.reaches(revision, deadline).await {
            return Err(Fault::unavailable("the space was taken over but is not read yet; ask again"));
        }
        // Under the lock, so that no event is heard between reading and owning.
        let mut owned = slot.lock();
        if self.named_owner(&slot.place).1 != revision {
            return Ok(()); // another took it while we read, and that was heard before we owned anything
        }
        let mut space = Space::new(self.limits);
        space.offset_tokens(tokens.offset());
        for (key, value) in self.mirror.under(&slot.place.prefix()) {
            load_one(&mut space, &key, &value);
        }
        let now_ms = now_ms();
        let mut writes = Vec::new();
        for id in self.forced_in(&slot.place, &space) {
            writes.extend(space.remove(&id, Removal::Forced, now_ms));
        }
        let over: Vec<_> =
            space.sessions().filter(|id| self.is_over(&slot.place.mission, id)).cloned().collect();
        for session in over {
            writes.extend(space.end_session(&session, now_ms));
        }
        writes.extend(space.settle(now_ms));
        info!(
            mission = %slot.place.mission,
            space = %slot.place.space,
            revision,
            leases = space.len(),
            waiting = space.waiters(),
            "took the space over"
        );
        let loaded = Owned::new(slot, space, tokens, revision, (&self.publisher, &self.mirror));
        loaded.commit(writes).map_err(|lost| Fault::unavailable(lost.to_string()))?;
        *owned = Some(loaded);
        Ok(())
    }

    fn forced_in(&self, place: &Place, space: &Space) -> Vec<LeaseId> {
        let ids = space.leases(None).map(|lease| &lease.id);
        ids.filter(|id| self.is_forced(&place.mission, id)).cloned().collect()
    }
}

fn load_one(space: &mut Space, key: &str, value: &Value) {
    match parse(key) {
        Some((_, Leaf::Lease(_))) => {
            if let Some(lease) = read::<Lease>(key, value) {
                space.load(lease, value.revision);
            }
        }
        Some((_, Leaf::Pool(_))) => {
            if let Some(pool) = read::<Pool>(key, value) {
                space.load_pool(pool, value.revision);
            }
        }
        Some((_, Leaf::Owner)) => {}
        None => warn!(key, "skipped a foreign key"),
    }
}

/// Reads a record; one that is none of ours must not stop the rest.
pub(crate) fn read<T: DeserializeOwned>(key: &str, value: &Value) -> Option<T> {
    serde_json::from_slice(&value.bytes)
        .inspect_err(|error| warn!(key, %error, "skipped a record that cannot be read"))
        .ok()
}
