//! The handlers: load, ask the rule, record, answer. One file for each noun.

mod capacity;
mod claim;
mod credential;
mod dead;
mod output;
mod page;
mod plan;
mod task;

use selvedge_kit::service::Routes;

use crate::state::Dispatcher;

/// Which handler serves which call.
pub(crate) fn routes() -> Routes<Dispatcher> {
    let all = [
        plan::routes(),
        claim::routes(),
        output::routes(),
        task::routes(),
        capacity::routes(),
        dead::routes(),
    ];
    all.into_iter().flatten().collect()
}
