//! What a task needs while it is worked on: leased to its worker by the dispatcher, for as long as the claim of
//! the task lasts.
//!
//! Such a lease ends with no session: what is handed in is judged, and done to the world, under it, also when
//! its worker is gone by then. It stands under the claim instead of a session, and whoever follows the task
//! ends it; its time is the backstop.

use std::sync::Arc;

use selvedge_contracts::{
    call,
    payload::lease::{Acquire, Before, LeaseReply, ReleaseReply, Reserve, Unreserve},
};
use selvedge_kit::service::{Answer, Call};

use super::{acquire::acquire_here, decide, place};
use crate::{
    claim,
    decision::{Decision, Want},
    routing::{at_owner, at_owner_if_any},
    state::Leases,
};

pub(super) async fn reserve(state: Arc<Leases>, call: Arc<Call>, request: Reserve) -> Answer<LeaseReply> {
    let (place, token, want) = (place(&call, &request.space), request.token, Arc::new(want(&call, request)));
    if !state.is_seen(&place) {
        claim::check(&want.request)?; // what is refused anyway makes no space
    }
    at_owner::<call::LeaseReserve, _, _>(&state, &call, &place, |slot| {
        let (state, call, want) = (Arc::clone(&state), Arc::clone(&call), Arc::clone(&want));
        async move {
            let kept = decide(&state, &call, &slot, |owned, now_ms| owned.space.keep(&want, token, now_ms));
            let lease = match kept.await? {
                Some(kept) => kept.as_ref().clone(),
                None => acquire_here(&state, &call, &want, &slot).await?.lease,
            };
            Ok(LeaseReply { lease })
        }
    })
    .await
}

fn want(call: &Call, request: Reserve) -> Want {
    let Reserve { space, claims, holder, claim, task, purpose, ttl_ms, token: _ } = request;
    Want {
        id: claim.lease_in(&space),
        mission: call.mission().clone(),
        holder,
        session: claim.scope(),
        task: Some(task),
        request: Acquire { space, claims, purpose, ttl_ms: Some(ttl_ms), wait_ms: None },
    }
}

pub(super) async fn unreserve(
    state: Arc<Leases>,
    call: Arc<Call>,
    request: Unreserve,
) -> Answer<ReleaseReply> {
    let (place, lease) = (place(&call, &request.space), request.claim.lease_in(&request.space));
    let scope = request.claim.scope();
    let ended = at_owner_if_any::<call::LeaseUnreserve, _, _>(&state, &call, &place, |slot| {
        let (state, call, scope, lease) =
            (Arc::clone(&state), Arc::clone(&call), scope.clone(), lease.clone());
        async move {
            let ended = decide(&state, &call, &slot, |owned, now_ms| {
                let writes = owned.space.end_session(&scope, now_ms);
                let outcome = if writes.is_empty() { Before::Gone } else { Before::Held };
                Ok(Decision { outcome, writes })
            });
            Ok(ReleaseReply { lease, was: ended.await? })
        }
    });
    Ok(ended.await?.unwrap_or(ReleaseReply { lease, was: Before::Gone }))
}
