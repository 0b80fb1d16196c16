//! The only irreversible hands of the fabric: carries intents out, each exactly once where the target lets
//! that be promised, at most once elsewhere.
//!
//! Promises: nothing is carried out before governance said, at that moment, that it may be; whatever
//! instant this process dies at, another one finds out what happened before it acts; an unknown outcome is
//! never tried again blindly. Every effect leaves a receipt. Never decides whether something may be done.
//!
//! `run` follows intents and decides which is next; `attempt` begins one, and `carry` carries it out, over and
//! over until it has an end; `effects` has one module for each kind of effect. `record` are the pure rules of what becomes of an
//! intent, `saga` says which step is next, `approvals` checks what approvers signed.

mod approvals;
mod attempt;
mod carry;
mod claims;
mod due;
mod effects;
mod error;
#[cfg(test)]
mod fixture;
mod handlers;
mod memory;
mod network;
mod record;
mod run;
mod saga;
mod shares;
mod start;
mod state;
mod steps;

/// Commits in a repository, without the bus: what is measured beside git itself.
pub use effects::git::core as git;
pub use error::CommitterError;
pub use network::{InvalidNetwork, Network};
pub use start::start;
pub use state::Config;
pub use steps::{OF_EVERY_EFFECT, OF_EXTERNAL, OF_HTTP, OF_MEMORY};
