//! Looking at creations.

use std::sync::Arc;

use futures::{StreamExt as _, stream};
use selvedge_contracts::{
    call,
    fault::Fault,
    id::{CreationId, Mission},
    payload::{
        DEFAULT_PAGE, MAX_PAGE,
        overlap::{Candidate, Creation, CreationList, CreationReply, CreationShow, CreationState, Creations},
    },
};
use selvedge_kit::{
    clock::Deadline,
    service::{Answer, Call, Recorded, Route, Routes},
    view::View,
};

use super::mission;
use crate::service::{
    book::{Book, Record, Root, index_id},
    replica::{Held, Replica},
    second, shown,
    state::{Overlap, entity},
};

/// Which handler serves which call.
pub(super) fn routes() -> Routes<Overlap> {
    vec![Route::wait::<call::OverlapShow, _>(show), Route::wait::<call::OverlapList, _>(list)]
}

/// Titles that are read from the ledger at once: those of creations that are over stand nowhere else.
const READ_AT_ONCE: usize = 16;

/// The mission of a creation that the caller may read.
///
/// # Errors
/// `not_found` if there is none, or the caller may not read it: both look the same; `unavailable` if this replica
/// is behind, and may not have heard of it.
pub(super) async fn find(state: &Overlap, call: &Call, id: &CreationId) -> Answer<Mission> {
    let mission = mission_of(state, id);
    let mission = match mission {
        Some(mission) => Some(mission),
        None => {
            state.catch_up(call.deadline()).await?;
            mission_of(state, id)
        }
    };
    let readable = state.readable(call);
    mission.filter(|mission| readable.has(mission.as_str())).ok_or_else(|| {
        Fault::not_found(format!("there is no {id} that you may read; overlap.list shows those there are"))
    })
}

fn mission_of(state: &Overlap, id: &CreationId) -> Option<Mission> {
    state.replica.read(|held| {
        let record = held.book.get(id.number())?;
        Mission::new(held.book.names.name(record.mission)).ok()
    })
}

/// The creation as its last fact left it, by the ledger's leader.
///
/// # Errors
/// `not_found` if it has no fact of its own; `unavailable` if the leader does not answer.
pub(in crate::service) async fn read(
    call: &Call,
    mission: &Mission,
    id: &CreationId,
) -> Answer<Recorded<Creation>> {
    let (view, entity) = (Arc::<View<Creation>>::default(), entity(mission, id));
    call.writer.read_anew(&view, &entity).await?;
    let entry = view.get(mission, &id.into());
    let entry = entry.ok_or_else(|| {
        Fault::not_found(format!("{id} was never proposed: its thing was created without asking overlap"))
    });
    entry.map(|entry| Recorded { revision: entry.revision, state: entry.state })
}

async fn show(state: Arc<Overlap>, call: Arc<Call>, request: CreationShow) -> Answer<CreationReply> {
    let id = &request.creation;
    let mission = find(&state, &call, id).await?;
    let recorded = read(&call, &mission, id).await?;
    let mut shown = reply(&state, recorded);
    let (creation, readable) = (shown.creation.clone(), state.readable(&call));
    let look = move |replica: &Replica| replica.read(|held| shown::for_reader(held, &creation, &readable));
    shown.creation.checked = state.compute(look).await?;
    if let (Some(model), Some(checked)) = (&state.second, &mut shown.creation.checked) {
        let text = second::joined(&shown.creation.title, &shown.creation.description);
        second::reorder(model, &call, &text, checked).await;
    }
    Ok(shown)
}

/// A creation, where it stands, and what it was merged into.
pub(super) fn reply(state: &Overlap, recorded: Recorded<Creation>) -> CreationReply {
    let number = recorded.state.creation.number();
    let (known, root) = state.replica.read(|held| {
        let record = held.book.get(number).filter(|record| record.revision >= recorded.revision);
        let root = match held.book.root(number) {
            Root::Alive(root) | Root::Gone(root, _) if root != number => Some(Book::id(root)),
            _ => None,
        };
        (record.map(Record::stands), root)
    });
    let decided = recorded.state.decision.as_ref().and_then(|decision| decision.root.clone());
    let stands = known.unwrap_or(recorded.state.state);
    let root = root.or(decided).filter(|_| stands == CreationState::Merged);
    CreationReply {
        state: stands,
        root,
        revision: recorded.revision,
        creation: recorded.state.as_ref().clone(),
    }
}

async fn list(state: Arc<Overlap>, call: Arc<Call>, request: CreationList) -> Answer<Creations> {
    let mission = mission(&call)?.clone();
    let size = request.limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE) as usize;
    let (asker, wanted) = (call.subject.caller.to_string(), mission.to_string());
    let (found, more) = state.compute(move |replica| pages(replica, request, &wanted, &asker, size)).await?;
    let deadline = call.deadline();
    let titled = found.into_iter().map(|found| titled(&state, found, deadline));
    let creations = stream::iter(titled).buffered(READ_AT_ONCE).collect().await;
    Ok(Creations { creations, more })
}

/// Records that are looked at in one turn: whoever takes facts in waits as long.
const LOOKED_AT: usize = 10_000;

/// A page of what is wanted, and whether there is more of it.
fn pages(
    replica: &Replica,
    mut request: CreationList,
    mission: &str,
    asker: &str,
    size: usize,
) -> (Vec<Candidate>, bool) {
    let mut found = Vec::new();
    loop {
        let turn = replica.read(|held| page(held, &request, mission, asker, size + 1 - found.len()));
        found.extend(turn.found);
        match turn.last {
            Some(last) if found.len() <= size => request.after = Some(Book::id(last)),
            _ => break,
        }
    }
    let more = found.len() > size;
    found.truncate(size);
    (found, more)
}

/// What was found in one turn, and the last that was looked at if there are more.
#[derive(Default)]
struct Turn {
    found: Vec<Candidate>,
    last: Option<u128>,
}

fn page(held: &Held, request: &CreationList, mission: &str, asker: &str, size: usize) -> Turn {
    use std::ops::Bound;
    let names = &held.book.names;
    let Some(mission) = names.find(mission) else {
        return Turn::default();
    };
    let start = request.after.as_ref().map_or(Bound::Unbounded, |after| Bound::Excluded(after.number()));
    let keep = |record: &Record| {
        record.mission == mission
            && request.state.is_none_or(|state| state == record.stands())
            && request.what.as_ref().is_none_or(|what| what.as_str() == names.name(record.what))
            && (!request.mine || names.name(record.agent) == asker)
    };
    let mut turn = Turn::default();
    for (looked_at, (number, record)) in (1..).zip(held.book.records.range((start, Bound::Unbounded))) {
        if keep(record) {
            let title = held.index.item(&index_id(*number)).map(|item| item.title);
            let shown = shown::record(&held.book, *number, record, title.unwrap_or_default());
            turn.found.extend(shown.map(|shown| Candidate { state: record.stands(), ..shown }));
        }
        if turn.found.len() == size || looked_at == LOOKED_AT {
            turn.last = Some(*number);
            break;
        }
    }
    turn
}

/// With its title, which the index does not hold of what is over.
async fn titled(state: &Overlap, found: Candidate, deadline: Deadline) -> Candidate {
    if !found.title.is_empty() {
        return found;
    }
    #[derive(serde::Deserialize)]
    struct After {
        state: Creation,
    }
    let latest = state.ledger.latest(&entity(&found.mission, &found.creation), deadline).await;
    let title = latest.ok().flatten().and_then(|fact| {
        let after = serde_json::from_slice::<After>(&fact.envelope.payload).ok()?;
        Some(after.state.title)
    });
    Candidate { title: title.unwrap_or_default(), ..found }
}
