//! By what commands are held to their bounds on this machine.

use std::path::PathBuf;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::landlock::{self, Support};
use crate::exit::Failure;

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Wish {
    /// Landlock if the kernel has it, else bubblewrap if it works here, else nothing.
    #[default]
    Auto,
    /// Landlock, a part of Linux from 5.13 on.
    Landlock,
    /// bubblewrap, if it is installed.
    Bwrap,
    /// Nothing: commands may do what this user may.
    None,
}

/// By what commands are isolated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Isolation {
    /// Landlock, as far as the kernel knows it.
    Landlock(Support),
    /// bubblewrap, at this path.
    Bwrap(PathBuf),
    /// Nothing: a command can read every key of this user.
    Cooperative,
}

impl Isolation {
    /// In a word, as evidence begins with it.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Landlock(_) => "landlock",
            Self::Bwrap(_) => "bwrap",
            Self::Cooperative => "cooperative",
        }
    }

    /// What is enforced and what is not, for people.
    pub(crate) fn told(&self) -> String {
        match self {
            Self::Landlock(support) => support.told(),
            Self::Bwrap(path) => format!(
                "bwrap ({}): files and processes in namespaces of their own, the network too where nothing is reached; not enforced: a worker's command has the machine's network, to reach the fabric",
                path.display()
            ),
            Self::Cooperative => {
                "cooperative: nothing is enforced; commands can read and write whatever this user can"
                    .to_owned()
            }
        }
    }
}

/// What can be had of what was asked for.
///
/// # Errors
/// [`Failure::Usage`] if what was asked for by name does not work here.
pub(crate) fn choose(wish: Wish) -> Result<Isolation, Failure> {
    let by_landlock = || landlock::support().map(Isolation::Landlock);
    let by_bwrap = || super::bwrap::find().map(Isolation::Bwrap);
    match wish {
        Wish::None => Ok(Isolation::Cooperative),
        Wish::Auto => Ok(by_landlock().or_else(by_bwrap).unwrap_or(Isolation::Cooperative)),
        Wish::Landlock => by_landlock().ok_or_else(|| {
            Failure::usage("this kernel has no Landlock (Linux 5.13 or newer, enabled at boot); --sandbox bwrap or none")
        }),
        Wish::Bwrap => by_bwrap().ok_or_else(|| {
            Failure::usage("bubblewrap (bwrap) is not on PATH or may make no namespaces here; --sandbox landlock or none")
        }),
    }
}
