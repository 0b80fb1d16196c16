//! Taking a lease from its holder. First the fact, then the removal: whoever owns the space when the fact
//! is seen removes the lease, so that a crash in between changes nothing.

use std::sync::Arc;

use selvedge_contracts::{
    call,
    fact::LEASE_FORCE_RELEASED,
    fault::Fault,
    payload::{
        agent::Reason,
        lease::{ForceRelease, Lease, LeaseReply},
    },
};
use selvedge_kit::{
    rule::{Change, Verdict},
    service::{Answer, Call},
};

use super::{decide, place};
use crate::{
    decision::{Decision, Removal},
    error::Miss,
    owner::Slot,
    routing::at_owner_if_any,
    state::{Leases, entity},
};

pub(super) async fn force_release(
    state: Arc<Leases>,
    call: Arc<Call>,
    wanted: ForceRelease,
) -> Answer<LeaseReply> {
    let (place, wanted) = (place(&call, &wanted.space), Arc::new(wanted));
    let forced = at_owner_if_any::<call::LeaseForceRelease, _, _>(&state, &call, &place, |slot| {
        let (state, call, wanted) = (Arc::clone(&state), Arc::clone(&call), Arc::clone(&wanted));
        async move { force_here(&state, &call, &wanted, &slot).await }
    });
    match forced.await? {
        Some(reply) => Ok(reply),
        // Its space is gone; the fact of an earlier sending stands.
        None => record(&state, &call, &wanted, None).await,
    }
}

async fn force_here(
    state: &Arc<Leases>,
    call: &Call,
    wanted: &ForceRelease,
    slot: &Arc<Slot>,
) -> Result<LeaseReply, Miss> {
    slot.confirm(state).await?;
    let current = slot.with(|owned, _| Ok(owned.space.lease(&wanted.lease)))?;
    let reply = record(state, call, wanted, current).await?;
    decide(state, call, slot, |owned, now_ms| {
        let writes = owned.space.remove(&wanted.lease, Removal::Forced, now_ms);
        Ok(Decision { outcome: (), writes })
    })
    .await?;
    Ok(reply)
}

/// Records that the lease is taken, unless that was done before.
async fn record(
    state: &Leases,
    call: &Call,
    wanted: &ForceRelease,
    current: Option<Arc<Lease>>,
) -> Answer<LeaseReply> {
    let entity = entity(call.mission(), &wanted.lease);
    let change = Reason { reason: wanted.reason.clone() };
    let rule = |recorded: Option<&Lease>| match (recorded, &current) {
        (Some(_), _) => Ok(Verdict::Same),
        (None, Some(lease)) => Ok(Change::new(&LEASE_FORCE_RELEASED, &change, lease.as_ref().clone()).into()),
        (None, None) => Err(Fault::not_found(format!(
            "there is no lease {} in the space {}; leases.list shows who holds what",
            wanted.lease, wanted.space
        ))),
    };
    let recorded = call.writer.record(&state.forced, &entity, rule).await?;
    Ok(LeaseReply { lease: recorded.state.as_ref().clone() })
}
