//! Calls of the service `leases`, through a real bus: one replica and several, deaths and pauses.

#![allow(
    clippy::too_many_lines,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop where they fail"
)]

mod calls;
mod scene;
