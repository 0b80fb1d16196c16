//! `overlap.decide`.

use std::sync::Arc;

use selvedge_contracts::{
    call,
    fault::Fault,
    id::CreationId,
    payload::overlap::{Answer as Said, CreationReply, CreationState, Decide},
};
use selvedge_kit::service::{Answer, Call, Route, Routes};

use super::{creation, mission};
use crate::service::{
    book::{Book, Root},
    reopen::reopen_stranded,
    rule::{self, Decider, Wanted},
    state::Overlap,
};

/// Which handler serves which call.
pub(super) fn routes() -> Routes<Overlap> {
    vec![Route::wait::<call::OverlapDecide, _>(decide)]
}

/// Longest wait until a merge has been taken in, in milliseconds; past it, the follower sees to the rest.
const SEEN_MS: u64 = 2_000;

async fn decide(state: Arc<Overlap>, call: Arc<Call>, request: Decide) -> Answer<CreationReply> {
    let mission = mission(&call)?;
    let Decide { creation: id, answer, reason } = request;
    let root = match &answer {
        Said::Merge(into) => Some(root_of(&state, &call, &id, into).await?),
        Said::Proceed | Said::Discard => None,
    };
    let is_merge = root.is_some();
    let (basis, now_ms, ttl_ms) = (state.basis(), call.now_ms, state.config.pending_ttl_ms);
    let wanted = Wanted { answer, reason, root, basis, now_ms, ttl_ms };
    let by = Decider { caller: &call.subject.caller, owner: call.owner(), role: call.role() };
    let decided = state.record(&call.writer, mission, &id, |standing| rule::decide(standing, by, &wanted));
    let decided = decided.await.map_err(|fault| not_here(fault, &id))?;
    let seen = state.order.reaches(decided.revision, call.deadline().at_most_ms(SEEN_MS)).await;
    if is_merge && seen {
        let writer = |_: &_| call.writer.follow_up("reopen");
        let opened = reopen_stranded(&state, id.number(), writer).await?;
        if opened.contains(&id.number()) {
            return Err(Fault::conflict(format!(
                "what {id} was to be merged into was merged into it, or given up, at this moment: it is open again; \
                 overlap.show says how it stands"
            )));
        }
    }
    Ok(creation::reply(&state, decided))
}

fn not_here(fault: Fault, id: &CreationId) -> Fault {
    if fault.code == selvedge_contracts::fault::Code::NotFound {
        return Fault::not_found(format!(
            "there is no {id} in this mission; overlap.list shows those there are"
        ));
    }
    fault
}

/// What stands at the end of the chain that something is to be merged into.
///
/// # Errors
/// `not_found` if the caller may not read it or there is none; `invalid` if it is the creation itself; `conflict`
/// if the chain ends in something that is gone, or in the creation itself.
async fn root_of(state: &Overlap, call: &Call, id: &CreationId, into: &CreationId) -> Answer<CreationId> {
    if id == into {
        return Err(Fault::invalid("a creation cannot be merged into itself").at("/answer/merge", "itself"));
    }
    // What it was merged into itself may have been decided a moment ago, by way of another replica.
    state.catch_up(call.deadline()).await?;
    creation::find(state, call, into).await?;
    let root = state.replica.read(|held| held.book.root(into.number()));
    match root {
        Root::Alive(root) if root == id.number() => Err(Fault::conflict(format!(
            "{into} was merged into {id}: decide about that one instead, or go on with this one"
        ))),
        Root::Alive(root) => Ok(Book::id(root)),
        Root::Gone(root, became) => Err(Fault::conflict(format!(
            "{into} leads to {}, which is {became}: nothing can be merged into it",
            Book::id(root)
        ))),
        Root::Ring => Err(Fault::conflict(format!(
            "{into} is {} in a ring; it is opened again in a moment",
            CreationState::Merged
        ))),
    }
}
