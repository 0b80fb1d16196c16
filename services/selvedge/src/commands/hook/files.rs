//! Where git looks for the hooks, and what lies there.
//!
//! | file | what |
//! |---|---|
//! | `pre-commit` | the hook that git runs before a commit |
//! | `pre-merge-commit` | the one that it runs before it commits a merge of its own accord |
//! | `<hook>.chained` | the hook that was there before ours, which ours runs first |
//! | `<hook>.replaced` | the hook that was there before `--force`; nobody runs it |

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::script::is_ours;
use crate::{exit::Failure, repository::Repository};

/// The hooks that are installed; the first is the one that a repository has if it has any of ours.
pub(super) const NAMES: [&str; 2] = ["pre-commit", "pre-merge-commit"];

/// One hook in the folder of a repository's hooks.
pub(super) struct Hook {
    folder: PathBuf,
    name: &'static str,
}

/// What lies where the hook belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing.
    Nothing,
    /// A hook of ours.
    Ours,
    /// Somebody else's.
    Foreign,
}

impl Hook {
    /// Each of [`NAMES`], where git itself says: `core.hooksPath`, else in the repository that its worktrees
    /// share.
    pub(super) fn all(repository: &Repository) -> Result<[Self; 2], Failure> {
        let folder = repository.root.join(repository.ask(&["rev-parse", "--git-path", "hooks"])?);
        Ok(NAMES.map(|name| Self { folder: folder.clone(), name }))
    }

    /// The hook.
    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(self.name)
    }

    /// Name of the hook that was there before.
    pub(super) fn chained_name(&self) -> String {
        format!("{}.chained", self.name)
    }

    /// The hook that was there before.
    pub(super) fn chained(&self) -> PathBuf {
        self.folder.join(self.chained_name())
    }

    /// The hook that `--force` put aside.
    pub(super) fn replaced(&self) -> PathBuf {
        self.folder.join(format!("{}.replaced", self.name))
    }

    /// What lies there.
    pub(super) fn found(&self) -> Result<Found, Failure> {
        let hook = self.path();
        if !is_there(&hook) {
            return Ok(Found::Nothing);
        }
        match fs::read(&hook) {
            Ok(text) if is_ours(&text) => Ok(Found::Ours),
            Ok(_) => Ok(Found::Foreign),
            // A link to nowhere is somebody's too.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Foreign),
            Err(error) => Err(of_file(error, "read", &hook)),
        }
    }

    /// Writes the hook, whole or not at all.
    pub(super) fn write(&self, text: &[u8]) -> Result<(), Failure> {
        use std::os::unix::fs::PermissionsExt as _;
        fs::create_dir_all(&self.folder).map_err(|error| of_file(error, "create", &self.folder))?;
        let hook = self.path();
        let fresh = self.folder.join(format!("{}.{}.new", self.name, std::process::id()));
        let written = fs::write(&fresh, text)
            .and_then(|()| fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755)))
            .and_then(|()| fs::rename(&fresh, &hook));
        written.map_err(|error| {
            // Left behind it would do no harm.
            let _ = fs::remove_file(&fresh);
            of_file(error, "write", &hook)
        })
    }
}

/// Whether something is there, be it a link to nowhere.
pub(super) fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Puts a file in another place, where nothing is.
pub(super) fn put_aside(from: &Path, to: &Path) -> Result<(), Failure> {
    if is_there(to) {
        return Err(Failure::usage(format!(
            "{} is in the way: look at it, and remove it if nobody needs it",
            to.display()
        )));
    }
    fs::rename(from, to).map_err(|error| of_file(error, "move", from))
}

/// Removes a file.
pub(super) fn remove(path: &Path) -> Result<(), Failure> {
    fs::remove_file(path).map_err(|error| of_file(error, "remove", path))
}

fn of_file(error: io::Error, verb: &str, path: &Path) -> Failure {
    anyhow::Error::new(error).context(format!("cannot {verb} {}", path.display())).into()
}
