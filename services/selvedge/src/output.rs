//! How results are shown: tables for people, JSON for programs.

use std::io::{self, Write as _};

use clap::ValueEnum;
use serde::Serialize;

/// How results are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Human,
    /// One JSON document.
    Json,
    /// One JSON document a line.
    Jsonl,
}

impl Format {
    /// Prints one result: `human` makes the text for people.
    ///
    /// # Errors
    /// As writing to standard output.
    pub fn print<T: Serialize>(
        self,
        result: &T,
        human: impl FnOnce(&T) -> String,
    ) -> io::Result<()> {
        let text = match self {
            Self::Human => human(result),
            Self::Json => serde_json::to_string_pretty(result)?,
            Self::Jsonl => serde_json::to_string(result)?,
        };
        writeln!(io::stdout().lock(), "{}", text.trim_end())
    }
}
