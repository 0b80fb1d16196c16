//! Artifacts: content and names, through a real bus and real stores.

#![allow(
    clippy::too_many_lines,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests stop where they fail"
)]

#[path = "artifacts/bad_input.rs"]
mod bad_input;
#[path = "artifacts/content.rs"]
mod content;
#[path = "artifacts/gc.rs"]
mod gc;
#[path = "artifacts/large.rs"]
mod large;
#[path = "artifacts/names.rs"]
mod names;
#[path = "artifacts/overlap.rs"]
mod overlap;
#[path = "artifacts/scene.rs"]
mod scene;
#[path = "artifacts/stores.rs"]
mod stores;
#[path = "artifacts/uploads.rs"]
mod uploads;

/// One replica as a process of its own.
const REPLICA: &str = env!("CARGO_BIN_EXE_replica");
