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
    pipeline::{Flight, Lost},
};
use serde::de::DeserializeOwned;
use tracing::{info, warn};

use crate::{
    decision::{Removal, Write},
    key::{Leaf, Owner, Place, parse},
    owner::{Owned, Slot},
    space::Space,
    state::Leases,
    tokens::Tokens,
};

/// Longest wait for one write of the owner's key, in milliseconds.
const STEP_MS: u64 = 2_000;
/// Records read between two chances for others to run.
const CHUNK: usize = 500;

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
        let taking = tokio::time::timeout(deadline.remaining(), slot.taking.lock()).await;
        let _taking = taking.map_err(|_| Fault::unavailable("the space is being taken over; ask again"))?;
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

    /// Loads what is stored. Most of it without the lock that requests and events wait for: nobody but the
    /// server, which removes what has run out, writes there any more, and that is heard.
    async fn load(
        &self,
        slot: &Arc<Slot>,
        tokens: Tokens,
        revision: u64,
        deadline: Deadline,
    ) -> Result<(), Fault> {
        let unread = |why| Fault::unavailable(format!("the bucket of leases cannot be looked up: {why}"));
        let replicas = self.bucket.replicas(deadline.at_most_ms(STEP_MS)).await.map_err(unread)?;
        slot.listen();
        let read = match self.mirror.reaches(revision, deadline).await {
            true => self.read_space(&slot.place, &tokens).await,
            false => Err(Fault::unavailable("the space was taken over but is not read yet; ask again")),
        };
        let (space, writes) = read.inspect_err(|_| slot.listen_no_more())?;
        let over = (&self.publisher, Flight::of(replicas), &self.mirror);
        self.own(slot, Owned::new(slot, space, tokens, revision, over), writes)
    }

    /// Reads the space, and what is to be written of it at once.
    async fn read_space(&self, place: &Place, tokens: &Tokens) -> Result<(Space, Vec<Write>), Fault> {
        let mut space = Space::new(self.limits);
        space.offset_tokens(tokens.offset());
        for (index, (key, value)) in self.mirror.under(&place.prefix()).into_iter().enumerate() {
            if index % CHUNK == CHUNK - 1 {
                tokio::task::yield_now().await;
            }
            load_one(&mut space, &key, &value)?;
        }
        let mut writes = self.remove_ended(place, &mut space);
        writes.extend(space.settle(now_ms()));
        while space.is_pending() {
            tokio::task::yield_now().await;
            writes.extend(space.go_on(now_ms()));
        }
        Ok((space, writes))
    }

    /// Owns what was loaded, brought up to what was heard meanwhile; or nothing, if another owns it.
    fn own(&self, slot: &Slot, mut loaded: Owned, mut writes: Vec<Write>) -> Result<(), Fault> {
        let lost = |error: Lost| Fault::unavailable(error.to_string());
        let mut owned = slot.lock();
        let missed = slot.missed().take().unwrap_or_default();
        if missed.is_void || self.named_owner(&slot.place).1 != loaded.revision {
            return Ok(());
        }
        writes.extend(self.remove_ended(&slot.place, &mut loaded.space));
        loaded.commit(writes).map_err(lost)?;
        for (id, revision) in missed.expired {
            loaded.expired(&id, revision).map_err(lost)?;
        }
        info!(
            mission = %slot.place.mission,
            space = %slot.place.space,
            revision = loaded.revision,
            leases = loaded.space.len(),
            waiting = loaded.space.waiters(),
            "took the space over"
        );
        *owned = Some(loaded);
        self.metrics.taken_over();
        Ok(())
    }

    /// Removes what an operator took and what belongs to sessions that are over.
    fn remove_ended(&self, place: &Place, space: &mut Space) -> Vec<Write> {
        let (now_ms, mut writes) = (now_ms(), Vec::new());
        for id in self.forced_in(place, space) {
            writes.extend(space.remove(&id, Removal::Forced, now_ms));
        }
        let over: Vec<_> = space.sessions().filter(|id| self.is_over(&place.mission, id)).cloned().collect();
        for session in over {
            writes.extend(space.end_session(&session, now_ms));
        }
        writes
    }

    fn forced_in(&self, place: &Place, space: &Space) -> Vec<LeaseId> {
        let ids = space.leases(None).map(|lease| &lease.id);
        ids.filter(|id| self.is_forced(&place.mission, id)).cloned().collect()
    }
}

/// Takes one record in.
///
/// # Errors
/// Internal: it is a lease or a pool and cannot be read. What it claims is not known, and must not be free.
fn load_one(space: &mut Space, key: &str, value: &Value) -> Result<(), Fault> {
    match parse(key) {
        Some((_, Leaf::Lease(_))) => space.load(parsed::<Lease>(key, value)?, value.revision),
        Some((_, Leaf::Pool(_))) => space.load_pool(parsed::<Pool>(key, value)?, value.revision),
        Some((_, Leaf::Owner)) => {}
        None => warn!(key, "skipped a foreign key"),
    }
    Ok(())
}

fn parsed<T: DeserializeOwned>(key: &str, value: &Value) -> Result<T, Fault> {
    serde_json::from_slice(&value.bytes).map_err(|error| {
        warn!(key, %error, "a record cannot be read; its space serves nothing");
        Fault::internal(format!(
            "the record {key} of the bucket of leases cannot be read ({error}), and what it claims must not \
             be given away; run the release of Selvedge that wrote it, or remove it: nats kv purge leases {key}"
        ))
    })
}

/// Reads a record to be shown; one that cannot be read must not stop the rest.
pub(crate) fn read<T: DeserializeOwned>(key: &str, value: &Value) -> Option<T> {
    serde_json::from_slice(&value.bytes)
        .inspect_err(|error| warn!(key, %error, "skipped a record that cannot be read"))
        .ok()
}
