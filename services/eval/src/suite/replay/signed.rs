//! A signed message, word for word once more.

use futures::future::join_all;
use selvedge_contracts::{
    call::{self, CallType as _},
    payload::session::Session,
};
use selvedge_kit::{authority::UserKey, client::Options, clock::Deadline};
use serde_json::json;

use crate::{
    arena::{Arena, PATIENCE_MS, ask},
    case::Trial,
    error::{Trialled, holds},
};

/// The start of a session is signed: sent four times, it starts one.
pub(super) async fn again(arena: &Arena, trial: &mut Trial) -> Trialled {
    let (by, at_once) = (trial.below(arena.workers.len()), trial.one_in(2));
    trial.tries(format!("worker {by} starts a session four times over, at once: {at_once}"));
    let agent = arena.worker(by)?;
    let key = UserKey::generate().public()?;
    let start = json!({ "credential_key": key, "ttl_ms": 600_000, "presence_ttl_ms": 600_000 });
    let wire = agent.door.wire(&call::SessionStart::CALL, &start, &Options::default(), |_| {})?;
    let send = || agent.door.send(&wire, Deadline::in_ms(PATIENCE_MS));
    let answers = match at_once {
        true => join_all((0..4).map(|_| send())).await,
        false => {
            let mut answers = Vec::new();
            for _ in 0..4 {
                answers.push(send().await);
            }
            answers
        }
    };
    let mut ids: Vec<_> =
        answers.iter().flatten().filter_map(|answer| answer.pointer("/session/id").cloned()).collect();
    ids.dedup();
    holds(ids.len() == 1, || format!("it was answered with sessions {ids:?}: {answers:?}"))?;
    let list = json!({ "agent": agent.id, "mission": arena.mission, "limit": 1000 });
    let sessions = ask::<call::SessionList>(&arena.operator, list).await?.sessions;
    let of_key: Vec<&Session> = sessions.iter().filter(|session| session.credential_key == key).collect();
    let started = of_key.len();
    holds(started == 1, || format!("{started} sessions of one key"))?;
    for session in of_key {
        let end = json!({ "session": session.id, "mission": arena.mission, "reason": "a trial" });
        ask::<call::SessionEnd>(&arena.operator, end).await?;
    }
    Ok(())
}
