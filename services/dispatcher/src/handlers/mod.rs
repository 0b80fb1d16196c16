//! The handlers: load, ask the rule, record, answer. One file for each noun.

mod capacity;
mod case;
mod claim;
mod credential;
mod dead;
mod handoff;
mod inspect;
mod output;
pub(crate) mod page;
mod plan;
mod precondition;
mod task;

use selvedge_kit::service::Routes;

use crate::state::Dispatcher;

pub(crate) use output::by_contract;

/// Which handler serves which call.
pub(crate) fn routes() -> Routes<Dispatcher> {
    let all = [
        plan::routes(),
        claim::routes(),
        output::routes(),
        task::routes(),
        capacity::routes(),
        dead::routes(),
        inspect::routes(),
        case::routes(),
        handoff::routes(),
    ];
    all.into_iter().flatten().collect()
}
