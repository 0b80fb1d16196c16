//! Findings about a policy text, with the line and column at which they stand.

use miette::Diagnostic;
use selvedge_contracts::payload::policy::Finding;

/// Most findings that are listed.
pub(super) const MAX_FINDINGS: usize = 100;
/// Most characters of a finding's message.
const MAX_MESSAGE_CHARS: usize = 1_000;

/// Whether a finding forbids a draft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    Error,
    Warning,
}

/// A finding at a byte of the text, or about the whole.
pub(super) fn finding(text: &str, at: Option<usize>, severity: Severity, message: &str) -> Finding {
    let (line, column) = at.map(|at| place(text, at)).unzip();
    let message = message.chars().take(MAX_MESSAGE_CHARS).collect();
    Finding { error: severity == Severity::Error, line, column, message }
}

/// What Cedar says about the text, with its hints.
pub(super) fn diagnosed(text: &str, severity: Severity, said: &dyn Diagnostic, message: &str) -> Finding {
    let label = said.labels().and_then(|mut labels| labels.next());
    let at = label.as_ref().map(|label| label.offset());
    let hint = label.as_ref().and_then(|label| label.label()).map(ToOwned::to_owned);
    let help = said.help().map(|help| help.to_string());
    let parts = std::iter::once(message.to_owned()).chain(hint).chain(help);
    finding(text, at, severity, &parts.collect::<Vec<_>>().join("; "))
}

/// Line and column of a byte, each from 1; the column counts characters.
fn place(text: &str, at: usize) -> (u32, u32) {
    let (mut line, mut column) = (1u32, 1u32);
    for (_, character) in text.char_indices().take_while(|(offset, _)| *offset < at) {
        match character {
            '\n' => (line, column) = (line.saturating_add(1), 1),
            _ => column = column.saturating_add(1),
        }
    }
    (line, column)
}

/// In order of place, the worst first where two share one; no more than are worth reading.
pub(super) fn in_order(mut findings: Vec<Finding>) -> Vec<Finding> {
    findings.sort_by_key(|finding| (finding.line, finding.column, !finding.error));
    if findings.len() > MAX_FINDINGS {
        // An error is never dropped for a warning.
        findings.sort_by_key(|finding| !finding.error);
        findings.truncate(MAX_FINDINGS);
        findings.sort_by_key(|finding| (finding.line, finding.column, !finding.error));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        assert_eq!(place("ab\ncd", 0), (1, 1));
        assert_eq!(place("ab\ncd", 4), (2, 2));
        assert_eq!(place("é\r\näx", 7), (2, 3), "a column is a character, not a byte");
        assert_eq!(place("a", 99), (1, 2), "the end of the text");
    }

    #[test]
    fn of_too_many_findings_the_errors_stay() {
        let at = |line: usize, severity| finding(&"\n".repeat(line), Some(line), severity, "x");
        let warnings = (0..150).map(|line| at(line, Severity::Warning));
        let found = in_order(warnings.chain([at(200, Severity::Error)]).collect());
        assert_eq!(found.len(), MAX_FINDINGS);
        assert!(found.last().unwrap().error && found.is_sorted_by_key(|finding| finding.line));
    }
}
