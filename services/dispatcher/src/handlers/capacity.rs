//! Calls about pools.

use std::sync::Arc;

use selvedge_contracts::{
    call,
    fact::EntityName,
    fault::Fault,
    payload::{
        MAX_PAGE, Nothing,
        plan::{Capacities, CapacityReply, CapacitySet},
    },
};
use selvedge_kit::service::{Answer, Call, Route, Routes};

use crate::{
    rule::capacity as rule,
    state::{Dispatcher, entity},
};

/// Most pools of one mission: as many as one list shows.
const MAX_POOLS: usize = MAX_PAGE as usize;

pub(super) fn routes() -> Routes<Dispatcher> {
    vec![Route::wait::<call::CapacitySet, _>(set), Route::read::<call::CapacityList>(list)]
}

async fn set(state: Arc<Dispatcher>, call: Arc<Call>, request: CapacitySet) -> Answer<CapacityReply> {
    let CapacitySet { pool, slots } = request;
    if call.mission().is_kluster() {
        return Err(Fault::invalid("a pool is of a mission; name one"));
    }
    let known = state.views.capacities.page(call.mission(), None, MAX_POOLS, |_| true).0;
    if known.len() >= MAX_POOLS && known.iter().all(|known| known.name != pool) {
        return Err(Fault::busy(format!("the mission has {MAX_POOLS} pools already")));
    }
    let of = entity(call.mission(), EntityName::Capacity, &pool);
    let decide = |current: Option<&_>| Ok(rule::set(current, call.mission(), &pool, slots));
    let recorded = call.writer.record(&state.views.capacities, &of, decide).await?;
    state.board.note_capacity(call.mission(), &of.id, recorded.revision);
    Ok(CapacityReply { capacity: recorded.state.as_ref().clone(), revision: recorded.revision })
}

fn list(state: &Dispatcher, call: &Call, _: Nothing) -> Answer<Capacities> {
    let found = state.views.capacities.page(call.mission(), None, MAX_POOLS, |_| true).0;
    let capacities = found.iter().map(|capacity| capacity.as_ref().clone()).collect();
    Ok(Capacities { capacities: super::page::holding(capacities, false).0 })
}
