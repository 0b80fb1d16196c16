//! Commits in a repository, on this machine or elsewhere.

mod cli;
pub mod core;
mod intent;
pub(crate) mod location;
mod queue;
pub(crate) mod remote;

use selvedge_contracts::{
    id::CommitHash,
    payload::intent::{GitEffect, Receipt},
};

use super::{Earlier, Outcome, Work};
use location::Location;
use queue::Event;

pub(crate) use queue::Queues;

pub(crate) async fn carry_out(work: &Work<'_>, effect: &GitEffect) -> Outcome {
    match land(work, effect).await {
        Ok(outcome) | Err(outcome) => outcome,
    }
}

async fn land(work: &Work<'_>, effect: &GitEffect) -> Result<Outcome, Outcome> {
    let location = location_of(work, effect)?;
    let contents = intent::contents(work, effect).await?;
    let order = |claim| intent::order(work, effect, contents, claim);
    let submitted = work.state.git.submit(&location, &effect.branch, order);
    let mut events = submitted.map_err(Outcome::Later)?;
    while let Some(event) = events.recv().await {
        match event {
            Event::Ask(answer) => {
                // Who asked may have given up on the answer, which is then a no.
                let _ = answer.try_send(work.may_act().await.is_ok());
            }
            Event::Over(verdict) => return Ok(outcome(effect, verdict)),
        }
    }
    Ok(Outcome::Again("the commit broke off".to_owned()))
}

fn location_of(work: &Work<'_>, effect: &GitEffect) -> Result<Location, Outcome> {
    let (mission, name) = (&work.intent.mission, &effect.repository);
    let Some(repository) = work.state.repositories.state(mission, &name.into()) else {
        let message = format!("there is no repository {name} in {mission}; an operator names it");
        // Its reference or its branch would be there: with no repository ever, nobody can have begun.
        return Err(match work.earlier {
            Earlier::None => Outcome::refused("/effect/repository", message),
            Earlier::Begun => Outcome::Later(message),
        });
    };
    Location::new(&repository.location).map_err(Outcome::Later)
}

fn outcome(effect: &GitEffect, verdict: core::Verdict) -> Outcome {
    let (commit, parent) = match verdict {
        core::Verdict::Done { commit, parent } => (commit, parent),
        core::Verdict::Refused(reasons) => return Outcome::Refused(reasons),
        core::Verdict::Later(reason) => return Outcome::Later(reason),
        core::Verdict::Again(reason) => return Outcome::Again(reason),
    };
    let hash = |id: git2::Oid| CommitHash::new(&id.to_string());
    match (hash(commit), hash(parent.unwrap_or(git2::Oid::ZERO_SHA1))) {
        (Ok(commit), Ok(parent)) => Outcome::Done(Receipt::Git {
            repository: effect.repository.clone(),
            branch: effect.branch.clone(),
            commit,
            parent,
        }),
        _ => Outcome::unknown(format!("{commit} is no SHA-1")),
    }
}
