//! Plans, tasks, pools, cases, handoffs and dead letters, through a real bus.

#![allow(
    clippy::too_many_lines,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests stop where they fail"
)]

#[path = "dispatcher/accepting.rs"]
mod accepting;
#[path = "dispatcher/cases.rs"]
mod cases;
#[path = "dispatcher/checks.rs"]
mod checks;
#[path = "dispatcher/claims.rs"]
mod claims;
#[path = "dispatcher/credentials.rs"]
mod credentials;
#[path = "dispatcher/depth.rs"]
mod depth;
#[path = "dispatcher/effects.rs"]
mod effects;
#[path = "dispatcher/escalations.rs"]
mod escalations;
#[path = "dispatcher/handoffs.rs"]
mod handoffs;
#[path = "dispatcher/inspections.rs"]
mod inspections;
#[path = "dispatcher/letters.rs"]
mod letters;
#[path = "dispatcher/overlap.rs"]
mod overlap;
#[path = "dispatcher/owing.rs"]
mod owing;
#[path = "dispatcher/plans.rs"]
mod plans;
#[path = "dispatcher/pools.rs"]
mod pools;
#[path = "dispatcher/reservations.rs"]
mod reservations;
#[path = "dispatcher/restarts.rs"]
mod restarts;
#[path = "dispatcher/scene.rs"]
mod scene;
#[path = "dispatcher/sendings.rs"]
mod sendings;
#[path = "dispatcher/several.rs"]
mod several;
#[path = "dispatcher/sleepers.rs"]
mod sleepers;
#[path = "dispatcher/splits.rs"]
mod splits;

/// One replica as a process of its own.
const REPLICA: &str = env!("CARGO_BIN_EXE_replica");
