//! The binary's lifecycle verbs, as processes: up, serve, init, kluster, status, doctor.

#![allow(
    clippy::too_many_lines,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on stops, and says where"
)]

#[path = "lifecycle/cluster.rs"]
mod cluster;
#[path = "lifecycle/deaths.rs"]
mod deaths;
#[path = "lifecycle/klusters.rs"]
mod klusters;
#[path = "lifecycle/process.rs"]
mod process;
#[path = "lifecycle/start.rs"]
mod start;
#[path = "lifecycle/three_servers.rs"]
mod three_servers;
#[path = "lifecycle/warden.rs"]
mod warden;
