//! Calls about intents.

use std::sync::Arc;

use selvedge_contracts::{
    call,
    fault::Fault,
    id::{EntityId, IntentId, KindName},
    payload::{
        intent::{
            Intent, IntentCancel, IntentList, IntentReply, IntentShow, IntentState, Intents, Propose,
            ProposeFor, Waiting,
        },
        overlap::Clearance,
    },
};
use selvedge_kit::{
    creation::{Asking, clear},
    rule::Verdict,
    service::{Answer, Call, Recorded, Route, Routes},
};

use super::{
    page,
    proposal::{self, Proposer},
};
use crate::{
    approval,
    finish::finish,
    intent::{self as rule, Canceller, Wanted},
    likeness,
    state::{Governance, entity},
};

/// Which handler serves which call. A list whose filter matches little looks at every intent of its
/// mission, so lists do not run on the loop that receives.
pub(super) fn routes() -> Routes<Governance> {
    vec![
        Route::wait::<call::IntentPropose, _>(propose),
        Route::wait::<call::IntentProposeFor, _>(propose_for),
        Route::read::<call::IntentShow>(show),
        Route::wait::<call::IntentList, _>(list),
        Route::wait::<call::IntentCancel, _>(cancel),
    ]
}

async fn propose(state: Arc<Governance>, call: Arc<Call>, request: Propose) -> Answer<IntentReply> {
    let mut wanted = proposal::single(&state, &call, &Proposer::caller(&call)?, request).await?;
    wanted.intent.checked = cleared(&state, &call, &wanted).await?;
    put(&state, &call, &wanted).await
}

/// What a task changes outside, in the name of whoever did it.
async fn propose_for(state: Arc<Governance>, call: Arc<Call>, request: ProposeFor) -> Answer<IntentReply> {
    let ProposeFor { propose, on_behalf, accepted } = request;
    let wanted = proposal::single(&state, &call, &Proposer::behalf(on_behalf, accepted)?, propose).await?;
    put(&state, &call, &wanted).await
}

async fn put(state: &Arc<Governance>, call: &Call, wanted: &Wanted) -> Answer<IntentReply> {
    let entity = entity(call.mission(), &wanted.intent.id);
    let decide = |current: Option<&Intent>| {
        let verdict = rule::propose(current, wanted)?;
        has_room(state, current, &verdict)?;
        Ok(verdict)
    };
    let proposed = call.writer.record(&state.intents, &entity, decide).await?;
    let verified = finish(state, &call.writer.follow_up("verify"), proposed, call.deadline()).await?;
    call.writer.saw(verified.revision);
    Ok(reply(verified))
}

/// Asks what looks like an intent that would begin with this proposal; nothing where none would, or none has to
/// be asked about.
pub(super) async fn cleared(state: &Governance, call: &Call, wanted: &Wanted) -> Answer<Option<Clearance>> {
    if state.overlap == Asking::Off {
        return Ok(None);
    }
    let current = state.intents.state(call.mission(), &(&wanted.intent.id).into());
    let verdict = rule::propose(current.as_deref(), wanted)?;
    if verdict == Verdict::Same || !begins(current.as_deref()) {
        return Ok(None);
    }
    has_room(state, current.as_deref(), &verdict)?;
    match likeness::texts(&wanted.intent) {
        None => Ok(None),
        Some(texts) => clear(&state.client, call, KindName::intent(), texts).await.map(Some),
    }
}

/// Whether a proposal that is recorded begins the intent, and does not go on with it.
fn begins(current: Option<&Intent>) -> bool {
    current.is_none_or(Intent::is_over_without_effect)
}

/// Refuses what would be one more that is not over, where there are enough of them.
///
/// # Errors
/// Conflict that names the bound.
fn has_room(state: &Governance, current: Option<&Intent>, verdict: &Verdict<Intent>) -> Answer<()> {
    match verdict {
        Verdict::Changed(change) if begins(current) => {
            let Intent { mission, owner, proposed_at_ms, .. } = &change.state;
            state.tally.room(mission, owner, 1, *proposed_at_ms)
        }
        _ => Ok(()),
    }
}

fn show(state: &Governance, call: &Call, request: IntentShow) -> Answer<IntentReply> {
    let found = known(state, call, &request.intent)?;
    Ok(reply(found))
}

async fn list(state: Arc<Governance>, call: Arc<Call>, request: IntentList) -> Answer<Intents> {
    let IntentList { state: wanted, waiting, after, limit } = request;
    let waits = |intent: &Intent| waiting.is_none_or(|waiting| waits(&call, intent, waiting));
    let keep = |intent: &Intent| wanted.is_none_or(|wanted| wanted == intent.state) && waits(intent);
    let after = after.as_ref().map(EntityId::from);
    let (found, more) = state.intents.page(call.mission(), after.as_ref(), page::size(limit), keep);
    let entries = found.iter().filter_map(|intent| known(&state, &call, &intent.id).ok()).map(reply);
    let (intents, more) = page::fitting(entries, more);
    Ok(Intents { intents, more })
}

/// Whether an intent waits for what is asked for.
fn waits(call: &Call, intent: &Intent, waiting: Waiting) -> bool {
    match waiting {
        Waiting::ForApproval => rule::is_open(intent) && !intent.is_ready() && intent.decision.is_some(),
        Waiting::ForSettlement => matches!(intent.state, IntentState::Unknown | IntentState::Stuck),
        Waiting::ForMe => {
            call.owner().is_some_and(|owner| approval::waits_for(intent, owner, call.role(), call.now_ms))
        }
    }
}

async fn cancel(state: Arc<Governance>, call: Arc<Call>, request: IntentCancel) -> Answer<IntentReply> {
    let by = Canceller { caller: &call.subject.caller, owner: call.owner(), role: call.role() };
    let decide = |current: Option<&Intent>| {
        let current = current.ok_or_else(|| no_intent(&request.intent))?;
        rule::cancel(current, &by, &request.reason)
    };
    let entity = entity(call.mission(), &request.intent);
    call.writer.record(&state.intents, &entity, decide).await.map(reply)
}

/// The intent as the view has it.
pub(super) fn known(state: &Governance, call: &Call, id: &IntentId) -> Answer<Recorded<Intent>> {
    let entry = state.intents.get(call.mission(), &id.into()).ok_or_else(|| no_intent(id))?;
    Ok(Recorded { revision: entry.revision, state: entry.state })
}

pub(super) fn reply(recorded: Recorded<Intent>) -> IntentReply {
    IntentReply { intent: recorded.state.as_ref().clone(), revision: recorded.revision }
}

pub(super) fn no_intent(id: &IntentId) -> Fault {
    Fault::not_found(format!(
        "there is no {id} in this mission; governance.intent_list shows those there are"
    ))
}
