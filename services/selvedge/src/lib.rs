//! The `selvedge` binary as a library: the command line, `up` and `serve`, and where a fabric keeps its
//! files.
//!
//! Never decides anything about agents: it asks the services. What only an operator's own keys can do
//! (minting invites, operators and services) is done here, from the folder that holds them.

mod agent_folder;
pub mod cli;
mod commands;
pub mod connect;
pub mod exit;
pub mod home;
mod input;
mod join_token;
pub mod nats_child;
pub mod output;
mod paging;
mod revoke;
mod sessions;
mod stop;
