//! Calls about handoffs.

use std::sync::Arc;

use selvedge_contracts::{
    call,
    fact::EntityName,
    fault::{Detail, Fault},
    id::{AgentId, ArtifactRef, Caller, Digest, EntityId, HandoffId, Mission},
    payload::{
        agent::Agent,
        artifact::{Meaning, Vouch},
        handoff::{
            Handoff, HandoffAccept, HandoffComplete, HandoffEnd, HandoffLine, HandoffList, HandoffOffer,
            HandoffReply, HandoffResult, HandoffShow, HandoffState, HandoffStep, Handoffs, Offer, Receiver,
            Taken, handoff_id, offer_text,
        },
    },
    role::Role,
    subject::Entity,
};
use selvedge_kit::{
    client::Options,
    rule::Verdict,
    service::{Answer, Call, Recorded, Route, Routes},
    signature::{decode_base64url, verify_text},
};

use super::{page, plan::Here, precondition::revisions};
use crate::{
    rule::{
        handoff::{self as rule, Asker, Seen},
        shape::Known,
    },
    state::{Dispatcher, entity},
};

pub(super) fn routes() -> Routes<Dispatcher> {
    vec![
        Route::wait::<call::HandoffOffer, _>(offer),
        Route::wait::<call::HandoffAccept, _>(accept),
        Route::wait::<call::HandoffDecline, _>(decline),
        Route::wait::<call::HandoffComplete, _>(complete),
        Route::wait::<call::HandoffWithdraw, _>(withdraw),
        Route::read::<call::HandoffList>(list),
        Route::wait::<call::HandoffShow, _>(show),
    ]
}

fn no_handoff(id: &HandoffId) -> Fault {
    Fault::not_found(format!(
        "there is no {id} in this mission; dispatcher.handoff_list shows those there are"
    ))
}

fn reply(recorded: &Recorded<Handoff>) -> HandoffReply {
    HandoffReply { handoff: recorded.state.as_ref().clone(), revision: recorded.revision }
}

/// A handoff as it stands, also if another replica recorded it a moment ago.
async fn known(state: &Dispatcher, call: &Call, id: &HandoffId) -> Answer<Recorded<Handoff>> {
    let look = || {
        let entry = state.handoffs.get(call.mission(), &id.into())?;
        Some(Recorded { revision: entry.revision, state: entry.state })
    };
    if let Some(found) = look() {
        return Ok(found);
    }
    call.writer.refresh(&entity(call.mission(), EntityName::Handoff, id)).await?;
    look().ok_or_else(|| no_handoff(id))
}

/// Records what `decide` makes of a handoff, and tells the board.
async fn record(
    state: &Dispatcher,
    call: &Call,
    id: &HandoffId,
    decide: impl Fn(&Handoff) -> Result<Verdict<Handoff>, Fault> + Send + Sync,
) -> Answer<Recorded<Handoff>> {
    let of = entity(call.mission(), EntityName::Handoff, id);
    let decide = |current: Option<&Handoff>| decide(current.ok_or_else(|| no_handoff(id))?);
    let recorded = call.writer.record(&state.handoffs, &of, decide).await?;
    state.note_handoff(&of);
    Ok(recorded)
}

async fn offer(state: Arc<Dispatcher>, call: Arc<Call>, request: HandoffOffer) -> Answer<HandoffReply> {
    if call.mission().is_kluster() {
        return Err(Fault::invalid("a handoff is of a mission; name one"));
    }
    let HandoffOffer { offer, signature } = request;
    let from = call.agent_id()?;
    let id = handoff_id(call.mission(), &from, &offer);
    // What was offered is not held against anything again, however late it comes once more.
    if let Ok(found) = known(&state, &call, &id).await {
        return Ok(reply(&found));
    }
    signed(&call, &from, &offer, &signature)?;
    let details = reasons(&state, &call, &from, &offer).await?;
    if !details.is_empty() {
        return Err(rule::refuse(details, "the handoff does not fit; nothing was recorded"));
    }
    let wanted = wanted(&call, id, (from, offer), signature)?;
    let of = entity(call.mission(), EntityName::Handoff, &wanted.id);
    let recorded = call.writer.record(&state.handoffs, &of, |now| Ok(rule::offer(now, &wanted))).await?;
    state.note_handoff(&of);
    Ok(reply(&recorded))
}

/// Refuses an offer that its sender did not sign.
fn signed(call: &Call, from: &AgentId, offer: &Offer, signature: &str) -> Answer<()> {
    let wrong =
        |message: String| Fault::denied("the offer is not signed by its sender").at("/signature", message);
    let bytes = decode_base64url(signature).ok_or_else(|| wrong("expected unpadded base64url".to_owned()))?;
    let text = offer_text(call.mission(), from, offer);
    verify_text(&call.agent()?.key, &text, &bytes).map_err(|error| {
        wrong(format!("{error}: expected one by {from}'s identity key, of the offer's text"))
    })
}

fn wanted(call: &Call, id: HandoffId, (from, offer): (AgentId, Offer), signature: String) -> Answer<Handoff> {
    let session = call.session()?;
    let (agent, key_revision) =
        call.standing.agent.as_ref().ok_or_else(|| Fault::denied("this call is for agents"))?;
    let by = call.subject.caller.clone();
    Ok(Handoff {
        id,
        mission: call.mission().clone(),
        from,
        owner: session.owner.clone(),
        session: session.id.clone(),
        request: session.request.clone(),
        offer,
        signature,
        key: agent.key.clone(),
        key_revision: *key_revision,
        offered_at_ms: call.now_ms,
        state: HandoffState::Offered,
        receiver: None,
        result: None,
        reason: None,
        history: vec![HandoffStep { state: HandoffState::Offered, by, at_ms: call.now_ms }],
    })
}

/// Everything that does not fit about an offer. What seems to be missing is looked for again once all is known
/// that is stored by now.
async fn reasons(state: &Dispatcher, call: &Call, from: &AgentId, offer: &Offer) -> Answer<Vec<Detail>> {
    let reader = reader(state, call, offer);
    let unusable = unusable(state, call, reader, &offer.artifacts).await?;
    let revisions = revisions(call, &offer.preconditions).await?;
    let look = || rule::reasons(offer, &seen(state, call, from, offer, (&revisions, &unusable)), call.now_ms);
    let found = look();
    if found.is_empty() {
        return Ok(found);
    }
    state.catch_up(call).await?;
    Ok(look())
}

fn seen(
    state: &Dispatcher,
    call: &Call,
    from: &AgentId,
    offer: &Offer,
    (revisions, unusable): (&[u64], &[Option<String>]),
) -> Seen {
    let here = Here { state, call };
    Seen {
        input: here.violations(&offer.input_contract, &offer.input),
        has_output_contract: here.has_contract(&offer.output_contract),
        has_task: offer.task.as_ref().is_none_or(|task| state.found_anywhere(call.mission(), task).is_ok()),
        revisions: revisions.to_vec(),
        unusable: unusable.to_vec(),
        receiver: receiver(state, from, offer, call.mission()),
    }
}

fn receiver(state: &Dispatcher, from: &AgentId, offer: &Offer, mission: &Mission) -> Vec<Detail> {
    let known: Vec<Arc<Agent>> = match &offer.to {
        Receiver::Agent { agent } => {
            state.directory.agent(agent).map(|entry| entry.state).into_iter().collect()
        }
        Receiver::Role { .. } => state.directory.agents.all(|agent, _| agent.roles.contains_key(mission)),
    };
    rule::receiver(offer, from, mission, known.iter().map(|agent| agent.as_ref()))
}

/// Who has to be able to read what an offer comes with: its receiver where that is one agent of the mission,
/// else whoever asks.
fn reader(state: &Dispatcher, call: &Call, offer: &Offer) -> (String, Role) {
    if let Receiver::Agent { agent } = &offer.to {
        let known = state.directory.agent(agent);
        let role = known.and_then(|entry| entry.state.roles.get(call.mission()).copied());
        if let Some(role) = role {
            return (agent.to_string(), role);
        }
    }
    (call.subject.caller.to_string(), call.role())
}

/// Of each stored content why its reader cannot use it.
async fn unusable(
    state: &Dispatcher,
    call: &Call,
    (reader, role): (String, Role),
    artifacts: &[ArtifactRef],
) -> Answer<Vec<Option<String>>> {
    if artifacts.is_empty() {
        return Ok(Vec::new());
    }
    let reader = Caller::new(&reader).map_err(|error| Fault::internal(error.to_string()))?;
    let vouch = Vouch { digests: Vec::new(), artifacts: artifacts.to_vec(), reader, role };
    let timeout_ms = u64::try_from(call.deadline().remaining().as_millis()).ok();
    let client = state.client.clone().in_mission(call.mission().clone());
    let options = Options { timeout_ms, ..Options::default() };
    let meant = client.call_with::<call::ArtifactVouch>(&vouch, &options).await?.reply.meant;
    if meant.len() != artifacts.len() {
        return Err(Fault::internal(
            "the service artifacts answered about other content than it was asked about",
        ));
    }
    let why = |meaning| match meaning {
        Meaning::Content(_) => None,
        Meaning::Unusable(why) => Some(why),
    };
    Ok(meant.into_iter().map(why).collect())
}

fn asker<'a>(call: &'a Call, agent: &'a AgentId) -> Asker<'a> {
    Asker { agent, caller: &call.subject.caller, role: call.role() }
}

fn taken(call: &Call, by: &AgentId) -> Answer<Taken> {
    let session = call.session()?;
    Ok(Taken {
        by: by.clone(),
        owner: session.owner.clone(),
        session: session.id.clone(),
        at_ms: call.now_ms,
    })
}

/// Everything is checked again: what an offer rests on may have moved on. If an entity has, nobody can accept it
/// any more, and the handoff says so.
async fn accept(state: Arc<Dispatcher>, call: Arc<Call>, request: HandoffAccept) -> Answer<HandoffReply> {
    let me = call.agent_id()?;
    let (by, taken) = (asker(&call, &me), taken(&call, &me)?);
    let found = known(&state, &call, &request.handoff).await?;
    rule::addressed(&found.state, &by)?;
    if found.state.state == HandoffState::Offered {
        let offer = &found.state.offer;
        let mut details = reasons(&state, &call, &found.state.from, offer).await?;
        if matches!(offer.to, Receiver::Role { .. }) {
            details.extend(unfit(&state, &call, &me, offer).await?);
        }
        if !details.is_empty() {
            spoil(&state, &call, &found.state, &details).await?;
            return Err(rule::refuse(details, "the handoff does not fit any more; it was not accepted"));
        }
    }
    let recorded = record(&state, &call, &request.handoff, |now| rule::accept(now, &by, &taken)).await?;
    Ok(reply(&recorded))
}

/// Why whoever accepts could not take what is offered to many. What it said of itself a moment ago counts.
async fn unfit(state: &Dispatcher, call: &Call, me: &AgentId, offer: &Offer) -> Answer<Vec<Detail>> {
    let found = rule::unfit(offer, call.agent()?, call.mission());
    if found.is_empty() {
        return Ok(found);
    }
    state.catch_up(call).await?;
    let agent = state.directory.agent(me).ok_or_else(|| Fault::denied("this call is for agents"))?;
    Ok(rule::unfit(offer, &agent.state, call.mission()))
}

/// Records that what an offer rests on has moved on, if it has.
async fn spoil(state: &Dispatcher, call: &Call, handoff: &Handoff, details: &[Detail]) -> Answer<()> {
    let moved = details.iter().filter(|detail| detail.at.starts_with("/offer/preconditions/"));
    let said: Vec<_> = moved.map(|detail| detail.message.as_str()).collect();
    if said.is_empty() {
        return Ok(());
    }
    let (reason, by) = (said.join("; "), &call.subject.caller);
    let of: Entity = entity(call.mission(), EntityName::Handoff, &handoff.id);
    let decide = |now: Option<&Handoff>| {
        let now = now.ok_or_else(|| no_handoff(&handoff.id))?;
        Ok(rule::spoil(now, by, &reason, call.now_ms))
    };
    call.writer.follow_up("stale").record(&state.handoffs, &of, decide).await?;
    state.note_handoff(&of);
    Ok(())
}

async fn decline(state: Arc<Dispatcher>, call: Arc<Call>, request: HandoffEnd) -> Answer<HandoffReply> {
    let me = call.agent_id()?;
    let (by, taken) = (asker(&call, &me), taken(&call, &me)?);
    let HandoffEnd { handoff, reason } = request;
    known(&state, &call, &handoff).await?;
    let recorded = record(&state, &call, &handoff, |now| rule::decline(now, &by, &taken, &reason)).await?;
    Ok(reply(&recorded))
}

async fn complete(state: Arc<Dispatcher>, call: Arc<Call>, request: HandoffComplete) -> Answer<HandoffReply> {
    let me = call.agent_id()?;
    let by = asker(&call, &me);
    let HandoffComplete { handoff, output, artifacts } = request;
    let found = known(&state, &call, &handoff).await?;
    let result = HandoffResult { digest: Digest::of_json(&output), output, artifacts, at_ms: call.now_ms };
    rule::complete(&found.state, &by, &result)?;
    if found.state.state == HandoffState::Accepted {
        let details = shortcomings(&state, &call, &found.state, &result).await?;
        if !details.is_empty() {
            return Err(rule::refuse(details, "it is not what was expected; nothing was recorded"));
        }
    }
    let recorded = record(&state, &call, &handoff, |now| rule::complete(now, &by, &result)).await?;
    Ok(reply(&recorded))
}

/// Everything by which a result is not what was expected. The sender has to be able to read what belongs to it.
async fn shortcomings(
    state: &Dispatcher,
    call: &Call,
    handoff: &Handoff,
    result: &HandoffResult,
) -> Answer<Vec<Detail>> {
    let mut found = rule::bounds("/output", &result.output);
    let pin = &handoff.offer.output_contract;
    let violations = Here { state, call }.violations(pin, &result.output);
    // An offer with an unknown contract is refused, so this replica is behind.
    let violations =
        violations.ok_or_else(|| Fault::unavailable(format!("{pin} is not known here yet; try again")))?;
    found.extend(violations.into_iter().map(|wrong| Detail { at: format!("/output{}", wrong.at), ..wrong }));
    let sender = state.directory.agent(&handoff.from);
    let role = sender.and_then(|entry| entry.state.roles.get(call.mission()).copied());
    let reader = (handoff.from.to_string(), role.unwrap_or_else(|| call.role()));
    for (index, why) in unusable(state, call, reader, &result.artifacts).await?.into_iter().enumerate() {
        found.extend(why.map(|message| Detail { at: format!("/artifacts/{index}"), message }));
    }
    Ok(found)
}

async fn withdraw(state: Arc<Dispatcher>, call: Arc<Call>, request: HandoffEnd) -> Answer<HandoffReply> {
    let HandoffEnd { handoff, reason } = request;
    let by = (&call.subject.caller, call.owner(), call.role());
    known(&state, &call, &handoff).await?;
    let recorded =
        record(&state, &call, &handoff, |now| rule::withdraw(now, by, &reason, call.now_ms)).await?;
    Ok(reply(&recorded))
}

async fn show(state: Arc<Dispatcher>, call: Arc<Call>, request: HandoffShow) -> Answer<HandoffReply> {
    let entry = state.handoffs.get(call.mission(), &(&request.handoff).into());
    let entry = entry.ok_or_else(|| no_handoff(&request.handoff))?;
    Ok(reply(&Recorded { revision: entry.revision, state: entry.state }))
}

fn list(state: &Dispatcher, call: &Call, request: HandoffList) -> Answer<Handoffs> {
    let after = request.after.as_ref().map(EntityId::from);
    let keep = |handoff: &Handoff| is_wanted(handoff, &request, call);
    let (found, more) = state.handoffs.page(call.mission(), after.as_ref(), page::size(request.limit), keep);
    let lines: Vec<HandoffLine> = found.iter().map(|handoff| handoff.line()).collect();
    let (handoffs, more) = page::holding(lines, more);
    Ok(Handoffs { handoffs, more })
}

fn is_wanted(handoff: &Handoff, request: &HandoffList, call: &Call) -> bool {
    let me = call.subject.caller.as_str();
    let of_state =
        request.state.map_or_else(|| request.all || handoff.state.is_open(), |state| state == handoff.state);
    let to_me = || match &handoff.receiver {
        Some(receiver) => receiver.by.as_str() == me,
        None => match &handoff.offer.to {
            Receiver::Agent { agent } => agent.as_str() == me,
            Receiver::Role { role, .. } => *role == call.role() && handoff.from.as_str() != me,
        },
    };
    let in_queue = |wanted| matches!(&handoff.offer.to, Receiver::Role { queue, .. } if queue == wanted);
    of_state
        && (!request.to_me || to_me())
        && (!request.from_me || handoff.from.as_str() == me)
        && request.queue.as_ref().is_none_or(in_queue)
        && request.task.as_ref().is_none_or(|task| handoff.offer.task.as_ref() == Some(task))
}
