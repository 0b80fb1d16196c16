//! Sessions and tasks' credentials: start, grant, renew, heartbeat, end, list.

use std::sync::Arc;

use selvedge_contracts::{
    fact::EntityName,
    fault::Fault,
    id::{EntityId, RequestId, ScopeId},
    payload::{
        Nothing,
        agent::AgentStatus,
        request::RequestStatus,
        session::{
            CredentialRenew, Heartbeat, Session, SessionEnd, SessionEnded, SessionList, SessionReply,
            SessionStart, Sessions, TaskGrant,
        },
    },
    role::Role,
    subject::Entity,
};
use selvedge_kit::{
    authority::jwt::Life,
    bucket::Expect,
    service::{Answer, Call},
};

use super::{agent::agent_of, fitting, page_size};
use crate::{
    session as rule,
    state::{Registry, agent_entity, presence_key, session_entity},
};

pub(super) async fn start(
    state: Arc<Registry>,
    call: Arc<Call>,
    request: SessionStart,
) -> Answer<SessionReply> {
    let agent = call.agent_id()?;
    check_request(&state, &call, request.request.as_ref()).await?;
    let digest = call.digest_or_random().derive("session");
    let id = ScopeId::new(&format!("session_{}", digest.id_hex()))
        .map_err(|error| Fault::internal(error.to_string()))?;
    let entity = session_entity(call.mission(), &id);
    let decide = |current: Option<&Session>| {
        let agent = agent_of(&state, &agent)?.state;
        rule::start(current, &id, &agent, call.mission(), &request, call.now_ms)
    };
    if decide(None).is_err() {
        call.writer.refresh(&agent_entity(&agent)).await?;
    }
    let recorded = call.writer.record(&state.directory.sessions, &entity, decide).await?;
    let opened = opened(&state, &call, &recorded.state).await?;
    // Only now is it known that the key that signed is still the agent's.
    let key = call.signature.as_ref().map(|signature| &signature.key);
    let door = key.map(|key| state.door(call.mission(), &agent, key, call.now_ms)).transpose()?;
    Ok(SessionReply { door, ..opened })
}

pub(super) async fn grant(state: Arc<Registry>, call: Arc<Call>, request: TaskGrant) -> Answer<SessionReply> {
    check_request(&state, &call, request.request.as_ref()).await?;
    let entity = session_entity(call.mission(), &request.task);
    let decide = |current: Option<&Session>| {
        let agent = agent_of(&state, &request.agent)?.state;
        rule::grant(current, &agent, call.mission(), &request, call.now_ms)
    };
    if decide(None).is_err() {
        call.writer.refresh(&agent_entity(&request.agent)).await?;
    }
    let recorded = call.writer.record(&state.directory.sessions, &entity, decide).await?;
    opened(&state, &call, &recorded.state).await
}

pub(super) async fn renew(
    state: Arc<Registry>,
    call: Arc<Call>,
    request: CredentialRenew,
) -> Answer<SessionReply> {
    let id = &call.session()?.id;
    let decide = |current: Option<&Session>| {
        rule::renew(current.ok_or_else(|| no_session(id))?, &request, call.now_ms)
    };
    let recorded =
        call.writer.record(&state.directory.sessions, &session_entity(call.mission(), id), decide).await?;
    opened(&state, &call, &recorded.state).await
}

/// Marks the session present and signs its credential.
async fn opened(state: &Registry, call: &Call, session: &Session) -> Answer<SessionReply> {
    if !session.is_open(call.now_ms) {
        return Err(Fault::conflict(format!("session {} is over; start a new one", session.id)));
    }
    hold_to_its_agent(state, call, session).await?;
    mark_present(state, call, session).await?;
    let life = Life { now_ms: call.now_ms, expires_at_ms: session.expires_at_ms };
    let Session { role, mission, agent, id, credential_key, .. } = session;
    let credential = state.credential(*role, mission, agent, id, credential_key, life)?;
    Ok(SessionReply { session: session.clone(), credential, door: None })
}

/// Ends the session again if its agent was retired, or its role or the key that signed for it replaced,
/// before it was recorded: the view may have been behind, and the follower of that fact has passed by.
async fn hold_to_its_agent(state: &Registry, call: &Call, session: &Session) -> Answer<()> {
    call.writer.refresh(&agent_entity(&session.agent)).await?;
    let agent = agent_of(state, &session.agent)?.state;
    let signed_by = call.signature.as_ref().map(|signature| &signature.key);
    let why = match (agent.status, signed_by) {
        (AgentStatus::Retired, _) => "the agent is retired",
        (AgentStatus::Active, Some(key)) if *key != agent.key => "the agent's key was replaced",
        (AgentStatus::Active, _) if agent.roles.get(&session.mission) != Some(&session.role) => {
            "the agent's role was replaced"
        }
        (AgentStatus::Active, _) => return Ok(()),
    };
    let decide =
        |current: Option<&Session>| Ok(rule::end(current.ok_or_else(|| no_session(&session.id))?, Some(why)));
    let writer = call.writer.follow_up("end");
    writer.record(&state.directory.sessions, &session_entity(&session.mission, &session.id), decide).await?;
    Err(Fault::denied(format!("session {} was ended at once: {why}", session.id)))
}

async fn mark_present(state: &Registry, call: &Call, session: &Session) -> Answer<()> {
    if session.presence_ttl_ms == 0 {
        return Ok(());
    }
    let key = presence_key(&session.mission, &session.agent, &session.id);
    let put =
        state.presence.put(&key, "".into(), session.presence_ttl_ms, Expect::Anything, call.deadline()).await;
    put.map_err(|error| Fault::unavailable(format!("presence cannot be marked: {error}")))?;
    Ok(())
}

pub(super) async fn heartbeat(state: Arc<Registry>, call: Arc<Call>, _: Nothing) -> Answer<Heartbeat> {
    let session = call.session()?;
    mark_present(&state, &call, session).await?;
    let present_until_ms = call.now_ms + session.presence_ttl_ms;
    Ok(Heartbeat { present_until_ms, expires_at_ms: session.expires_at_ms })
}

pub(super) async fn end(state: Arc<Registry>, call: Arc<Call>, request: SessionEnd) -> Answer<SessionEnded> {
    let id = request.session.as_ref().unwrap_or(&call.subject.scope.id);
    let mission = match (&request.mission, &call.standing.session) {
        (Some(mission), _) => mission.clone(),
        (None, Some(own)) if own.id == *id => own.mission.clone(),
        _ => call.mission().clone(),
    };
    let decide = |current: Option<&Session>| {
        let session = current.ok_or_else(|| no_session(id))?;
        rule::may_end(&call.subject.caller, &call.subject.scope, session)?;
        Ok(rule::end(session, request.reason.as_deref()))
    };
    let ended = call.writer.record(&state.directory.sessions, &session_entity(&mission, id), decide).await?;
    let session = ended.state.as_ref().clone();
    let key = presence_key(&session.mission, &session.agent, &session.id);
    if session.presence_ttl_ms > 0 {
        // The key would die by itself; deleting it only spares the follower an expiry that changes nothing.
        let _ = state.presence.delete(&key, call.deadline()).await;
    }
    Ok(SessionEnded { session })
}

pub(super) async fn list(state: Arc<Registry>, call: Arc<Call>, request: SessionList) -> Answer<Sessions> {
    let SessionList { mission, agent, status, after, limit } = request;
    let mission = mission.unwrap_or_else(|| call.mission().clone());
    if mission != *call.mission() && call.role() != Role::Operator {
        return Err(Fault::denied(format!("the sessions of {mission} are not shown in {}", call.mission())));
    }
    let keep = |session: &Session| {
        agent.as_ref().is_none_or(|agent| *agent == session.agent)
            && status.is_none_or(|status| status == session.status)
    };
    let after = after.as_ref().map(EntityId::from);
    let (sessions, more) = state.directory.sessions.page(&mission, after.as_ref(), page_size(limit), keep);
    let (sessions, more) = fitting(sessions.iter().map(|session| session.as_ref().clone()), more);
    Ok(Sessions { sessions, more })
}

/// Whether the user request that a session names exists and is open.
async fn check_request(state: &Registry, call: &Call, request: Option<&RequestId>) -> Answer<()> {
    let Some(id) = request else { return Ok(()) };
    let mission = call.mission();
    let known = || state.requests.state(mission, &EntityId::from(id));
    if known().is_none() {
        call.writer
            .refresh(&Entity { mission: mission.clone(), name: EntityName::Request, id: EntityId::from(id) })
            .await?;
    }
    match known() {
        Some(found) if found.status == RequestStatus::Open => Ok(()),
        Some(_) => Err(Fault::conflict(format!("user request {id} is closed"))),
        None => Err(Fault::not_found(format!("there is no user request {id} in {mission}"))
            .at("/request", "expected an open request; registry.request_list shows them")),
    }
}

fn no_session(id: &ScopeId) -> Fault {
    Fault::not_found(format!("there is no session {id}; registry.session_list shows those there are"))
}
