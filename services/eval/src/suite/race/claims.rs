//! Agents that claim the tasks of a plan at once.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use selvedge_contracts::{
    call,
    fact::EntityName,
    id::{QueueName, TaskId},
    payload::{
        plan::PlanReply,
        task::{Claimed, Task, TaskState},
    },
};
use selvedge_kit::ledger::FactRecord;
use serde_json::json;

use crate::{
    agent::Agent,
    arena::{Arena, ask, until},
    case::Trial,
    error::{Miss, Trialled, holds},
    intents::state_after,
};

/// How long an agent waits for another task, in milliseconds.
const WAIT_MS: u64 = 300;

pub(super) async fn claims(arena: &Arena, trial: &mut Trial) -> Trialled {
    let (tasks, cap) = (4 + trial.below(5), 1 + trial.below(3));
    let fails: BTreeSet<usize> = (0..tasks).filter(|_| trial.one_in(4)).collect();
    trial.tries(format!("{tasks} tasks under a cap of {cap}; the first attempts at {fails:?} fail"));
    let plan = submit(arena, &trial.tag, tasks, cap).await?;
    let queue = QueueName::new(&trial.tag)?;
    let names: BTreeSet<String> = fails.iter().map(|n| format!("t{n}")).collect();
    // Twice each: an agent may have several hands.
    let hands = arena.workers.iter().flat_map(|worker| [worker, worker]);
    let working = join_all(hands.map(|worker| work(worker, &queue, &names))).await;
    working.into_iter().collect::<Result<Vec<()>, Miss>>()?;
    let ids: Vec<TaskId> = plan.tasks.iter().map(|line| line.id.clone()).collect();
    let facts = until("every task to be validated", async || {
        let facts = facts(arena, &ids).await?;
        let done = facts.iter().filter(|fact| fact.fact.kind == "validated").count();
        Ok(if done >= tasks { Ok(facts) } else { Err(format!("{done} of {tasks}")) })
    })
    .await?;
    one_claim_each(&facts)?;
    under_the_cap(&facts, cap)
}

async fn submit(arena: &Arena, tag: &str, tasks: usize, cap: usize) -> Result<PlanReply, Miss> {
    let planner = arena.planner()?.client();
    ask::<call::CapacitySet>(planner, json!({ "pool": tag, "slots": cap })).await?;
    let task = |n: usize| {
        json!({ "id": format!("t{n}"), "title": format!("{tag} {n}"), "queue": tag, "pools": [tag],
            "backoff_ms": 0, "attempts": 10,
            "checks": [{ "kind": "pointer", "at": "/ok", "equals": true }] })
    };
    let plan = json!({ "title": tag, "tasks": (0..tasks).map(task).collect::<Vec<_>>() });
    Ok(ask::<call::PlanSubmit>(planner, json!({ "plan": plan })).await?)
}

/// Does tasks until none comes for a while.
async fn work(worker: &Agent, queue: &QueueName, fails: &BTreeSet<String>) -> Result<(), Miss> {
    loop {
        let claim = json!({ "queue": queue, "wait_ms": WAIT_MS });
        let Some(claimed) = ask::<call::TaskClaim>(worker.client(), claim).await?.claimed else {
            return Ok(());
        };
        let Claimed { task, .. } = claimed;
        let Some(held) = task.claim else { continue };
        let is_ok = task.attempt > 1 || !fails.contains(task.name.as_str());
        let submit = json!({ "task": task.id, "token": held.token, "output": { "ok": is_ok } });
        ask::<call::TaskSubmit>(worker.client(), submit).await?;
    }
}

/// All facts of these tasks, in the ledger's order.
async fn facts(arena: &Arena, tasks: &[TaskId]) -> Result<Vec<FactRecord>, Miss> {
    let mut facts = Vec::new();
    for task in tasks {
        facts.extend(arena.history(EntityName::Task, task).await?);
    }
    facts.sort_by_key(|fact| fact.revision);
    Ok(facts)
}

fn one_claim_each(facts: &[FactRecord]) -> Trialled {
    let mut claims: BTreeMap<(TaskId, u32), u64> = BTreeMap::new();
    for fact in facts.iter().filter(|fact| fact.fact.kind == "claimed") {
        let task: Task = state_after(fact)?;
        let attempt = (task.id.clone(), task.attempt);
        if let Some(before) = claims.insert(attempt, fact.revision) {
            let (id, attempt) = (task.id, task.attempt);
            return Err(Miss::Broken(format!(
                "attempt {attempt} of {id} was claimed at revisions {before} and {}",
                fact.revision
            )));
        }
    }
    Ok(())
}

fn under_the_cap(facts: &[FactRecord], cap: usize) -> Trialled {
    let mut running = BTreeSet::new();
    for fact in facts {
        let task: Task = state_after(fact)?;
        match task.state {
            TaskState::Running => running.insert(task.id),
            _ => running.remove(&task.id),
        };
        holds(running.len() <= cap, || {
            format!("{} run under a cap of {cap} at revision {}: {running:?}", running.len(), fact.revision)
        })?;
    }
    Ok(())
}
