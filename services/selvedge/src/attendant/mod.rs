//! A process beside each command that is not ours: it holds the command to its time, keeps what it says, and sees
//! to it that nothing of it stays behind, however the worker or the verifier ends.
//!
//! ```text
//! worker ── __attend ── __confined, which becomes the command ── whatever that starts
//! ```
//! The attendant learns through its standard input what to do: `stop`, `kill`; its end says that whoever started it
//! has died, kill -9 included. What the command leaves without a parent becomes the attendant's child
//! (prctl(2), PR_SET_CHILD_SUBREAPER), so it is found and killed. How it ended is written into a file.

mod capture;
mod confined;
mod descendants;
mod held;
mod run;

use std::{ffi::OsString, path::PathBuf};

use serde::{Deserialize, Serialize};

pub(crate) use capture::tail;
pub use confined::become_command;
pub(crate) use held::Attended;
pub use run::attend;

use crate::sandbox::Rules;

/// The hidden subcommand that attends: `selvedge __attend <order>`.
pub const ATTEND: &str = "__attend";
/// The hidden subcommand that becomes the command: `selvedge __confined <parent> <order>`.
pub const CONFINED: &str = "__confined";

/// What an attendant is to do, as a file of JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    /// Program and arguments.
    pub(crate) command: Vec<OsString>,
    /// All of its environment.
    pub(crate) environment: Vec<(OsString, OsString)>,
    /// Where it runs.
    pub(crate) directory: PathBuf,
    /// What it may do.
    pub(crate) rules: Rules,
    /// What it reads from its standard input; nothing if absent.
    pub(crate) stdin: Option<PathBuf>,
    /// Where what it says is kept.
    pub(crate) output: Output,
    /// How much of it, in bytes for each file; beyond, its middle is left out.
    pub(crate) max_output_bytes: u64,
    /// Time for it, in milliseconds.
    pub(crate) timeout_ms: u64,
    /// Time between being told to end and being killed, in milliseconds.
    pub(crate) grace_ms: u64,
    /// Most memory that each of its processes may map, in bytes.
    pub(crate) memory_bytes: Option<u64>,
    /// Where it is written how it ended.
    pub(crate) ended: PathBuf,
}

/// Where what a command says is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Output {
    /// In two files.
    Apart {
        /// Its standard output.
        stdout: PathBuf,
        /// Its standard error.
        stderr: PathBuf,
    },
    /// In one, as it came.
    Together(PathBuf),
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    /// In which way; absent if not even a signal ended it in time.
    pub(crate) how: Option<How>,
    /// By whose doing.
    pub(crate) why: Why,
    /// After how long, in milliseconds.
    pub(crate) took_ms: u64,
    /// Bytes that were said and not kept.
    pub(crate) left_out_bytes: u64,
}

/// In which way a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum How {
    /// With this status.
    Status(i32),
    /// By this signal.
    Signal(i32),
}

/// By whose doing a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Why {
    /// Its own.
    Itself,
    /// Its time was over.
    Timeout,
    /// It was told to end.
    Told,
    /// Whoever wanted it has died.
    Orphaned,
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.how {
            Some(How::Status(status)) => write!(f, "status {status}")?,
            Some(How::Signal(signal)) => write!(f, "signal {signal}")?,
            None => write!(f, "it does not end")?,
        }
        let (seconds, rest) = (self.took_ms / 1_000, self.took_ms % 1_000);
        write!(f, " after {seconds}.{rest:03} s")?;
        match self.why {
            Why::Timeout => write!(f, ", stopped at the end of its time"),
            Why::Told => write!(f, ", stopped"),
            Why::Orphaned => write!(f, ", stopped with whoever wanted it"),
            Why::Itself => Ok(()),
        }
    }
}
