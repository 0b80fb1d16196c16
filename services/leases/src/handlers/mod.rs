//! The handlers: bring the request to the owner of its space, ask the rule there, have it written,
//! answer. One file per noun.

mod acquire;
mod check;
mod force;
mod hold;
mod list;
mod pool;
mod reserve;

use std::{sync::Arc, time::Duration};

use selvedge_contracts::{call, fault::Fault};
use selvedge_kit::{
    clock::Deadline,
    service::{Call, Route, Routes},
};

use crate::{
    decision::Decision,
    error::Miss,
    key::Place,
    owner::{Owned, Slot},
    state::Leases,
};

/// Which handler serves which call.
pub(crate) fn routes() -> Routes<Leases> {
    vec![
        Route::wait::<call::LeaseAcquire, _>(acquire::acquire),
        Route::wait::<call::LeaseRenew, _>(hold::renew),
        Route::wait::<call::LeaseRelease, _>(hold::release),
        Route::wait::<call::LeaseReserve, _>(reserve::reserve),
        Route::wait::<call::LeaseUnreserve, _>(reserve::unreserve),
        Route::wait::<call::LeaseList, _>(list::list),
        Route::wait::<call::LeaseCheck, _>(check::check),
        Route::wait::<call::LeaseForceRelease, _>(force::force_release),
        Route::wait::<call::PoolSet, _>(pool::set),
        Route::wait::<call::PoolList, _>(pool::list),
    ]
}

/// Time left for an answer on its way when a wait ends, in milliseconds.
const ANSWER_MS: u64 = 250;

/// A space of the call's mission.
fn place(call: &Call, space: &selvedge_contracts::id::SpaceId) -> Place {
    Place { mission: call.mission().clone(), space: space.clone() }
}

/// When a wait must end, so that its answer comes in time.
fn until(deadline: Deadline) -> Duration {
    deadline.remaining().saturating_sub(Duration::from_millis(ANSWER_MS))
}

/// Decides, and answers with the outcome once it is stored: its own writes, or whatever it rests on that
/// is still on its way. Where all is stored, once the space is confirmed to have been ours.
async fn decide<T>(
    state: &Arc<Leases>,
    call: &Call,
    slot: &Arc<Slot>,
    rule: impl FnOnce(&mut Owned, u64) -> Result<Decision<T>, Fault>,
) -> Result<T, Miss> {
    let (outcome, stored, revision) = slot.with(|owned, now_ms| {
        let (outcome, writes) = match rule(owned, now_ms) {
            Ok(Decision { outcome, writes }) => (Ok(outcome), writes),
            Err(fault) => (Err(fault), Vec::new()),
        };
        let stored = match writes.is_empty() {
            true => owned.when_stored(),
            false => Some(owned.commit_and_tell(writes)?),
        };
        Ok((outcome, stored, owned.revision))
    })?;
    match stored {
        Some(stored) => tokio::time::timeout(until(call.deadline()), stored)
            .await
            .map_err(|_| unknown())?
            .map_err(|_| Miss::Lost)?,
        // Another may have owned it in between, and decided otherwise.
        None if slot.confirm(state).await? != revision => return Err(Miss::Lost),
        None => {}
    }
    Ok(outcome?)
}

fn unknown() -> Miss {
    Fault::unavailable(
        "the bucket did not answer in time; the outcome is unknown: send the same request again",
    )
    .into()
}
