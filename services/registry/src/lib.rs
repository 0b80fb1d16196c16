//! Agents, sessions, credentials, missions, user requests and payload contracts.
//!
//! One file of pure rules per noun: a rule takes the current state, the command and the time, and
//! answers with a verdict or a refusal. Rules never wait, read a clock or draw a number.

pub(crate) mod agent;
#[cfg(test)]
mod fixture;
pub(crate) mod invite;
pub(crate) mod mission;
pub(crate) mod page;
pub(crate) mod request;
pub(crate) mod session;
