//! Which commit each line of a file is from, as `git blame` knows it.

use std::{collections::BTreeMap, ops::RangeInclusive, path::Path, process::Command};

use anyhow::Context as _;

use crate::exit::Failure;

/// A commit, and the lines that are from it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Blamed {
    pub(super) commit: String,
    /// From 1.
    pub(super) lines: Vec<RangeInclusive<u32>>,
}

/// Whom git blames for a file, or for one line of it, in the order of lines. In a bare repository a `branch`
/// is named; else the work tree is looked at.
///
/// # Errors
/// What git says.
pub(super) fn blame(
    folder: &Path,
    branch: Option<&str>,
    path: &str,
    line: Option<u32>,
) -> Result<Vec<Blamed>, Failure> {
    let range = line.map(|line| format!("-L{line},{line}"));
    let mut arguments = vec!["blame", "--porcelain"];
    arguments.extend(range.as_deref());
    arguments.extend(branch);
    arguments.extend(["--", path]);
    parse(&git(folder, &arguments)?)
}

/// The message of a commit, its date (Unix time in seconds).
pub(super) fn commit(folder: &Path, commit: &str) -> Result<(String, u64), Failure> {
    let text = git(folder, &["show", "--no-patch", "--format=%ct%n%B", commit])?;
    let (date, message) = text.split_once('\n').unwrap_or_default();
    Ok((message.trim_end().to_owned(), date.parse().unwrap_or_default()))
}

fn git(folder: &Path, arguments: &[&str]) -> Result<String, Failure> {
    let run = Command::new("git").arg("-C").arg(folder).args(arguments).env("LC_ALL", "C").output();
    let output = run.context("cannot run git; is it installed?")?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Failure::usage(format!("git: {}", String::from_utf8_lossy(&output.stderr).trim())))
}

/// Reads `git blame --porcelain`: a header for each line, its text after a tab.
fn parse(text: &str) -> Result<Vec<Blamed>, Failure> {
    let mut found: Vec<Blamed> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut is_header = true;
    for line in text.lines() {
        if !std::mem::replace(&mut is_header, line.starts_with('\t')) {
            continue;
        }
        let mut fields = line.split(' ');
        let place = fields.next().zip(fields.nth(1).and_then(|number| number.parse::<u32>().ok()));
        let (commit, number) = place.with_context(|| format!("git blame says {line:?}"))?;
        let index = *places.entry(commit).or_insert(found.len());
        if index == found.len() {
            found.push(Blamed { commit: commit.to_owned(), lines: Vec::new() });
        }
        let Some(blamed) = found.get_mut(index) else { continue };
        match blamed.lines.last_mut() {
            Some(last) if *last.end() + 1 == number => *last = *last.start()..=number,
            _ => blamed.lines.push(number..=number),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_gathered_by_commit() {
        let text = "aa 1 1 2\nauthor x\nfilename f\n\tone\naa 2 2\n\ttwo\nbb 1 3 1\nauthor y\n\tbb 9 9\naa 3 4 1\n\tfour\n";
        let blamed = |commit: &str, lines: &[RangeInclusive<u32>]| Blamed {
            commit: commit.into(),
            lines: lines.to_vec(),
        };
        assert_eq!(parse(text).unwrap(), [blamed("aa", &[1..=2, 4..=4]), blamed("bb", &[3..=3])]);
        assert!(parse("what is this\n").is_err());
        assert_eq!(parse("").unwrap(), []);
    }
}
