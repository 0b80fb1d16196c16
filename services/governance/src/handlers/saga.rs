//! Calls about sagas.

use std::sync::Arc;

use futures::future::join_all;
use selvedge_contracts::{
    call,
    fact::EntityName,
    fault::{Detail, Fault},
    id::{Mission, SagaId},
    payload::intent::{
        Intent, Saga, SagaPropose, SagaProposeFor, SagaReply, SagaShow, SagaStep, SagaStepWanted,
        StepIdentity, saga_id, step_occurrence,
    },
    subject::Entity,
};
use selvedge_kit::service::{Answer, Call, Draft, Recorded, Route, Routes};

use super::{
    intent::{cleared, known},
    proposal::{Asked, Proposer, refuse, resolved, wanted},
};
use crate::{
    finish::finish,
    intent::{self as intent_rule, Wanted, detail},
    saga as rule,
    shape::{self, Proposal},
    state::{Governance, entity},
};

/// Which handler serves which call.
pub(super) fn routes() -> Routes<Governance> {
    vec![
        Route::wait::<call::SagaPropose, _>(propose),
        Route::wait::<call::SagaProposeFor, _>(propose_for),
        Route::read::<call::SagaShow>(show),
    ]
}

async fn propose(state: Arc<Governance>, call: Arc<Call>, request: SagaPropose) -> Answer<SagaReply> {
    put(&state, &call, &Proposer::caller(&call)?, Looks::First, request).await
}

/// The several things that a task changes outside, in the name of whoever did it.
async fn propose_for(state: Arc<Governance>, call: Arc<Call>, request: SagaProposeFor) -> Answer<SagaReply> {
    let SagaProposeFor { propose, on_behalf, accepted } = request;
    put(&state, &call, &Proposer::behalf(on_behalf, accepted)?, Looks::Not, propose).await
}

/// Whether it is held first against what is there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Looks {
    First,
    /// The task was, when it was planned.
    Not,
}

async fn put(
    state: &Arc<Governance>,
    call: &Call,
    proposer: &Proposer,
    looks: Looks,
    request: SagaPropose,
) -> Answer<SagaReply> {
    refuse(wrong(&request))?;
    let (saga, mut steps) = wanted_saga(state, call, proposer, request).await?;
    let of = saga_entity(call.mission(), &saga.id);
    let is_new = state.sagas.get(call.mission(), &(&saga.id).into()).is_none();
    if is_new
        && looks == Looks::First
        && let Err(fault) = clear_all(state, call, &mut steps).await
    {
        // Another replica may have recorded this very saga a moment ago: then it is that one.
        call.writer.refresh(&of).await?;
        known_saga(state, call, &saga.id).map_err(|_| fault)?;
    }
    call.writer.record_all(&of, || drafts(state, &of, &saga, &steps)).await?;
    call.writer.refresh(&of).await?;
    let proposed = known_saga(state, call, &saga.id)?;
    // Its steps stand directly behind it in the ledger.
    let last = proposed.revision.saturating_add(proposed.state.steps.len() as u64);
    if !state.feed.reaches(last, call.deadline()).await {
        return Err(Fault::unavailable(format!("the views are behind revision {last}; try again")));
    }
    verify(state, call, &proposed.state).await?;
    answer(state, call, proposed)
}

/// Asks what looks like each step, one after the other, before any is there.
async fn clear_all(state: &Governance, call: &Call, steps: &mut [Wanted]) -> Answer<()> {
    for (index, step) in steps.iter_mut().enumerate() {
        let cleared = cleared(state, call, step).await;
        step.intent.checked = cleared
            .map_err(|fault| Fault { message: format!("step {index}: {}", fault.message), ..fault })?;
    }
    Ok(())
}

/// The facts of a saga: itself and its steps, all or none.
fn drafts(state: &Governance, of: &Entity, saga: &Saga, steps: &[Wanted]) -> Answer<Vec<Draft>> {
    let proposed = Draft::decide(&state.sagas, of.clone(), |current| Ok(rule::propose(current, saga)))?;
    let Some(proposed) = proposed else { return Ok(Vec::new()) };
    state.tally.room(&saga.mission, &saga.owner, steps.len(), saga.proposed_at_ms)?;
    let mut drafts = vec![proposed];
    for wanted in steps {
        let step = entity(&saga.mission, &wanted.intent.id);
        drafts.extend(Draft::decide(&state.intents, step, |current| intent_rule::propose(current, wanted))?);
    }
    Ok(drafts)
}

/// Brings every step to its verdict; what cannot be looked at now is left to the follower.
async fn verify(state: &Governance, call: &Call, saga: &Saga) -> Answer<()> {
    let writers: Vec<_> =
        (0..saga.steps.len()).map(|step| call.writer.follow_up(&format!("verify/{step}"))).collect();
    let mut finishing = Vec::with_capacity(writers.len());
    for (id, writer) in saga.steps.iter().zip(&writers) {
        finishing.push(finish(state, writer, known(state, call, id)?, call.deadline()));
    }
    for finished in join_all(finishing).await {
        call.writer.saw(finished?.revision);
    }
    Ok(())
}

async fn wanted_saga(
    state: &Governance,
    call: &Call,
    proposer: &Proposer,
    request: SagaPropose,
) -> Answer<(Saga, Vec<Wanted>)> {
    let SagaPropose { title, occurrence, steps, expires_after_ms } = request;
    let mut inputs = Vec::with_capacity(steps.len());
    for (index, step) in steps.iter().enumerate() {
        inputs.push(resolved(state, call, proposer, &step.inputs, &format!("/steps/{index}/inputs")).await?);
    }
    let identities: Vec<_> = steps
        .iter()
        .zip(&inputs)
        .map(|(step, inputs)| StepIdentity { effect: &step.effect, undo: step.undo.as_ref(), inputs })
        .collect();
    let id = saga_id(call.mission(), proposer.task.as_ref(), occurrence.as_deref(), &identities);
    let of = u32::try_from(steps.len()).unwrap_or(u32::MAX);
    let mut intents = Vec::with_capacity(steps.len());
    for (step, (asked, inputs)) in (0..).zip(steps.into_iter().zip(inputs)) {
        let SagaStepWanted { title, effect, undo, preconditions, tokens, .. } = asked;
        let occurrence = Some(step_occurrence(&id, step));
        let ttl_ms = expires_after_ms;
        let asked = Asked { title, effect, undo, occurrence, inputs, preconditions, tokens, ttl_ms };
        intents.push(wanted(state, call, proposer, asked, Some(SagaStep { saga: id.clone(), step, of }))?);
    }
    let saga = Saga {
        id,
        mission: call.mission().clone(),
        title,
        proposer: proposer.caller.clone(),
        owner: proposer.owner.clone(),
        steps: intents.iter().map(|wanted| wanted.intent.id.clone()).collect(),
        proposed_at_ms: call.now_ms,
    };
    Ok((saga, intents))
}

/// Everything that is wrong with a saga in itself.
fn wrong(request: &SagaPropose) -> Vec<Detail> {
    let last = request.steps.len().saturating_sub(1);
    let mut found: Vec<_> = shape::occurrence(request.occurrence.as_deref()).into_iter().collect();
    for (index, step) in request.steps.iter().enumerate() {
        let at = format!("/steps/{index}");
        found.extend(shape::check(&Proposal {
            at: &at,
            title: &step.title,
            effect: &step.effect,
            undo: step.undo.as_ref(),
            preconditions: &step.preconditions,
            tokens: &step.tokens,
        }));
        if index < last && step.undo.is_none() && step.effect.is_irreversible() {
            let message =
                "its effect cannot be taken back and has no undo: only the last step may do without";
            found.push(detail(&format!("{at}/undo"), message));
        }
    }
    found
}

fn show(state: &Governance, call: &Call, request: SagaShow) -> Answer<SagaReply> {
    answer(state, call, known_saga(state, call, &request.saga)?)
}

fn answer(state: &Governance, call: &Call, saga: Recorded<Saga>) -> Answer<SagaReply> {
    let steps = saga.state.steps.iter().map(|id| state.intents.state(call.mission(), &id.into()));
    let steps: Option<Vec<Intent>> = steps.map(|step| Some(step?.as_ref().clone())).collect();
    let steps = steps.ok_or_else(|| Fault::unavailable("its steps are not in view yet; try again"))?;
    let status = rule::status(&steps);
    Ok(SagaReply { saga: saga.state.as_ref().clone(), status, steps, revision: saga.revision })
}

fn known_saga(state: &Governance, call: &Call, id: &SagaId) -> Answer<Recorded<Saga>> {
    let entry = state.sagas.get(call.mission(), &id.into());
    let entry = entry.ok_or_else(|| Fault::not_found(format!("there is no {id} in this mission")))?;
    Ok(Recorded { revision: entry.revision, state: entry.state })
}

fn saga_entity(mission: &Mission, id: &SagaId) -> Entity {
    Entity { mission: mission.clone(), name: EntityName::Saga, id: id.into() }
}
