//! Agents that propose at once.

use futures::future::join_all;
use selvedge_contracts::{id::IntentId, payload::intent::IntentState};
use serde_json::json;

use crate::{
    arena::Arena,
    case::Trial,
    error::{Miss, Trialled, holds},
    intents::{count, facts, kinds, memory, propose, settled, versions, write},
};

pub(super) async fn same(arena: &Arena, trial: &mut Trial) -> Trialled {
    let (tag, value) = (trial.tag.clone(), trial.below(1_000));
    trial.tries(format!("everybody wants {value} in one new record"));
    let key = format!("race/{tag}");
    let proposing =
        arena.workers.iter().map(|worker| propose(worker.client(), &tag, memory(&key, value, 0), json!({})));
    let mut ids: Vec<IntentId> = Vec::new();
    for answer in join_all(proposing).await {
        ids.push(answer?.intent.id);
    }
    ids.dedup();
    let [id] = ids.as_slice() else { return Err(Miss::Broken(format!("several intents: {ids:?}"))) };
    let intent = settled(arena, id).await?;
    holds(intent.state == IntentState::Committed, || format!("it is {}", intent.state.name()))?;
    let facts = facts(arena, id).await?;
    for (kind, most) in [("proposed", 1), ("executing", 1), ("committed", 1)] {
        holds(count(&facts, kind) == most, || kinds(&facts).join(", "))?;
    }
    let written = versions(arena, &key).await?;
    holds(written.len() == 1, || format!("the record was written {} times", written.len()))
}

pub(super) async fn record(arena: &Arena, trial: &mut Trial) -> Trialled {
    let (tag, exists) = (trial.tag.clone(), trial.one_in(2));
    trial.tries(format!("everybody writes a value of its own, the record is there: {exists}"));
    let key = format!("race/{tag}");
    let first = arena.worker(trial.index as usize)?;
    let base = match exists {
        true => write(arena, first, &format!("{tag}-base"), &key, (json!("base"), 0)).await?,
        false => 0,
    };
    let names: Vec<String> = (0..arena.workers.len()).map(|n| format!("{tag}-{n}")).collect();
    let proposing =
        arena.workers.iter().zip(&names).map(|(worker, name)| {
            propose(worker.client(), name, memory(&key, name.as_str(), base), json!({}))
        });
    let (mut committed, mut states) = (0, Vec::new());
    for answer in join_all(proposing).await {
        // What is stale already when it is proposed is refused then.
        let Ok(proposed) = answer.map_err(|fault| states.push(fault.to_string())) else { continue };
        let intent = settled(arena, &proposed.intent.id).await?;
        committed += usize::from(intent.state == IntentState::Committed);
        states.push(intent.state.name().to_owned());
    }
    holds(committed == 1, || format!("{committed} committed: {}", states.join(", ")))?;
    let written = versions(arena, &key).await?;
    let after = written.iter().filter(|fact| fact.revision > base).count();
    holds(after == 1, || format!("{after} versions replaced revision {base}"))
}
