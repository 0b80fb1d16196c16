//! What nats-server itself enforces: credentials, klusters, streams. No service runs here.

#![allow(
    clippy::too_many_lines,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on stops, and says where"
)]

#[path = "authority/credentials.rs"]
mod credentials;
#[path = "authority/klusters.rs"]
mod klusters;
#[path = "authority/probe.rs"]
mod probe;
#[path = "authority/rights.rs"]
mod rights;
#[path = "authority/streams.rs"]
mod streams;
