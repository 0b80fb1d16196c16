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

#[path = "governance/approvals.rs"]
mod approvals;
#[path = "governance/content.rs"]
mod content;
#[path = "governance/intents.rs"]
mod intents;
#[path = "governance/overlap.rs"]
mod overlap;
#[path = "governance/policy.rs"]
mod policy;
#[path = "governance/replicas.rs"]
mod replicas;
#[path = "governance/rights.rs"]
mod rights;
#[path = "governance/sagas.rs"]
mod sagas;
#[path = "governance/scene.rs"]
mod scene;
#[path = "governance/staleness.rs"]
mod staleness;

/// One replica as a process of its own.
const REPLICA: &str = env!("CARGO_BIN_EXE_replica");
