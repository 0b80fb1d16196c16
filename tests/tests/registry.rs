//! Calls of the registry, through a real bus.

#![allow(
    clippy::too_many_lines,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests stop where they fail"
)]

#[path = "registry/agents.rs"]
mod agents;
#[path = "registry/bad_input.rs"]
mod bad_input;
#[path = "registry/contracts.rs"]
mod contracts;
#[path = "registry/forms.rs"]
mod forms;
#[path = "registry/idempotency.rs"]
mod idempotency;
#[path = "registry/identity.rs"]
mod identity;
#[path = "registry/joining.rs"]
mod joining;
#[path = "registry/renewal.rs"]
mod renewal;
#[path = "registry/requests.rs"]
mod requests;
#[path = "registry/rights.rs"]
mod rights;
#[path = "registry/sessions.rs"]
mod sessions;
