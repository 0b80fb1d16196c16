//! Pages of lists.

use selvedge_contracts::{
    envelope::MAX_BODY_BYTES,
    payload::{DEFAULT_PAGE, MAX_PAGE},
};
use serde::Serialize;

/// Bytes of one page's items: half of what a message may hold.
const MAX_PAGE_BYTES: usize = MAX_BODY_BYTES / 2;

/// As many of the items as one reply holds, one at least, and whether there are more.
pub(super) fn fitting<T: Serialize>(items: impl IntoIterator<Item = T>, more: bool) -> (Vec<T>, bool) {
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
pub(super) fn size(limit: Option<u32>) -> usize {
    limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE) as usize
}
