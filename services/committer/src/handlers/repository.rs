//! Calls about repositories.

use std::sync::Arc;

use selvedge_contracts::{
    call,
    fact::{EntityName, REPOSITORY_SET},
    fault::Fault,
    id::EntityId,
    payload::{
        Nothing,
        repository::{MAX_LOCATION_BYTES, Repositories, Repository, RepositoryReply, RepositorySet},
    },
    subject::Entity,
};
use selvedge_kit::{
    clock::Deadline,
    rule::{Change, Verdict},
    service::{Answer, Call, Route, Routes},
};

use crate::{
    effects::git::{core::Record, location::Location, remote::Remote},
    state::Committer,
};

/// Which handler serves which call.
pub(crate) fn routes() -> Routes<Committer> {
    vec![Route::wait::<call::RepositorySet, _>(set), Route::wait::<call::RepositoryList, _>(list)]
}

/// Most repositories of a mission that one reply holds; nobody has as many.
const MOST: usize = 1_000;

async fn set(state: Arc<Committer>, call: Arc<Call>, request: RepositorySet) -> Answer<RepositoryReply> {
    let RepositorySet { name, location } = request;
    if location.len() > MAX_LOCATION_BYTES {
        return Err(wrong(&format!("it has more than {MAX_LOCATION_BYTES} bytes")));
    }
    let place = Location::new(&location).map_err(|reason| wrong(&reason))?;
    let (copies, deadline) = (state.config.copies.clone(), call.deadline());
    let looked = tokio::task::spawn_blocking(move || look(&place, &copies, deadline));
    let looked = looked.await.map_err(|_| Fault::internal("looking at the repository broke off"))?;
    looked.map_err(|reason| wrong(&reason))?;
    let entity =
        Entity { mission: call.mission().clone(), name: EntityName::Repository, id: EntityId::from(&name) };
    let decide = |current: Option<&Repository>| {
        if current.is_some_and(|current| current.location == location) {
            return Ok(Verdict::Same);
        }
        let state = Repository {
            name: name.clone(),
            mission: call.mission().clone(),
            location: location.clone(),
            set_by: call.subject.caller.clone(),
            set_at_ms: call.now_ms,
        };
        Ok(Change::new(&REPOSITORY_SET, &Nothing {}, state).into())
    };
    let recorded = call.writer.record(&state.repositories, &entity, decide).await?;
    Ok(RepositoryReply { repository: recorded.state.as_ref().clone(), revision: recorded.revision })
}

/// Whether commits can be made there.
fn look(place: &Location, copies: &std::path::Path, deadline: Deadline) -> Result<(), String> {
    match place {
        Location::Folder(path) => {
            let found = git2::Repository::open(path)
                .map_err(|error| format!("{} is no git repository: {}", path.display(), error.message()))?;
            if !found.is_bare() {
                return Err(
                    "it has a work tree, which a commit would leave behind; use a bare repository".to_owned()
                );
            }
            Record::open(path).map(drop).map_err(|reason| format!("it cannot be written: {reason}"))
        }
        Location::Remote(url) => Remote::open(url, copies, deadline)?.check(deadline),
    }
}

fn wrong(reason: &str) -> Fault {
    Fault::invalid("commits cannot be recorded there; nothing was set").at("/location", reason)
}

async fn list(state: Arc<Committer>, call: Arc<Call>, _: Nothing) -> Answer<Repositories> {
    let (found, _) = state.repositories.page(call.mission(), None, MOST, |_| true);
    let entry = |repository: &Arc<Repository>| {
        let entry = state.repositories.get(call.mission(), &EntityId::from(&repository.name))?;
        Some(RepositoryReply { repository: entry.state.as_ref().clone(), revision: entry.revision })
    };
    Ok(Repositories { repositories: found.iter().filter_map(entry).collect() })
}
