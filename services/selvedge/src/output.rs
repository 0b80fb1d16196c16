//! How results are shown: tables for people, JSON for programs.

use std::io::{self, IsTerminal as _, Write as _};

use clap::ValueEnum;
use selvedge_kit::clock::rfc3339;
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
    pub fn print<T: Serialize>(self, result: &T, human: impl FnOnce(&T) -> String) -> io::Result<()> {
        let text = match self {
            Self::Human => human(result),
            Self::Json => serde_json::to_string_pretty(result)?,
            Self::Jsonl => serde_json::to_string(result)?,
        };
        say(&text)
    }

    /// Prints a list: one JSON array, or one line of JSON for each item.
    ///
    /// # Errors
    /// As writing to standard output.
    pub fn print_all<T: Serialize>(
        self,
        results: &[T],
        human: impl FnOnce(&[T]) -> String,
    ) -> io::Result<()> {
        let text = match self {
            Self::Human => human(results),
            Self::Json => serde_json::to_string_pretty(results)?,
            Self::Jsonl => {
                let lines: Result<Vec<String>, _> = results.iter().map(serde_json::to_string).collect();
                lines?.join("\n")
            }
        };
        if text.is_empty() { Ok(()) } else { say(&text) }
    }
}

/// Writes a text and a newline to standard output.
///
/// # Errors
/// As writing there.
pub fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", text.trim_end())?;
    out.flush()
}

/// Tells a person something that is no result, on standard error.
pub fn hint(text: &str) {
    // A hint that nobody can read is not missed.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// How many columns and lines the terminal has that standard output is; nothing if it is none.
pub(crate) fn terminal() -> Option<(usize, usize)> {
    let (lines, columns) = console::Term::stdout().size_checked()?;
    Some((usize::from(columns), usize::from(lines)))
}

/// A text of which no line is wider than `columns`, and that has no more than `lines`: what is left out shows.
pub(crate) fn fitted(text: &str, columns: usize, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    let room = if all.len() > lines { lines.saturating_sub(1) } else { lines };
    let mut shown: Vec<String> = all.iter().take(room).map(|line| cut(line, columns)).collect();
    if all.len() > room {
        shown.push(cut(&format!("… {} more", all.len() - room), columns));
    }
    shown.join("\n")
}

/// A line that is no wider than `columns`.
fn cut(line: &str, columns: usize) -> String {
    if console::measure_text_width(line) <= columns {
        return line.to_owned();
    }
    let mut shown = String::new();
    let (mut width, mut buffer) = (0, [0; 4]);
    for c in line.chars() {
        width += console::measure_text_width(c.encode_utf8(&mut buffer));
        if width >= columns {
            break;
        }
        shown.push(c);
    }
    shown.push('…');
    shown
}

/// Whether standard output may be coloured.
pub fn is_coloured(no_color: Option<&str>) -> bool {
    no_color.is_none() && io::stdout().is_terminal()
}

/// What others wrote, so that a terminal shows what is there and nothing else: control characters, and those
/// that turn the direction of text (Unicode TR 36), stand as escapes; lines and tabs stay.
pub fn visible(text: &str) -> String {
    let is_hidden = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t'))
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) { shown.extend(c.escape_unicode()) } else { shown.push(c) }
    }
    shown
}

/// The same in one line.
pub fn visible_line(text: &str) -> String {
    visible(text).replace('\n', "\\n").replace('\t', "\\t")
}

/// Names and values in two columns, without those that have no value.
pub fn fields(fields: &[(&str, String)]) -> String {
    let width = fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let shown = fields.iter().filter(|(_, value)| !value.is_empty());
    shown.map(|(name, value)| format!("{name:width$}  {value}\n")).collect()
}

/// Narrowest that a column is made to have the others fit: what people are shown of an id.
const NARROWEST: usize = 12;

/// Aligned columns under their names; `none` if there are no rows. On a terminal what is too wide for it is cut, and
/// shows that it is; in a pipe it is whole.
pub fn table<const N: usize>(names: [&str; N], rows: &[[String; N]], none: &str) -> String {
    table_in(names, rows, none, columns())
}

/// How many columns a table may take: those of the terminal, else what `COLUMNS` says, else any.
fn columns() -> usize {
    let said = || std::env::var("COLUMNS").ok()?.parse().ok();
    terminal().map(|(columns, _)| columns).or_else(said).unwrap_or(usize::MAX)
}

fn table_in<const N: usize>(names: [&str; N], rows: &[[String; N]], none: &str, room: usize) -> String {
    if rows.is_empty() {
        return none.to_owned();
    }
    let names = names.map(str::to_uppercase);
    let mut widths = [0; N];
    for row in std::iter::once(&names).chain(rows) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    narrow(&mut widths, room);
    let line = |row: &[String; N]| {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{:width$}", cut(cell, width))).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    std::iter::once(&names).chain(rows).map(line).collect()
}

/// Takes from the widest columns until all fit, or none is wide enough to give.
fn narrow(widths: &mut [usize], room: usize) {
    let between = 2 * widths.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + between > room {
        match widths.iter_mut().max() {
            Some(widest) if *widest > NARROWEST => *widest -= 1,
            _ => return,
        }
    }
}

/// An instant, for people.
pub fn instant(at_ms: u64) -> String {
    rfc3339(at_ms / 1_000 * 1_000)
}

/// An instant to the millisecond, always as wide.
pub fn instant_ms(at_ms: u64) -> String {
    format!("{}.{:03}Z", instant(at_ms).trim_end_matches('Z'), at_ms % 1_000)
}

/// The name that a value has in JSON.
pub fn name<T: Serialize>(value: &T) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["ada".to_owned(), "worker".to_owned()], ["b".to_owned(), String::new()]];
        assert_eq!(table(["id", "role"], &rows, "none"), "ID   ROLE\nada  worker\nb\n");
        assert_eq!(table::<1>(["id"], &[], "none"), "none");
    }

    #[test]
    fn a_table_takes_no_more_than_its_room_from_the_widest_columns_first() {
        let rows = [["0a1b2c3d0a1b".to_owned(), "x".repeat(40)], ["b".to_owned(), "short".to_owned()]];
        let shown = table_in(["id", "reason"], &rows, "none", 30);
        let expected =
            format!("ID            REASON\n0a1b2c3d0a1b  {}…\nb             short\n", "x".repeat(15));
        assert_eq!(shown, expected);
        assert!(table_in(["id", "reason"], &rows, "none", 5).contains("0a1b2c3d0a1b  xxxxxxxxxxx…"));
        assert!(table_in(["id", "reason"], &rows, "none", usize::MAX).contains(&"x".repeat(40)));
    }

    #[test]
    fn what_does_not_fit_a_terminal_is_cut_and_shows_it() {
        assert_eq!(fitted("abc\nabcdef\n✓ über", 4, 3), "abc\nabc…\n✓ ü…");
        assert_eq!(fitted("a\nb\nc\nd", 9, 3), "a\nb\n… 2 more");
        assert_eq!(fitted("全角の幅", 5, 1), "全角…", "wide ones count twice");
    }

    #[test]
    fn instants_are_always_as_wide() {
        assert_eq!(instant_ms(1_770), "1970-01-01T00:00:01.770Z");
        assert_eq!(instant_ms(2_000), "1970-01-01T00:00:02.000Z");
    }

    #[test]
    fn what_would_hide_something_from_a_reader_is_shown_as_an_escape() {
        assert_eq!(visible("a\u{1b}[2Kb\r\u{202e}c\nd\te"), "a\\u{1b}[2Kb\\u{d}\\u{202e}c\nd\te");
        assert_eq!(visible_line("a\nb"), "a\\nb");
        assert_eq!(visible("grüße"), "grüße");
    }

    #[test]
    fn what_has_no_value_is_not_shown() {
        let shown = fields(&[("agent", "ada".to_owned()), ("model", String::new())]);
        assert_eq!(shown, "agent  ada\n");
    }
}
