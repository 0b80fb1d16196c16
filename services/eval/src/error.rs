//! Why a run could not begin, and why a trial did not hold or could not be made.

use selvedge_contracts::{
    fault::Fault,
    id::{InvalidToken, Owner},
};
use selvedge_kit::{authority, bus, bus::error_chain, ledger};

/// Why nothing could be tried.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no connection.
    #[error("cannot connect")]
    Connect(#[from] bus::ConnectError),
    /// A credential could not be made.
    #[error("cannot make a credential")]
    Key(#[from] authority::Error),
    /// A service refused what every run begins with.
    #[error("{step}: {fault}")]
    Refused {
        /// What was asked for.
        step: String,
        /// The refusal.
        fault: Fault,
    },
    /// A name that was made up is none. This is a bug.
    #[error("a name that the run made up is none")]
    Name(#[from] InvalidToken),
    /// There was no time left, or somebody stopped it.
    #[error("it was over before the first trial: {0}")]
    Over(String),
}

impl Error {
    pub(crate) fn at(step: impl Into<String>) -> impl FnOnce(Fault) -> Self {
        move |fault| Self::Refused { step: step.into(), fault }
    }
}

/// Why a trial did not end well.
#[derive(Debug)]
pub(crate) enum Miss {
    /// The invariant does not hold: what was seen.
    Broken(String),
    /// It could not be made: why.
    Unable(String),
}

/// How a trial ends.
pub(crate) type Trialled = Result<(), Miss>;

impl From<Fault> for Miss {
    fn from(fault: Fault) -> Self {
        let at = fault.details.iter().map(|detail| format!("; {}: {}", detail.at, detail.message));
        Self::Unable(format!("{fault}{}", at.collect::<String>()))
    }
}

impl From<Error> for Miss {
    fn from(error: Error) -> Self {
        Self::Unable(error_chain(&error))
    }
}

impl From<ledger::ReadError> for Miss {
    fn from(error: ledger::ReadError) -> Self {
        Self::Unable(error_chain(&error))
    }
}

impl From<authority::Error> for Miss {
    fn from(error: authority::Error) -> Self {
        Self::Unable(error_chain(&error))
    }
}

impl From<bus::BusError> for Miss {
    fn from(error: bus::BusError) -> Self {
        Self::Unable(error_chain(&error))
    }
}

impl From<InvalidToken> for Miss {
    fn from(error: InvalidToken) -> Self {
        Self::Unable(error.to_string())
    }
}

/// Whether what must hold does; else what was seen instead.
pub(crate) fn holds(condition: bool, seen: impl FnOnce() -> String) -> Trialled {
    if condition { Ok(()) } else { Err(Miss::Broken(seen())) }
}

/// Refused, as it must be; else what was answered.
pub(crate) fn refused<T: std::fmt::Debug>(
    answer: Result<T, Fault>,
    what: impl FnOnce() -> String,
) -> Result<Fault, Miss> {
    match answer {
        // Nobody knows what came of it: it says nothing about the fabric's judgement.
        Err(fault) if fault.is_retryable() => Err(fault.into()),
        Err(fault) => Ok(fault),
        Ok(answer) => Err(Miss::Broken(format!("{} was answered with {answer:?}", what()))),
    }
}

/// The principal that a number stands for.
pub(crate) fn owner(text: &str) -> Result<Owner, Error> {
    Ok(Owner::new(text)?)
}
