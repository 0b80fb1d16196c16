//! What a task is to change outside: whether what is handed in is what its plan declares, the intents by which it
//! is done, and what follows from what becomes of them.

use selvedge_contracts::{
    fact::EntityName,
    id::{ArtifactRef, Digest, EntityId, IntentId, ScopeId},
    payload::{
        artifact::Reference,
        intent::{
            IntentPrecondition, Propose, SagaPropose, SagaStepWanted, StepIdentity, intent_id, saga_id,
            step_occurrence,
        },
        plan::{EffectSpec, TaskSpec},
        task::{EffectOffer, Task, TaskEffect},
    },
};

mod check;
mod outcome;

pub(crate) use check::check;
pub(crate) use outcome::{Outcome, Settled, not_undone, settled};

/// The effects of an attempt, in the order of its plan: each with the intent by which it is done, under the
/// attempt's leases.
pub(crate) fn of_attempt(task: &Task, spec: &TaskSpec, offers: &[EffectOffer]) -> Vec<TaskEffect> {
    let leases = task.claim.iter().flat_map(|claim| &claim.leases);
    let wanted = |declared: &EffectSpec| {
        let offer = offers.iter().find(|offer| offer.name == declared.name)?;
        let mut propose = offer.propose.clone();
        for lease in leases.clone() {
            if !propose.tokens.contains(lease) {
                propose.tokens.push(lease.clone());
            }
        }
        Some((declared.name.clone(), propose))
    };
    let wanted: Vec<_> = spec.effects.iter().filter_map(wanted).collect();
    let intents = intents_of(task, wanted.iter().map(|(_, propose)| propose));
    let effects = wanted.into_iter().zip(intents).map(|((name, propose), intent)| TaskEffect {
        name,
        intent,
        propose: Some(Box::new(propose)),
        receipt: None,
    });
    effects.collect()
}

/// What was offered with an attempt, without what was added for it: of use to another one.
pub(crate) fn offers_of(task: &Task) -> Vec<EffectOffer> {
    let leases: Vec<_> = task.claim.iter().flat_map(|claim| &claim.leases).collect();
    let offer = |effect: &TaskEffect| {
        let mut propose = effect.propose.as_deref()?.clone();
        propose.tokens.retain(|token| !leases.contains(&token));
        Some(EffectOffer { name: effect.name.clone(), propose })
    };
    task.effects.iter().filter_map(offer).collect()
}

/// The intents that the service `governance` makes of them: one alone is no saga.
fn intents_of<'a>(task: &Task, wanted: impl ExactSizeIterator<Item = &'a Propose> + Clone) -> Vec<IntentId> {
    let scope: ScopeId = task.id.scope(task.attempt);
    let inputs: Vec<Vec<Digest>> = wanted.clone().map(|propose| resolved(&propose.inputs)).collect();
    let steps: Vec<StepIdentity<'_>> = wanted
        .zip(&inputs)
        .map(|(propose, inputs)| StepIdentity {
            effect: &propose.effect,
            undo: propose.undo.as_ref(),
            inputs,
        })
        .collect();
    let saga = saga_id(&task.mission, Some(&scope), None, &steps);
    let is_saga = steps.len() > 1;
    let intent = |(step, StepIdentity { effect, undo, inputs }): (u32, &StepIdentity<'_>)| {
        let occurrence = is_saga.then(|| step_occurrence(&saga, step));
        intent_id(&task.mission, Some(&scope), occurrence.as_deref(), effect, *undo, inputs)
    };
    (0..).zip(&steps).map(intent).collect()
}

/// Content that is named by its digest, as an intent holds it.
fn resolved(inputs: &[ArtifactRef]) -> Vec<Digest> {
    let digest = |input: &ArtifactRef| match Reference::parse(input.as_str()) {
        Some(Reference::Content(digest)) => Some(digest),
        _ => None,
    };
    let mut inputs: Vec<Digest> = inputs.iter().filter_map(digest).collect();
    inputs.sort();
    inputs.dedup();
    inputs
}

/// What is proposed for an attempt.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Proposal {
    /// Its one effect.
    One(Box<Propose>),
    /// Its effects, done in order, and undone in reverse if one of them comes to nothing.
    Several(SagaPropose),
}

/// What is proposed for an accepted attempt whose task stands at this revision. It is done only as long as the task
/// stands there: whoever proposes it late, for an attempt that is over, proposes what may not be done.
pub(crate) fn proposal(task: &Task, spec: &TaskSpec, revision: u64) -> Option<Proposal> {
    let accepted = IntentPrecondition { entity: EntityName::Task, id: EntityId::from(&task.id), revision };
    let mut wanted = Vec::with_capacity(task.effects.len());
    for effect in &task.effects {
        let mut propose = effect.propose.as_deref()?.clone();
        propose.preconditions.retain(|other| (other.entity, &other.id) != (accepted.entity, &accepted.id));
        propose.preconditions.push(accepted.clone());
        wanted.push(propose);
    }
    if let [_] = wanted.as_slice() {
        return wanted.pop().map(Box::new).map(Proposal::One);
    }
    let expires_after_ms = wanted.iter().filter_map(|propose| propose.expires_after_ms).min();
    let step = |propose: Propose| {
        let Propose { title, effect, undo, inputs, preconditions, tokens, .. } = propose;
        SagaStepWanted { title, effect, undo, inputs, preconditions, tokens }
    };
    Some(Proposal::Several(SagaPropose {
        title: spec.title.clone(),
        occurrence: None,
        steps: wanted.into_iter().map(step).collect(),
        expires_after_ms,
    }))
}

#[cfg(test)]
mod tests;
