//! Agents, sessions, credentials, missions, user requests and payload contracts.
//!
//! One file of pure rules per noun: a rule takes the current state, the command and the time, and
//! answers with a verdict or a refusal. Rules never wait, read a clock or draw a number.

pub(crate) mod agent;
pub(crate) mod canonical;
pub(crate) mod checker;
pub(crate) mod compatibility;
pub(crate) mod contract;
mod cost;
#[cfg(test)]
mod fixture;
pub(crate) mod invite;
pub(crate) mod mission;
pub(crate) mod page;
mod reference;
pub(crate) mod request;
mod schema;
pub(crate) mod session;
