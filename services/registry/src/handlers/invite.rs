//! Invites.

use std::sync::Arc;

use selvedge_contracts::id::Mission;
use selvedge_contracts::{
    fact::EntityName,
    fault::Fault,
    id::EntityId,
    payload::invite::{InviteCreate, InviteReply},
    subject::Entity,
};
use selvedge_kit::service::{Answer, Call};

use crate::{
    invite as rule,
    state::{Registry, in_kluster},
};

pub(super) async fn create(
    state: Arc<Registry>,
    call: Arc<Call>,
    request: InviteCreate,
) -> Answer<InviteReply> {
    let mission = in_kluster(EntityName::Mission, EntityId::from(&request.mission));
    // Operators join the kluster itself, which is no mission that anybody made.
    let is_known =
        || request.mission.is_kluster() || state.missions.state(&Mission::kluster(), &mission.id).is_some();
    if !is_known() {
        call.writer.refresh(&mission).await?;
    }
    if !is_known() {
        let fault = Fault::not_found(format!("there is no mission {}", request.mission));
        return Err(fault.at("/mission", "expected a mission; `selvedge mission create` makes one"));
    }
    let entity = Entity {
        mission: request.mission.clone(),
        name: EntityName::Invite,
        id: EntityId::from(&request.id),
    };
    let decide = |current: Option<&_>| rule::create(current, &request, call.now_ms);
    let recorded = call.writer.record(&state.invites, &entity, decide).await?;
    Ok(InviteReply { invite: recorded.state.as_ref().clone() })
}
