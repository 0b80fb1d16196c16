//! Documents and the JSON Schemas they are held against: which schemas may become payload contracts,
//! whether a document satisfies one, and the canonical form under which equal documents have one digest.
//! What the registry registers, other services check with.
//!
//! Never fetches anything, and never takes longer than its bounds.

pub mod canonical;
mod checker;
mod cost;
pub mod reference;
mod schema;
pub mod versions;

pub use checker::{Checker, Checkers, MAX_VIOLATIONS, options};
