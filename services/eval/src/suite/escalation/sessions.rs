//! Sessions that are over.

use selvedge_contracts::{
    call,
    fact::EntityName,
    id::{EntityId, Mission},
    subject::Entity,
};
use selvedge_kit::{
    client::{Client, Options},
    clock::Deadline,
};
use serde_json::json;

use crate::{
    agent::Agent,
    arena::{Arena, PATIENCE_MS, ask, ask_with, until},
    case::Trial,
    error::{Miss, Trialled, holds},
};

/// How long an answer to a dead credential is waited for, in milliseconds: the connection may be gone.
const SHORT_MS: u64 = 1_000;

pub(super) async fn ended(arena: &Arena, trial: &mut Trial) -> Trialled {
    let (by, by_operator) = (trial.below(arena.workers.len()), trial.one_in(2));
    trial.tries(format!("worker {by}'s session ends, by an operator: {by_operator}; then it writes"));
    let agent = arena.worker(by)?;
    let working = agent.session(arena, None).await?;
    ask::<call::Whoami>(&working.client, json!({})).await?;
    let id = &working.session.id;
    match by_operator {
        true => {
            let end = json!({ "session": id, "mission": arena.mission, "reason": "a trial" });
            ask::<call::SessionEnd>(&arena.operator, end).await?;
        }
        false => Agent::end(&working).await?,
    }
    let secret = format!("dead {}", trial.tag);
    holds(registers(&working.client, &secret).await, || "the registry let it write".to_owned())?;
    // Other services follow the ends of sessions.
    let tag = trial.tag.clone();
    until("the end to be known to the leases", async || {
        let acquire = json!({ "space": tag, "claims": [{ "path": "src" }], "ttl_ms": 1_000 });
        let options = Options { timeout_ms: Some(SHORT_MS), ..Options::default() };
        let answer = ask_with::<call::LeaseAcquire>(&working.client, acquire, &options).await;
        Ok(if answer.is_err() { Ok(()) } else { Err(format!("{answer:?}")) })
    })
    .await?;
    let about =
        Entity { mission: Mission::kluster(), name: EntityName::Agent, id: EntityId::from(&agent.id) };
    let facts = arena.ledger.history(&about, 0, usize::MAX, Deadline::in_ms(PATIENCE_MS)).await?;
    let is_told = |payload: &[u8]| String::from_utf8_lossy(payload).contains(&format!("{secret}\""));
    let found = facts.iter().find(|fact| is_told(&fact.envelope.payload));
    holds(found.is_none(), || format!("it is recorded: {found:?}"))?;
    anew(arena, &working, &secret).await
}

/// Whether an update is refused.
async fn registers(client: &Client, description: &str) -> bool {
    let options = Options { timeout_ms: Some(SHORT_MS), ..Options::default() };
    let about = json!({ "about": { "description": description } });
    ask_with::<call::Register>(client, about, &options).await.is_err()
}

/// The same by way of a fresh connection; nats-server may refuse that one already.
async fn anew(arena: &Arena, working: &crate::agent::Working, secret: &str) -> Result<(), Miss> {
    let login = selvedge_kit::credential::Login::held(working.credential.clone());
    let Ok(client) = arena.connect(login).await else { return Ok(()) };
    holds(registers(&client, secret).await, || "by way of a fresh connection it may write".to_owned())
}
