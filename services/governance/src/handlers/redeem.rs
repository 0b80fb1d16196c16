//! The committer's last question before it executes: everything is looked at again, now.

use std::sync::Arc;

use futures::future::try_join_all;
use selvedge_contracts::{
    call,
    fact::EntityName,
    fault::{Code, Detail, Fault},
    id::{AgentId, Mission},
    payload::{
        intent::{Intent, Reasons, Redeem, Redeemed},
        policy::{activation_id, version_id},
    },
    subject::Entity,
};
use selvedge_kit::{
    clock::now_ms,
    rule::Verdict,
    service::{Answer, Call, Recorded, Route, Routes},
};

use super::intent::{known, no_intent};
use crate::{
    approval,
    intent::{self as rule, detail},
    keys::Proof,
    saga,
    state::{Governance, entity, unsealed},
    verify::{self, Look},
};

/// How long the answer holds, in milliseconds: time to record that it is executed, not to do it.
const HOLDS_MS: u64 = 10_000;

/// Which handler serves which call.
pub(super) fn routes() -> Routes<Governance> {
    vec![Route::wait::<call::IntentRedeem, _>(redeem)]
}

async fn redeem(state: Arc<Governance>, call: Arc<Call>, request: Redeem) -> Answer<Redeemed> {
    let of = entity(call.mission(), &request.intent);
    call.writer.refresh(&of).await?;
    let seen = known(&state, &call, &request.intent)?;
    let intent = seen.state.as_ref();
    if rule::is_open(intent) && call.now_ms >= intent.expires_at_ms {
        let expired = end(&state, &call, &seen, |intent| rule::expire(intent, now_ms())).await?;
        return Err(Fault::conflict(format!("it is {}: its time has run out", expired.state.state.name())));
    }
    is_ready(&seen, &request)?;
    let mut stale = is_sealed(&state, intent, &request)?;
    in_turn(&state, &call, intent).await?;
    anew(&state, &call, intent).await?;
    let Look { finding, leases_until_ms, highest_token } =
        verify::look(&state, intent, call.deadline()).await?;
    stale.extend(rule::staleness(intent, &finding, call.now_ms));
    stale.extend(disavowed(&state, intent));
    if !stale.is_empty() {
        let rejected = end(&state, &call, &seen, |intent| rule::reject(intent, &stale)).await?;
        let message = format!("it is {}: what it rests on has changed", rejected.state.state.name());
        return Err(Fault { code: Code::Conflict, message, details: Reasons::of(&stale).reasons });
    }
    let until_ms = now_ms().saturating_add(HOLDS_MS).min(intent.expires_at_ms);
    Ok(Redeemed { until_ms: leases_until_ms.map_or(until_ms, |leases| leases.min(until_ms)), highest_token })
}

/// Whether it may be executed as far as its own state says, and stands where the committer saw it.
fn is_ready(seen: &Recorded<Intent>, request: &Redeem) -> Answer<()> {
    if seen.revision != request.revision {
        return Err(Fault::conflict(format!(
            "it is at revision {}, not {}: look at it again",
            seen.revision, request.revision
        )));
    }
    if !seen.state.is_ready() {
        return Err(Fault::conflict(format!("it is {}, and not to be executed", seen.state.state.name())));
    }
    Ok(())
}

/// Holds the token against what it must be over. A token that nobody here made is refused; one whose key is
/// gone makes the approvals void.
fn is_sealed(state: &Governance, intent: &Intent, request: &Redeem) -> Answer<Vec<Detail>> {
    let decision = intent.decision.as_ref().filter(|decision| decision.requirement.approvals > 0);
    let Some(decision) = decision else {
        return match &request.token {
            None => Ok(Vec::new()),
            Some(_) => Err(Fault::denied("it needs no approvals, so no token is of it")),
        };
    };
    let token =
        request.token.as_ref().ok_or_else(|| Fault::denied("it needs approvals, and no token is shown"))?;
    let forged = || Fault::denied("the token is not of this intent as it stands");
    let ring = state.keys.ring().map_err(unsealed)?;
    match ring.judge(token, &approval::sealed_bytes(intent, decision)) {
        Proof::Holds => Ok(approval::unsound(intent, decision)),
        Proof::NoKey if intent.token.as_ref() == Some(token) => Ok(vec![detail(
            "/token",
            format!("the key {} that sealed its approvals was taken out; they are void", token.key_id),
        )]),
        Proof::NoKey | Proof::Forged => Err(forged()),
    }
}

/// Whether its saga lets it be executed now, by the ledger's leader.
async fn in_turn(state: &Governance, call: &Call, intent: &Intent) -> Answer<()> {
    let Some(place) = &intent.saga else { return Ok(()) };
    let saga = state.sagas.state(call.mission(), &(&place.saga).into());
    let saga = saga.ok_or_else(|| Fault::not_found(format!("there is no {}", place.saga)))?;
    let mut steps = Vec::with_capacity(saga.steps.len());
    for id in &saga.steps {
        call.writer.refresh(&entity(call.mission(), id)).await?;
        steps.push(known(state, call, id)?.state);
    }
    match saga::obstacle(steps.iter().map(Arc::as_ref), place.step as usize) {
        None => Ok(()),
        Some(obstacle) => Err(Fault::conflict(obstacle)),
    }
}

/// Asks the ledger's leader for all that the last look reads from views: which policy is in force, its text,
/// and whether the proposer and its approvers may still act. A view may be behind; here that would let
/// through what was forbidden a moment ago.
async fn anew(state: &Governance, call: &Call, intent: &Intent) -> Answer<()> {
    let mission = call.mission();
    let of = |name, id| Entity { mission: mission.clone(), name, id };
    let agents = intent.grants.iter().map(|grant| grant.approver.clone());
    let agents = agents.chain(AgentId::new(intent.proposer.as_str()).ok()).map(|agent| Entity {
        mission: Mission::kluster(),
        name: EntityName::Agent,
        id: (&agent).into(),
    });
    let wanted: Vec<Entity> = agents.chain([of(EntityName::Activation, activation_id())]).collect();
    try_join_all(wanted.iter().map(|entity| call.writer.refresh(entity))).await?;
    let activation = state.policies.activations.state(mission, &activation_id());
    let active = activation.as_ref().and_then(|activation| activation.active.as_ref());
    let version = active.map(|active| version_id(active.version));
    // A version never changes, so one that is in view is as it is.
    if let Some(version) = version.filter(|id| state.policies.versions.get(mission, id).is_none()) {
        call.writer.refresh(&of(EntityName::Policy, version)).await?;
    }
    Ok(())
}

/// Approvers that may no longer act as they did: what they approved was not theirs to approve any more.
fn disavowed(state: &Governance, intent: &Intent) -> Vec<Detail> {
    let stands = |grant: &selvedge_contracts::payload::intent::Grant| {
        state.directory.agent(&grant.approver).is_some_and(|entry| {
            entry.state.status == selvedge_contracts::payload::agent::AgentStatus::Active
                && verify::has_role(&entry.state.roles, &intent.mission, grant.role)
        })
    };
    let gone = intent.grants.iter().enumerate().filter(|(_, grant)| !stands(grant));
    gone.map(|(index, grant)| {
        let message = format!("{} is no {} in {} any more", grant.approver, grant.role, intent.mission);
        detail(&format!("/grants/{index}"), message)
    })
    .collect()
}

/// Ends the intent, if it still stands as it was seen.
async fn end(
    state: &Governance,
    call: &Call,
    seen: &Recorded<Intent>,
    rule: impl Fn(&Intent) -> Verdict<Intent> + Send + Sync,
) -> Answer<Recorded<Intent>> {
    let id = &seen.state.id;
    let decide = |current: Option<&Intent>| match current {
        None => Err(no_intent(id)),
        Some(current) if *current == *seen.state => Ok(rule(current)),
        Some(_) => Ok(Verdict::Same),
    };
    call.writer.record(&state.intents, &entity(call.mission(), id), decide).await
}
