//! What a command ends with: an error that says what to do next, and an exit code that means something.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | failed for a reason of its own |
//! | 2 | the command line or its input is wrong |
//! | 3 | not found |
//! | 4 | conflict: it does not fit what is |
//! | 5 | denied |
//! | 6 | nobody answered, or busy: try again |
//! | 75 | `lease hold`: the lease was lost, and the command stopped |
//!
//! `lease hold` passes its command's code on: 126 and 127 if it could not be run, 128 and the signal's
//! number if a signal ended it. A wait for a lease that is interrupted ends with 130.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use selvedge_contracts::fault::{Code, Fault};
use selvedge_kit::{authority, transfer::TransferError};

use crate::output::Format;

/// The exit codes, for `--help`.
pub const HELP: &str = "Exit codes:
  0  done
  1  failed for a reason of its own
  2  the command line or its input is wrong
  3  not found
  4  conflict: it does not fit what is
  5  denied
  6  nobody answered, or busy: try again
  75 lease hold: the lease was lost, and the command stopped

Errors go to standard error; with --output json or jsonl as one JSON object {code, message, details}.";

/// Code of a command whose lease was lost: EX_TEMPFAIL of sysexits(3), "try again later".
const LOST: u8 = 75;
/// Code of a command that Ctrl-C or SIGTERM ended, as shells have it.
pub(crate) const INTERRUPTED: u8 = 130;

/// How a command ends.
pub type Done = Result<(), Failure>;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line or its input is wrong.
    #[error("{0}")]
    Usage(String),
    /// A service refused.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The lease under which a command ran was lost.
    #[error("{0}")]
    Lost(String),
    /// It ends with this code, and all was said already: by the command it ran, or by whoever stopped it.
    #[error("ended with code {0}")]
    Ended(u8),
    /// Anything else.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Other(error.into())
    }
}

impl From<TransferError> for Failure {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::Fault(fault) => Self::Fault(fault),
            error => Self::Other(error.into()),
        }
    }
}

impl From<authority::Error> for Failure {
    fn from(error: authority::Error) -> Self {
        Self::Other(error.into())
    }
}

impl Failure {
    /// The command line or its input is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    /// It and its causes, each once, in one line.
    pub fn chain(&self) -> String {
        match self {
            Self::Usage(message) | Self::Lost(message) => message.clone(),
            Self::Ended(_) => self.to_string(),
            Self::Other(error) => format!("{error:#}"),
            Self::Fault(fault) => {
                let at = |detail: &selvedge_contracts::fault::Detail| {
                    format!("\n  {}: {}", detail.at, detail.message)
                };
                fault.details.iter().fold(fault.to_string(), |text, detail| text + &at(detail))
            }
        }
    }

    /// Its exit code.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) => 2,
            Self::Other(_) => 1,
            Self::Lost(_) => LOST,
            Self::Ended(code) => *code,
            Self::Fault(fault) => match fault.code {
                Code::Internal => 1,
                Code::Invalid => 2,
                Code::NotFound => 3,
                Code::Conflict => 4,
                Code::Denied => 5,
                Code::Busy | Code::Unavailable => 6,
            },
        })
    }

    /// Whether trying again may help.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Fault(fault) if fault.is_retryable())
    }

    /// Tells the error on standard error and gives the exit code.
    pub fn report(&self, output: Format) -> ExitCode {
        if self.is_closed_pipe() {
            return ExitCode::SUCCESS;
        }
        if matches!(self, Self::Ended(_)) {
            return self.code();
        }
        let text = match output {
            Format::Human => self.human(),
            Format::Json | Format::Jsonl => {
                serde_json::to_string(&self.fault()).unwrap_or_else(|_| self.human())
            }
        };
        // Nobody is left to be told that standard error is closed.
        let _ = writeln!(io::stderr().lock(), "{text}");
        self.code()
    }

    /// Whoever read our output has read enough: `selvedge tap | head -1`.
    fn is_closed_pipe(&self) -> bool {
        let Self::Other(error) = self else {
            return false;
        };
        let found = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
        found.into_iter().any(|error| error.kind() == io::ErrorKind::BrokenPipe)
    }

    fn human(&self) -> String {
        let (mut text, lines): (_, Vec<String>) = match self {
            Self::Usage(message) | Self::Lost(message) => (format!("error: {message}"), vec![]),
            Self::Ended(_) => (format!("error: {self}"), vec![]),
            Self::Fault(fault) => {
                let line = |detail: &selvedge_contracts::fault::Detail| match detail.at.as_str() {
                    "" => detail.message.clone(),
                    at => format!("{at}: {}", detail.message),
                };
                (format!("error: {fault}"), fault.details.iter().map(line).collect())
            }
            Self::Other(error) => (
                format!("error: {error}"),
                error.chain().skip(1).map(|cause| format!("because: {cause}")).collect(),
            ),
        };
        for line in lines {
            text.push_str("\n  ");
            text.push_str(&line);
        }
        text
    }

    fn fault(&self) -> Fault {
        match self {
            Self::Usage(message) => Fault::invalid(message.clone()),
            Self::Lost(message) => Fault::conflict(message.clone()),
            Self::Ended(_) => Fault::internal(self.to_string()),
            Self::Fault(fault) => fault.clone(),
            Self::Other(error) => Fault::internal(format!("{error:#}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_every_detail_and_cause() {
        let fault = Failure::from(Fault::invalid("no").at("/ttl_ms", "too long").at("", "odd"));
        assert_eq!(fault.human(), "error: invalid: no\n  /ttl_ms: too long\n  odd");
        let other = Failure::from(anyhow::anyhow!("inner").context("outer"));
        assert_eq!(other.human(), "error: outer\n  because: inner");
        assert_eq!(other.fault(), Fault::internal("outer: inner"));
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let closed = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(closed.is_closed_pipe());
        assert!(!Failure::usage("x").is_closed_pipe());
    }
}
