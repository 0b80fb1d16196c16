//! Something fails half-way.

use selvedge_contracts::{
    call,
    fact::EntityName,
    id::IntentId,
    payload::intent::{Intent, IntentState, SagaReply, SagaStatus},
};
use serde_json::{Value, json};

use crate::{
    agent::Agent,
    arena::{Arena, ask, until},
    case::{Case, Count, Trial},
    effector::REFUSED,
    error::{Miss, Trialled, holds},
    intents::{count, facts, kinds, memory, state_after, value, write},
    options::Suite,
};

pub(super) const CASES: &[Case] = &[
    Case {
        suite: Suite::Compensation,
        name: "records",
        invariant: "a saga that fails leaves every record as it was, each undone once and in reverse",
        count: Count::Asked,
        at_once: 4,
        run: |arena, trial| Box::pin(records(arena, trial)),
    },
    Case {
        suite: Suite::Compensation,
        name: "world",
        invariant: "what was done in the world is undone there, once each, the last first",
        count: Count::OneOf(2),
        at_once: 4,
        run: |arena, trial| Box::pin(world(arena, trial)),
    },
    Case {
        suite: Suite::Compensation,
        name: "proposed-again",
        invariant: "a saga that is proposed again while it goes on and after it failed proposes nothing twice",
        count: Count::OneOf(2),
        at_once: 4,
        run: |arena, trial| Box::pin(again(arena, trial)),
    },
];

fn step(title: String, effect: Value, undo: Option<Value>) -> Value {
    let mut step = json!({ "title": title, "effect": effect });
    if let (Some(undo), Some(step)) = (undo, step.as_object_mut()) {
        step.insert("undo".to_owned(), undo);
    }
    step
}

async fn propose(agent: &Agent, tag: &str, steps: &[Value]) -> Result<SagaReply, Miss> {
    let saga = json!({ "title": tag, "occurrence": tag, "steps": steps });
    Ok(ask::<call::SagaPropose>(agent.client(), saga).await?)
}

/// Waits until nothing more follows, by the ledger; answers with each step as it stands.
async fn over(arena: &Arena, steps: &[IntentId]) -> Result<Vec<Intent>, Miss> {
    until("the saga's end", async || {
        let mut found: Vec<Intent> = Vec::new();
        for id in steps {
            found.extend(facts(arena, id).await?.last().map(state_after).transpose()?);
        }
        let states: Vec<&str> = found.iter().map(|step| step.state.name()).collect();
        let is_whole = found.iter().all(|step| step.state == IntentState::Committed);
        let is_nothing = found.iter().any(|step| step.state == IntentState::Failed)
            && !found.iter().any(|step| {
                matches!(
                    step.state,
                    IntentState::Committed | IntentState::Executing | IntentState::Compensating
                )
            });
        let is_over = found.len() == steps.len() && (is_whole || is_nothing);
        Ok(if is_over { Ok(found) } else { Err(states.join(", ")) })
    })
    .await
}

/// The steps before the failed one were done once and in order, and undone once and in reverse.
async fn in_reverse(arena: &Arena, steps: &[IntentId]) -> Trialled {
    let (mut done, mut undone) = (Vec::new(), Vec::new());
    for id in steps {
        let facts = facts(arena, id).await?;
        let at = |kind: &str| {
            facts.iter().filter(|fact| fact.fact.kind == kind).map(|fact| fact.revision).collect::<Vec<_>>()
        };
        let (committed, compensated) = (at("committed"), at("compensated"));
        let times = (committed.len(), count(&facts, "compensating"), compensated.len());
        holds(times == (1, 1, 1), || format!("{id}: {}", kinds(&facts).join(", ")))?;
        done.extend(committed);
        undone.extend(compensated);
    }
    holds(done.is_sorted(), || format!("done at revisions {done:?}"))?;
    holds(undone.iter().rev().is_sorted(), || format!("undone at revisions {undone:?}"))
}

/// Two to four records, there before or not; the last step writes the first record again as if nobody had.
async fn records(arena: &Arena, trial: &mut Trial) -> Trialled {
    let (tag, many, fails) = (trial.tag.clone(), 2 + trial.below(3), !trial.one_in(4));
    let existing: Vec<bool> = (0..many).map(|_| trial.one_in(2)).collect();
    trial.tries(format!("records {existing:?}, fails: {fails}"));
    let agent = arena.worker(trial.index as usize)?;
    let (mut steps, mut before) = (Vec::new(), Vec::new());
    for (n, exists) in existing.iter().enumerate() {
        let key = format!("saga/{tag}-{n}");
        let revision = match exists {
            true => write(arena, agent, &format!("{tag}-base-{n}"), &key, (json!("before"), 0)).await?,
            false => 0,
        };
        let old = if *exists { json!("before") } else { Value::Null };
        steps.push(step(
            format!("{tag} {n}"),
            memory(&key, n, revision),
            Some(undo_to(&key, &old, revision)),
        ));
        before.push((key, old, revision));
    }
    if let (true, Some((key, _, revision))) = (fails, before.first()) {
        steps.push(step(format!("{tag} fails"), memory(key, "stale", *revision), None));
    }
    let proposed = propose(agent, &tag, &steps).await?;
    let ended = over(arena, &proposed.saga.steps).await?;
    if !fails {
        let is_whole = ended.iter().all(|step| step.state == IntentState::Committed);
        return holds(is_whole, || format!("nothing fails, and it is {}", states(&ended)));
    }
    let done = proposed.saga.steps.get(..many).unwrap_or_default();
    in_reverse(arena, done).await?;
    for (key, old, _) in before {
        let now = value(arena, &key).await?;
        holds(now == old, || format!("{key} was {old} and is {now}"))?;
    }
    Ok(())
}

/// A record as it was; deleted if it was not there.
fn undo_to(key: &str, old: &Value, revision: u64) -> Value {
    match old {
        Value::Null => json!({ "kind": "memory", "key": key, "revision": revision }),
        old => memory(key, old.clone(), revision),
    }
}

fn states(steps: &[Intent]) -> String {
    steps.iter().map(|step| step.state.name()).collect::<Vec<_>>().join(", ")
}

/// Steps of the effector's; the last one is refused by it.
fn orders(arena: &Arena, tag: &str, many: usize) -> Vec<Value> {
    let effect = |operation: String| arena.effector.effect(&format!("{tag}/{operation}"));
    let mut steps: Vec<Value> = (0..many)
        .map(|n| step(format!("{tag} {n}"), effect(format!("do-{n}")), Some(effect(format!("undo-{n}")))))
        .collect();
    steps.push(step(format!("{tag} fails"), effect(REFUSED.to_owned()), None));
    steps
}

async fn approved(arena: &Arena, saga: &SagaReply) -> Result<(), Miss> {
    for step in &saga.steps {
        arena.approver()?.approve(step).await?;
    }
    Ok(())
}

async fn world(arena: &Arena, trial: &mut Trial) -> Trialled {
    let (tag, many) = (trial.tag.clone(), 1 + trial.below(3));
    trial.tries(format!("{many} steps, and one that the target refuses"));
    let agent = arena.worker(trial.index as usize)?;
    let proposed = propose(agent, &tag, &orders(arena, &tag, many)).await?;
    approved(arena, &proposed).await?;
    over(arena, &proposed.saga.steps).await?;
    undone_in_the_world(arena, &tag, many)?;
    in_reverse(arena, proposed.saga.steps.get(..many).unwrap_or_default()).await
}

fn undone_in_the_world(arena: &Arena, tag: &str, many: usize) -> Trialled {
    let prefix = format!("{tag}/");
    let acts = arena.effector.acts(&prefix);
    let short = |operation: &str| operation.strip_prefix(&prefix).unwrap_or_default().to_owned();
    let told: Vec<String> =
        acts.iter().map(|act| format!("{} {}", act.verb, short(&act.operation))).collect();
    let done = (0..many).map(|n| format!("execute do-{n}"));
    let wanted: Vec<String> = done.chain((0..many).rev().map(|n| format!("undo undo-{n}"))).collect();
    holds(told == wanted, || format!("the world saw {told:?}, not {wanted:?}"))
}

async fn again(arena: &Arena, trial: &mut Trial) -> Trialled {
    let (tag, many, times) = (trial.tag.clone(), 1 + trial.below(2), 2 + trial.below(3));
    trial.tries(format!("{many} steps that fail, proposed {times} times more"));
    let agent = arena.worker(trial.index as usize)?;
    let steps = orders(arena, &tag, many);
    let first = propose(agent, &tag, &steps).await?;
    let during = propose(arena.worker(trial.index as usize + 1)?, &tag, &steps).await?;
    approved(arena, &first).await?;
    over(arena, &first.saga.steps).await?;
    let mut answers = vec![during];
    for _ in 0..times {
        answers.push(propose(agent, &tag, &steps).await?);
    }
    for answer in &answers {
        let is_same = answer.saga.id == first.saga.id && answer.saga.steps == first.saga.steps;
        holds(is_same, || format!("{} with steps {:?}", answer.saga.id, answer.saga.steps))?;
    }
    let last = answers.last().map(|answer| answer.status);
    holds(last == Some(SagaStatus::Compensated), || format!("the saga is {last:?} once it was undone"))?;
    let of_saga = arena.history(EntityName::Saga, &first.saga.id).await?;
    holds(of_saga.len() == 1, || format!("the saga has facts {}", kinds(&of_saga).join(", ")))?;
    for id in &first.saga.steps {
        let facts = facts(arena, id).await?;
        holds(count(&facts, "proposed") == 1, || format!("{id}: {}", kinds(&facts).join(", ")))?;
    }
    undone_in_the_world(arena, &tag, many)
}
