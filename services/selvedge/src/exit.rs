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

use std::process::ExitCode;

use selvedge_contracts::fault::{Code, Fault};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The command line or its input is wrong.
    #[error("{0}")]
    Usage(String),
    /// A service refused.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// Anything else.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

impl Failure {
    /// It and its causes, each once, in one line.
    pub fn chain(&self) -> String {
        match self {
            Self::Usage(message) => message.clone(),
            Self::Other(error) => format!("{error:#}"),
            Self::Fault(fault) => {
                let at = |detail: &selvedge_contracts::fault::Detail| {
                    format!("\n  {}: {}", detail.at, detail.message)
                };
                fault
                    .details
                    .iter()
                    .fold(fault.to_string(), |text, detail| text + &at(detail))
            }
        }
    }

    /// Its exit code.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) => 2,
            Self::Other(_) => 1,
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
}
