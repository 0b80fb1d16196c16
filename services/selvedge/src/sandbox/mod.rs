//! What a command that is not ours may do on this machine: read the system's programs and what it was given, write
//! to its own folders, and reach no network that was not declared. Decided here, enforced by [`landlock`] or
//! [`bwrap`] in the process that becomes the command; never loosened because it could not be done.

pub(crate) mod bwrap;
mod choice;
pub(crate) mod landlock;
mod places;

pub(crate) use choice::{Isolation, Wish, choose};
pub(crate) use places::{Grants, Reach, real};

use serde::{Deserialize, Serialize};

/// What holds for one command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rules {
    /// By what it is enforced.
    pub(crate) isolation: Isolation,
    /// What it may read, write and reach.
    pub(crate) grants: Grants,
}
