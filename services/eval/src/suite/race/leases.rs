//! Agents that take leases at once.

use std::collections::BTreeSet;

use futures::future::join_all;
use selvedge_contracts::{
    call,
    fault::Fault,
    id::SpaceId,
    payload::{
        claim::{Claim, Mode},
        lease::{AcquireReply, Lease, LeaseState},
    },
};
use serde_json::{Value, json};

use crate::{
    arena::{Arena, ask, until},
    case::Trial,
    error::{Miss, Trialled, holds},
};

/// The files that the claims are about. Which of them a claim covers is known here without asking the service:
/// the judgement must not rest on the rules that it judges.
const FILES: [&str; 6] = ["src/a.rs", "src/b.rs", "src/deep/c.rs", "docs/x.md", "docs/y.md", "Makefile"];

/// Fields of a claim, and the files it covers, by their places.
const CLAIMS: &[(&str, &str, &[usize])] = &[
    ("path", "src", &[0, 1, 2]),
    ("path", "src/deep", &[2]),
    ("path", "docs", &[3, 4]),
    ("path", "docs/x.md", &[3]),
    ("file", "src/a.rs", &[0]),
    ("file", "src/b.rs", &[1]),
    ("file", "Makefile", &[5]),
    ("glob", "**/*.rs", &[0, 1, 2]),
    ("glob", "docs/*", &[3, 4]),
    ("glob", "src/?.rs", &[0, 1]),
    ("files", "**/*.md", &[3, 4]),
    ("files", "src/deep/*", &[2]),
];

/// Two rounds: what is granted in the second one has higher tokens than all of the first.
pub(super) async fn paths(arena: &Arena, trial: &mut Trial) -> Trialled {
    let space = SpaceId::new(&trial.tag)?;
    let mut highest = 0;
    for round in 0..2 {
        let wanted: Vec<Value> = arena.workers.iter().map(|_| claims(trial)).collect();
        trial.tries(format!("round {round}: {}", Value::Array(wanted.clone())));
        let answers = at_once(arena, &space, &wanted).await;
        let held = held(arena, &space, &granted(answers)?).await?;
        apart(&held)?;
        let tokens: BTreeSet<u64> = held.iter().filter_map(|lease| lease.token).collect();
        holds(tokens.len() == held.len(), || format!("tokens {tokens:?} of {} leases", held.len()))?;
        let lowest = tokens.first().copied().unwrap_or(u64::MAX);
        holds(lowest > highest, || format!("token {lowest} after {highest}"))?;
        highest = tokens.last().copied().unwrap_or(highest);
        release(arena, &space, &held).await?;
    }
    Ok(())
}

/// One to three claims, one in three shared.
fn claims(trial: &mut Trial) -> Value {
    let many = 1 + trial.below(2);
    let claims: Vec<Value> = (0..many)
        .filter_map(|_| {
            let (sort, pattern, _) = trial.pick(CLAIMS)?;
            let mode = if trial.one_in(3) { "shared" } else { "exclusive" };
            Some(json!({ *sort: pattern, "mode": mode }))
        })
        .collect();
    Value::Array(claims)
}

/// Each agent asks for its own, all at once.
async fn at_once(arena: &Arena, space: &SpaceId, wanted: &[Value]) -> Vec<Result<AcquireReply, Fault>> {
    let asking = arena.workers.iter().zip(wanted).map(|(worker, claims)| {
        let acquire = json!({ "space": space, "claims": claims, "purpose": "a trial", "ttl_ms": 600_000 });
        ask::<call::LeaseAcquire>(worker.client(), acquire)
    });
    join_all(asking).await
}

/// What was granted; a refusal is no failure, if it is one because of others.
fn granted(answers: Vec<Result<AcquireReply, Fault>>) -> Result<Vec<Lease>, Miss> {
    let mut granted = Vec::new();
    for answer in answers {
        match answer {
            Ok(reply) => granted.push(reply.lease),
            Err(fault) if fault.code == selvedge_contracts::fault::Code::Conflict => {}
            Err(fault) => return Err(fault.into()),
        }
    }
    holds(!granted.is_empty(), || "nobody got anything".to_owned())?;
    Ok(granted)
}

/// What the service says is held, once it says so of all that was granted.
async fn held(arena: &Arena, space: &SpaceId, granted: &[Lease]) -> Result<Vec<Lease>, Miss> {
    until("a list of all that was granted", async || {
        let list = json!({ "space": space, "limit": 1000 });
        let leases = ask::<call::LeaseList>(&arena.operator, list).await?.leases;
        let is_there = |lease: &Lease| leases.iter().any(|held| held.id == lease.id);
        if !granted.iter().all(is_there) {
            return Ok(Err(format!("{} of {}", leases.len(), granted.len())));
        }
        Ok(Ok(leases.into_iter().filter(|lease| lease.state == LeaseState::Held).collect()))
    })
    .await
}

/// None of these, held at one time, clash.
fn apart(held: &[Lease]) -> Trialled {
    for (index, one) in held.iter().enumerate() {
        for other in held.iter().skip(index + 1).filter(|other| other.holder != one.holder) {
            for file in 0..FILES.len() {
                let (mine, theirs) = (mode_of(one, file), mode_of(other, file));
                let clash = mine.is_some() && theirs.is_some() && (mine, theirs) != (SHARED, SHARED);
                holds(!clash, || {
                    let file = FILES.get(file).copied().unwrap_or_default();
                    format!("{file} is held by {} ({one:?}) and {} ({other:?})", one.holder, other.holder)
                })?;
            }
        }
    }
    Ok(())
}

const SHARED: Option<Mode> = Some(Mode::Shared);

/// How a lease covers a file, if it does: alone, if one of its claims says so.
fn mode_of(lease: &Lease, file: usize) -> Option<Mode> {
    let covering =
        lease.claims.iter().filter(|claim| covers(claim).is_some_and(|files| files.contains(&file)));
    let mut modes: Vec<Mode> = covering.map(Claim::mode).collect();
    modes.sort_by_key(|mode| *mode == Mode::Shared);
    modes.first().copied()
}

fn covers(claim: &Claim) -> Option<&'static [usize]> {
    let (sort, pattern) = match claim {
        Claim::Path { path, .. } => ("path", path),
        Claim::File { path, .. } => ("file", path),
        Claim::Glob { glob, .. } => ("glob", glob),
        Claim::Files { glob, .. } => ("files", glob),
        Claim::Resource { .. } | Claim::Slots { .. } => return None,
    };
    CLAIMS.iter().find(|(s, p, _)| *s == sort && p == pattern).map(|(_, _, files)| *files)
}

/// Each holder gives back what it holds.
async fn release(arena: &Arena, space: &SpaceId, held: &[Lease]) -> Result<(), Miss> {
    for lease in held {
        let holder = arena.workers.iter().find(|worker| worker.caller() == lease.holder.as_str());
        if let Some(holder) = holder {
            let release = json!({ "space": space, "lease": lease.id });
            ask::<call::LeaseRelease>(holder.client(), release).await?;
        }
    }
    Ok(())
}

/// Slots of one pool.
pub(super) async fn slots(arena: &Arena, trial: &mut Trial) -> Trialled {
    let space = SpaceId::new(&trial.tag)?;
    let size = 1 + trial.below(arena.workers.len());
    let pool = json!({ "space": space, "pool": "gpu", "slots": size });
    ask::<call::PoolSet>(arena.planner()?.client(), pool).await?;
    let wanted: Vec<Value> =
        arena.workers.iter().map(|_| json!([{ "pool": "gpu", "slots": 1 + trial.below(size) }])).collect();
    trial.tries(format!("{size} slots: {}", Value::Array(wanted.clone())));
    let answers = at_once(arena, &space, &wanted).await;
    let held = held(arena, &space, &granted(answers)?).await?;
    let slots = |claim: &Claim| if let Claim::Slots { slots, .. } = claim { *slots as usize } else { 0 };
    let used: usize = held.iter().flat_map(|lease| &lease.claims).map(slots).sum();
    holds(used <= size, || format!("{used} slots of {size} are held: {held:?}"))?;
    release(arena, &space, &held).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_claim_covers_files_that_are_there_and_none_is_told_twice() {
        for (index, (sort, pattern, files)) in CLAIMS.iter().enumerate() {
            assert!(!files.is_empty() && files.iter().all(|file| *file < FILES.len()), "{pattern}");
            let again = CLAIMS.iter().skip(index + 1).any(|(s, p, _)| (s, p) == (sort, pattern));
            assert!(!again, "{sort} {pattern}");
        }
    }
}
