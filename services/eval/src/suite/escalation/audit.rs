//! Whether attempts are to be seen.

use std::time::Duration;

use futures::{Stream, StreamExt as _};
use selvedge_contracts::{
    fact::EntityName,
    id::{Caller, EntityId},
    subject,
};
use selvedge_kit::clock::Deadline;
use serde_json::json;

use crate::{
    agent::Agent,
    arena::{Arena, PATIENCE_MS, ask},
    case::Trial,
    error::{Miss, Trialled, refused},
};

/// Agents that try: those that no other case has refused by a service.
pub(super) const CALLERS: u32 = 3;

pub(super) async fn audited(arena: &Arena, trial: &mut Trial) -> Trialled {
    let callers = [&arena.planner, &arena.verifier, &arena.arbitrator];
    let agent = callers.get(trial.index as usize).and_then(|agent| agent.as_ref());
    let agent = agent.ok_or_else(|| Miss::Unable("there is no such agent".to_owned()))?;
    trial.tries(format!("a {} asks for what its session was not started for", agent.role));
    by_a_service(arena, agent).await?;
    match arena.tells_denials() {
        true => by_the_server(arena, agent, trial).await,
        false => Ok(()),
    }
}

async fn by_a_service(arena: &Arena, agent: &Agent) -> Trialled {
    let narrow = agent.session(arena, Some(&["registry.whoami", "registry.session_end"])).await?;
    let filter = format!("sv.audit.registry.{}.{}.register", arena.mission, agent.id);
    let register = || ask::<selvedge_contracts::call::Register>(&narrow.client, json!({ "about": {} }));
    let mut records = listen(arena, &filter).await?;
    refused(register().await, || "a call that the session was not started for".to_owned())?;
    let patience = Duration::from_millis(PATIENCE_MS);
    if !matches!(tokio::time::timeout(patience, records.next()).await, Ok(Some(_))) {
        return Err(Miss::Broken(format!("no record on {filter} within {PATIENCE_MS} ms")));
    }
    Ok(Agent::end(&narrow).await?)
}

/// nats-server knows a client by its credential's key alone, and its denials are written at a pace: what was
/// denied to others before may still wait, or have taken all the room. So it tries more than once.
async fn by_the_server(arena: &Arena, agent: &Agent, trial: &mut Trial) -> Trialled {
    const TRIES: u32 = 20;
    trial.tries("and publishes a fact");
    let key = agent.working.credential.public_key()?;
    let caller = Caller::new(&key.as_str().to_lowercase())?;
    let filter = subject::server_violation(Some(arena.kluster().name()), Some(&caller));
    let mut records = listen(arena, &filter).await?;
    let forged = arena.entity(EntityName::Task, EntityId::new(&trial.tag)?).fact("validated");
    let bus = agent.client().bus();
    for _ in 0..TRIES {
        // Whether it is denied is judged elsewhere; here it is whether that is to be seen.
        let _ = bus.request(&forged, Default::default(), "{}".into(), Deadline::in_ms(PATIENCE_MS)).await;
        if let Ok(Some(_)) = tokio::time::timeout(AGAIN, records.next()).await {
            return Ok(());
        }
    }
    Err(Miss::Broken(format!("no record on {filter} of {TRIES} publishes that nats-server denied")))
}

/// How long a record of a denial is waited for before there is another one.
const AGAIN: Duration = Duration::from_secs(2);

async fn listen(arena: &Arena, filter: &str) -> Result<impl Stream<Item = impl Sized> + Unpin, Miss> {
    let bus = arena.operator.bus();
    let records = bus.subscribe(filter, None).await?;
    bus.flush(Deadline::in_ms(PATIENCE_MS)).await;
    Ok(records)
}
