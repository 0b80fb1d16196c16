//! Policies, intents and approvals, through a real bus.

#![allow(
    clippy::too_many_lines,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests stop where they fail"
)]

#[path = "governance/intents.rs"]
mod intents;
#[path = "governance/policy.rs"]
mod policy;
#[path = "governance/scene.rs"]
mod scene;

/// One replica as a process of its own.
#[allow(dead_code)]
const REPLICA: &str = env!("CARGO_BIN_EXE_replica");
