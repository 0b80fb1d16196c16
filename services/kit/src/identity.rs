//! Who the callers are: the sessions and agents that every service follows, so that a credential
//! whose session has ended is worth nothing at once, wherever it is shown.

use std::sync::Arc;

use selvedge_contracts::{
    fact::EntityName,
    fault::Fault,
    id::{AgentId, EntityId, Mission, PublicKey, ScopeId},
    payload::{
        agent::{Agent, AgentStatus},
        session::Session,
    },
    role::Role,
    subject::{Entity, Request},
};

use crate::{
    clock::Deadline,
    view::{Entry, Feed, View},
};

/// The sessions and agents of the kluster.
#[derive(Clone, Default)]
pub struct Directory {
    /// Every session.
    pub sessions: Arc<View<Session>>,
    /// Every agent.
    pub agents: Arc<View<Agent>>,
}

/// Who stands behind a request, beyond what its subject says.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// The session whose credential is used; services, invites and doors have none.
    pub session: Option<Arc<Session>>,
    /// The agent that asks, and the revision of its last fact.
    pub agent: Option<(Arc<Agent>, u64)>,
}

impl Standing {
    /// Whether `key` is the identity key of the agent that asks; true where no agent is known.
    pub(crate) fn holds(&self, key: &PublicKey) -> bool {
        self.agent.as_ref().is_none_or(|(agent, _)| agent.key == *key)
    }
}

impl Directory {
    /// The agent, if there is one.
    pub fn agent(&self, id: &AgentId) -> Option<Entry<Agent>> {
        self.agents.get(&Mission::kluster(), &EntityId::from(id))
    }

    /// The session, if there is one.
    pub fn session(&self, mission: &Mission, id: &ScopeId) -> Option<Entry<Session>> {
        self.sessions.get(mission, &EntityId::from(id))
    }

    /// Who stands behind a request whose subject nats-server has proved. What the view does not know
    /// yet is asked of the ledger before it is refused.
    ///
    /// # Errors
    /// [`Fault`] `denied` if the session has ended or the agent may not act; `unavailable` if the
    /// ledger cannot be asked.
    pub async fn standing(
        &self,
        request: &Request,
        now_ms: u64,
        feed: &Feed,
        deadline: Deadline,
    ) -> Result<Standing, Fault> {
        match self.known_standing(request, now_ms) {
            Err(_) => {
                self.refresh(request, feed, deadline).await?;
                self.known_standing(request, now_ms)
            }
            known => known,
        }
    }

    /// Takes in what the ledger's leader knows of whoever asks.
    ///
    /// # Errors
    /// `unavailable` if it cannot be asked.
    pub(crate) async fn refresh(
        &self,
        request: &Request,
        feed: &Feed,
        deadline: Deadline,
    ) -> Result<(), Fault> {
        for entity in entities_behind(request) {
            let refreshed = feed.refresh(&entity, deadline).await;
            refreshed.map_err(|error| Fault::unavailable(format!("cannot look up who asks: {error}")))?;
        }
        Ok(())
    }

    /// The same from the views alone.
    ///
    /// # Errors
    /// [`Fault`] `denied`.
    pub fn known_standing(&self, request: &Request, now_ms: u64) -> Result<Standing, Fault> {
        match request.scope.role {
            role if role.is_member() => self.member(request, role, now_ms),
            Role::Door => self.door(request),
            _ => Ok(Standing::default()),
        }
    }

    fn member(&self, request: &Request, role: Role, now_ms: u64) -> Result<Standing, Fault> {
        let session_mission =
            if role == Role::Operator { Mission::kluster() } else { request.mission.clone() };
        let scope = &request.scope.id;
        let session = self.session(&session_mission, scope).map(|entry| entry.state);
        let session = session.ok_or_else(|| Fault::denied(format!("there is no session {scope}")))?;
        if session.agent.as_str() != request.caller.as_str() || session.role != role {
            return Err(Fault::denied(format!("session {scope} is not {}'s as {role}", request.caller)));
        }
        if !session.is_open(now_ms) {
            return Err(Fault::denied(format!(
                "session {scope} is over; start a new one with registry.session_start"
            )));
        }
        let agent = self.active(&session.agent)?;
        // The registry ends the sessions of a retired agent and of a role that was replaced, but nobody
        // waits for it.
        if agent.state.roles.get(&session.mission) != Some(&session.role) {
            return Err(Fault::denied(format!(
                "{} is no longer a {role} in the mission {}; start a new session",
                session.agent, session.mission
            )));
        }
        Ok(Standing { session: Some(session), agent: Some((agent.state, agent.revision)) })
    }

    fn door(&self, request: &Request) -> Result<Standing, Fault> {
        let id = AgentId::new(request.caller.as_str()).map_err(|error| Fault::denied(error.to_string()))?;
        let agent = self.active(&id)?;
        Ok(Standing { session: None, agent: Some((agent.state, agent.revision)) })
    }

    fn active(&self, id: &AgentId) -> Result<Entry<Agent>, Fault> {
        let agent = self.agent(id).ok_or_else(|| Fault::denied(format!("there is no agent {id}")))?;
        match agent.state.status {
            AgentStatus::Active => Ok(agent),
            AgentStatus::Retired => Err(Fault::denied(format!("agent {id} is retired"))),
        }
    }
}

/// The entities that say whether a caller may act.
fn entities_behind(request: &Request) -> Vec<Entity> {
    let mission =
        if request.scope.role == Role::Operator { Mission::kluster() } else { request.mission.clone() };
    let session = Entity { mission, name: EntityName::Session, id: EntityId::from(&request.scope.id) };
    let agent = AgentId::new(request.caller.as_str()).ok().map(|id| Entity {
        mission: Mission::kluster(),
        name: EntityName::Agent,
        id: EntityId::from(&id),
    });
    std::iter::once(session).chain(agent).collect()
}
