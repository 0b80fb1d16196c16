//! The files of the folder: secrets that only their owner reads, credentials that still last.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use selvedge_contracts::id::KlusterName;
use selvedge_kit::{authority::Credential, clock::now_ms};

use super::report::Finding;
use crate::home::Home;

const DAY_MS: u64 = 86_400_000;
/// A credential with less than this left is worth a warning, in milliseconds.
const SOON_MS: u64 = 30 * DAY_MS;
/// Most paths that one finding names.
const NAMED: usize = 3;
/// Deepest folder below the fabric's that holds secrets.
const DEPTH: usize = 6;

/// Whether anybody but the owner may read a key or a credential.
pub(super) fn modes(home: &Home) -> Finding {
    let check = "secrets are private";
    let folders = [home.authority(), home.creds(), home.all_agents()];
    let secrets = folders.iter().flat_map(|folder| files(folder, DEPTH));
    let secrets: Vec<PathBuf> = secrets.filter(|path| is_secret(&home.all_agents(), path)).collect();
    let open: Vec<&PathBuf> = secrets.iter().filter(|path| is_open(path)).collect();
    if open.is_empty() {
        return Finding::ok(check, format!("{} files, none readable by others", secrets.len()));
    }
    let fix =
        format!("chmod -R go-rwx {}; if others use this machine, make the keys anew", home.path().display());
    Finding::fail(check, format!("others may read {}", listed(&open)), fix)
}

/// Where an agent's commands work lie checkouts, which only their owner may enter: what is secret there is named so.
fn is_secret(agents: &Path, path: &Path) -> bool {
    /// Kluster and agent come before it.
    const AT: usize = 2;
    let within = path.strip_prefix(agents).ok();
    let is_at_work = within.is_some_and(|path| path.iter().nth(AT).is_some_and(|part| part == "work"));
    !is_at_work || path.extension().is_some_and(|ending| ending == "creds" || ending == "nk")
}

fn is_open(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

fn files(folder: &Path, depth: usize) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && depth > 0 => found.extend(files(&entry.path(), depth - 1)),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    found.sort();
    found
}

/// Whether the credentials of operators and services last: those of the kluster named, else all.
pub(super) fn expiry(home: &Home, named: Option<&KlusterName>) -> Vec<Finding> {
    let (now_ms, all) = (now_ms(), home.creds());
    let folder = named.map_or_else(|| all.clone(), |kluster| all.join(kluster.as_str()));
    let is_creds = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "creds");
    files(&folder, DEPTH).iter().filter(|path| is_creds(path)).map(|path| lasts(path, now_ms)).collect()
}

fn lasts(path: &Path, now_ms: u64) -> Finding {
    let kluster = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let check = format!("{kluster}: credential {}", path.file_stem().unwrap_or_default().to_string_lossy());
    let fix = "run `selvedge up` (or `selvedge init --provision`): it renews what is about to end";
    let ends = Credential::read(path)
        .and_then(|credential| credential.claims())
        .map(|claims| claims.expires_at_ms());
    match ends {
        Err(error) => Finding::fail(
            check,
            format!("cannot be used: {error}"),
            format!("remove {}, then {fix}", path.display()),
        ),
        Ok(None) => Finding::ok(check, "never ends"),
        Ok(Some(at)) if at <= now_ms => Finding::fail(check, "has ended", fix),
        Ok(Some(at)) if at - now_ms < SOON_MS => {
            Finding::warn(check, format!("ends in {} days", (at - now_ms) / DAY_MS), fix)
        }
        Ok(Some(at)) => Finding::ok(check, format!("ends in {} days", (at - now_ms) / DAY_MS)),
    }
}

fn listed(paths: &[&PathBuf]) -> String {
    let named: Vec<String> = paths.iter().take(NAMED).map(|path| path.display().to_string()).collect();
    match paths.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::report::Level;

    #[test]
    fn a_secret_that_others_may_read_fails() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::find(Some(root.path()), root.path());
        let path = home.authority().join("keys/operator.nk");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "seed").unwrap();
        for (mode, wanted) in [(0o600, Level::Ok), (0o640, Level::Fail), (0o604, Level::Fail)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(modes(&home).level, wanted, "{mode:o}");
        }
        let shown = format!("{:?}", modes(&home));
        assert!(shown.contains("operator.nk") && shown.contains("chmod"), "{shown}");
    }

    #[test]
    fn a_checkout_is_no_secret_and_a_credential_beside_it_is() {
        let root = tempfile::tempdir().unwrap();
        let home = Home::find(Some(root.path()), root.path());
        let work = home.all_agents().join("main/ada-0a1b2c3d/work/runs/1/a");
        fs::create_dir_all(&work).unwrap();
        let open = |path: &Path| {
            fs::write(path, "").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
        };
        open(&work.join("README.md"));
        assert_eq!(modes(&home).level, Level::Ok);
        open(&work.join("task.creds"));
        assert_eq!(modes(&home).level, Level::Fail);
    }
}
