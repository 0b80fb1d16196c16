//! The handlers: load, ask the rule, record, answer. One file for each noun.

mod intent;
mod policy;

use selvedge_kit::service::Routes;

use crate::state::Governance;

/// Which handler serves which call.
pub(crate) fn routes() -> Routes<Governance> {
    policy::routes().into_iter().chain(intent::routes()).collect()
}
