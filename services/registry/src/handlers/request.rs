//! User requests.

use std::sync::Arc;

use selvedge_contracts::{
    fact::EntityName,
    fault::Fault,
    id::{EntityId, RequestId},
    payload::request::{RequestClose, RequestList, RequestOpen, RequestReply, Requests, UserRequest},
    subject::Entity,
};
use selvedge_kit::service::{Answer, Call, Recorded};

use super::{fitting, page_size};
use crate::{request as rule, state::Registry};

pub(super) async fn open(
    state: Arc<Registry>,
    call: Arc<Call>,
    request: RequestOpen,
) -> Answer<RequestReply> {
    let digest = call.digest_or_random().derive("request");
    let id = RequestId::new(&format!("request_{}", digest.id_hex()))
        .map_err(|error| Fault::internal(error.to_string()))?;
    let owner =
        call.owner().cloned().ok_or_else(|| Fault::denied("a request needs an owner to answer for it"))?;
    let decide =
        |current: Option<&_>| rule::open(current, &id, call.mission(), &owner, &request, call.now_ms);
    call.writer.record(&state.requests, &entity(&call, &id), decide).await.map(reply)
}

pub(super) async fn close(
    state: Arc<Registry>,
    call: Arc<Call>,
    request: RequestClose,
) -> Answer<RequestReply> {
    let id = &request.request;
    let decide = |current: Option<&UserRequest>| {
        let current = current.ok_or_else(|| {
            Fault::not_found(format!("there is no user request {id}; registry.request_list shows them"))
        })?;
        Ok(rule::close(current, &request.reason))
    };
    call.writer.record(&state.requests, &entity(&call, id), decide).await.map(reply)
}

fn entity(call: &Call, id: &RequestId) -> Entity {
    Entity { mission: call.mission().clone(), name: EntityName::Request, id: EntityId::from(id) }
}

fn reply(recorded: Recorded<UserRequest>) -> RequestReply {
    RequestReply { request: recorded.state.as_ref().clone(), revision: recorded.revision }
}

pub(super) async fn list(state: Arc<Registry>, call: Arc<Call>, request: RequestList) -> Answer<Requests> {
    let RequestList { status, after, limit } = request;
    let after = after.as_ref().map(EntityId::from);
    let keep = |request: &UserRequest| status.is_none_or(|status| status == request.status);
    let (requests, more) = state.requests.page(call.mission(), after.as_ref(), page_size(limit), keep);
    let (requests, more) = fitting(requests.iter().map(|request| request.as_ref().clone()), more);
    Ok(Requests { requests, more })
}
