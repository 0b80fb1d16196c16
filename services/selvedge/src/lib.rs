//! The `selvedge` binary as a library: the command line, `up` and `serve`, and where a fabric keeps its
//! files.
//!
//! Never decides anything about agents: it asks the services. What only an operator's own keys can do
//! (minting invites, operators and services) is done here, from the folder that holds them.

pub mod cli;
mod commands;
pub mod connect;
pub mod exit;
pub mod home;
pub mod nats_child;
pub mod output;
