//! Pages of lists.

use selvedge_contracts::{
    envelope::MAX_BODY_BYTES,
    payload::{DEFAULT_PAGE, MAX_PAGE},
};
use serde::Serialize;

/// Most items that a request's limit asks for.
pub(super) fn size(limit: Option<u32>) -> usize {
    limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE) as usize
}

/// The first of the items that one reply holds (half of a message), one at least; and whether some are left
/// out, here or before.
pub(super) fn holding<T: Serialize>(items: Vec<T>, is_more: bool) -> (Vec<T>, bool) {
    within(MAX_BODY_BYTES / 2, items, is_more)
}

/// The first of the items that fit into so many bytes, one at least; and whether some are left out, here or before.
pub(crate) fn within<T: Serialize>(bytes: usize, mut items: Vec<T>, is_more: bool) -> (Vec<T>, bool) {
    let (mut left, mut kept) = (bytes, 0);
    for item in &items {
        let bytes = serde_json::to_vec(item).map_or(usize::MAX, |json| json.len());
        let Some(rest) = left.checked_sub(bytes.saturating_add(1)) else { break }; // and a comma
        (left, kept) = (rest, kept + 1);
    }
    let kept = kept.max(1);
    let is_cut = items.len() > kept;
    items.truncate(kept);
    (items, is_more || is_cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_holds_what_fits_and_one_item_at_least() {
        let item = |bytes: usize| "x".repeat(bytes);
        let small = vec![item(10), item(10)];
        assert_eq!(holding(small.clone(), false), (small.clone(), false));
        assert_eq!(holding(small.clone(), true), (small, true));
        let (kept, more) = holding(vec![item(400_000), item(100_000), item(100_000)], false);
        assert_eq!((kept.len(), more), (2, true));
        assert_eq!(holding(vec![item(MAX_BODY_BYTES)], false).0.len(), 1);
    }
}
