//! The client verbs of the real binary, against a real bus.

#![allow(
    clippy::too_many_lines,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop where they fail"
)]

#[path = "cli/agents.rs"]
mod agents;
#[path = "cli/alike.rs"]
mod alike;
#[path = "cli/artifacts.rs"]
mod artifacts;
#[path = "cli/attempts.rs"]
mod attempts;
#[path = "cli/cases.rs"]
mod cases;
#[path = "cli/confinement.rs"]
mod confinement;
#[path = "cli/contracts.rs"]
mod contracts;
#[path = "cli/effects.rs"]
mod effects;
#[path = "cli/evals.rs"]
mod evals;
#[path = "cli/harness.rs"]
mod harness;
#[path = "cli/hold.rs"]
mod hold;
#[path = "cli/hooks.rs"]
mod hooks;
#[path = "cli/intents.rs"]
mod intents;
#[path = "cli/landing.rs"]
mod landing;
#[path = "cli/leases.rs"]
mod leases;
#[path = "cli/machine.rs"]
mod machine;
#[path = "cli/memory.rs"]
mod memory;
#[path = "cli/newcomer.rs"]
mod newcomer;
#[path = "cli/outages.rs"]
mod outages;
#[path = "cli/overlaps.rs"]
mod overlaps;
#[path = "cli/pages.rs"]
mod pages;
#[path = "cli/plans.rs"]
mod plans;
#[path = "cli/policies.rs"]
mod policies;
#[path = "cli/revoking.rs"]
mod revoking;
#[path = "cli/watching.rs"]
mod watching;
#[path = "cli/working.rs"]
mod working;
