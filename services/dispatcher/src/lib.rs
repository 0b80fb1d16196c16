//! Plans and their tasks: who does what next, who has it, and what is proved to be done.
//!
//! Promises: a plan is checked whole before it is put on the record, with everything that is wrong listed; a
//! task is given out only when all that it needs is validated, to one agent at a time, under a claim that ends;
//! what comes under a claim that is over is refused and kept as a dead letter; "done" is what was found, never
//! what a worker says; a cap of n never has n + 1 at work; and whatever was validated never runs again,
//! whoever dies in between. Never does a task itself, and never runs a command.
//!
//! | state | where | who writes |
//! |---|---|---|
//! | plans, tasks, pools, dead letters | the ledger: entities `plan`, `task`, `capacity`, `dead` | this service |
//! | disagreements that somebody decides | the ledger: entity `case` | this service |
//! | what agents offer to each other | the ledger: entity `handoff` | this service |
//! | how long renewed claims last | bucket `claims`: `<mission>.<task>.<attempt>` | this service |
//! | what is ready, who waits, what is due | memory, made of the above | each replica for itself |
//!
//! `rule` holds the rules, `board` what is in memory; `handlers` serve the calls, and `upkeep` does what is due.

mod board;
mod cases;
mod effects;
mod ends;
mod error;
mod handlers;
mod inspections;
mod lookup;
mod record;
mod reserve;
mod rule;
mod start;
mod state;
mod turns;
mod upkeep;
mod watched;

pub use error::DispatcherError;
pub use start::start;
pub use state::Config;
