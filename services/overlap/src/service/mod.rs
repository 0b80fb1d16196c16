//! The service `overlap`: what is to be created gets a place in one order, is checked against everything before
//! it, and is decided about by whoever wants it.
//!
//! Promises: of two that propose the same thing in the same instant, over whichever replicas, one sees the other;
//! two replicas that took in the same facts give the same answer, byte for byte; a retry finds itself and never
//! matches itself; what was merged into something that is gone is open again. Never decides for anybody, and never
//! creates anything.
//!
//! `book` and `owners` say what follows from facts in their order, `rule` what may be recorded; both are pure.
//! `replica` holds the book and the index together, `snapshot` keeps them, `reindex` makes them anew; `judge`
//! completes checks, `second` puts what is found into another model's order where somebody looks, `sweep` ends what nobody ended, `reopen` follows what merges were made into.

mod book;
mod content;
mod error;
mod handlers;
mod judge;
mod names;
mod owners;
mod reindex;
mod reopen;
mod replica;
mod rule;
mod second;
mod shown;
mod snapshot;
mod start;
mod state;
mod steps;
mod store;
mod sweep;

pub use error::OverlapError;
pub use second::{SecondConfig, SecondError};
pub use start::start;
pub use state::Config;
pub use steps::STEPS;
