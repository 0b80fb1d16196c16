//! Content-addressed artifacts and named versions of them.
//!
//! Promises: what is read under a digest is what was put under it, or it is refused and named; a version
//! of a name never changes; what a name, a version's source, an intent or a pin holds is never collected, whatever
//! else happens at the time. Memory is bounded, however large the content and however many the uploads.
//! Never serves content before its validation to anybody but those who made or judge it; never deletes
//! a name.
//!
//! Content goes to an object store (`store`), in one message if it is small, else in pieces that any
//! replica takes (`upload`). Names are entities of the ledger (`rule`, `names`). Content without a
//! name lives for the grace period after it was put (`pins`); then `gc` may remove it.

mod access;
mod error;
#[cfg(test)]
mod fixture;
mod followed;
mod gc;
mod handlers;
mod intents;
mod names;
mod pins;
mod room;
mod rule;
mod start;
mod state;
mod store;
mod tasks;
mod tree;
mod upload;

pub use error::ArtifactsError;
pub use start::start;
pub use state::Config;
