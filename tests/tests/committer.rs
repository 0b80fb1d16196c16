//! Effects through a real bus: deaths at every step, pauses, two at once, unknown outcomes, sagas.

#![allow(
    clippy::too_many_lines,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop where they fail"
)]

#[path = "committer/crashes.rs"]
mod crashes;
#[path = "committer/effector.rs"]
mod effector;
#[path = "committer/external.rs"]
mod external;
#[path = "committer/fairness.rs"]
mod fairness;
#[path = "committer/forgery.rs"]
mod forgery;
#[path = "committer/git.rs"]
mod git;
#[path = "committer/http.rs"]
mod http;
#[path = "committer/memory.rs"]
mod memory;
#[path = "committer/pauses.rs"]
mod pauses;
#[path = "committer/sagas.rs"]
mod sagas;
#[path = "committer/scratch.rs"]
mod scratch;
#[path = "committer/target.rs"]
mod target;

/// One replica as a process of its own.
const REPLICA: &str = env!("CARGO_BIN_EXE_replica");
