//! What every service stands on: the connection, the ledger and its views, the path of a request,
//! durable followers, timers, buckets with TTL, credentials and signatures, configuration and
//! telemetry. The only crate that names `async_nats`.
//!
//! Never decides anything: rules are the services' own.

pub mod audit;
pub mod authority;
pub mod bucket;
pub mod bus;
pub mod client;
pub mod clock;
pub mod config;
pub mod creation;
pub mod credential;
pub mod document;
pub mod follow;
pub mod identity;
pub mod inspect;
mod jetstream;
pub mod ledger;
pub mod metrics;
pub mod mirror;
pub mod order;
pub mod pipeline;
pub mod probe;
pub mod provision;
pub mod rule;
pub mod sabotage;
pub mod service;
pub mod signature;
pub mod steps;
pub mod tap;
pub mod telemetry;
pub mod timer;
pub mod transfer;
pub mod view;
