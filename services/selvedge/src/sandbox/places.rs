//! Which places a command may read and write.
//!
//! Everything is forbidden that is not listed. The system's folders and those of `PATH` may be read, but no
//! fabric's folder within one of them: then what lies beside it is listed instead.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// Where programs, libraries and the system's settings lie.
const SYSTEM: [&str; 16] = [
    "/bin",
    "/sbin",
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc",
    "/opt",
    "/nix/store",
    "/gnu/store",
    "/snap",
    "/proc",
    "/sys",
    "/run/systemd/resolve",
    "/var/lib/ca-certificates",
];
/// Devices without a memory of their own.
const DEVICES: [&str; 5] = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"];
/// Most entries of a folder that are listed in its place.
const MOST_LISTED: usize = 10_000;

/// What a command may read, write and reach; everything else is forbidden.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grants {
    /// Files and folders that it may read and run.
    pub(crate) read: Vec<PathBuf>,
    /// Files and folders that it may also write.
    pub(crate) write: Vec<PathBuf>,
    /// What it may reach.
    pub(crate) reach: Reach,
}

/// What a command may reach over the network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reach {
    /// Nothing.
    #[default]
    Nothing,
    /// This TCP port: that of the fabric.
    Port(u16),
    /// Everything.
    All,
}

impl Grants {
    /// What every command may read, without what lies in the folder that is hidden.
    pub(crate) fn of_system(path: Option<&OsStr>, hidden: &Path) -> Self {
        let programs = path.into_iter().flat_map(std::env::split_paths).filter(|folder| folder.is_absolute());
        let programs = programs.filter(|folder| folder.parent().is_some());
        let places: BTreeSet<PathBuf> =
            SYSTEM.iter().map(PathBuf::from).chain(programs).filter_map(|place| real(&place)).collect();
        let read = places.into_iter().flat_map(|place| without(place, hidden)).collect();
        let write = DEVICES.iter().map(PathBuf::from).filter(|device| device.exists()).collect();
        Self { read, write, reach: Reach::Nothing }
    }
}

/// Without symbolic links; nothing if it is not there.
pub(crate) fn real(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok()
}

/// A place, or what lies in it beside what is hidden.
fn without(place: PathBuf, hidden: &Path) -> Vec<PathBuf> {
    if place.starts_with(hidden) {
        return Vec::new();
    }
    if !hidden.starts_with(&place) {
        return vec![place];
    }
    let entries = fs::read_dir(&place).into_iter().flatten().flatten().take(MOST_LISTED);
    entries.filter_map(|entry| real(&entry.path())).flat_map(|entry| without(entry, hidden)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_in_nothing_that_may_be_read() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        for folder in ["bin", "fabric/.selvedge/authority", "fabric/src", "lib"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let hidden = root.join("fabric/.selvedge");
        let mut seen = without(root.clone(), &hidden);
        seen.sort();
        assert_eq!(seen, [root.join("bin"), root.join("fabric/src"), root.join("lib")]);
        assert!(without(hidden.join("authority"), &hidden).is_empty());
        let grants = Grants::of_system(Some(root.as_os_str()), &hidden);
        assert!(grants.read.contains(&root.join("bin")), "{grants:?}");
        assert!(!grants.read.iter().any(|place| hidden.starts_with(place)), "{grants:?}");
    }
}
