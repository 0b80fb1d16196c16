//! Agents, sessions, credentials, missions, user requests and payload contracts.
//!
//! Promises: one key is one agent for ever, also when two replicas are asked at once; an invite is
//! redeemed once; a session whose presence runs out, or whose agent is retired, is over for every
//! service; a contract's version never changes. Never holds a key that could make an approver, an
//! operator or a service; never deletes a record.
//!
//! One file of pure rules per noun: a rule takes the current state, the command and the time, and
//! answers with a verdict or a refusal. `handlers` load, ask the rule and record; `follow` does what
//! follows from a fact, an expiry or a due timer.

mod agent;
mod compatibility;
mod contract;
#[cfg(test)]
mod fixture;
mod follow;
mod handlers;
mod install;
mod invite;
mod mission;
mod request;
mod session;
mod start;
mod state;

pub use install::{Operator, install_operator};
pub use start::start;
pub use state::{Config, RegistryError};
