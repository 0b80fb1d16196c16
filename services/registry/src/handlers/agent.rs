//! Agents: who am I, join, register, list, show, rotate, retire.

use std::{collections::BTreeMap, sync::Arc};

use selvedge_contracts::{
    call::allowed_to,
    fact::EntityName,
    fault::Fault,
    id::{AgentId, EntityId, InviteId, Mission, PublicKey},
    payload::{
        Nothing,
        agent::{
            Agent, AgentList, AgentReply, AgentRetire, AgentRotate, AgentShow, Agents, Join, JoinReply,
            Register, RotateReply, Whoami,
        },
        invite::Invite,
    },
    role::Role,
    subject::{Entity, inbox_prefix},
};
use selvedge_kit::{
    rule::Verdict,
    service::{Answer, Call, Draft, Recorded},
    signature::verify_text,
    view::View,
};

use super::{fitting, page_size};
use crate::{
    agent as rule, invite as invite_rule,
    state::{Registry, agent_entity, in_kluster},
};

pub(super) fn whoami(_: &Registry, call: &Call, _: Nothing) -> Answer<Whoami> {
    let session = call.standing.session.as_ref();
    let narrowed = session.and_then(|session| session.calls.clone());
    Ok(Whoami {
        agent: call.subject.caller.to_string(),
        owner: call.owner().cloned().or_else(|| call.agent().ok().map(|agent| agent.owner.clone())),
        role: call.role(),
        mission: call.mission().clone(),
        scope: call.subject.scope.id.clone(),
        request: session.and_then(|session| session.request.clone()),
        expires_at_ms: session.map(|session| session.expires_at_ms),
        inbox_prefix: inbox_prefix(&call.subject.caller, &call.subject.scope),
        calls: narrowed.unwrap_or_else(|| allowed_to(call.role()).map(ToString::to_string).collect()),
    })
}

/// Most ids tried for one key: each further one needs another key whose digest starts alike.
const MOST_ID_ATTEMPTS: u32 = 8;

pub(super) async fn join(state: Arc<Registry>, call: Arc<Call>, request: Join) -> Answer<JoinReply> {
    let key = call.signature.as_ref().map(|signature| signature.key.clone());
    let key = key.ok_or_else(|| Fault::denied("join must be signed"))?;
    let id = InviteId::new(call.subject.caller.as_str()).map_err(|error| Fault::denied(error.to_string()))?;
    let invite =
        Entity { mission: call.mission().clone(), name: EntityName::Invite, id: EntityId::from(&id) };
    let drafts = || draft_join(&state, &call, &invite, &key, &request);
    call.writer.record_all(&invite, drafts).await?;
    let (invited, agent) = admitted(&state, &call, &invite, &key).await?;
    let door = state.door(&invited.mission, &agent.id, &key, call.now_ms)?;
    Ok(JoinReply {
        agent: agent.as_ref().clone(),
        mission: invited.mission.clone(),
        role: invited.role,
        door,
    })
}

/// The invite and the agent that this very key got in by. A repetition is known by the invite's holder
/// and the idempotency key, which others may know too: it says nothing of who signed.
async fn admitted(
    state: &Registry,
    call: &Call,
    invite: &Entity,
    key: &PublicKey,
) -> Answer<(Arc<Invite>, Arc<Agent>)> {
    let known = || {
        let invited = invite_of(&state.invites, invite)?;
        let agent = agent_of(state, invite_rule::redeemed_by(&invited, key)?)?.state;
        rule::check_role(&agent, key, &invited.mission, invited.role)?;
        Ok((invited, agent))
    };
    if let Ok(known) = known() {
        return Ok(known);
    }
    call.writer.refresh(invite).await?;
    let invited = invite_of(&state.invites, invite)?;
    call.writer.refresh(&agent_entity(invite_rule::redeemed_by(&invited, key)?)).await?;
    known()
}

/// The facts of a join: the agent made or changed, its key bound, the invite redeemed. All or none.
fn draft_join(
    state: &Registry,
    call: &Call,
    invite: &Entity,
    key: &PublicKey,
    request: &Join,
) -> Answer<Vec<Draft>> {
    let invited = invite_of(&state.invites, invite)?;
    let id = agent_id_for(state, key, request)?;
    let redeemed = Draft::decide(&state.invites, invite.clone(), |current| {
        invite_rule::redeem(current.unwrap_or(&invited), &id, key, call.now_ms)
    })?;
    let Some(redeemed) = redeemed else {
        return Ok(vec![]);
    };
    let joined = Draft::decide(&state.directory.agents, agent_entity(&id), |current| {
        rule::join(current, &id, key, &invited, &request.about, &request.name, call.now_ms)
    })?;
    let key_entity = in_kluster(EntityName::Key, EntityId::from(key));
    let bound =
        Draft::decide(&state.keys, key_entity, |current| rule::bind_key(current, key, &id, call.now_ms))?;
    Ok([redeemed].into_iter().chain(joined).chain(bound).collect())
}

/// The agent that holds the key, or the first id for it that no other key holds.
fn agent_id_for(state: &Registry, key: &PublicKey, request: &Join) -> Answer<AgentId> {
    if let Some(bound) = state.keys.state(&Mission::kluster(), &EntityId::from(key)) {
        return Ok(bound.agent.clone());
    }
    let ids = (0..MOST_ID_ATTEMPTS).map(|attempt| AgentId::derive(&request.name, key, attempt));
    let mut free = ids.filter(|id| state.directory.agent(id).is_none_or(|entry| entry.state.key == *key));
    free.next().ok_or_else(|| {
        Fault::conflict(format!(
            "every id of the name {} is taken for this key; choose another name",
            request.name
        ))
    })
}

fn invite_of(invites: &View<Invite>, entity: &Entity) -> Answer<Arc<Invite>> {
    let invite = invites.state(&entity.mission, &entity.id);
    invite.ok_or_else(|| {
        Fault::not_found(format!("there is no invite {}; ask an operator for a new one", entity.id))
    })
}

pub(super) async fn register(state: Arc<Registry>, call: Arc<Call>, request: Register) -> Answer<AgentReply> {
    let id = call.agent_id()?;
    change(&state, &call, &id, |agent| rule::update(agent, &request.about)).await.map(reply)
}

pub(super) async fn retire(
    state: Arc<Registry>,
    call: Arc<Call>,
    request: AgentRetire,
) -> Answer<AgentReply> {
    change(&state, &call, &request.agent, |agent| Ok(rule::retire(agent, &request.reason))).await.map(reply)
}

pub(super) async fn rotate(
    state: Arc<Registry>,
    call: Arc<Call>,
    request: AgentRotate,
) -> Answer<RotateReply> {
    if call.agent_id()? != request.agent {
        return Err(Fault::denied(format!("only {} or an operator may rotate its key", request.agent)));
    }
    replace_key(&state, &call, &request).await
}

pub(super) async fn rekey(
    state: Arc<Registry>,
    call: Arc<Call>,
    request: AgentRotate,
) -> Answer<RotateReply> {
    replace_key(&state, &call, &request).await
}

async fn replace_key(state: &Registry, call: &Call, request: &AgentRotate) -> Answer<RotateReply> {
    let AgentRotate { agent, key, proof } = request;
    prove(agent, key, proof)?;
    let (entity, key_entity) = (agent_entity(agent), in_kluster(EntityName::Key, EntityId::from(key)));
    let drafts = || {
        let rotated = Draft::decide(&state.directory.agents, entity.clone(), |current| {
            let current = current.ok_or_else(|| no_agent(agent))?;
            let is_signed_by =
                |key: &PublicKey| call.signature.as_ref().is_some_and(|signature| signature.key == *key);
            if call.role() == Role::Door && !is_signed_by(&current.key) {
                // Judged by a view that was behind: whoever signed holds the key no more.
                return Err(Fault::denied(format!("the signature is not by {agent}'s identity key")));
            }
            rule::rotate(current, key)
        })?;
        let bound = Draft::decide(&state.keys, key_entity.clone(), |current| {
            rule::bind_key(current, key, agent, call.now_ms)
        })?;
        Ok(bound.into_iter().chain(rotated).collect())
    };
    call.writer.record_all(&entity, drafts).await?;
    let agent = agent_of(state, agent)?.state;
    if agent.key != *key {
        // A repetition after the next replacement; it must not open a door to a key that counts no more.
        return Err(Fault::conflict(format!(
            "the key of {} has been replaced by another one since",
            agent.id
        )));
    }
    let doors: BTreeMap<_, _> = agent
        .roles
        .keys()
        .map(|mission| Ok((mission.clone(), state.door(mission, &agent.id, key, call.now_ms)?)))
        .collect::<Answer<_>>()?;
    Ok(RotateReply { agent: agent.as_ref().clone(), doors })
}

/// Holds the new key's signature against what it must have signed.
fn prove(agent: &AgentId, key: &PublicKey, proof: &str) -> Answer<()> {
    let wrong = |reason: String| Fault::denied("the new key is not proved to be held").at("/proof", reason);
    let signature = selvedge_kit::signature::decode_base64url(proof)
        .ok_or_else(|| wrong("expected unpadded base64url".to_owned()))?;
    verify_text(key, &AgentRotate::proof_text(agent, key), &signature)
        .map_err(|error| wrong(error.to_string()))
}

async fn change(
    state: &Registry,
    call: &Call,
    id: &AgentId,
    decide: impl Fn(&Agent) -> Answer<Verdict<Agent>> + Send + Sync,
) -> Answer<Recorded<Agent>> {
    let decide = |agent: Option<&Agent>| decide(agent.ok_or_else(|| no_agent(id))?);
    call.writer.record(&state.directory.agents, &agent_entity(id), decide).await
}

fn reply(recorded: Recorded<Agent>) -> AgentReply {
    AgentReply { agent: recorded.state.as_ref().clone(), revision: recorded.revision }
}

fn no_agent(id: &AgentId) -> Fault {
    Fault::not_found(format!("there is no agent {id}; registry.agent_list shows those there are"))
}

/// The agent, or the refusal that says there is none.
pub(super) fn agent_of(state: &Registry, id: &AgentId) -> Answer<Recorded<Agent>> {
    let entry = state.directory.agent(id).ok_or_else(|| no_agent(id))?;
    Ok(Recorded { revision: entry.revision, state: entry.state })
}

pub(super) fn show(state: &Registry, _: &Call, request: AgentShow) -> Answer<AgentReply> {
    agent_of(state, &request.agent).map(reply)
}

pub(super) async fn list(state: Arc<Registry>, _: Arc<Call>, request: AgentList) -> Answer<Agents> {
    let AgentList { mission, role, after, limit } = request;
    let keep = |agent: &Agent| {
        let mut roles =
            agent.roles.iter().filter(|(of, _)| mission.as_ref().is_none_or(|mission| mission == *of));
        roles.any(|(_, has)| role.is_none_or(|role| role == *has))
    };
    let after = after.as_ref().map(EntityId::from);
    let (agents, more) =
        state.directory.agents.page(&Mission::kluster(), after.as_ref(), page_size(limit), keep);
    let (agents, more) = fitting(agents.iter().map(|agent| agent.as_ref().clone()), more);
    Ok(Agents { agents, more })
}
