//! Calls about intents, approvals and sagas.

use selvedge_kit::service::Routes;

use crate::state::Governance;

/// Which handler serves which call.
pub(crate) fn routes() -> Routes<Governance> {
    Vec::new()
}
