//! The collision suite: many seeded trials in which agents get into each other's way, repeat themselves, act
//! on what is no longer so and reach above their roles; and whether the fabric held.
//!
//! It runs against any deployment whose keys are at hand, in a mission that it makes for itself, with agents
//! that it invites. What a trial finds is read from the ledger and the services afterwards, never from what
//! the tried calls claimed. At the end it takes back whatever can be taken back, also if it was interrupted.
//! It never asks in another mission, and never decides what a service should: it knows invariants alone.
//!
//! ```text
//! run ── arena (mission, agents, effector)
//!     ├─ suite ── case ── trial: tries something, reads, judges
//!     ├─ cleanup
//!     └─ report ── people, JSON, JUnit XML
//! ```

mod agent;
mod arena;
mod case;
mod cleanup;
mod effector;
mod error;
mod intents;
mod junit;
mod options;
mod report;
mod run;
mod suite;

pub use arena::Deployment;
pub use error::Error;
pub use options::{Options, Suite};
pub use report::{CaseReport, Finding, Report, Verdict};
pub use run::{News, run};
