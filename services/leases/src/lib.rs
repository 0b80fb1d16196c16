//! The service `leases`: the right to work on paths, named resources and slots, until a deadline.
//!
//! The rules stand here, pure: a [`space::Space`] decides who holds what and says what is to be written.
//! They never do I/O, read a clock or draw a number.

#![allow(dead_code, reason = "the rules stand before the handlers that ask them")]

mod area;
mod automaton;
mod claim;
mod decision;
mod entry;
mod index;
mod limits;
mod list;
mod path;
mod pattern;
mod pool;
mod space;
