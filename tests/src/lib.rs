//! What the integration tests and the bench stand on: a real nats-server on a free port, with its keys
//! and streams, thrown away at the end.
//!
//! Never knows a service: it starts the bus and gives out credentials.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test that cannot go on stops, and says where"
)]

pub mod artifacts;
mod bus;
pub mod committer;
pub mod dispatcher;
pub mod eval;
pub mod fabric;
pub mod governance;
mod guard;
pub mod overlap;
pub mod python;
pub mod raw;
mod refusal;
pub mod replica;
mod server;
pub mod valve;
pub mod wait;

pub use bus::{Bus, Nodes, Options};
pub use refusal::refused;
pub use selvedge_kit::authority::{Credential, Keyring, Kluster, jwt::Life, server_config::Sync};
pub use server::nats_server_binary;

/// The clock, in milliseconds since 1970.
pub fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(since.expect("a clock after 1970").as_millis())
        .expect("a clock before the year 500 million")
}
