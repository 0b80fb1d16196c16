//! What is to be tried, how often, and with how many agents.

use serde::Serialize;

/// A family of cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Suite {
    /// Several want the same thing in the same instant.
    Race,
    /// Somebody acts on what is no longer so.
    Staleness,
    /// Something is said again.
    Replay,
    /// Somebody reaches above their rights.
    Escalation,
    /// Something fails half-way.
    Compensation,
}

impl Suite {
    /// Every suite, in the order in which they run.
    pub const ALL: &'static [Self] =
        &[Self::Race, Self::Staleness, Self::Replay, Self::Escalation, Self::Compensation];

    /// The suite in one word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Race => "race",
            Self::Staleness => "staleness",
            Self::Replay => "replay",
            Self::Escalation => "escalation",
            Self::Compensation => "compensation",
        }
    }
}

impl std::fmt::Display for Suite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// How a run goes.
#[derive(Debug, Clone)]
pub struct Options {
    /// What is tried.
    pub suites: Vec<Suite>,
    /// Trials of each case, 1 to [`Options::MAX_TRIALS`]; cases that wait for time to pass do fewer, those
    /// that go through a table do all of it.
    pub trials: u32,
    /// What is tried follows from it.
    pub seed: u64,
    /// Agents that race, [`Options::MIN_AGENTS`] to [`Options::MAX_AGENTS`].
    pub agents: u32,
    /// Longest time for all of it, in milliseconds; taking back comes after.
    pub timeout_ms: u64,
}

impl Options {
    /// Most trials of a case.
    pub const MAX_TRIALS: u32 = 10_000;
    /// Fewest agents that race.
    pub const MIN_AGENTS: u32 = 2;
    /// Most agents that race: each has a connection of its own.
    pub const MAX_AGENTS: u32 = 64;
}
