//! The `selvedge` binary as a library: the command line, `up` and `serve`, workers and verifiers, and where a
//! fabric keeps its files.
//!
//! Never decides anything about agents: it asks the services. What only an operator's own keys can do
//! (minting invites, operators and services) is done here, from the folder that holds them.

mod agent_folder;
pub mod attendant;
mod bounds;
pub mod cli;
mod commands;
pub mod connect;
mod doctor;
mod draft;
mod events;
pub mod exit;
mod fleet;
mod foundation;
pub mod held;
pub mod home;
mod init;
mod input;
mod join_token;
mod kluster;
mod lock;
pub mod nats_child;
mod operator;
pub mod output;
mod paging;
mod repository;
mod revoke;
mod rooms;
mod sandbox;
mod serve;
mod services;
mod sessions;
mod signals;
mod status;
mod stop;
mod taking;
mod up;
mod verifier;
mod watch;
mod worker;
mod workspace;
