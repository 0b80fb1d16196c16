//! Taking a lease, and waiting for one.

use std::{sync::Arc, time::Duration};

use selvedge_contracts::{
    call,
    fault::Fault,
    id::LeaseId,
    payload::lease::{Acquire, AcquireReply, Blocker, Lease},
};
use selvedge_kit::{
    clock::now_ms,
    service::{Answer, Call},
};
use tokio::sync::oneshot;

use super::{place, unknown, until};
use crate::{
    claim,
    decision::{Acquired, Removal, Want},
    error::Miss,
    owner::{Owned, Slot, Woken},
    routing::at_owner,
    state::Leases,
};

pub(super) async fn acquire(state: Arc<Leases>, call: Arc<Call>, request: Acquire) -> Answer<AcquireReply> {
    let acquired = acquire_once(&state, &call, request).await;
    if let (Err(fault), false) = (&acquired, call.is_forwarded()) {
        state.metrics.refused(fault.code.into());
    }
    acquired
}

async fn acquire_once(state: &Arc<Leases>, call: &Arc<Call>, request: Acquire) -> Answer<AcquireReply> {
    let place = place(call, &request.space);
    if !state.is_seen(&place) {
        claim::check(&request)?; // what is refused anyway makes no space
    }
    let want = Arc::new(want(call, request)?);
    at_owner::<call::LeaseAcquire, _, _>(state, call, &place, |slot| {
        let (state, call, want) = (Arc::clone(state), Arc::clone(call), Arc::clone(&want));
        async move { acquire_here(&state, &call, &want, &slot).await }
    })
    .await
}

fn want(call: &Call, request: Acquire) -> Answer<Want> {
    let digest = call.digest_or_random().derive(&format!("lease in {}", request.space));
    let id = LeaseId::new(&format!("lease_{}", digest.id_hex()))
        .map_err(|error| Fault::internal(error.to_string()))?;
    let session = call.session()?;
    Ok(Want {
        id,
        mission: call.mission().clone(),
        holder: call.subject.caller.clone(),
        session: session.id.clone(),
        task: session.task.clone(),
        request,
    })
}

/// What was decided, and what is still waited for.
enum Decided {
    /// Held before.
    Before(Arc<Lease>),
    /// Held once it is stored.
    Granted(oneshot::Receiver<Woken>),
    /// In the queue.
    Waiting(Arc<Lease>, Vec<Blocker>, oneshot::Receiver<Woken>),
}

pub(super) async fn acquire_here(
    state: &Arc<Leases>,
    call: &Call,
    want: &Want,
    slot: &Arc<Slot>,
) -> Result<AcquireReply, Miss> {
    let (decided, revision, wanting) =
        slot.with(|owned, now_ms| match decide(state, want, owned, now_ms) {
            Err(Miss::Lost) => Err(Miss::Lost),
            decided => Ok((decided, owned.revision, owned.tokens.wanting())),
        })?;
    if let Some(last) = wanting {
        let (state, slot) = (Arc::clone(state), Arc::clone(slot));
        let tasks = state.tasks.clone();
        tasks.spawn(async move { state.set_more_aside(&slot, last).await });
    }
    // Without a write, a replica that slept could refuse or repeat what another has decided since.
    let is_unwritten = matches!(decided, Err(_) | Ok(Decided::Before(_)));
    if is_unwritten && slot.confirm(state).await? != revision {
        return Err(Miss::Lost);
    }
    match decided? {
        Decided::Before(lease) => Ok(held(&lease)),
        Decided::Granted(granted) => match tokio::time::timeout(until(call.deadline()), granted).await {
            Ok(Ok(woken)) => answer(woken, want, &[]),
            Ok(Err(_)) => Err(Miss::Lost),
            Err(_) => Err(unknown()),
        },
        Decided::Waiting(lease, blockers, woken) => {
            wait(state, call, want, slot, Queued { lease, blockers, woken }).await
        }
    }
}

fn decide(state: &Leases, want: &Want, owned: &mut Owned, now_ms: u64) -> Result<Decided, Miss> {
    // Under the lock: what ends later is removed later.
    if state.is_over(&want.mission, &want.session) {
        return Err(Fault::denied(format!("session {} is over; start a new one", want.session)).into());
    }
    if state.is_forced(&want.mission, &want.id) {
        let message =
            format!("an operator took the lease {}; ask for a new one under a new idempotency key", want.id);
        return Err(Fault::conflict(message).into());
    }
    let decision = owned.space.acquire(want, now_ms)?;
    let decided = match decision.outcome {
        // A renewal on its way may be lost yet: its deadline is told once it is stored.
        Acquired::Held(lease) if lease.token.is_some() && owned.space.is_stored(&want.id) => {
            Decided::Before(lease)
        }
        Acquired::Held(_) => Decided::Granted(owned.on_change(&want.id)),
        Acquired::Waiting(lease, blockers) => Decided::Waiting(lease, blockers, owned.on_change(&want.id)),
    };
    owned.commit(decision.writes)?;
    Ok(decided)
}

/// A request in the queue.
struct Queued {
    lease: Arc<Lease>,
    blockers: Vec<Blocker>,
    woken: oneshot::Receiver<Woken>,
}

/// Waits until the lease is held or gone; at the call's deadline it answers that it still waits.
async fn wait(
    state: &Leases,
    call: &Call,
    want: &Want,
    slot: &Slot,
    queued: Queued,
) -> Result<AcquireReply, Miss> {
    let Queued { lease, mut blockers, mut woken } = queued;
    let mut gives_up = Some(Duration::from_millis(lease.remaining_ms(now_ms())));
    let end = tokio::time::sleep(until(call.deadline()));
    tokio::pin!(end);
    loop {
        let give_up = async {
            match gives_up {
                Some(after) => tokio::time::sleep(after).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            woken = &mut woken => return answer(woken.map_err(|_| Miss::Lost)?, want, &blockers),
            () = give_up => {
                gives_up = None;
                slot.with(|owned, now_ms| {
                    blockers = owned.space.blockers(&want.id, now_ms);
                    let writes = owned.space.sweep(now_ms);
                    Ok(owned.commit(writes)?)
                })?;
            }
            () = &mut end => return still_waiting(want, slot),
            () = state.stop.cancelled() => {
                return Err(Fault::unavailable("this replica stops; send the same request again").into());
            }
        }
    }
}

fn still_waiting(want: &Want, slot: &Slot) -> Result<AcquireReply, Miss> {
    slot.with(|owned, now_ms| {
        let blockers = owned.space.blockers(&want.id, now_ms);
        let lease = owned.space.lease(&want.id).filter(|lease| !lease.is_held());
        // Granted this moment, or gone: the same request finds out.
        let lease = lease.ok_or_else(unknown)?;
        Ok(AcquireReply { lease: lease.as_ref().clone(), blockers })
    })
}

fn held(lease: &Lease) -> AcquireReply {
    AcquireReply { lease: lease.clone(), blockers: Vec::new() }
}

fn answer(woken: Woken, want: &Want, blockers: &[Blocker]) -> Result<AcquireReply, Miss> {
    match woken {
        Woken::Held(lease) => Ok(held(&lease)),
        Woken::Gone(removal) => Err(gone(removal, want, blockers).into()),
        Woken::Superseded => {
            Err(Fault::conflict(format!("{} was asked for again; the last sending is answered", want.id))
                .into())
        }
    }
}

fn gone(removal: Removal, want: &Want, blockers: &[Blocker]) -> Fault {
    let id = &want.id;
    match removal {
        Removal::GaveUp => {
            let wait_ms = want.request.wait_ms.unwrap_or(0);
            let message = match blockers.first() {
                Some(first) => format!("what is claimed was not free within {wait_ms} ms: {first}"),
                None => format!("what is claimed was not free within {wait_ms} ms"),
            };
            blockers.iter().fold(Fault::conflict(message), |fault, blocker| {
                fault.at(format!("/claims/{}", blocker.wanted), blocker.to_string())
            })
        }
        Removal::Released => Fault::conflict(format!("the request {id} was withdrawn while it waited")),
        Removal::Forced => Fault::conflict(format!("an operator took {id} away")),
        Removal::SessionEnded => Fault::denied(format!("session {} is over", want.session)),
        Removal::Unanswered => {
            Fault::unavailable(format!("the grant of {id} could not be kept; send the same request again"))
        }
        Removal::Impossible => {
            Fault::conflict(format!("a pool that {id} waited for has become smaller than what it wants"))
        }
    }
}
