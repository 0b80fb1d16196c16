//! A worker falls silent, its task goes to another, and then it hands in after all.

use selvedge_contracts::{
    call,
    fact::EntityName,
    id::ClaimToken,
    payload::{
        dead::Why,
        task::{Claimed, MIN_CLAIM_TTL_MS, Task},
    },
};
use serde_json::{Value, json};

use crate::{
    agent::Agent,
    arena::{Arena, ask, until},
    case::Trial,
    error::{Miss, Trialled, holds, refused},
    intents::{count, state_after},
};

pub(super) async fn zombie(arena: &Arena, trial: &mut Trial) -> Trialled {
    let (tag, by) = (trial.tag.clone(), trial.below(arena.workers.len()));
    let before = trial.one_in(2);
    trial.tries(format!("worker {by} falls silent and hands in, before the next one does: {before}"));
    let (silent, other) = (arena.worker(by)?, arena.worker(by + 1)?);
    let task = json!({ "id": "t", "title": tag, "queue": tag, "backoff_ms": 0,
        "checks": [{ "kind": "pointer", "at": "/ok", "equals": true }] });
    let plan = json!({ "plan": { "title": tag, "tasks": [task] } });
    let plan = ask::<call::PlanSubmit>(arena.planner()?.client(), plan).await?.plan;
    let (held, old) = claim(silent, &tag, MIN_CLAIM_TTL_MS).await?;
    let (again, new) = claim(other, &tag, 600_000).await?;
    holds(again.task.attempt > held.task.attempt && old != new, || {
        format!("attempt {} under {new} after attempt {} under {old}", again.task.attempt, held.task.attempt)
    })?;
    let hand_in = async |agent: &Agent, token: &ClaimToken, whose: &str| {
        let output = json!({ "ok": true, "by": whose });
        let submit = json!({ "task": held.task.id, "token": token, "output": output });
        ask::<call::TaskSubmit>(agent.client(), submit).await
    };
    if before {
        refused(hand_in(silent, &old, "zombie").await, || "a zombie's output".to_owned())?;
    }
    hand_in(other, &new, "worker").await?;
    refused(hand_in(silent, &old, "zombie").await, || "a zombie's output".to_owned())?;
    let facts = arena.history(EntityName::Task, &held.task.id).await?;
    let last: Task = facts
        .last()
        .map(state_after)
        .transpose()?
        .ok_or_else(|| Miss::Broken("the task has no facts".to_owned()))?;
    let by_whom = last.output.as_ref().and_then(|output| output.value.get("by")).cloned();
    holds(count(&facts, "validated") == 1 && by_whom == Some(json!("worker")), || {
        format!("{} verdicts, the output is {by_whom:?}'s", count(&facts, "validated"))
    })?;
    let list = json!({ "plan": plan.id });
    until("the dead letter", async || {
        let letters = ask::<call::DeadList>(&arena.operator, list.clone()).await?.letters;
        let is_its = |output: &Option<Value>| output.as_ref().is_some_and(|value| value["by"] == "zombie");
        let found =
            letters.iter().filter(|letter| letter.why == Why::Stale && is_its(&letter.output)).count();
        Ok(if found == 1 { Ok(()) } else { Err(format!("{found} letters: {letters:?}")) })
    })
    .await
}

/// The one task of a queue, as soon as it is to be had.
async fn claim(agent: &Agent, queue: &str, ttl_ms: u64) -> Result<(Claimed, ClaimToken), Miss> {
    until("the task", async || {
        let claim = json!({ "queue": queue, "wait_ms": 4_000, "ttl_ms": ttl_ms });
        let claimed = ask::<call::TaskClaim>(agent.client(), claim).await?.claimed;
        let token =
            claimed.as_ref().and_then(|claimed| claimed.task.claim.as_ref()).map(|held| held.token.clone());
        Ok(claimed.zip(token).ok_or_else(|| "nothing".to_owned()))
    })
    .await
}
