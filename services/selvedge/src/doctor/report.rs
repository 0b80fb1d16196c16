//! What the checks found, and how it is shown.

use anyhow::Context as _;
use selvedge_contracts::id::KlusterName;
use serde::Serialize;

use crate::{exit::Failure, output::Format};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// It works; somebody should know.
    Warn,
    /// It does not work, or is not safe.
    Fail,
}

/// What one check found.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Finding {
    check: String,
    pub(super) level: Level,
    seen: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { check: check.into(), level: Level::Ok, seen: seen.into(), fix: None }
    }

    pub(super) fn warn(check: impl Into<String>, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check: check.into(), level: Level::Warn, seen: seen.into(), fix: Some(fix.into()) }
    }

    pub(super) fn fail(check: impl Into<String>, seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check: check.into(), level: Level::Fail, seen: seen.into(), fix: Some(fix.into()) }
    }

    /// The same check, named as that of a kluster.
    pub(super) fn of(mut self, kluster: &KlusterName) -> Self {
        self.check = format!("{kluster}: {}", self.check);
        self
    }
}

#[derive(Serialize)]
pub(super) struct Report {
    worst: Level,
    checks: Vec<Finding>,
}

impl Report {
    pub(super) fn new(checks: Vec<Finding>) -> Self {
        let worst = checks.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok);
        Self { worst, checks }
    }

    /// Prints it.
    ///
    /// # Errors
    /// A check failed.
    pub(super) fn print(self, format: Format) -> Result<(), Failure> {
        format.print(&self, human).context("cannot print")?;
        match self.count(Level::Fail) {
            0 => Ok(()),
            failed => Err(anyhow::anyhow!("{failed} of {} checks failed", self.checks.len()).into()),
        }
    }

    fn count(&self, level: Level) -> usize {
        self.checks.iter().filter(|finding| finding.level == level).count()
    }
}

fn human(report: &Report) -> String {
    let mut lines = Vec::new();
    for Finding { check, level, seen, fix } in &report.checks {
        let mark = match level {
            Level::Ok => "ok  ",
            Level::Warn => "WARN",
            Level::Fail => "FAIL",
        };
        lines.push(format!("{mark}  {check:<30} {seen}"));
        lines.extend(fix.iter().map(|fix| format!("      {:<30} fix: {fix}", "")));
    }
    let (ok, warn, fail) = (report.count(Level::Ok), report.count(Level::Warn), report.count(Level::Fail));
    lines.push(format!("\n{ok} ok, {warn} to know of, {fail} failed"));
    lines.join("\n")
}
