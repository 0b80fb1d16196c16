//! Several intents that are done in order, and undone in reverse if one of them fails.

use selvedge_contracts::{
    fact::SAGA_PROPOSED,
    payload::{
        Nothing,
        intent::{Intent, IntentState, Saga, SagaStatus},
    },
};
use selvedge_kit::rule::{Change, Verdict};

/// Puts a saga on the record; one that is there stays as it is.
pub(crate) fn propose(current: Option<&Saga>, wanted: &Saga) -> Verdict<Saga> {
    match current {
        Some(_) => Verdict::Same,
        None => Change::new(&SAGA_PROPOSED, &Nothing {}, wanted.clone()).into(),
    }
}

/// Where a saga stands, by its steps.
pub(crate) fn status<'a>(steps: impl IntoIterator<Item = &'a Intent> + Clone) -> SagaStatus {
    let any = |wanted: &[IntentState]| steps.clone().into_iter().any(|step| wanted.contains(&step.state));
    let is_broken = steps.clone().into_iter().any(is_broken);
    if any(&[IntentState::Unknown, IntentState::Stuck]) {
        SagaStatus::Stuck
    } else if is_broken {
        let stands = [IntentState::Committed, IntentState::Executing, IntentState::Compensating];
        if any(&stands) { SagaStatus::Compensating } else { SagaStatus::Compensated }
    } else if steps.clone().into_iter().all(|step| step.state == IntentState::Committed) {
        SagaStatus::Committed
    } else if steps.into_iter().all(|step| step.is_ready() || is_begun(step)) {
        SagaStatus::Running
    } else {
        SagaStatus::Waiting
    }
}

/// Whether the step must bring the others down.
fn is_broken(step: &Intent) -> bool {
    step.is_over_without_effect()
        || matches!(step.state, IntentState::Compensating | IntentState::Compensated | IntentState::Stuck)
}

fn is_begun(step: &Intent) -> bool {
    matches!(step.state, IntentState::Executing | IntentState::Committed)
}

/// Why the step at `index` may not be begun now: those before it must be committed, and all after it ready,
/// so that the first is begun only when all may be done, and none after one has failed.
pub(crate) fn obstacle<'a>(steps: impl IntoIterator<Item = &'a Intent>, index: usize) -> Option<String> {
    steps.into_iter().enumerate().find_map(|(place, step)| {
        let state = step.state.name();
        match place {
            before if before < index && step.state != IntentState::Committed => {
                Some(format!("step {before} of its saga is {state}, and must be committed first"))
            }
            after if after > index && !step.is_ready() => {
                Some(format!("step {after} of its saga is {state}, and must be ready too"))
            }
            _ => None,
        }
    })
}

/// Why the rest of a saga is not done any more, if this step has brought it down.
pub(crate) fn downfall(step: &Intent) -> Option<String> {
    let place = step.saga.as_ref().filter(|_| step.is_over_without_effect())?;
    Some(format!("step {} of its saga is {}", place.step, step.state.name()))
}

#[cfg(test)]
mod tests;
