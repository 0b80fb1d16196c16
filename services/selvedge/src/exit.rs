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
//! | 10 to 15 | an intent ended otherwise than committed: [`Ending`] |
//! | 16 | an intent was still under way when the wait for it was over |
//! | 12, 13 | also: a plan was cancelled, failed; what was handed in for a task does not hold (13) |
//! | 17 | something looks like it: what was to be created is not, or `overlap check --fail-at` found it |
//! | 20 | `eval`: something did not hold |
//! | 21 | `eval`: it could not be tried, or not to the end |
//! | 75 | `lease hold`: the lease was lost, and the command stopped |
//! | 130 | Ctrl-C or SIGTERM ended a wait |
//!
//! `lease hold` passes its command's code on: 126 and 127 if it could not be run, 128 and the signal's
//! number if a signal ended it.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use selvedge_contracts::{
    fault::{Code, Detail, Fault},
    payload::intent::IntentState,
};
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
  10 an intent was rejected; 11 expired, 12 cancelled, 13 failed
  14 an intent's outcome is unknown, or its undo is stuck: a person must settle it
  15 an intent was done and taken back
  16 an intent was still under way when the wait was over
  12 also a plan that was cancelled; 13 one that failed, or an output that does not hold
  17 something looks like it: decide with --overlap; or overlap check --fail-at found it
  20 eval: something did not hold; 21 it could not be tried, or not to the end
  75 lease hold: the lease was lost, and the command stopped
  130 Ctrl-C or SIGTERM ended a wait

Errors go to standard error; with --output json or jsonl as one JSON object {code, message, details}.";

/// Code of a command that found something alike, and did not create it if it was to.
pub(crate) const ALIKE: u8 = 17;
/// Code of `eval` when something did not hold.
pub(crate) const BROKEN: u8 = 20;
/// Code of `eval` when it could not be tried, or not to the end.
pub(crate) const UNTRIED: u8 = 21;
/// Code of a command whose lease was lost: EX_TEMPFAIL of sysexits(3), "try again later".
const LOST: u8 = 75;
/// Code of a command that Ctrl-C or SIGTERM ended, as shells have it.
pub(crate) const INTERRUPTED: u8 = 130;

/// How an intent ended that is not committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It may not be done, or no longer.
    Rejected,
    /// Its time ran out.
    Expired,
    /// It was taken back before it was done.
    Cancelled,
    /// It was tried, and did not happen.
    Failed,
    /// A person must find out, or see to it.
    Unsettled,
    /// It was done and taken back.
    Compensated,
    /// It has not ended: whoever waited gave up.
    Waiting,
}

impl Ending {
    /// How an intent in this state ended; nothing if it did well, or goes on.
    pub const fn of(state: IntentState) -> Option<Self> {
        match state {
            IntentState::Rejected => Some(Self::Rejected),
            IntentState::Expired => Some(Self::Expired),
            IntentState::Cancelled => Some(Self::Cancelled),
            IntentState::Failed => Some(Self::Failed),
            IntentState::Unknown | IntentState::Stuck => Some(Self::Unsettled),
            IntentState::Compensating | IntentState::Compensated => Some(Self::Compensated),
            IntentState::Proposed
            | IntentState::Verified
            | IntentState::Approved
            | IntentState::Executing
            | IntentState::Committed => None,
        }
    }

    /// Its exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Rejected => 10,
            Self::Expired => 11,
            Self::Cancelled => 12,
            Self::Failed => 13,
            Self::Unsettled => 14,
            Self::Compensated => 15,
            Self::Waiting => 16,
        }
    }

    /// The failure that says so, with every reason.
    pub fn failure(self, message: impl Into<String>, reasons: &[Detail]) -> Failure {
        let fault = reasons.iter().fold(Fault::conflict(message), |fault, reason| {
            fault.at(reason.at.clone(), reason.message.clone())
        });
        Failure::Ending(self, fault)
    }
}

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
    /// An intent is not committed.
    #[error("{}", .1.message)]
    Ending(Ending, Fault),
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
            Self::Ending(_, fault) => {
                let at = |detail: &Detail| format!("\n  {}: {}", detail.at, detail.message);
                fault.details.iter().fold(fault.message.clone(), |text, detail| text + &at(detail))
            }
            Self::Fault(fault) => {
                let at = |detail: &Detail| format!("\n  {}: {}", detail.at, detail.message);
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
            Self::Ending(ending, _) => ending.code(),
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
            Self::Ending(_, fault) => (format!("error: {}", fault.message), lines(fault)),
            Self::Fault(fault) => (format!("error: {fault}"), lines(fault)),
            Self::Other(error) => (
                format!("error: {error}"),
                error.chain().skip(1).map(|cause| format!("because: {cause}")).collect(),
            ),
        };
        for line in lines {
            text.push_str("\n  ");
            text.push_str(&line);
        }
        with_verbs(&text)
    }

    fn fault(&self) -> Fault {
        match self {
            Self::Usage(message) => Fault::invalid(message.clone()),
            Self::Lost(message) => Fault::conflict(message.clone()),
            Self::Ended(_) => Fault::internal(self.to_string()),
            Self::Fault(fault) | Self::Ending(_, fault) => fault.clone(),
            Self::Other(error) => Fault::internal(format!("{error:#}")),
        }
    }
}

/// What services say to everybody, in the words of this command line: the verbs that list things for their calls.
fn with_verbs(text: &str) -> String {
    LISTS.iter().fold(text.to_owned(), |text, (call, verb)| match text.contains(call) {
        true => text.replace(call, verb),
        false => text,
    })
}

/// Calls that list things, and the verbs that make them.
const LISTS: [(&str, &str); 11] = [
    ("registry.agent_list", "`selvedge agent list`"),
    ("registry.contract_list", "`selvedge contract list`"),
    ("registry.request_list", "`selvedge request list`"),
    ("registry.session_list", "`selvedge session list`"),
    ("dispatcher.plan_list", "`selvedge plan list`"),
    ("dispatcher.task_list", "`selvedge task list`"),
    ("dispatcher.case_list", "`selvedge case list`"),
    ("dispatcher.handoff_list", "`selvedge handoff list`"),
    ("dispatcher.dead_list", "`selvedge dead list`"),
    ("governance.intent_list", "`selvedge intent list`"),
    ("governance.policy_list", "`selvedge policy list`"),
];

/// Every detail of a fault, for people.
fn lines(fault: &Fault) -> Vec<String> {
    let line = |detail: &Detail| match detail.at.as_str() {
        "" => detail.message.clone(),
        at => format!("{at}: {}", detail.message),
    };
    fault.details.iter().map(line).collect()
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
    fn calls_that_list_are_told_to_people_as_verbs() {
        let fault = Fault::not_found("there is no plan_0a; dispatcher.plan_list shows those there are");
        let failure = Failure::from(fault.clone());
        assert_eq!(
            failure.human(),
            "error: not_found: there is no plan_0a; `selvedge plan list` shows those there are"
        );
        assert_eq!(failure.fault(), fault, "programs are told what was said");
        for (call, _) in LISTS {
            let (service, name) = call.split_once('.').unwrap();
            assert!(selvedge_contracts::call::find(service.parse().unwrap(), name).is_some(), "{call}");
        }
    }

    #[test]
    fn every_end_of_an_intent_has_a_code_of_its_own_and_all_its_reasons() {
        let states = [
            (IntentState::Rejected, 10),
            (IntentState::Expired, 11),
            (IntentState::Cancelled, 12),
            (IntentState::Failed, 13),
            (IntentState::Unknown, 14),
            (IntentState::Stuck, 14),
            (IntentState::Compensated, 15),
        ];
        for (state, code) in states {
            assert_eq!(Ending::of(state).unwrap().code(), code, "{}", state.name());
        }
        assert_eq!(Ending::of(IntentState::Committed), None);
        let reasons = [Detail { at: "policy".to_owned(), message: "forbidden".to_owned() }];
        let failure = Ending::Rejected.failure("it is rejected", &reasons);
        assert_eq!(failure.human(), "error: it is rejected\n  policy: forbidden");
        assert_eq!(failure.chain(), "it is rejected\n  policy: forbidden");
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let closed = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(closed.is_closed_pipe());
        assert!(!Failure::usage("x").is_closed_pipe());
    }
}
