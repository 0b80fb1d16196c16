//! The handlers: load, ask the rule, record, answer. One file for each noun.

mod approval;
mod intent;
mod page;
mod policy;
mod proposal;
mod redeem;
mod saga;

use selvedge_kit::service::Routes;

use crate::state::Governance;

/// Which handler serves which call.
pub(crate) fn routes() -> Routes<Governance> {
    let all = [policy::routes(), intent::routes(), approval::routes(), redeem::routes(), saga::routes()];
    all.into_iter().flatten().collect()
}
