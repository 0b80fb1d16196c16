//! The handlers: load, ask the rule, record, answer. One file for content, one for names,
//! one for what other services ask.

mod content;
mod name;
mod upload;
mod vouch;

use selvedge_contracts::{
    call,
    envelope::MAX_BODY_BYTES,
    payload::{DEFAULT_PAGE, MAX_PAGE},
};
use selvedge_kit::service::{Route, Routes};
use serde::Serialize;

use crate::{gc, state::Artifacts};

/// Which handler serves which call.
pub(crate) fn routes() -> Routes<Artifacts> {
    vec![
        Route::wait::<call::ArtifactPut, _>(content::put),
        Route::wait::<call::ArtifactPutStart, _>(upload::start),
        Route::wait::<call::ArtifactPutChunk, _>(upload::chunk),
        Route::wait::<call::ArtifactPutFinish, _>(upload::finish),
        Route::bytes::<call::ArtifactGet, _>(content::get),
        Route::wait::<call::ArtifactVerify, _>(content::verify),
        Route::wait::<call::ArtifactPublish, _>(name::publish),
        Route::wait::<call::ArtifactJudge, _>(name::judge),
        Route::read::<call::ArtifactShow>(name::show),
        Route::wait::<call::ArtifactList, _>(name::list),
        Route::wait::<call::ArtifactHistory, _>(name::history),
        Route::wait::<call::ArtifactVouch, _>(vouch::vouch),
        Route::wait::<call::ArtifactGc, _>(gc::gc),
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
