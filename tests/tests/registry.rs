//! Calls of the registry, through a real bus.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests stop where they fail")]

#[path = "registry/identity.rs"]
mod identity;
#[path = "registry/renewal.rs"]
mod renewal;
