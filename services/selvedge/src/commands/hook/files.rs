//! Where git looks for the hook, and what lies there.
//!
//! | file | what |
//! |---|---|
//! | `pre-commit` | the hook that git runs |
//! | `pre-commit.chained` | the hook that was there before ours, which ours runs first |
//! | `pre-commit.replaced` | the hook that was there before `--force`; nobody runs it |

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::script::is_ours;
use crate::{exit::Failure, repository::Repository};

/// Name of the hook that was there before.
pub(super) const CHAINED: &str = "pre-commit.chained";
const HOOK: &str = "pre-commit";
const REPLACED: &str = "pre-commit.replaced";

/// The folder of a repository's hooks.
pub(super) struct Hooks(PathBuf);

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

impl Hooks {
    /// As git itself says: `core.hooksPath`, else in the repository that its worktrees share.
    pub(super) fn of(repository: &Repository) -> Result<Self, Failure> {
        let folder = repository.ask(&["rev-parse", "--git-path", "hooks"])?;
        Ok(Self(repository.root.join(folder)))
    }

    /// The hook.
    pub(super) fn hook(&self) -> PathBuf {
        self.0.join(HOOK)
    }

    /// The hook that was there before.
    pub(super) fn chained(&self) -> PathBuf {
        self.0.join(CHAINED)
    }

    /// The hook that `--force` put aside.
    pub(super) fn replaced(&self) -> PathBuf {
        self.0.join(REPLACED)
    }

    /// What lies there.
    pub(super) fn found(&self) -> Result<Found, Failure> {
        let hook = self.hook();
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
        fs::create_dir_all(&self.0).map_err(|error| of_file(error, "create", &self.0))?;
        let hook = self.hook();
        let fresh = self.0.join(format!("{HOOK}.{}.new", std::process::id()));
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
