//! The `selvedge` binary as a library: the command line, `up` and `serve`, and where a fabric keeps its
//! files.
//!
//! Never decides anything about agents: it asks the services. What only an operator's own keys can do
//! (minting invites, operators and services) is done here, from the folder that holds them.

pub mod cli;
mod commands;
pub mod connect;
mod doctor;
pub mod exit;
mod fleet;
mod foundation;
pub mod home;
mod init;
mod kluster;
mod lock;
pub mod nats_child;
mod operator;
pub mod output;
mod serve;
mod services;
mod signals;
mod status;
mod up;
mod watch;
