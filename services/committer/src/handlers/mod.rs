//! The handlers: load, ask the rule, record, answer. One file for each noun.

mod memory;
mod repository;
mod scratch;
mod settle;

use selvedge_kit::service::Routes;

use crate::state::Committer;

/// Which handler serves which call.
pub(crate) fn routes() -> Routes<Committer> {
    let nouns = [memory::routes(), repository::routes(), scratch::routes(), settle::routes()];
    nouns.into_iter().flatten().collect()
}
