//! Policies, intents and approvals: what may be done to the world, by whom, and with whose consent.
//!
//! Promises: an intent is verified against the policy in force, and everything it was verified against is
//! checked again at the moment it is executed; an approval is of exactly what was seen, and void as soon
//! as anything it binds has changed; nobody approves what their own agents proposed. Every decision and
//! every refusal is a fact with all its reasons. Never carries anything out.
//!
//! `policy` holds what Cedar says; `intent`, `approval`, `saga` and `shape` are rules; `verify` looks at the
//! world, and `finish` records what it found.

mod approval;
mod error;
mod finish;
#[cfg(test)]
mod fixture;
mod follow;
mod handlers;
mod intent;
mod keys;
mod likeness;
mod policy;
mod saga;
mod shape;
mod start;
mod state;
mod tally;
mod verify;

pub use error::GovernanceError;
pub use keys::{KeyIds, forget_key, rotate_keys};
pub use policy::PolicyText;
pub use start::start;
pub use state::Config;
pub use tally::IntentLimits;
