//! Calls of the service `leases`, through a real bus: one replica and several, deaths and pauses.

#![allow(
    clippy::too_many_lines,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop where they fail"
)]

mod bad_input;
mod calls;
mod endings;
mod full;
mod given_up;
mod history;
mod lane;
mod loading;
mod metrics;
mod mirror;
mod pools;
mod replicas;
mod restarts;
mod restored;
mod scene;
mod spaces;
mod waiting;

/// The service as a process of its own.
const REPLICA: &str = env!("CARGO_BIN_EXE_replica");
