//! What differs between a commit and a work tree, or between two commits, as git itself finds it.

use selvedge_contracts::{
    id::CommitHash,
    payload::intent::{FileMode, MAX_CHANGES, TreePath},
};

use super::Draft;
use crate::exit::Failure;

/// One path that differs; contents by their names in git.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Changed {
    /// It is this afterwards.
    Put {
        /// Where.
        path: TreePath,
        /// Its content.
        blob: String,
        /// What it is.
        mode: FileMode,
    },
    /// It is gone.
    Delete {
        /// Where it was.
        path: TreePath,
    },
    /// It stands elsewhere.
    Rename {
        /// Where it was.
        from: TreePath,
        /// Where it is.
        path: TreePath,
        /// Its content, if that is new too.
        blob: Option<String>,
    },
}

impl Changed {
    /// The content that it brings.
    pub(crate) fn blob(&self) -> Option<&str> {
        match self {
            Self::Put { blob, .. } => Some(blob),
            Self::Rename { blob, .. } => blob.as_deref(),
            Self::Delete { .. } => None,
        }
    }
}

/// What an entry of a tree may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A file or a symlink.
    File(FileMode),
    /// A submodule.
    Submodule,
}

/// What git means by a mode.
pub(crate) fn kind_of(mode: &str) -> Option<Kind> {
    match mode {
        "100644" | "100664" => Some(Kind::File(FileMode::Regular)),
        "100755" => Some(Kind::File(FileMode::Executable)),
        "120000" => Some(Kind::File(FileMode::Symlink)),
        "160000" => Some(Kind::Submodule),
        _ => None,
    }
}

const COMPARE: [&str; 7] =
    ["--raw", "-z", "--no-abbrev", "-M", "--ignore-submodules=none", "--no-ext-diff", "--no-textconv"];

impl Draft {
    /// What a commit of the whole work tree would change since `base`: staged or not, with new files that are
    /// not ignored.
    ///
    /// # Errors
    /// [`Failure::Usage`] if a merge is not finished, or something is no file.
    pub(crate) fn of_files(&self, base: &CommitHash) -> Result<Vec<Changed>, Failure> {
        let unmerged = self.git(&["ls-files", "--unmerged", "-z"])?;
        if !unmerged.is_empty() {
            return Err(Failure::usage("a merge is not finished here: settle its conflicts first"));
        }
        self.git(&["add", "--all"])?;
        let mut arguments = vec!["diff-index", "--cached"];
        arguments.extend(COMPARE);
        arguments.push(base.as_str());
        read(&self.git(&arguments)?)
    }

    /// What differs between two commits.
    ///
    /// # Errors
    /// [`Failure::Usage`] if something is no file.
    pub(crate) fn between(&self, base: &CommitHash, commit: &CommitHash) -> Result<Vec<Changed>, Failure> {
        let mut arguments = vec!["diff-tree", "-r"];
        arguments.extend(COMPARE);
        arguments.extend([base.as_str(), commit.as_str()]);
        read(&self.git(&arguments)?)
    }
}

/// Reads what `git diff --raw -z` prints (git-diff(1), "Raw output format").
fn read(raw: &[u8]) -> Result<Vec<Changed>, Failure> {
    let mut items = raw.split(|byte| *byte == 0);
    let mut found = Vec::new();
    while let Some(head) = items.next().filter(|head| !head.is_empty()) {
        let head = Head::read(head).ok_or_else(not_understood)?;
        let first = path(items.next())?;
        let second = if head.is_of_two() { Some(path(items.next())?) } else { None };
        head.changed(first, second, &mut found)?;
    }
    if found.len() > MAX_CHANGES {
        let count = found.len();
        return Err(Failure::usage(format!(
            "{count} files differ, and one intent changes at most {MAX_CHANGES}: propose several, or a saga"
        )));
    }
    Ok(found)
}

fn not_understood() -> Failure {
    anyhow::anyhow!("what git says of the difference is not understood").into()
}

fn path(item: Option<&[u8]>) -> Result<TreePath, Failure> {
    TreePath::new(item.ok_or_else(not_understood)?).map_err(|error| Failure::usage(error.to_string()))
}

/// `:100644 100755 <blob> <blob> M`
struct Head<'a> {
    before: &'a str,
    after: &'a str,
    blob_before: &'a str,
    blob: &'a str,
    status: &'a str,
}

impl<'a> Head<'a> {
    fn read(head: &'a [u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(head).ok()?.strip_prefix(':')?.split(' ');
        let mut word = || words.next();
        let (before, after, blob_before, blob, status) = (word()?, word()?, word()?, word()?, word()?);
        Some(Self { before, after, blob_before, blob, status })
    }

    fn is_of_two(&self) -> bool {
        self.status.starts_with(['R', 'C'])
    }

    fn changed(
        &self,
        first: TreePath,
        second: Option<TreePath>,
        found: &mut Vec<Changed>,
    ) -> Result<(), Failure> {
        let place = second.as_ref().unwrap_or(&first);
        if [self.before, self.after].iter().any(|mode| kind_of(mode) == Some(Kind::Submodule)) {
            return Err(Failure::usage(format!(
                "{place} is a submodule, or a repository within this one, and it differs: the committer records files only; commit that in a repository of its own, or leave it as it is at the base"
            )));
        }
        if self.status.starts_with('D') {
            found.push(Changed::Delete { path: first });
            return Ok(());
        }
        let Some(Kind::File(mode)) = kind_of(self.after) else {
            return Err(Failure::usage(format!("{place} is no file (mode {})", self.after)));
        };
        let blob = self.blob.to_owned();
        match second {
            None => found.push(Changed::Put { path: first, blob, mode }),
            Some(path) if kind_of(self.before) == kind_of(self.after) => {
                let blob = (self.blob != self.blob_before).then_some(blob);
                found.push(Changed::Rename { from: first, path, blob });
            }
            // A rename keeps the mode; this one does not.
            Some(path) => found.extend([Changed::Delete { path: first }, Changed::Put { path, blob, mode }]),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
