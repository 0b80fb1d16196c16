//! A verifier: takes what was handed in, makes a clean workspace of it, runs the commands of its checks and says what
//! it saw. It never says more: where it cannot make the workspace, it leaves the task to others.

mod check;
mod inspection;
mod run;

pub(crate) use run::{Setup, verify};
