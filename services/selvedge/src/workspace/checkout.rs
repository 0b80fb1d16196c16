//! One checkout.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use selvedge_contracts::id::CommitHash;

use super::git::git;
use crate::exit::Failure;

/// A checkout at a commit.
#[derive(Debug, Clone)]
pub(crate) struct Checkout {
    /// Where its files are.
    pub(crate) directory: PathBuf,
    /// Its git folder as it was made, beside it.
    pub(crate) git_dir: PathBuf,
    /// The commit.
    pub(crate) base: CommitHash,
}

impl Checkout {
    /// Makes it in `attempt`.
    pub(super) async fn make(copy: &Path, base: CommitHash, attempt: &Path) -> Result<Self, Failure> {
        let directory = attempt.join("workspace");
        let (from, to) = (copy.to_string_lossy(), directory.to_string_lossy());
        let clone = ["clone", "--quiet", "--shared", "--no-checkout", "--no-tags", "--template="];
        git(attempt, &[&clone[..], &["--end-of-options", &from, &to]].concat()).await?;
        git(&directory, &["checkout", "--quiet", "--force", "--detach", base.as_str()]).await?;
        let git_dir = attempt.join("git");
        copied(&directory.join(".git"), &git_dir).context("cannot keep the checkout's git folder")?;
        Ok(Self { directory, git_dir, base })
    }
}

/// Copies a folder, of which nothing but files and folders is expected.
fn copied(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (kind, to) = (entry.file_type()?, to.join(entry.file_name()));
        if kind.is_dir() {
            copied(&entry.path(), &to)?;
        } else if kind.is_file() {
            let changed = entry.metadata()?.modified()?;
            fs::copy(entry.path(), &to)?;
            // How old the index is decides which files git looks into.
            fs::File::options().write(true).open(&to)?.set_modified(changed)?;
        }
    }
    Ok(())
}
