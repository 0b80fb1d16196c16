//! What nobody's request does: leaving spaces in which nothing is, freeing what the bucket no longer holds,
//! and seeing that the bucket has got more or fewer copies.
//!
//! **Empty spaces.** Else whoever invents names could fill the bucket and the memory of every replica with
//! their owners' keys. An owner first stops owning the space, then removes the owner's key under its own
//! guard. Whoever takes the space over in between, here or elsewhere, has written the key: then it stays.
//!
//! **Overdue leases.** A mirror that was read from a copy that lags may hold a record whose removal it never
//! hears. Whatever is overdue is looked for at the bucket's leader, and is free if it is not there.

use std::{sync::Arc, time::Duration};

use selvedge_kit::{
    bucket::{AppendError, Expect},
    clock::{Deadline, now_ms},
    pipeline::Flight,
};
use tokio::time::{Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::{owner::Slot, state::Leases};

/// Longest wait for one answer of the bucket, in milliseconds.
const STEP_MS: u64 = 2_000;
/// How often it is looked for what is overdue, in milliseconds.
const OVERDUE_EVERY_MS: u64 = 5_000;
/// How often what is owned is counted, in milliseconds.
const COUNT_EVERY_MS: u64 = 1_000;
/// Most overdue leases of one space that are looked for at once.
const MOST_OVERDUE: usize = 64;

/// Sweeps from time to time, until `stop`.
pub(crate) async fn run(state: Arc<Leases>, stop: CancellationToken) {
    let (mut idle, mut overdue) = (every(state.limits.idle_space_ms), every(OVERDUE_EVERY_MS));
    let mut counting = every(COUNT_EVERY_MS);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = counting.tick() => count(&state),
            _ = idle.tick() => {
                stop.run_until_cancelled(leave_idle(&state)).await;
            }
            _ = overdue.tick() => {
                stop.run_until_cancelled(look_for_overdue(&state)).await;
            }
        }
    }
}

fn every(ms: u64) -> Interval {
    let mut interval = tokio::time::interval(Duration::from_millis(ms.max(1)));
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

async fn leave_idle(state: &Leases) {
    for slot in state.all_slots() {
        leave_if_idle(state, &slot).await;
    }
    state.forget_unused();
}

async fn leave_if_idle(state: &Leases, slot: &Slot) {
    let Some(revision) = slot.leave_if_idle() else { return };
    let (key, expected) = (slot.place.owner_key(), Expect::Revision(revision));
    match state.bucket.remove(&key, expected, Deadline::in_ms(STEP_MS)).await {
        Ok(()) => info!(mission = %slot.place.mission, space = %slot.place.space, "left the empty space"),
        Err(AppendError::Contended) => {} // it is wanted again
        // It is left again once somebody has used it.
        Err(error) => debug!(key, %error, "the owner's key of an empty space stays"),
    }
}

fn count(state: &Leases) {
    let sizes: Vec<_> = state.all_slots().iter().filter_map(|slot| slot.size()).collect();
    let (leases, waiters) =
        sizes.iter().fold((0, 0), |(leases, waiters), of| (leases + of.0, waiters + of.1));
    state.metrics.owned(sizes.len(), leases, waiters);
}

async fn look_for_overdue(state: &Leases) {
    let replicas = state.bucket.replicas(Deadline::in_ms(STEP_MS)).await.ok();
    for slot in state.all_slots() {
        slot.lose_unless(replicas.map(Flight::of));
        for (id, revision) in slot.overdue(now_ms(), MOST_OVERDUE) {
            let key = slot.place.lease_key(&id);
            // Asked again next time if there is no answer.
            if let Ok(None) = state.bucket.get(&key, Deadline::in_ms(STEP_MS)).await {
                slot.gone(&id, revision);
            }
        }
    }
}
