//! Renewing a lease and giving it back.

use std::sync::Arc;

use selvedge_contracts::{
    call,
    payload::lease::{Before, LeaseReply, Release, ReleaseReply, Renew},
};
use selvedge_kit::service::{Answer, Call};

use super::{decide, place};
use crate::{routing::at_owner_if_any, space::lost, state::Leases};

pub(super) async fn renew(state: Arc<Leases>, call: Arc<Call>, wanted: Renew) -> Answer<LeaseReply> {
    let (place, wanted) = (place(&call, &wanted.space), Arc::new(wanted));
    let renewed = at_owner_if_any::<call::LeaseRenew, _, _>(&state, &call, &place, |slot| {
        let (state, call, wanted) = (Arc::clone(&state), Arc::clone(&call), Arc::clone(&wanted));
        async move {
            let holder = &call.subject.caller;
            let renewed =
                decide(&state, &call, &slot, |owned, now_ms| owned.space.renew(&wanted, holder, now_ms));
            Ok(LeaseReply { lease: renewed.await?.as_ref().clone() })
        }
    })
    .await?;
    renewed.ok_or_else(|| lost(&wanted.lease))
}

pub(super) async fn release(state: Arc<Leases>, call: Arc<Call>, wanted: Release) -> Answer<ReleaseReply> {
    let (place, wanted) = (place(&call, &wanted.space), Arc::new(wanted));
    let released = at_owner_if_any::<call::LeaseRelease, _, _>(&state, &call, &place, |slot| {
        let (state, call, wanted) = (Arc::clone(&state), Arc::clone(&call), Arc::clone(&wanted));
        async move {
            let holder = &call.subject.caller;
            let released = decide(&state, &call, &slot, |owned, now_ms| {
                owned.space.release(&wanted.lease, holder, now_ms)
            });
            Ok(ReleaseReply { lease: wanted.lease.clone(), was: released.await? })
        }
    })
    .await?;
    Ok(released.unwrap_or_else(|| ReleaseReply { lease: wanted.lease.clone(), was: Before::Gone }))
}
