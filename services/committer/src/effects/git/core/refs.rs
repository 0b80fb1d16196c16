//! Moving references so that a process that dies at any instant leaves nothing that another one cannot put
//! right.
//!
//! A reference is moved as git moves it: `<ref>.lock` is made, the present value compared, the lock renamed
//! over the reference. Git cannot tell a lock whose maker is dead from one that is held, so ours can be told:
//! the new value is written to a file of this process first, and the lock is a hard link to it.
//!
//! ```text
//! <repository>/selvedge/<process>/alive      locked (flock) while the process lives; its process id
//! <repository>/selvedge/<process>/refs/...   the new value of the reference of that name
//! ```
//!
//! A lock that is the same file (device and inode) as one of a process whose `alive` nobody holds is stale,
//! and nobody else's. Repositories on network file systems are not supported: flock must be seen by all.

use std::{
    fs::{self, File, TryLockError},
    io::{self, ErrorKind, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use git2::Oid;
use selvedge_kit::clock::{Deadline, now_ms};

use super::durable;

/// Folder in the repository.
const FOLDER: &str = "selvedge";
/// Names a process's folder until it is locked.
const NEW: &str = "new-";
/// After this time a folder that was never finished is left over, in milliseconds.
const LEFTOVER_MS: u64 = 3_600_000;
/// Names that are tried for a folder.
const NAMES: u32 = 100;
/// Tells folders of one process apart.
static NUMBER: AtomicU64 = AtomicU64::new(0);
/// Longest wait for a lock that somebody else holds, in milliseconds.
const LOCK_WAIT_MS: u64 = 2_000;
const LOCK_POLL: Duration = Duration::from_millis(5);

/// The files of this process in a repository.
pub(super) struct Staging {
    repository: PathBuf,
    folder: PathBuf,
    /// Held while the process lives.
    _alive: File,
}

/// Whether a reference could be locked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Locking {
    Locked,
    /// By somebody who lives, or who is not one of us.
    Held,
}

impl Staging {
    /// Makes the folder of this process, after clearing what dead ones left.
    pub(super) fn open(repository: &Path) -> io::Result<Self> {
        let all = repository.join(FOLDER);
        fs::create_dir_all(&all)?;
        clear_dead(repository)?;
        for _ in 0..NAMES {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let name = format!("{}-{}-{number}", now_ms(), std::process::id());
            let (unfinished, folder) = (all.join(format!("{NEW}{name}")), all.join(name));
            match fs::create_dir(&unfinished) {
                // Another container may count its processes as we do.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                made => made?,
            }
            let mut alive = File::create_new(unfinished.join("alive"))?;
            alive.lock()?;
            write!(alive, "{}", std::process::id())?;
            fs::rename(&unfinished, &folder)?;
            return Ok(Self { repository: repository.to_owned(), folder, _alive: alive });
        }
        Err(io::Error::other("no name for a folder is free"))
    }

    /// Writes the value that a reference is to have; answers with the file, which is not yet durable.
    pub(super) fn stage(&self, reference: &str, target: Oid) -> io::Result<PathBuf> {
        self.clear(reference)?;
        let staged = self.folder.join(reference);
        if let Some(parent) = staged.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut file = File::create_new(&staged)?;
        writeln!(file, "{target}")?;
        Ok(staged)
    }

    /// Takes back what an earlier attempt of this process staged, and its lock.
    pub(super) fn clear(&self, reference: &str) -> io::Result<()> {
        let staged = self.folder.join(reference);
        if !staged.exists() {
            return Ok(());
        }
        self.unlock(reference)?;
        fs::remove_file(staged)
    }

    /// Locks a reference whose new value is staged.
    #[allow(
        clippy::disallowed_methods,
        reason = "a thread of its own sleeps here, never a runtime's; the deadline bounds it"
    )]
    pub(super) fn lock(&self, reference: &str, deadline: Deadline) -> io::Result<Locking> {
        let (staged, lock) = (self.folder.join(reference), lock_of(&self.repository, reference));
        let wait = deadline.at_most_ms(LOCK_WAIT_MS);
        let mut is_cleared = false;
        loop {
            match fs::hard_link(&staged, &lock) {
                Ok(()) => return Ok(Locking::Locked),
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    make_parent(&self.repository, reference)?
                }
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                Err(_) if !is_cleared => {
                    clear_dead(&self.repository)?;
                    is_cleared = true;
                }
                Err(_) if wait.has_passed() => return Ok(Locking::Held),
                Err(_) => std::thread::sleep(LOCK_POLL),
            }
        }
    }

    /// Gives up the lock on a reference, if this process holds it.
    pub(super) fn unlock(&self, reference: &str) -> io::Result<()> {
        remove_if_same(&self.folder.join(reference), &lock_of(&self.repository, reference))
    }

    /// Moves a locked reference to what was staged. It is durable once its folder is: [`folder_of`].
    pub(super) fn rename(&self, reference: &str) -> io::Result<()> {
        let (lock, place) = (lock_of(&self.repository, reference), self.repository.join(reference));
        if place.is_dir() {
            // Git leaves empty folders behind; one that is not empty stays, and the rename fails.
            let _ = fs::remove_dir(&place);
        }
        fs::rename(lock, place)?;
        fs::remove_file(self.folder.join(reference))
    }

    /// Folder of a reference's file.
    pub(super) fn folder_of(&self, reference: &str) -> PathBuf {
        let place = self.repository.join(reference);
        place.parent().map_or_else(|| self.repository.clone(), Path::to_owned)
    }
}

fn lock_of(repository: &Path, reference: &str) -> PathBuf {
    repository.join(format!("{reference}.lock"))
}

/// Makes the folder that a reference lies in, durably.
fn make_parent(repository: &Path, reference: &str) -> io::Result<()> {
    let place = repository.join(reference);
    let Some(parent) = place.parent() else { return Ok(()) };
    fs::create_dir_all(parent)?;
    let above = parent.ancestors().take_while(|above| *above != repository);
    durable::folders(above.map(Path::to_owned).collect())
}

/// Removes what processes that are dead left: locks that are theirs, then their folders.
fn clear_dead(repository: &Path) -> io::Result<()> {
    for entry in fs::read_dir(repository.join(FOLDER))? {
        let folder = entry?.path();
        let is_new = folder.file_name().is_some_and(|name| name.to_string_lossy().starts_with(NEW));
        // Held until the folder is gone, so that no two clear it.
        let held = if is_new { is_old(&folder).then_some(None) } else { dead(&folder)? };
        if held.is_some() {
            clear_locks(repository, &folder, &folder.join("refs"))?;
            forgive_missing(fs::remove_dir_all(&folder))?;
        }
    }
    Ok(())
}

/// The lock of a folder whose process is dead; nothing while it lives.
fn dead(folder: &Path) -> io::Result<Option<Option<File>>> {
    match File::open(folder.join("alive")) {
        // Whoever removed it had cleared the locks before.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Some(None)),
        Err(error) => Err(error),
        Ok(alive) => match alive.try_lock() {
            Ok(()) => Ok(Some(Some(alive))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        },
    }
}

fn is_old(folder: &Path) -> bool {
    let made = fs::metadata(folder).ok().and_then(|about| about.modified().ok());
    let age = made.and_then(|made| made.elapsed().ok()).unwrap_or_default();
    age > Duration::from_millis(LEFTOVER_MS)
}

fn clear_locks(repository: &Path, folder: &Path, at: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(at) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            clear_locks(repository, folder, &path)?;
            continue;
        }
        if let Some(reference) = path.strip_prefix(folder).ok().and_then(Path::to_str) {
            remove_if_same(&path, &lock_of(repository, reference))?;
        }
    }
    Ok(())
}

/// Removes `lock` if it is the very file `staged`.
fn remove_if_same(staged: &Path, lock: &Path) -> io::Result<()> {
    let identity = |path: &Path| match fs::symlink_metadata(path) {
        Ok(about) => Ok(Some((about.dev(), about.ino()))),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    };
    let ours = identity(staged)?;
    if ours.is_some() && ours == identity(lock)? {
        return forgive_missing(fs::remove_file(lock));
    }
    Ok(())
}

fn forgive_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
