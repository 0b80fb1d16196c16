//! What already exists that looks like what is to be created, through a real bus.

#![allow(
    clippy::too_many_lines,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests stop where they fail"
)]

#[path = "overlap/bad_input.rs"]
mod bad_input;
#[path = "overlap/barrier.rs"]
mod barrier;
#[path = "overlap/crashes.rs"]
mod crashes;
#[path = "overlap/life.rs"]
mod life;
#[path = "overlap/merges.rs"]
mod merges;
#[path = "overlap/owners.rs"]
mod owners;
#[path = "overlap/parts.rs"]
mod parts;
#[path = "overlap/racing.rs"]
mod racing;
#[path = "overlap/replicas.rs"]
mod replicas;
#[path = "overlap/scene.rs"]
mod scene;
#[path = "overlap/second.rs"]
mod second;
#[path = "overlap/together.rs"]
mod together;
#[path = "overlap/tuning.rs"]
mod tuning;
#[path = "overlap/visibility.rs"]
mod visibility;

/// One replica as a process of its own.
const REPLICA: &str = env!("CARGO_BIN_EXE_replica");
