//! Commits.

pub mod core;
