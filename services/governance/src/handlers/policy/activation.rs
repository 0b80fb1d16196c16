//! What is in force: proposed by one principal, confirmed by another.

use std::sync::Arc;

use selvedge_contracts::{
    fact::EntityName,
    id::Mission,
    payload::policy::{Activation, ActivationReply, Policy, PolicyActivate, PolicyConfirm, activation_id},
    subject::Entity,
};
use selvedge_kit::{
    service::{Answer, Call, Recorded},
    view::Entry,
};

use super::{computed, find_anew, mission, owner, sound};
use crate::{policy::activation, state::Governance};

pub(super) async fn activate(
    state: Arc<Governance>,
    call: Arc<Call>,
    request: PolicyActivate,
) -> Answer<ActivationReply> {
    let mission = mission(&call)?;
    let by = (&call.subject.caller, owner(&call)?);
    usable(&state, &find_anew(&state, &call, request.version).await?).await?;
    let decide =
        |current: Option<&_>| activation::propose(current, request.version, &request.reason, by, call.now_ms);
    let entity = activation_entity(mission);
    let recorded = call.writer.record(&state.policies.activations, &entity, decide).await?;
    Ok(activation_reply(recorded))
}

pub(super) async fn confirm(
    state: Arc<Governance>,
    call: Arc<Call>,
    request: PolicyConfirm,
) -> Answer<ActivationReply> {
    let (mission, owner) = (mission(&call)?, owner(&call)?);
    let version = find_anew(&state, &call, request.version).await?;
    // Once more: what it may speak of may have changed since it was proposed. It is ready to decide, too.
    usable(&state, &version).await?;
    let decide = |current: Option<&_>| {
        activation::confirm(current, Some(&version.state), &request, owner, call.now_ms)
    };
    let entity = activation_entity(mission);
    let recorded = call.writer.record(&state.policies.activations, &entity, decide).await?;
    Ok(activation_reply(recorded))
}

/// Refuses a version that cannot decide.
async fn usable(state: &Arc<Governance>, version: &Entry<Policy>) -> Answer<()> {
    let (state, policy) = (Arc::clone(state), Arc::clone(&version.state));
    let errors = computed(move || Ok(state.policies.checked(&policy).errors().cloned().collect())).await?;
    sound(errors, &format!("version {}", version.state.version))
}

fn activation_entity(mission: &Mission) -> Entity {
    Entity { mission: mission.clone(), name: EntityName::Activation, id: activation_id() }
}

fn activation_reply(recorded: Recorded<Activation>) -> ActivationReply {
    ActivationReply { activation: recorded.state.as_ref().clone(), revision: recorded.revision }
}
