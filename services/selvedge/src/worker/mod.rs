//! A worker: takes tasks, runs a command for each, hands in what came of it, and gives back what it cannot do.
//! Never judges what it made.

mod attempt;
mod collect;
mod environment;
mod prompt;
mod renewals;
mod run;
mod templates;

pub(crate) use collect::Collect;
pub(crate) use prompt::How as Prompt;
pub(crate) use run::{Keep, Setup, work};
pub(crate) use templates::{Template, named, table, templates};
