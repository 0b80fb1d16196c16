//! What every service stands on. The only crate that names `async_nats`.

pub mod authority;
pub mod provision;
pub mod rule;
