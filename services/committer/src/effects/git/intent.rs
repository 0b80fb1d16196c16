//! From an intent to an order: contents, author, date and trailers.

use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use selvedge_contracts::{
    fault::Code,
    id::{ArtifactRef, Digest},
    payload::intent::{FileChange, GitEffect, Intent},
};
use selvedge_kit::{
    clock::rfc3339,
    transfer::{self, TransferError},
};

use super::core::{Author, Claim, Contents, INTENT_TRAILER, Order, UNDO_TRAILER};
use crate::{
    effects::{Earlier, Outcome, Side, Work},
    memory::{MOST_OF_COMMIT, NoRoom, Room},
};

/// Contents that are fetched at once.
const AT_ONCE: usize = 8;

/// The order for an attempt.
pub(super) fn order(work: &Work<'_>, effect: &GitEffect, contents: Contents, claim: Claim) -> Order {
    let intent = work.intent;
    Order {
        key: work.key(),
        effect: effect.clone(),
        contents,
        author: Author {
            name: intent.proposer.to_string(),
            address: format!("{}@{}.selvedge.invalid", intent.proposer, intent.mission),
        },
        at_ms: intent.proposed_at_ms,
        trailers: trailers(intent, work.side),
        may_have_begun: work.earlier == Earlier::Begun,
        claim,
        deadline: work.deadline,
    }
}

/// Who asked, for what, who approved, under which policy. The first one tells the commit from all others.
fn trailers(intent: &Intent, side: Side) -> Vec<(&'static str, String)> {
    let name = match side {
        Side::Do => INTENT_TRAILER,
        Side::Undo => UNDO_TRAILER,
    };
    let mut trailers = vec![
        (name, intent.id.to_string()),
        ("Selvedge-Agent", intent.proposer.to_string()),
        ("Selvedge-Owner", intent.owner.to_string()),
        ("Selvedge-Mission", intent.mission.to_string()),
    ];
    trailers.extend(intent.task.as_ref().map(|task| ("Selvedge-Task", task.to_string())));
    trailers.extend(intent.request.as_ref().map(|request| ("Selvedge-Request", request.to_string())));
    let policy = intent.decision.as_ref().and_then(|decision| decision.policy);
    trailers.push(("Selvedge-Policy", policy.map_or("none".to_owned(), |version| version.to_string())));
    trailers.extend(intent.grants.iter().map(|grant| {
        ("Selvedge-Approved-By", format!("{} ({}) {}", grant.owner, grant.approver, rfc3339(grant.at_ms)))
    }));
    trailers.extend(intent.accepted.iter().map(|accepted| {
        let owner = accepted.owner.as_ref().map_or("nobody", |owner| owner.as_str());
        ("Selvedge-Accepted-By", format!("{owner} ({}) {}", accepted.by, accepted.case))
    }));
    trailers
}

/// Fetches every content that the effect names, each held against its digest.
pub(super) async fn contents(work: &Work<'_>, effect: &GitEffect) -> Result<Contents, Outcome> {
    let (memory, mission) = (&work.state.memory, &work.intent.mission);
    let room = memory.room(mission, MOST_OF_COMMIT);
    let fetched = fetch(work, effect, &room).await;
    if fetched.is_ok() || room.refused() != Some(NoRoom::Taken) {
        return fetched.map(|fetched| held(fetched, room));
    }
    // Others have the memory: give back what was taken, and wait in line for the most that it may be.
    drop((fetched, room));
    let reserved = memory.reserved(mission, MOST_OF_COMMIT);
    let room = tokio::time::timeout(work.deadline.remaining(), reserved).await.ok().flatten();
    let room = room.ok_or_else(|| Outcome::Later("the committer's memory is taken by others".to_owned()))?;
    let fetched = fetch(work, effect, &room).await?;
    Ok(held(fetched, room))
}

fn held(fetched: Vec<(Digest, Vec<u8>)>, room: Room<'_>) -> Contents {
    let held = room.close();
    fetched.into_iter().map(|(digest, kept)| (digest, held.content(kept))).collect()
}

async fn fetch(
    work: &Work<'_>,
    effect: &GitEffect,
    room: &Room<'_>,
) -> Result<Vec<(Digest, Vec<u8>)>, Outcome> {
    let mut wanted: Vec<&Digest> = effect.changes.iter().filter_map(FileChange::content).collect();
    wanted.sort();
    wanted.dedup();
    let mut fetched = Vec::with_capacity(wanted.len());
    for digest in wanted {
        fetched.push(content(work, digest, room).boxed());
    }
    stream::iter(fetched).buffer_unordered(AT_ONCE).try_collect().await
}

async fn content(work: &Work<'_>, digest: &Digest, room: &Room<'_>) -> Result<(Digest, Vec<u8>), Outcome> {
    let client = work.state.client.clone().in_mission(work.intent.mission.clone());
    let artifact =
        ArtifactRef::new(digest.as_str()).map_err(|error| Outcome::refused("/effect", error.to_string()))?;
    let mut sink = room.sink();
    match transfer::get(&client, &artifact, 0, &mut sink, &|_, _| {}).await {
        Ok(_) => Ok((digest.clone(), sink.kept)),
        Err(TransferError::Io(_)) if room.refused() == Some(NoRoom::TooMuch) => {
            let message = format!(
                "its contents are more than {} MiB; make several commits of it",
                MOST_OF_COMMIT >> 20
            );
            Err(Outcome::refused("/effect/changes", message))
        }
        // What began may be done: only the repository tells.
        Err(TransferError::Fault(fault))
            if matches!(fault.code, Code::NotFound | Code::Denied | Code::Invalid)
                && work.earlier == Earlier::None =>
        {
            Err(Outcome::refused("/effect/changes", fault.to_string()))
        }
        Err(error) => Err(Outcome::Later(selvedge_kit::bus::error_chain(&error))),
    }
}

#[cfg(test)]
mod tests {
    use selvedge_contracts::payload::intent::{Accepted, IntentState};

    use super::*;
    use crate::fixture;

    #[test]
    fn a_commit_names_who_decided_that_its_task_is_done() {
        let said = |intent: &Intent| {
            trailers(intent, Side::Do).into_iter().find(|(name, _)| *name == "Selvedge-Accepted-By")
        };
        let plain = fixture::intent(IntentState::Executing);
        assert_eq!(said(&plain), None);
        let case = format!("case_{}", "0a".repeat(16));
        let accepted = Accepted {
            case: case.parse().unwrap(),
            by: "judy-1a2b3c4d".parse().unwrap(),
            owner: Some("person:judy".parse().unwrap()),
        };
        let decided = Intent { accepted: Some(accepted), ..plain };
        assert_eq!(said(&decided).unwrap().1, format!("person:judy (judy-1a2b3c4d) {case}"));
    }
}
