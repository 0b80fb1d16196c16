//! Missions.

use std::sync::Arc;

use selvedge_contracts::{
    fact::EntityName,
    id::{EntityId, Mission},
    payload::mission::{MissionCreate, MissionList, MissionReply, Missions},
};
use selvedge_kit::service::{Answer, Call};

use super::{fitting, page_size};
use crate::{
    mission as rule,
    state::{Registry, in_kluster},
};

pub(super) async fn create(
    state: Arc<Registry>,
    call: Arc<Call>,
    request: MissionCreate,
) -> Answer<MissionReply> {
    let entity = in_kluster(EntityName::Mission, EntityId::from(&request.mission));
    let decide = |current: Option<&_>| rule::create(current, &request, call.now_ms);
    let recorded = call.writer.record(&state.missions, &entity, decide).await?;
    Ok(MissionReply { mission: recorded.state.as_ref().clone(), revision: recorded.revision })
}

pub(super) fn list(state: &Registry, _: &Call, request: MissionList) -> Answer<Missions> {
    let after = request.after.as_ref().map(EntityId::from);
    let (missions, more) =
        state.missions.page(&Mission::kluster(), after.as_ref(), page_size(request.limit), |_| true);
    let (missions, more) = fitting(missions.iter().map(|mission| mission.as_ref().clone()), more);
    Ok(Missions { missions, more })
}
