//! What an intent rests on moves while it waits for its approval. In one of four trials nothing moves: then it
//! must be done, or a fabric that does nothing at all would pass.

use selvedge_contracts::{
    call,
    id::RecordKey,
    payload::{
        intent::{Intent, IntentState},
        lease::Lease,
    },
};
use serde_json::{Value, json};

use crate::{
    agent::Agent,
    arena::{Arena, ask},
    case::Trial,
    error::{Miss, Trialled, holds},
    intents::{count, facts, kinds, propose, settled, write},
};

pub(super) async fn precondition(arena: &Arena, trial: &mut Trial) -> Trialled {
    let (tag, moves, by) = (trial.tag.clone(), !trial.one_in(4), trial.below(arena.workers.len()));
    trial.tries(format!("worker {by} rests on a record that moves: {moves}"));
    let key = format!("stale/{tag}");
    let (proposer, other) = (arena.worker(by)?, arena.worker(by + 1)?);
    let base = write(arena, other, &format!("{tag}-base"), &key, (json!(1), 0)).await?;
    let about = RecordKey::new(&key)?.entity_id();
    let rests_on = json!({ "preconditions": [{ "entity": "memory", "id": about, "revision": base }] });
    let intent = waiting(arena, proposer, &tag, rests_on).await?;
    if moves {
        write(arena, other, &format!("{tag}-moved"), &key, (json!(2), base)).await?;
    }
    judge(arena, &intent, moves).await
}

pub(super) async fn token(arena: &Arena, trial: &mut Trial) -> Trialled {
    let (tag, moves, by) = (trial.tag.clone(), !trial.one_in(4), trial.below(arena.workers.len()));
    let forced = trial.one_in(2);
    trial.tries(format!("worker {by}'s lease goes to another: {moves}, by force: {forced}"));
    let (proposer, other) = (arena.worker(by)?, arena.worker(by + 1)?);
    let held = acquire(proposer, &tag).await?;
    let fence = json!({ "tokens": [{ "space": tag, "lease": held.id, "token": held.token }] });
    let intent = waiting(arena, proposer, &tag, fence).await?;
    if moves {
        let lease = json!({ "space": tag, "lease": held.id });
        if forced {
            let lease = json!({ "space": tag, "lease": held.id, "reason": "a trial" });
            ask::<call::LeaseForceRelease>(&arena.operator, lease).await?;
        } else {
            ask::<call::LeaseRelease>(proposer.client(), lease).await?;
        }
        let now = acquire(other, &tag).await?;
        holds(now.token > held.token, || format!("token {:?} after {:?}", now.token, held.token))?;
    }
    judge(arena, &intent, moves).await
}

async fn acquire(agent: &Agent, space: &str) -> Result<Lease, Miss> {
    let wanted =
        json!({ "space": space, "claims": [{ "path": "src" }], "purpose": "a trial", "ttl_ms": 600_000 });
    Ok(ask::<call::LeaseAcquire>(agent.client(), wanted).await?.lease)
}

/// An intent that waits for an approval.
async fn waiting(arena: &Arena, proposer: &Agent, tag: &str, rests_on: Value) -> Result<Intent, Miss> {
    let effect = arena.effector.effect(&format!("{tag}/act"));
    let intent = propose(proposer.client(), tag, effect, rests_on).await?.intent;
    holds(intent.state == IntentState::Verified && !intent.is_ready(), || {
        format!("what cannot be taken back is {} without an approval", intent.state.name())
    })?;
    Ok(intent)
}

/// Has it approved, and sees what became of it.
async fn judge(arena: &Arena, intent: &Intent, moved: bool) -> Trialled {
    let approved = arena.approver()?.approve(intent).await;
    if !moved {
        approved?;
        let intent = settled(arena, &intent.id).await?;
        let (state, reasons) = (intent.state.name(), &intent.reasons);
        return holds(intent.state == IntentState::Committed, || {
            format!("nothing moved, and it is {state}: {reasons:?}")
        });
    }
    // It may be found out at once; else whoever executes it has to.
    if approved.is_ok() {
        settled(arena, &intent.id).await?;
    }
    let facts = facts(arena, &intent.id).await?;
    let executed = count(&facts, "executing");
    holds(executed == 0, || format!("what moved was executed: {}", kinds(&facts).join(", ")))?;
    let acts = arena.effector.acts(&format!("{}/", intent.title));
    holds(acts.is_empty(), || format!("it was done: {acts:?}"))
}
