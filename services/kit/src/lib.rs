//! What every service stands on. The only crate that names `async_nats`.

pub mod config;
pub mod metrics;
pub mod probe;
pub mod rule;
pub mod telemetry;
