//! Records that are written over, and reads that must not be old.

use futures::future::join_all;
use selvedge_contracts::payload::intent::IntentState;
use serde_json::json;

use crate::{
    arena::Arena,
    case::Trial,
    error::{Miss, Trialled, holds, refused},
    intents::{memory, propose, read, settled, value, write},
};

pub(super) async fn old_revision(arena: &Arena, trial: &mut Trial) -> Trialled {
    let (tag, by, writes) = (trial.tag.clone(), trial.below(arena.workers.len()), 2 + trial.below(2));
    trial.tries(format!("worker {by} writes over the first of {writes} versions"));
    let key = format!("stale/{tag}");
    let (mut first, mut last) = (0, 0);
    for n in 0..writes {
        let name = format!("{tag}-{n}");
        last = write(arena, arena.worker(by + n)?, &name, &key, (json!(n), last)).await?;
        first = if n == 0 { last } else { first };
    }
    let late = propose(arena.worker(by)?.client(), &tag, memory(&key, "late", first), json!({})).await;
    // It may be refused when it is proposed, or when it is executed.
    if let Ok(proposed) = late {
        let intent = settled(arena, &proposed.intent.id).await?;
        let state = intent.state;
        holds(state != IntentState::Committed, || "what rests on an old revision is committed".to_owned())?;
    }
    let stands = value(arena, &key).await?;
    holds(stands == json!(writes - 1), || format!("the record is {stands}"))
}

pub(super) async fn at_least(arena: &Arena, trial: &mut Trial) -> Trialled {
    let (tag, by) = (trial.tag.clone(), trial.below(arena.workers.len()));
    trial.tries(format!("worker {by} writes and all read at once"));
    let key = format!("stale/{tag}");
    let writer = arena.worker(by)?;
    let mut last = 0;
    for n in 0..3 {
        last = write(arena, writer, &format!("{tag}-{n}"), &key, (json!(n), last)).await?;
        let reading = arena.workers.iter().map(|worker| read(worker.client(), &key, last));
        for answer in join_all(reading).await {
            let (reply, as_of) = answer?;
            holds(as_of >= last && reply.revision >= last, || {
                format!("at least {last} was answered as of {as_of} with revision {}", reply.revision)
            })?;
            holds(reply.record.value == Some(json!(n)), || format!("it is {:?}", reply.record.value))?;
        }
    }
    let beyond = arena.last_revision().await? + 1_000_000;
    let answer = read(writer.client(), &key, beyond).await.map(|(reply, as_of)| (reply.revision, as_of));
    match refused(answer, || format!("revision {beyond}, which does not exist,")) {
        // It may say that it does not know it yet.
        Ok(_) | Err(Miss::Unable(_)) => Ok(()),
        Err(broken) => Err(broken),
    }
}
