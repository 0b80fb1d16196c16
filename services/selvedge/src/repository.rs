//! The git repository around a folder: its root, its name, and paths as it knows them. Asks `git`, never
//! changes anything.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Component, Path, PathBuf},
    process::{Command, Output},
};

use anyhow::Context as _;
use selvedge_contracts::id::SpaceId;

use crate::exit::Failure;

/// A repository's work tree, or a plain folder in its place.
#[derive(Debug, Clone)]
pub(crate) struct Repository {
    /// Top of the work tree, without symbolic links.
    pub(crate) root: PathBuf,
    /// The folder from which it is seen, without symbolic links.
    current: PathBuf,
}

impl Repository {
    /// The repository whose work tree `directory` lies in, if there is one.
    ///
    /// # Errors
    /// `git` is there and fails for another reason than that there is no repository.
    pub(crate) fn around(directory: &Path) -> Result<Option<Self>, Failure> {
        let Some(output) = git(directory, &["rev-parse", "--show-toplevel"])? else {
            return Ok(None);
        };
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr);
            let is_none = reason.contains("not a git repository") || reason.contains("work tree");
            return if is_none { Ok(None) } else { Err(failed(&reason)) };
        }
        Self::new(&PathBuf::from(line(output.stdout)), directory).map(Some)
    }

    /// A plain folder, seen from itself.
    pub(crate) fn plain(directory: &Path) -> Result<Self, Failure> {
        Self::new(directory, directory)
    }

    fn new(root: &Path, current: &Path) -> Result<Self, Failure> {
        let real = |path: &Path| {
            path.canonicalize().with_context(|| format!("cannot look up the folder {}", path.display()))
        };
        Ok(Self { root: real(root)?, current: real(current)? })
    }

    /// Name of its space: `git config selvedge.space`, else the last part of the remote `origin`'s address,
    /// else the name of the folder that the repository was made in. So its worktrees share a space, and so
    /// do clones of one address.
    pub(crate) fn space(&self) -> Result<SpaceId, Failure> {
        if let Some(named) = self.setting("selvedge.space")? {
            return SpaceId::new(&named)
                .map_err(|error| Failure::usage(format!("git config selvedge.space: {error}")));
        }
        let origin = self.setting("remote.origin.url")?.and_then(|url| space_named(&url));
        if let Some(space) = origin {
            return Ok(space);
        }
        let common = self.ask(&["rev-parse", "--git-common-dir"])?;
        let common = self.root.join(common);
        let common = common.canonicalize().unwrap_or(common);
        let folder =
            if common.file_name() == Some(OsStr::new(".git")) { common.parent() } else { Some(&*common) };
        let name = folder.and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
        name.as_deref().and_then(space_named).ok_or_else(|| {
            Failure::usage(
                "this repository's name makes no space; say --space, or `git config selvedge.space NAME`",
            )
        })
    }

    /// A setting of git's, if it is set.
    pub(crate) fn setting(&self, name: &str) -> Result<Option<String>, Failure> {
        let output = git(&self.root, &["config", "--get", name])?;
        let found = output.filter(|output| output.status.success());
        Ok(found.map(|output| line(output.stdout).to_string_lossy().into_owned()))
    }

    /// What git prints when it is asked this, without the newline at its end.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Result<OsString, Failure> {
        let Some(output) = git(&self.root, arguments)? else {
            return Err(Failure::usage("git is not installed"));
        };
        if !output.status.success() {
            return Err(failed(&String::from_utf8_lossy(&output.stderr)));
        }
        Ok(line(output.stdout))
    }

    /// A path as typed, from the root on, components joined by `/`; `.` for the root itself. Symbolic links
    /// on the way are followed, one at its end is not: that is what git does.
    ///
    /// # Errors
    /// Says why it is no path in here.
    pub(crate) fn inside(&self, typed: &Path) -> Result<String, String> {
        let inside = self.below(typed)?;
        let inside = inside.to_str().ok_or("is not UTF-8; claim its folder, or a --glob that covers it")?;
        Ok(if inside.is_empty() { ".".to_owned() } else { inside.to_owned() })
    }

    /// The same, whatever its bytes; empty for the root itself.
    ///
    /// # Errors
    /// As [`Repository::inside`].
    pub(crate) fn below(&self, typed: &Path) -> Result<PathBuf, String> {
        if typed.as_os_str().is_empty() {
            return Err("is empty; expected a file or folder".to_owned());
        }
        let walked = walk(&self.current, typed);
        let inside = walked.strip_prefix(&self.root);
        let out = |_| format!("leads out of {}; expected a path below it", self.root.display());
        inside.map(Path::to_owned).map_err(out)
    }

    /// The current folder from the root on; empty at the root. `None` if it is not UTF-8.
    pub(crate) fn prefix(&self) -> Option<&str> {
        self.current.strip_prefix(&self.root).ok()?.to_str()
    }
}

/// Goes from a folder along a path, as the system would; what does not exist is taken as it is written.
fn walk(from: &Path, path: &Path) -> PathBuf {
    let mut at = from.to_owned();
    let mut components = path.components().peekable();
    while let Some(component) = components.next() {
        match component {
            Component::Prefix(_) | Component::CurDir => {}
            Component::RootDir => at = PathBuf::from("/"),
            Component::ParentDir => drop(at.pop()),
            Component::Normal(name) => {
                at.push(name);
                if components.peek().is_some() {
                    at = at.canonicalize().unwrap_or(at);
                }
            }
        }
    }
    at
}

/// A space's name made of an address or a path: its last part, in small letters.
fn space_named(address: &str) -> Option<SpaceId> {
    let address = address.trim_end_matches('/');
    let last = address.rsplit(['/', ':', '\\']).next()?;
    let last = last.strip_suffix(".git").unwrap_or(last);
    let fits = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c.to_ascii_lowercase() } else { '-' };
    let name: String = last.chars().map(fits).skip_while(|c| !c.is_ascii_alphanumeric()).take(MOST).collect();
    SpaceId::new(name.trim_end_matches('-')).ok()
}

/// Most bytes of a space's name.
const MOST: usize = 63;

fn git(directory: &Path, arguments: &[&str]) -> Result<Option<Output>, Failure> {
    // Its messages are read above.
    match Command::new("git").arg("-C").arg(directory).args(arguments).env("LC_ALL", "C").output() {
        Ok(output) => Ok(Some(output)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(anyhow::Error::new(error).context("cannot run git").into()),
    }
}

fn failed(reason: &str) -> Failure {
    anyhow::anyhow!("{}", reason.trim()).context("git fails").into()
}

fn line(mut bytes: Vec<u8>) -> OsString {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    OsString::from_vec(bytes)
}

/// Items that git separates by NUL.
pub(crate) fn items(text: &OsStr) -> impl Iterator<Item = &[u8]> {
    text.as_bytes().split(|byte| *byte == 0).filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_space_is_named_after_the_last_part_of_an_address() {
        for (address, space) in [
            ("git@example.org:team/Shop.git", "shop"),
            ("https://example.org/team/shop/", "shop"),
            ("host:shop", "shop"),
            ("/srv/My Shop", "my-shop"),
            (".dotfiles", "dotfiles"),
        ] {
            assert_eq!(space_named(address).unwrap().as_str(), space, "{address}");
        }
        assert_eq!(space_named(&"x".repeat(100)).unwrap().as_str().len(), 63);
        for none in ["", "/", "…", ".git"] {
            assert_eq!(space_named(none), None, "{none:?}");
        }
    }

    #[test]
    fn paths_are_mapped_to_the_root_and_cannot_leave_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("shop/src/real")).unwrap();
        symlink("real", root.join("shop/src/link")).unwrap();
        symlink("/", root.join("shop/out")).unwrap();
        let seen = Repository::new(&root.join("shop"), &root.join("shop/src")).unwrap();
        for (typed, inside) in [
            ("main.rs", "src/main.rs"),
            ("./main.rs", "src/main.rs"),
            ("../README.md", "README.md"),
            ("..", "."),
            ("new/deep/x", "src/new/deep/x"),
            ("link/x", "src/real/x"),
            ("link", "src/link"),
            ("real/", "src/real"),
        ] {
            assert_eq!(seen.inside(Path::new(typed)), Ok(inside.to_owned()), "{typed}");
        }
        let absolute = root.join("shop/a/b");
        assert_eq!(seen.inside(&absolute), Ok("a/b".to_owned()));
        for typed in ["../..", "../../x", "/etc/passwd", "../out/etc", "../../shopping"] {
            assert!(seen.inside(Path::new(typed)).unwrap_err().contains("leads out"), "{typed}");
        }
        let odd = OsString::from_vec(b"\xff".to_vec());
        assert!(seen.inside(Path::new(&odd)).unwrap_err().contains("UTF-8"));
        assert_eq!(seen.prefix(), Some("src"));
    }
}
