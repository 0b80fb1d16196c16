//! The service `leases`: the right to work on paths, named resources and slots, until a deadline.
//!
//! Promises: what clashes is never held twice; what is granted is stored under a fencing token that never
//! comes again; who waits is served in order, whichever replica serves; a lease ends with its deadline, its
//! session or an operator's word. Never grants from memory alone, never polls.
//!
//! The rules are pure: a `Space` decides who holds what and says what is to be written. One replica
//! owns a space at a time (`owner`, `takeover`), the others pass requests on to it (`routing`); the key that
//! names the owner guards every write, so a replica that is mistaken about it writes nothing.

mod area;
mod automaton;
mod claim;
mod confirm;
mod decision;
mod entry;
mod error;
mod follow;
mod handlers;
mod index;
mod key;
mod limits;
mod list;
mod owner;
mod path;
mod pattern;
mod pool;
mod routing;
mod space;
mod start;
mod state;
mod sweep;
mod takeover;
mod tokens;

pub use error::LeasesError;
pub use limits::Limits as SpaceLimits;
pub use start::{Config, start};
