//! What follows from a fact, an expired presence or a due timer, done once by one replica.

use std::sync::Arc;

use selvedge_contracts::{
    fact::{AGENT_JOINED, EntityName},
    fault::Fault,
    id::{AgentId, Mission, ScopeId},
    payload::{
        agent::Joined,
        invite::Invite,
        session::{Session, SessionStatus},
    },
    stream::{REGISTRY_DUE, REGISTRY_ENDS, REGISTRY_PRESENCE, REGISTRY_TIMERS},
};
use selvedge_kit::{
    bucket::Expect,
    clock::{Deadline, now_ms},
    follow::{self, Delivery},
    ledger::{AppendError, FactRecord, Ledger},
    timer::{Due, entity_of},
    view::Feed,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::warn;

use crate::{
    invite, session,
    state::{Registry, presence_key, session_entity},
};

/// Name of the timer that ends an invite.
const EXPIRY: &str = "expiry";
/// Longest wait for one step of this work, in milliseconds.
const STEP_MS: u64 = 5_000;
/// Longest time for marking all open sessions, in milliseconds.
const MARK_MS: u64 = 30_000;

/// Starts all followers.
pub(crate) fn start(
    state: &Arc<Registry>,
    ledger: &Ledger,
    feed: &Feed,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) {
    let followers = [REGISTRY_ENDS, REGISTRY_TIMERS, REGISTRY_DUE, REGISTRY_PRESENCE];
    for follower in followers {
        let state = Arc::clone(state);
        let work = move |delivery: Arc<Delivery>| {
            let state = Arc::clone(&state);
            async move {
                match follower.name {
                    name if name == REGISTRY_ENDS.name => end_sessions(&state, &delivery).await,
                    name if name == REGISTRY_TIMERS.name => arm_expiry(&state, &delivery).await,
                    name if name == REGISTRY_DUE.name => expire(&state, &delivery).await,
                    _ => lose(&state, &delivery).await,
                }
            }
        };
        follow::start(follower, ledger.clone(), feed.clone(), tasks, stop.clone(), work);
    }
    let (state, bus, stop) = (Arc::clone(state), ledger.bus().clone(), stop.clone());
    tasks.spawn(async move {
        let mut connects = bus.connects();
        while stop.run_until_cancelled(connects.changed()).await.is_some_and(|changed| changed.is_ok()) {
            mark_open_sessions(&state).await;
        }
    });
}

/// Ends the open sessions of an agent that was retired or whose key was replaced; of one that joined, those
/// in that mission in another role.
async fn end_sessions(state: &Registry, delivery: &Delivery) -> Result<(), Fault> {
    let fact = delivery.fact().map_err(|error| Fault::invalid(error.to_string()))?;
    let agent =
        AgentId::new(fact.fact.entity.id.as_str()).map_err(|error| Fault::invalid(error.to_string()))?;
    let joined = (fact.fact.kind == AGENT_JOINED.kind.name).then(|| change_of(&fact)).transpose()?;
    let reason = match &joined {
        Some(Joined { mission, role }) => format!("the agent became a {role} in the mission {mission}"),
        None => format!("the agent was {}", fact.fact.kind),
    };
    let is_concerned = |session: &Session| {
        let is_replaced = |to: &Joined| session.mission == to.mission && session.role != to.role;
        session.agent == agent && joined.as_ref().is_none_or(is_replaced)
    };
    delivery.is_in_view().await?;
    // By revision, not by time: replicas' clocks differ. A session recorded later was checked then.
    for open in open_sessions(state, |session, revision| is_concerned(session) && revision < fact.revision) {
        let entity = session_entity(&open.mission, &open.id);
        let writer = delivery.writer(&open.mission, &fact.envelope.id, &fact.envelope.root);
        let decide = |current: Option<&Session>| {
            current.map(|session| session::end(session, Some(&reason))).ok_or_else(gone)
        };
        writer.record(&state.directory.sessions, &entity, decide).await?;
    }
    Ok(())
}

/// What changed, as a fact of joining says it.
fn change_of(fact: &FactRecord) -> Result<Joined, Fault> {
    #[derive(serde::Deserialize)]
    struct Changed {
        change: Joined,
    }
    let read = serde_json::from_slice::<Changed>(&fact.envelope.payload);
    read.map(|Changed { change }| change).map_err(|error| Fault::invalid(error.to_string()))
}

fn open_sessions(state: &Registry, keep: impl Fn(&Session, u64) -> bool) -> Vec<Arc<Session>> {
    state
        .directory
        .sessions
        .all(|session, revision| session.status == SessionStatus::Open && keep(session, revision))
}

/// Arms the timer of an invite that was made.
async fn arm_expiry(state: &Registry, delivery: &Delivery) -> Result<(), Fault> {
    #[derive(serde::Deserialize)]
    struct Created {
        state: Invite,
    }
    let fact = delivery.fact().map_err(|error| Fault::invalid(error.to_string()))?;
    let created: Created =
        serde_json::from_slice(&fact.envelope.payload).map_err(|error| Fault::invalid(error.to_string()))?;
    let due = Due { revision: fact.revision, attempt: 0, at_ms: created.state.expires_at_ms };
    let armed = state.timers.arm(&fact.fact.entity, EXPIRY, &due, Deadline::in_ms(STEP_MS)).await;
    armed.map_err(|error| Fault::unavailable(error.to_string()))
}

/// Records an invite whose timer is due as expired, unless it has moved on.
async fn expire(state: &Registry, delivery: &Delivery) -> Result<(), Fault> {
    let (Some(entity), Ok(due)) =
        (entity_of(&delivery.subject), serde_json::from_slice::<Due>(&delivery.body))
    else {
        return Err(Fault::invalid(format!("{} is no timer of ours", delivery.subject)));
    };
    if entity.name != EntityName::Invite {
        return Err(Fault::invalid(format!("{entity} has no timers here")));
    }
    let writer = delivery.writer(&entity.mission, &format!("timer at {}", due.at_ms), "");
    let decide = |current: Option<&Invite>| {
        current.map(|invite| invite::expire(invite, now_ms().max(due.at_ms))).ok_or_else(gone)
    };
    writer.record(&state.invites, &entity, decide).await?;
    Ok(())
}

/// Records a session whose presence ran out as lost.
async fn lose(state: &Registry, delivery: &Delivery) -> Result<(), Fault> {
    if !delivery.is_expiry() {
        return Ok(());
    }
    let tokens: Vec<&str> = delivery.subject.split('.').collect();
    let ["$KV", _, mission, agent, session] = tokens.as_slice() else {
        return Err(Fault::invalid(format!("{} is no presence of ours", delivery.subject)));
    };
    let (Ok(mission), Ok(id)) = (Mission::new(mission), ScopeId::new(session)) else {
        return Err(Fault::invalid(format!("{} is no presence of ours", delivery.subject)));
    };
    let key = format!("{mission}.{agent}.{session}");
    let marked = state.presence.get(&key, Deadline::in_ms(STEP_MS)).await.map_err(Fault::unavailable)?;
    if marked.is_some() {
        return Ok(()); // it came back between the expiry and now
    }
    let session = state.directory.session(&mission, &id).map(|entry| entry.state);
    if let Some(session) = session.filter(|session| delivery.connected_for_ms() < session.presence_ttl_ms) {
        // It was marked before this connection: nats-server may have been away, and who can say that it
        // lives through a server that is away? It gets the time of one TTL to do so.
        let put = state.presence.put(
            &key,
            "".into(),
            session.presence_ttl_ms,
            Expect::Revision(delivery.sequence),
            Deadline::in_ms(STEP_MS),
        );
        return match put.await {
            Ok(_) | Err(AppendError::Contended) => Ok(()),
            Err(error) => Err(Fault::unavailable(error.to_string())),
        };
    }
    let writer = delivery.writer(&mission, "presence expired", "");
    let decide = |current: Option<&Session>| current.map(session::lose).ok_or_else(gone);
    writer.record(&state.directory.sessions, &session_entity(&mission, &id), decide).await?;
    Ok(())
}

/// Gives every open session without a presence key one: whoever recorded it died before marking it, or
/// the key's expiry was forgotten before anybody read it.
pub(crate) async fn mark_open_sessions(state: &Registry) {
    let (now_ms, deadline) = (now_ms(), Deadline::in_ms(MARK_MS));
    for session in open_sessions(state, |session, _| session.is_open(now_ms) && session.presence_ttl_ms > 0) {
        if let Err(error) = mark(state, &session, deadline).await {
            warn!(%error, session = %session.id, "presence not marked");
        }
    }
}

/// Right after a connection is made JetStream may not answer yet, so it is asked until the deadline.
async fn mark(state: &Registry, session: &Session, deadline: Deadline) -> Result<(), AppendError> {
    let key = presence_key(&session.mission, &session.agent, &session.id);
    let mut attempt = 0;
    loop {
        let step = deadline.at_most_ms(STEP_MS);
        match state.presence.put(&key, "".into(), session.presence_ttl_ms, Expect::Revision(0), step).await {
            Ok(_) | Err(AppendError::Contended) => return Ok(()),
            Err(AppendError::Unavailable(_) | AppendError::Passing { .. }) if !deadline.has_passed() => {}
            Err(error) => return Err(error),
        }
        deadline.back_off(attempt).await;
        attempt += 1;
    }
}

fn gone() -> Fault {
    Fault::not_found("the ledger does not know it")
}
