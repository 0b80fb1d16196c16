//! The paths that a commit touches, as claims on them.

use std::ffi::OsStr;

use selvedge_contracts::payload::claim::{Claim, MAX_PATTERN_BYTES};

use crate::{
    exit::Failure,
    repository::{Repository, items},
};

/// A path that a commit touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Touched {
    /// For people.
    pub(super) name: String,
    /// What covers it, and as little else as can be said.
    pub(super) claim: Claim,
}

/// What the index changes against HEAD: of a rename, both its ends.
pub(super) fn staged(repository: &Repository) -> Result<Vec<Touched>, Failure> {
    let found = repository.ask(&[
        "diff",
        "--cached",
        "--name-only",
        "-z",
        "--no-renames",
        "--no-relative",
        "--no-ext-diff",
        "--ignore-submodules=none",
    ])?;
    Ok(touched(&found))
}

fn touched(names: &OsStr) -> Vec<Touched> {
    items(names)
        .map(|name| Touched { name: String::from_utf8_lossy(name).into_owned(), claim: claim(name) })
        .collect()
}

/// Most wildcards in the place of what no claim can hold.
const MOST_WILDCARDS: usize = 16;

/// The file itself. No claim holds bytes that are not UTF-8, control characters or backslashes: then a glob
/// that covers the file, and what differs from it in those alone. Where that does not fit either, the
/// folder.
fn claim(name: &[u8]) -> Claim {
    match (literal(name), glob(name)) {
        (Some(name), _) => Claim::file(name),
        (None, Some(glob)) => Claim::files(glob),
        (None, None) => folder(name),
    }
}

/// A name that a claim can hold as it is.
fn literal(name: &[u8]) -> Option<&str> {
    let name = std::str::from_utf8(name).ok()?;
    let is_plain = !name.chars().any(|letter| letter.is_control() || letter == '\\');
    (is_plain && name.len() <= MAX_PATTERN_BYTES && !has_drive(name)).then_some(name)
}

/// What the service takes for the drive of another system.
fn has_drive(name: &str) -> bool {
    let mut letters = name.chars();
    letters.next().is_some_and(|letter| letter.is_ascii_alphabetic()) && letters.next() == Some(':')
}

/// What no claim can hold becomes `*`, what means something in a glob becomes `?`.
fn glob(name: &[u8]) -> Option<String> {
    let mut glob = String::new();
    let mut count = 0;
    for chunk in name.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                _ if letter.is_control() || letter == '\\' => count += usize::from(star(&mut glob)),
                '*' | '?' | '[' | ']' | '{' | '}' | '!' | '#' | ' ' | ':' => {
                    glob.push('?');
                    count += 1;
                }
                _ => glob.push(letter),
            }
        }
        if !chunk.invalid().is_empty() {
            count += usize::from(star(&mut glob));
        }
    }
    (count <= MOST_WILDCARDS && glob.len() <= MAX_PATTERN_BYTES).then_some(glob)
}

/// One star stands for any run. Two would mean folders.
fn star(glob: &mut String) -> bool {
    let is_new = !glob.ends_with('*');
    if is_new {
        glob.push('*');
    }
    is_new
}

/// The nearest folder above that a claim can hold; the whole space, if there is none.
fn folder(name: &[u8]) -> Claim {
    let ends = name.iter().enumerate().rev().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    let mut folders = ends.filter_map(|at| literal(name.get(..at)?));
    Claim::path(folders.next().unwrap_or("."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    #[test]
    fn a_path_is_claimed_as_the_file_that_it_is() {
        let found = touched(OsStr::from_bytes(b"src/main.rs\0a b\nc\0"));
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], Touched { name: "src/main.rs".to_owned(), claim: Claim::file("src/main.rs") });
        assert_eq!(claim("sp ace/[1]*.txt".as_bytes()), Claim::file("sp ace/[1]*.txt"));
    }

    #[test]
    fn what_no_claim_can_hold_is_covered_by_a_glob_or_a_folder() {
        for (name, expected) in [
            (b"src/\xff\xfe.rs".as_slice(), Claim::files("src/*.rs")),
            (b"src/a\nb", Claim::files("src/a*b")),
            (b"a\\b [1]", Claim::files("a*b??1?")),
            (b"c:x", Claim::files("c?x")),
        ] {
            assert_eq!(claim(name), expected, "{:?}", String::from_utf8_lossy(name));
        }
        let odd = b"\xff-".repeat(40);
        assert_eq!(claim(&[b"deep/down/", odd.as_slice()].concat()), Claim::path("deep/down"));
        assert_eq!(claim(&odd), Claim::path("."));
        let long = [b"deep/", "x".repeat(2_000).as_bytes()].concat();
        assert_eq!(claim(&long), Claim::path("deep"));
    }
}
