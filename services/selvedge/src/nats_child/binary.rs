//! Which nats-server to run.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::Error;

/// The oldest that knows atomic batches, schedules and TTLs.
const OLDEST: (u32, u32) = (2, 12);
const OLDEST_TEXT: &str = "2.12";
/// Names the version that the sources fetch.
const PIN: &str = include_str!("../../../../deploy/nats-server.pin");

/// A nats-server that will do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// Its version: `2.15.1`.
    pub version: String,
}

/// The one that `SELVEDGE_NATS_SERVER` names, else the first on `PATH`, else the one that `make nats`
/// fetched in this folder or one above it.
///
/// # Errors
/// [`Error::Named`] or [`Error::NotFound`] say why none will do.
pub fn find() -> Result<Found, Error> {
    let cwd = std::env::current_dir().unwrap_or_default();
    find_in(std::env::var_os("SELVEDGE_NATS_SERVER"), std::env::var_os("PATH"), &cwd)
}

fn find_in(named: Option<OsString>, path: Option<OsString>, cwd: &Path) -> Result<Found, Error> {
    if let Some(named) = named.filter(|named| !named.is_empty()) {
        let path = PathBuf::from(named);
        return check(&path).map_err(|reason| Error::Named { path, reason });
    }
    let mut rejected = String::new();
    for candidate in candidates(path, cwd) {
        match check(&candidate) {
            Ok(found) => return Ok(found),
            Err(reason) => rejected += &format!("\n  not {}: {reason}", candidate.display()),
        }
    }
    Err(Error::NotFound { wanted: OLDEST_TEXT, rejected })
}

fn candidates(path: Option<OsString>, cwd: &Path) -> Vec<PathBuf> {
    let on_path =
        std::env::split_paths(&path.unwrap_or_default()).map(|folder| folder.join("nats-server")).collect();
    let mut candidates: Vec<PathBuf> = on_path;
    let fetched = Path::new("target/nats-server").join(pinned()).join("nats-server");
    candidates.extend(cwd.ancestors().map(|folder| folder.join(&fetched)));
    candidates.retain(|candidate| candidate.is_file());
    candidates
}

/// The version that the sources fetch and the tests run with.
pub fn pinned() -> &'static str {
    PIN.lines().find_map(|line| line.strip_prefix("version ")).unwrap_or_default().trim()
}

fn check(path: &Path) -> Result<Found, String> {
    let output = Command::new(path).arg("--version").stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("it does not run: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let version = said.trim().strip_prefix("nats-server: v").ok_or("it is no nats-server")?;
    if is_recent(version) {
        Ok(Found { path: path.to_owned(), version: version.to_owned() })
    } else {
        Err(format!("it is {version}, needed is {OLDEST_TEXT} or newer"))
    }
}

fn is_recent(version: &str) -> bool {
    let mut numbers = version.split(['.', '-']).map(|number| number.parse::<u32>().ok());
    let (major, minor) = (numbers.next().flatten(), numbers.next().flatten());
    major.zip(minor).is_some_and(|found| found >= OLDEST)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        for (version, is_enough) in
            [("2.15.1", true), ("2.12.0", true), ("2.9.9", false), ("3.0.0", true), ("x", false)]
        {
            assert_eq!(is_recent(version), is_enough, "{version}");
        }
    }

    fn pretend(folder: &Path, version: &str) -> PathBuf {
        let path = folder.join("nats-server");
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(&path, format!("#!/bin/sh\necho 'nats-server: v{version}'\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        path
    }

    #[test]
    fn an_old_one_on_the_path_is_passed_over_for_the_fetched_one() {
        let root = tempfile::tempdir().unwrap();
        let old = root.path().join("bin");
        pretend(&old, "2.10.0");
        let fetched = pretend(&root.path().join("target/nats-server").join(pinned()), "2.15.1");
        let cwd = root.path().join("deep/in/it");
        let found = find_in(None, Some(old.into_os_string()), &cwd).unwrap();
        assert_eq!((found.path, found.version.as_str()), (fetched, "2.15.1"));
    }

    #[test]
    fn without_any_the_error_says_how_to_get_one() {
        let root = tempfile::tempdir().unwrap();
        let old = pretend(&root.path().join("bin"), "2.10.0");
        let error = find_in(None, Some(root.path().join("bin").into_os_string()), root.path()).unwrap_err();
        let said = error.to_string();
        assert!(said.contains("make nats") && said.contains("it is 2.10.0, needed is 2.12"), "{said}");
        let error = find_in(Some(old.clone().into_os_string()), None, root.path()).unwrap_err().to_string();
        assert!(error.starts_with(&format!("SELVEDGE_NATS_SERVER={}", old.display())), "{error}");
    }
}
