//! The selvedge binary: up, serve, init and the command line.

pub mod nats_child;
