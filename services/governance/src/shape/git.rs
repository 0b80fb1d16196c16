//! The shape of a commit.

use std::collections::BTreeSet;

use selvedge_contracts::payload::intent::{FileChange, GitEffect, MAX_MESSAGE_BYTES, TreePath};

use super::Findings;

pub(super) fn check(git: &GitEffect, at: &str, found: &mut Findings) {
    if let Some(reason) = branch_fault(&git.branch) {
        found.add(
            format!("{at}/branch"),
            format!("{:?} {reason}; expected a name that `git check-ref-format --branch` takes", git.branch),
        );
    }
    if git.message.len() > MAX_MESSAGE_BYTES {
        found.add(
            format!("{at}/message"),
            format!("{} bytes: expected at most {MAX_MESSAGE_BYTES}", git.message.len()),
        );
    }
    if git.message.contains('\0') || git.message.trim().is_empty() {
        found.add(format!("{at}/message"), "it is blank or holds a zero byte");
    }
    check_paths(&git.changes, at, found);
}

/// Each path once, and none below another one that is a file afterwards.
fn check_paths(changes: &[FileChange], at: &str, found: &mut Findings) {
    let mut touched = BTreeSet::new();
    for (index, change) in changes.iter().enumerate() {
        for path in change.paths() {
            if !touched.insert(path) {
                found.add(
                    format!("{at}/changes/{index}"),
                    format!("{path} is touched twice; expected each path once"),
                );
            }
        }
    }
    let files: BTreeSet<&TreePath> = changes
        .iter()
        .filter(|change| !matches!(change, FileChange::Delete { .. }))
        .map(FileChange::path)
        .collect();
    for (index, change) in changes.iter().enumerate() {
        let is_put = !matches!(change, FileChange::Delete { .. });
        if let Some(above) = is_put.then(|| file_above(change.path(), &files)).flatten() {
            found.add(format!("{at}/changes/{index}"), format!("{above} cannot be a file and a folder"));
        }
    }
}

/// A file of `files` that would have to be a folder for `path` to be there.
fn file_above(path: &TreePath, files: &BTreeSet<&TreePath>) -> Option<TreePath> {
    let bytes = path.as_bytes();
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(end, _)| end);
    let above = ends.filter_map(|end| bytes.get(..end).and_then(|above| TreePath::new(above).ok()));
    above.into_iter().find(|above| files.contains(above))
}

/// What git itself would not take as the name of a branch (git-check-ref-format(1)).
fn branch_fault(branch: &str) -> Option<&'static str> {
    let is_bad = |c: char| c.is_ascii_control() || " ~^:?*[\\".contains(c);
    if branch.chars().any(is_bad) {
        return Some("holds a blank, a control character or one of ~ ^ : ? * [ \\");
    }
    if branch.starts_with('-') || branch == "@" || branch == "HEAD" {
        return Some("starts with - or is HEAD");
    }
    if branch.starts_with("refs/") {
        return Some("starts with refs/");
    }
    if branch.contains("..") || branch.contains("@{") || branch.ends_with('.') {
        return Some("holds .. or @{ or ends with a dot");
    }
    let is_wrong = |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with(".lock");
    branch
        .split('/')
        .any(is_wrong)
        .then_some("has a part that is empty, starts with a dot or ends with .lock")
}
