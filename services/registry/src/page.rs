//! One page of an ordered list. Owns the bounds of every list this service answers with.

use selvedge_contracts::payload::{DEFAULT_PAGE, MAX_PAGE};

/// The first `limit` items whose key comes after `after`, and whether there are more. `items` come in
/// order of their key.
pub(crate) fn page<K: Ord, T>(
    items: impl IntoIterator<Item = (K, T)>,
    after: Option<&K>,
    limit: Option<u32>,
) -> (Vec<T>, bool) {
    let limit = limit.unwrap_or(DEFAULT_PAGE).clamp(1, MAX_PAGE) as usize;
    let mut rest = items
        .into_iter()
        .filter(|(key, _)| after.is_none_or(|after| key > after))
        .map(|(_, item)| item);
    let page = rest.by_ref().take(limit).collect();
    (page, rest.next().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pages(count: u32, limit: Option<u32>) -> Vec<Vec<u32>> {
        let mut pages: Vec<Vec<u32>> = Vec::new();
        loop {
            let after = pages.last().and_then(|page| page.last().copied());
            let (items, more) = page((0..count).map(|n| (n, n)), after.as_ref(), limit);
            pages.push(items);
            if !more {
                return pages;
            }
        }
    }

    #[test]
    fn a_page_has_at_least_one_and_at_most_a_thousand_items() {
        let of = |limit| page((0..2_000).map(|n| (n, n)), None, limit).0.len();
        assert_eq!((of(None), of(Some(0)), of(Some(5_000))), (100, 1, 1_000));
    }

    proptest! {
        #[test]
        fn pages_together_are_the_whole_list(count in 0u32..300, limit in prop::option::of(1u32..50)) {
            let all: Vec<u32> = pages(count, limit).concat();
            prop_assert_eq!(all, (0..count).collect::<Vec<_>>());
        }
    }
}
