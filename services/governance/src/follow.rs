//! What follows from a fact about an intent, or from its timer, done once by one replica.

use std::{sync::Arc, time::Duration};

use selvedge_contracts::{
    fact::{EntityName, INTENT_PROPOSED, INTENT_VERIFIED},
    fault::Fault,
    payload::intent::Intent,
    stream::{GOVERNANCE_DUE, GOVERNANCE_INTENTS},
};
use selvedge_kit::{
    clock::{Deadline, now_ms},
    follow::{self, Delivery},
    ledger::{FactRecord, Ledger},
    service::Recorded,
    timer::{Due, entity_of},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    finish::finish,
    intent as rule, saga,
    state::{Governance, entity},
};

/// Name of the timer that ends an intent.
const EXPIRY: &str = "expiry";
/// Longest wait for one step of this work, in milliseconds.
const STEP_MS: u64 = 5_000;
/// Longest time for one look at the world, in milliseconds: less than the work on one message may take.
const LOOK_MS: u64 = 15_000;
/// How long the call that proposed an intent has for its verification before a follower takes it up, in
/// milliseconds: else each would be looked at twice.
const GRACE_MS: u64 = 2_000;
/// How often it is looked at meanwhile.
const PAUSE: Duration = Duration::from_millis(50);

/// Starts all followers.
pub(crate) fn start(state: &Arc<Governance>, ledger: &Ledger, tasks: &TaskTracker, stop: &CancellationToken) {
    for follower in [GOVERNANCE_INTENTS, GOVERNANCE_DUE] {
        let of_work = Arc::clone(state);
        let work = move |delivery: Arc<Delivery>| {
            let state = Arc::clone(&of_work);
            async move {
                match follower.name {
                    name if name == GOVERNANCE_INTENTS.name => continue_from(&state, &delivery).await,
                    _ => expire(&state, &delivery).await,
                }
            }
        };
        follow::start(follower, ledger.clone(), state.feed.clone(), tasks, stop.clone(), work);
    }
}

async fn continue_from(state: &Governance, delivery: &Delivery) -> Result<(), Fault> {
    let fact = delivery.fact().map_err(|error| Fault::invalid(error.to_string()))?;
    match fact.fact.kind.as_str() {
        kind if kind == INTENT_PROPOSED.kind.name => verify(state, delivery, &fact).await,
        kind if kind == INTENT_VERIFIED.kind.name => arm_expiry(state, &fact).await,
        _ => end_saga(state, delivery, &fact).await,
    }
}

fn state_of(fact: &FactRecord) -> Result<Intent, Fault> {
    #[derive(serde::Deserialize)]
    struct After {
        state: Intent,
    }
    let read = serde_json::from_slice::<After>(&fact.envelope.payload);
    read.map(|After { state }| state).map_err(|error| Fault::invalid(error.to_string()))
}

/// Verifies what was proposed, if whoever proposed it did not get to it.
async fn verify(state: &Governance, delivery: &Delivery, fact: &FactRecord) -> Result<(), Fault> {
    let proposed = state_of(fact)?;
    delivery.is_in_view().await?;
    let stands = || {
        let entry = state.intents.get(&fact.fact.entity.mission, &fact.fact.entity.id);
        entry.is_some_and(|entry| entry.revision == fact.revision)
    };
    let until_ms = proposed.proposed_at_ms.saturating_add(GRACE_MS);
    // Whatever the clocks say, it is waited for no longer than that.
    let deadline = Deadline::in_ms(until_ms.saturating_sub(now_ms()).min(GRACE_MS));
    while stands() && !deadline.has_passed() {
        tokio::time::sleep(PAUSE.min(deadline.remaining())).await;
    }
    if !stands() {
        return Ok(());
    }
    let writer = delivery.writer(&fact.fact.entity.mission, &fact.envelope.id, &fact.envelope.root);
    let proposed = Recorded { revision: fact.revision, state: Arc::new(proposed) };
    finish(state, &writer, proposed, Deadline::in_ms(LOOK_MS)).await.map(drop)
}

/// Arms the timer of an intent that was verified.
async fn arm_expiry(state: &Governance, fact: &FactRecord) -> Result<(), Fault> {
    let verified = state_of(fact)?;
    let due = Due { revision: fact.revision, attempt: verified.round, at_ms: verified.expires_at_ms };
    let armed = state.timers.arm(&fact.fact.entity, EXPIRY, &due, Deadline::in_ms(STEP_MS)).await;
    armed.map_err(|error| Fault::unavailable(error.to_string()))
}

/// Ends the other steps of a saga that will not be done any more. Those that are executed are the
/// committer's to end.
async fn end_saga(state: &Governance, delivery: &Delivery, fact: &FactRecord) -> Result<(), Fault> {
    let ended = state_of(fact)?;
    let (Some(place), Some(reason)) = (&ended.saga, saga::downfall(&ended)) else {
        return Ok(());
    };
    delivery.is_in_view().await?;
    let mission = &fact.fact.entity.mission;
    let saga = state.sagas.state(mission, &(&place.saga).into());
    let saga = saga.ok_or_else(|| Fault::unavailable(format!("{} is not in view", place.saga)))?;
    let writer = delivery.writer(mission, &fact.envelope.id, &fact.envelope.root);
    for id in saga.steps.iter().filter(|id| **id != ended.id) {
        let decide = |current: Option<&Intent>| {
            let current = current.ok_or_else(|| Fault::not_found("the ledger does not know it"))?;
            Ok(rule::end(current, &reason))
        };
        writer.follow_up(id.as_str()).record(&state.intents, &entity(mission, id), decide).await?;
    }
    Ok(())
}

/// Records an intent whose timer is due as expired, unless it has moved on.
async fn expire(state: &Governance, delivery: &Delivery) -> Result<(), Fault> {
    let (Some(entity), Ok(due)) =
        (entity_of(&delivery.subject), serde_json::from_slice::<Due>(&delivery.body))
    else {
        return Err(Fault::invalid(format!("{} is no timer of ours", delivery.subject)));
    };
    if entity.name != EntityName::Intent {
        return Err(Fault::invalid(format!("{entity} has no timers here")));
    }
    let known = state.intents.state(&entity.mission, &entity.id);
    let root = known.and_then(|intent| intent.request.clone()).map(|root| root.to_string());
    let cause = format!("timer at {}", due.at_ms);
    let writer = delivery.writer(&entity.mission, &cause, &root.unwrap_or_default());
    // The server's clock decided that it is due; ours may be a moment behind. A later round has a later end.
    let decide = |current: Option<&Intent>| {
        let current = current.ok_or_else(|| Fault::not_found("the ledger does not know it"))?;
        Ok(rule::expire(current, now_ms().max(due.at_ms)))
    };
    writer.record(&state.intents, &entity, decide).await.map(drop)
}
