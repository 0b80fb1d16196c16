//! The handlers: load, ask the rule, record, answer. One file per noun.

mod agent;
mod contract;
mod history;
mod invite;
mod mission;
mod request;
mod session;

use selvedge_contracts::{
    call,
    envelope::MAX_BODY_BYTES,
    payload::{DEFAULT_PAGE, MAX_PAGE},
};
use selvedge_kit::service::{Route, Routes};
use serde::Serialize;

use crate::state::Registry;

/// Which handler serves which call. A list whose filter matches little looks at every entity of its
/// mission, so lists do not run on the loop that receives: they take a slot, as writes do.
pub(crate) fn routes() -> Routes<Registry> {
    vec![
        Route::read::<call::Whoami>(agent::whoami),
        Route::wait::<call::Join, _>(agent::join),
        Route::wait::<call::Register, _>(agent::register),
        Route::wait::<call::AgentList, _>(agent::list),
        Route::read::<call::AgentShow>(agent::show),
        Route::wait::<call::AgentRotate, _>(agent::rotate),
        Route::wait::<call::AgentRekey, _>(agent::rekey),
        Route::wait::<call::AgentRetire, _>(agent::retire),
        Route::wait::<call::SessionStart, _>(session::start),
        Route::wait::<call::CredentialRenew, _>(session::renew),
        Route::wait::<call::Heartbeat, _>(session::heartbeat),
        Route::wait::<call::SessionEnd, _>(session::end),
        Route::wait::<call::SessionList, _>(session::list),
        Route::wait::<call::TaskGrant, _>(session::grant),
        Route::wait::<call::InviteCreate, _>(invite::create),
        Route::wait::<call::MissionCreate, _>(mission::create),
        Route::read::<call::MissionList>(mission::list),
        Route::wait::<call::RequestOpen, _>(request::open),
        Route::wait::<call::RequestClose, _>(request::close),
        Route::wait::<call::RequestList, _>(request::list),
        Route::wait::<call::ContractAdd, _>(contract::add),
        Route::wait::<call::ContractList, _>(contract::list),
        Route::read::<call::ContractShow>(contract::show),
        Route::wait::<call::ContractCheck, _>(contract::check),
        Route::wait::<call::History, _>(history::history),
    ]
}

/// Bytes of one page's items: half of what a message may hold.
const MAX_PAGE_BYTES: usize = MAX_BODY_BYTES / 2;

/// As many of the items as one reply holds, one at least, and whether there are more.
fn fitting<T: Serialize>(items: impl IntoIterator<Item = T>, more: bool) -> (Vec<T>, bool) {
    let (mut kept, mut bytes) = (Vec::new(), 0);
    for item in items {
        bytes += serde_json::to_vec(&item).map_or(0, |json| json.len());
        if bytes > MAX_PAGE_BYTES && !kept.is_empty() {
            return (kept, true);
        }
        kept.push(item);
    }
    (kept, more)
}

/// Items of one page.
fn page_size(limit: Option<u32>) -> usize {
    limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE) as usize
}
