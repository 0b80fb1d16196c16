//! Who holds what and who waits, from the mirror: any replica answers, and reads no further than the page.

use std::sync::Arc;

use selvedge_contracts::{
    envelope::MAX_BODY_BYTES,
    payload::lease::{Lease, LeaseList, Leases as Page},
};
use selvedge_kit::service::{Answer, Call};

use crate::{
    automaton::Effort,
    key::{Leaf, Place, parse},
    list::Filter,
    state::Leases,
    takeover::read,
};

/// Leases of one page when none is asked for, and at most.
const PAGE: (u32, u32) = (100, 1_000);
/// Bytes of one page: half of what a message may hold.
const MAX_PAGE_BYTES: usize = MAX_BODY_BYTES / 2;
/// Keys looked at between two chances for others to run.
const CHUNK: usize = 500;

pub(super) async fn list(state: Arc<Leases>, call: Arc<Call>, wanted: LeaseList) -> Answer<Page> {
    let filter = Filter::new(&wanted)?;
    let limit = wanted.limit.unwrap_or(PAGE.0).clamp(1, PAGE.1) as usize;
    let prefix = match &wanted.space {
        Some(space) => Place { mission: call.mission().clone(), space: space.clone() }.prefix(),
        None => format!("{}.", call.mission()),
    };
    let mut after = wanted.after.as_ref().map(|after| {
        let place = Place { mission: call.mission().clone(), space: after.space.clone() };
        place.lease_key(&after.lease)
    });
    let (mut leases, mut bytes, mut effort) = (Vec::new(), 0, Effort::new());
    loop {
        let chunk = state.mirror.page(&prefix, after.as_deref(), CHUNK);
        let is_last = chunk.len() < CHUNK;
        for (key, value) in &chunk {
            let Some((_, Leaf::Lease(_))) = parse(key) else { continue };
            let Some(mut lease) = read::<Lease>(key, value).filter(|lease| filter.keeps(lease, &mut effort))
            else {
                continue;
            };
            bytes += value.bytes.len();
            if leases.len() == limit || (bytes > MAX_PAGE_BYTES && !leases.is_empty()) {
                return Ok(Page { leases, more: true });
            }
            lease.token = lease.token_at(value.revision);
            leases.push(lease);
        }
        if is_last {
            return Ok(Page { leases, more: false });
        }
        after = chunk.into_iter().next_back().map(|(key, _)| key);
        tokio::task::yield_now().await;
    }
}
