//! Calls of approvers.

use std::sync::Arc;

use selvedge_contracts::{
    call,
    fact::EntityName,
    fault::Fault,
    id::{Digest, Mission, Owner},
    payload::{
        agent::Agent,
        intent::{Approve, DenialLift, Deny, Intent, IntentReply},
    },
    subject::Entity,
};
use selvedge_kit::service::{Answer, Call, Route, Routes};

use super::intent::{no_intent, reply};
use crate::{
    approval::{self as rule, Approver, Seen},
    state::{Governance, entity, unsealed},
    verify,
};

/// Which handler serves which call.
pub(super) fn routes() -> Routes<Governance> {
    vec![
        Route::wait::<call::IntentApprove, _>(approve),
        Route::wait::<call::IntentDeny, _>(deny),
        Route::wait::<call::DenialLift, _>(lift),
    ]
}

async fn approve(state: Arc<Governance>, call: Arc<Call>, request: Approve) -> Answer<IntentReply> {
    let (agent, owner) = approver(&state, &call).await?;
    let ring = state.keys.ring().map_err(unsealed)?;
    let by = Approver { agent: &agent.id, owner: &owner, role: call.role(), key: &agent.key };
    let decide = |current: Option<&Intent>| {
        let current = current.ok_or_else(|| no_intent(&request.intent))?;
        let seen = seen(&state, &call, &request.digest);
        rule::approve(current, by, seen, &request.signature, |bytes| ring.seal(bytes))
    };
    let entity = entity(call.mission(), &request.intent);
    call.writer.record(&state.intents, &entity, decide).await.map(reply)
}

async fn deny(state: Arc<Governance>, call: Arc<Call>, request: Deny) -> Answer<IntentReply> {
    let (agent, owner) = approver(&state, &call).await?;
    let by = Approver { agent: &agent.id, owner: &owner, role: call.role(), key: &agent.key };
    let decide = |current: Option<&Intent>| {
        let current = current.ok_or_else(|| no_intent(&request.intent))?;
        rule::deny(current, by, seen(&state, &call, &request.digest), &request.reason)
    };
    let entity = entity(call.mission(), &request.intent);
    call.writer.record(&state.intents, &entity, decide).await.map(reply)
}

async fn lift(state: Arc<Governance>, call: Arc<Call>, request: DenialLift) -> Answer<IntentReply> {
    let (by, owner) = (&call.subject.caller, call.owner());
    let decide = |current: Option<&Intent>| {
        let current = current.ok_or_else(|| no_intent(&request.intent))?;
        rule::lift(current, by, owner, call.role(), &request.reason)
    };
    let entity = entity(call.mission(), &request.intent);
    call.writer.record(&state.intents, &entity, decide).await.map(reply)
}

/// The agent that asks, as the ledger's leader knows it: a key that was replaced a moment ago signs nothing
/// any more.
async fn approver(state: &Governance, call: &Call) -> Answer<(Arc<Agent>, Owner)> {
    let id = call.agent_id()?;
    let of = Entity { mission: Mission::kluster(), name: EntityName::Agent, id: (&id).into() };
    call.writer.refresh(&of).await?;
    let agent = state.directory.agent(&id).ok_or_else(|| Fault::denied(format!("there is no agent {id}")))?;
    let owner = call.owner().cloned().ok_or_else(|| Fault::denied("an approval needs an owner"))?;
    Ok((agent.state, owner))
}

fn seen<'a>(state: &Governance, call: &Call, digest: &'a Digest) -> Seen<'a> {
    Seen { digest, activation: verify::activation(state, call.mission()), now_ms: call.now_ms }
}
