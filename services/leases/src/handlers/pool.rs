//! Pools of slots.

use std::sync::Arc;

use selvedge_contracts::{
    call,
    payload::lease::{Pool, PoolList, PoolReply, PoolSet, Pools},
};
use selvedge_kit::service::{Answer, Call};

use super::{decide, place};
use crate::{
    decision::Decision,
    routing::{at_owner, at_owner_if_any},
    state::Leases,
};

pub(super) async fn set(state: Arc<Leases>, call: Arc<Call>, wanted: PoolSet) -> Answer<PoolReply> {
    let place = place(&call, &wanted.space);
    let pool = Pool {
        mission: call.mission().clone(),
        space: wanted.space,
        name: wanted.pool,
        slots: wanted.slots,
        set_by: call.subject.caller.clone(),
        set_at_ms: call.now_ms,
        settings: Vec::new(),
    };
    let request = call.repetition();
    at_owner::<call::PoolSet, _, _>(&state, &call, &place, |slot| {
        let (state, call, pool, request) =
            (Arc::clone(&state), Arc::clone(&call), pool.clone(), request.clone());
        async move {
            let set = decide(&state, &call, &slot, |owned, now_ms| {
                owned.space.set_pool(pool, request.as_deref(), now_ms)
            });
            Ok(PoolReply { pool: set.await? })
        }
    })
    .await
}

pub(super) async fn list(state: Arc<Leases>, call: Arc<Call>, wanted: PoolList) -> Answer<Pools> {
    let place = place(&call, &wanted.space);
    let listed = at_owner_if_any::<call::PoolList, _, _>(&state, &call, &place, |slot| {
        let (state, call) = (Arc::clone(&state), Arc::clone(&call));
        async move {
            let pools = decide(&state, &call, &slot, |owned, _| {
                Ok(Decision { outcome: owned.space.pools().collect(), writes: Vec::new() })
            });
            Ok(Pools { pools: pools.await? })
        }
    })
    .await?;
    Ok(listed.unwrap_or_else(|| Pools { pools: Vec::new() }))
}
