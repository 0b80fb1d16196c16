//! Calls about canonical records.

use selvedge_kit::service::Routes;

use crate::state::Committer;

/// Which handler serves which call.
pub(crate) fn routes() -> Routes<Committer> {
    Vec::new()
}
