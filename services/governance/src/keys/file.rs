//! The file of keys: read whole, written beside and moved into place.

use std::{
    collections::BTreeMap,
    fs::{self, File, Metadata, OpenOptions},
    io::{self, ErrorKind, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::GovernanceError;

/// Most keys in the file: approvals do not live for as many rotations.
const MAX_KEYS: usize = 64;
/// Longest id of a key in bytes, as a token may name it.
const MAX_ID_BYTES: usize = 32;
/// Largest file in bytes.
const MAX_BYTES: u64 = 65_536;

/// The keys, by their ids.
pub(crate) struct Ring {
    active: (String, [u8; 32]),
    all: BTreeMap<String, [u8; 32]>,
}

impl Ring {
    pub(crate) fn active(&self) -> &str {
        &self.active.0
    }

    pub(super) fn active_key(&self) -> &[u8; 32] {
        &self.active.1
    }

    pub(super) fn key(&self, id: &str) -> Option<&[u8; 32]> {
        self.all.get(id)
    }
}

/// What a file of keys holds, without the keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeyIds {
    /// The one that seals from now on.
    pub active: String,
    /// All, the active one among them.
    pub keys: Vec<String>,
}

/// What tells one version of the file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    size_bytes: u64,
    modified: (i64, i64),
    mode: u32,
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            size_bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            mode: metadata.mode(),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    active: String,
    keys: BTreeMap<String, String>,
}

impl Written {
    fn ids(&self) -> KeyIds {
        KeyIds { active: self.active.clone(), keys: self.keys.keys().cloned().collect() }
    }

    fn add_fresh(&mut self) {
        let id = format!("key_{:016x}", rand::random::<u64>());
        self.keys.insert(id.clone(), data_encoding::HEXLOWER.encode(&rand::random::<[u8; 32]>()));
        self.active = id;
    }
}

/// Makes a fresh key the active one; the former ones still count. Answers with the keys there are now.
///
/// # Errors
/// The file cannot be read or written, or holds too many keys.
pub fn rotate_keys(path: &Path) -> Result<KeyIds, GovernanceError> {
    change(path, |written| {
        if written.keys.len() >= MAX_KEYS {
            return Err(format!("it holds {MAX_KEYS} keys: take former ones out first"));
        }
        written.add_fresh();
        Ok(())
    })
}

/// Takes a former key out: what it sealed is void from now on. Answers with the keys that are left.
///
/// # Errors
/// The file cannot be read or written, or the key is the active one or not there.
pub fn forget_key(path: &Path, id: &str) -> Result<KeyIds, GovernanceError> {
    change(path, |written| {
        if written.active == id {
            return Err(format!("{id} is the active key: rotate first"));
        }
        written.keys.remove(id).map(drop).ok_or_else(|| format!("it holds no key {id}"))
    })
}

fn change(
    path: &Path,
    change: impl FnOnce(&mut Written) -> Result<(), String>,
) -> Result<KeyIds, GovernanceError> {
    let unusable = |source| GovernanceError::Keys { path: path.to_owned(), source };
    // One change at a time: of two rotations at once none may lose the other's key.
    let mut options = OpenOptions::new();
    let lock = options.create(true).truncate(false).write(true).mode(0o600);
    let lock = lock.open(beside(path, "lock")).map_err(unusable)?;
    lock.lock().map_err(unusable)?;
    let (_, mut written) = read_written(path)?;
    change(&mut written).map_err(|reason| GovernanceError::KeysStay { path: path.to_owned(), reason })?;
    let fresh = write_beside(path, &written).map_err(unusable)?;
    fs::rename(&fresh, path).and_then(|()| sync_folder(path)).map_err(unusable)?;
    Ok(written.ids())
}

/// Makes the file with one fresh key, unless it is there: of several that try, one does.
pub(super) fn make_if_missing(path: &Path) -> Result<(), GovernanceError> {
    let unusable = |source| GovernanceError::Keys { path: path.to_owned(), source };
    if path.try_exists().map_err(unusable)? {
        return Ok(());
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unusable)?;
    }
    let mut written = Written { active: String::new(), keys: BTreeMap::new() };
    written.add_fresh();
    let fresh = write_beside(path, &written).map_err(unusable)?;
    // A link is made only where nothing is, and the file is whole by then: nobody reads half of it.
    let linked = fs::hard_link(&fresh, path);
    fs::remove_file(&fresh).map_err(unusable)?;
    match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(unusable(error)),
        _ => sync_folder(path).map_err(unusable),
    }
}

pub(super) fn read(path: &Path) -> Result<(Stamp, Arc<Ring>), GovernanceError> {
    let (stamp, written) = read_written(path)?;
    let mut all = BTreeMap::new();
    for (id, hex) in &written.keys {
        if id.is_empty() || id.len() > MAX_ID_BYTES {
            return Err(no_keys(path, format!("the id {id:?} has not 1 to {MAX_ID_BYTES} bytes")));
        }
        let key = data_encoding::HEXLOWER.decode(hex.as_bytes()).ok().and_then(|key| key.try_into().ok());
        let key: [u8; 32] = key.ok_or_else(|| no_keys(path, format!("{id} is not 64 hex digits")))?;
        all.insert(id.clone(), key);
    }
    let Some(active) = all.get(&written.active).copied() else {
        return Err(no_keys(path, format!("the active key {:?} is not among them", written.active)));
    };
    Ok((stamp, Arc::new(Ring { active: (written.active, active), all })))
}

fn read_written(path: &Path) -> Result<(Stamp, Written), GovernanceError> {
    let unusable = |source| GovernanceError::Keys { path: path.to_owned(), source };
    let file = File::open(path).map_err(unusable)?;
    let metadata = file.metadata().map_err(unusable)?;
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(GovernanceError::OpenKeys { path: path.to_owned(), mode });
    }
    if metadata.len() > MAX_BYTES {
        return Err(no_keys(path, format!("it has {} bytes, more than {MAX_BYTES}", metadata.len())));
    }
    let written = serde_json::from_reader(io::BufReader::new(file));
    let written: Written = written.map_err(|error| no_keys(path, error.to_string()))?;
    if written.keys.len() > MAX_KEYS {
        return Err(no_keys(path, format!("it holds more than {MAX_KEYS} keys")));
    }
    Ok((Stamp::of(&metadata), written))
}

/// A file of this content beside the path, written through to the disk.
fn write_beside(path: &Path, written: &Written) -> io::Result<PathBuf> {
    let fresh = beside(path, &format!("{:016x}", rand::random::<u64>()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(&serde_json::to_vec_pretty(written)?)?;
    file.sync_all()?;
    Ok(fresh)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(ending);
    path.with_file_name(name)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}

fn no_keys(path: &Path, reason: String) -> GovernanceError {
    GovernanceError::NoKeys { path: path.to_owned(), reason }
}
