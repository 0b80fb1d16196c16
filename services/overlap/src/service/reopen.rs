//! What follows when something others were merged into is gone: they are open again, and checked at a new place.
//! Done once, by one replica, from the fact that says so.

use std::sync::Arc;

use selvedge_contracts::{
    fact::EntityName,
    fault::Fault,
    id::{CreationId, Mission},
    payload::overlap::CreationState,
    stream::OVERLAP_REOPENS,
};
use selvedge_kit::{
    clock::{Deadline, now_ms},
    follow::{self, Delivery},
    ledger::Ledger,
    service::{Answer, Writer},
};
use tracing::warn;

use super::{book::Book, judge, owners, owners::Said, rule, state::Overlap};

/// Longest wait until the fact has been taken in, in milliseconds.
const SEEN_MS: u64 = 10_000;

/// Starts the follower.
pub(crate) fn start(state: &Arc<Overlap>, ledger: &Ledger) {
    let of_work = Arc::clone(state);
    let work = move |delivery: Arc<Delivery>| {
        let state = Arc::clone(&of_work);
        async move { follow(&state, &delivery).await }
    };
    let (tasks, stop) = (&state.tasks, state.stop.clone());
    follow::start(OVERLAP_REOPENS, ledger.clone(), state.feed.clone(), tasks, stop, work);
}

async fn follow(state: &Arc<Overlap>, delivery: &Delivery) -> Result<(), Fault> {
    let fact = delivery.fact().map_err(|error| Fault::invalid(error.to_string()))?;
    let number = match fact.fact.entity.name {
        EntityName::Creation => CreationId::new(fact.fact.entity.id.as_str()).ok().map(|id| id.number()),
        _ => {
            let said = owners::said(&fact).map_err(|error| Fault::invalid(error.to_string()))?;
            said.iter().find_map(Said::ended) // a whole stands before its parts
        }
    };
    let Some(number) = number else { return Ok(()) };
    if !state.order.reaches(delivery.sequence, Deadline::in_ms(SEEN_MS)).await {
        return Err(Fault::unavailable(format!("revision {} has not been taken in", delivery.sequence)));
    }
    let writer = |mission: &Mission| delivery.writer(mission, &fact.envelope.id, &fact.envelope.root);
    reopen_stranded(state, number, writer).await.map(drop)
}

/// Opens again what something that became of a creation, or of its family with it, has stranded; answers with what
/// it opened.
///
/// # Errors
/// As the ledger answers.
pub(crate) async fn reopen_stranded(
    state: &Arc<Overlap>,
    number: u128,
    writer: impl Fn(&Mission) -> Writer,
) -> Answer<Vec<u128>> {
    let stranded = state.replica.read(|held| {
        let named = |child: &u128| {
            let record = held.book.get(*child)?;
            Mission::new(held.book.names.name(record.mission)).ok()
        };
        let family = std::iter::once(number).chain(held.book.family(number));
        family
            .flat_map(|number| held.book.stranded(number))
            .filter_map(|(child, into, became)| named(&child).map(|mission| (mission, child, into, became)))
            .collect::<Vec<_>>()
    });
    let mut opened = Vec::new();
    for (mission, child, into, became) in stranded {
        let writer = writer(&mission).follow_up(Book::id(child).as_str());
        reopen(state, &writer, &mission, child, into, became).await?;
        opened.push(child);
    }
    Ok(opened)
}

async fn reopen(
    state: &Arc<Overlap>,
    writer: &Writer,
    mission: &Mission,
    child: u128,
    into: u128,
    became: CreationState,
) -> Answer<()> {
    let (id, into) = (Book::id(child), Book::id(into));
    let recorded = state.record(writer, mission, &id, |standing| {
        let standing = standing.ok_or_else(|| Fault::not_found("there is no such creation"))?;
        Ok(rule::reopen(standing, &into, became, now_ms(), state.config.pending_ttl_ms))
    });
    let recorded = recorded.await?;
    if recorded.state.state == CreationState::Pending
        && state.order.reaches(recorded.revision, Deadline::in_ms(SEEN_MS)).await
        && let Err(fault) = judge::complete(state, child).await
    {
        warn!(creation = %id, error = %fault, "its check is completed later");
    }
    Ok(())
}
