//! Leaving spaces in which nothing is: else whoever invents names could fill the bucket and the memory of
//! every replica with their owners' keys.
//!
//! An owner first stops owning the space, then removes the owner's key under its own guard. Whoever takes
//! the space over in between, here or elsewhere, has written the key: then it stays.

use std::{sync::Arc, time::Duration};

use selvedge_kit::{
    bucket::{AppendError, Expect},
    clock::Deadline,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::{owner::Slot, state::Leases};

/// Longest wait for the removal of one key, in milliseconds.
const STEP_MS: u64 = 2_000;

/// Leaves empty spaces from time to time, until `stop`.
pub(crate) async fn run(state: Arc<Leases>, stop: CancellationToken) {
    let mut turn = tokio::time::interval(Duration::from_millis(state.limits.idle_space_ms.max(1)));
    turn.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(turn.tick()).await.is_some() {
        for slot in state.all_slots() {
            if stop.is_cancelled() {
                return;
            }
            leave(&state, &slot).await;
        }
        state.forget_unused();
    }
}

async fn leave(state: &Leases, slot: &Slot) {
    let Some(revision) = slot.leave_if_idle() else { return };
    let (key, expected) = (slot.place.owner_key(), Expect::Revision(revision));
    match state.bucket.remove(&key, expected, Deadline::in_ms(STEP_MS)).await {
        Ok(()) => info!(mission = %slot.place.mission, space = %slot.place.space, "left the empty space"),
        Err(AppendError::Contended) => {} // it is wanted again
        // It is left again once somebody has used it.
        Err(error) => debug!(key, %error, "the owner's key of an empty space stays"),
    }
}
