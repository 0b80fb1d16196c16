//! Faults: processes killed at the worst moment, servers that go and come back. What was acknowledged
//! is there, once.

#![allow(
    clippy::too_many_lines,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop where they fail"
)]

#[path = "faults/cluster.rs"]
mod cluster;
#[path = "faults/follower.rs"]
mod follower;
#[path = "faults/load.rs"]
mod load;
#[path = "faults/replica.rs"]
mod replica;
#[path = "faults/restart.rs"]
mod restart;
#[path = "faults/views.rs"]
mod views;

/// The registry as a process of its own.
const REPLICA: &str = env!("CARGO_BIN_EXE_replica");
