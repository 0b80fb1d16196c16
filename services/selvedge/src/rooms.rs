//! Folders in which attempts and checks are made, each in one of its own.
//!
//! ```text
//! <folder>/copies/                       copies of the record's repositories
//! <folder>/runs/<run>/lock               held by the process whose run it is
//! <folder>/runs/<run>/<attempt>/         one attempt: removed when it is over
//! <folder>/kept/<attempt>/               one that was kept to be looked at; the newest of them
//! ```
//! What a process that was killed left behind is removed by the next that starts.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::Context as _;
use selvedge_kit::authority::files;

use crate::{exit::Failure, workspace::Copies};

/// Most attempts that are kept to be looked at.
const MAX_KEPT: usize = 20;

/// The rooms of one process.
pub(crate) struct Rooms {
    folder: PathBuf,
    run: PathBuf,
    _lock: File,
    /// Copies of the record's repositories.
    pub(crate) copies: Copies,
}

/// The folder of one attempt or check.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    /// Where it is.
    pub(crate) path: PathBuf,
}

impl Rooms {
    /// In this folder.
    ///
    /// # Errors
    /// It cannot be made or locked.
    pub(crate) fn open(folder: &Path) -> Result<Self, Failure> {
        files::make_folder(&folder.join("runs"))?;
        files::make_folder(&folder.join("kept"))?;
        let folder = folder.canonicalize().context("cannot look up the folder to work in")?;
        // Whoever begins at the same time must not take a run for abandoned that is not locked yet.
        let beginning = lock_of(&folder).context("cannot lock the folder to work in")?;
        beginning.lock().context("cannot lock the folder to work in")?;
        remove_abandoned(&folder.join("runs"));
        let run = folder.join("runs").join(format!("{:016x}", rand::random::<u64>()));
        files::make_folder(&run)?;
        let lock = lock_of(&run).context("cannot lock the folder to work in")?;
        lock.lock().context("cannot lock the folder to work in")?;
        Ok(Self { copies: Copies::in_folder(folder.join("copies"))?, folder, run, _lock: lock })
    }

    /// A new room.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn room(&self, name: &str) -> Result<Room, Failure> {
        let path = self.run.join(name);
        remove(&path);
        files::make_folder(&path)?;
        Ok(Room { path })
    }

    /// Keeps a room to be looked at; gives where it is then.
    pub(crate) fn keep(&self, room: &Room) -> PathBuf {
        let kept = self.folder.join("kept");
        forget_oldest(&kept);
        let name = room.path.file_name().unwrap_or_default();
        let place = kept.join(name);
        remove(&place);
        // Across devices it stays where it is until this process ends.
        if fs::rename(&room.path, &place).is_ok() { place } else { room.path.clone() }
    }
}

impl Drop for Rooms {
    fn drop(&mut self) {
        remove(&self.run);
    }
}

impl Room {
    /// A folder in it, which is made.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.path.join(name);
        files::make_folder(&path)?;
        Ok(path)
    }

    /// Removes it.
    pub(crate) fn remove(&self) {
        remove(&self.path);
    }
}

fn lock_of(run: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).open(run.join("lock"))
}

/// Removes the runs of processes that are no more.
fn remove_abandoned(runs: &Path) {
    for run in entries(runs) {
        if lock_of(&run).is_ok_and(|lock| lock.try_lock().is_ok()) {
            remove(&run);
        }
    }
}

fn forget_oldest(kept: &Path) {
    let age = |path: &PathBuf| {
        fs::metadata(path).and_then(|meta| meta.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
    };
    let mut all = entries(kept);
    all.sort_by_key(age);
    let surplus = (all.len() + 1).saturating_sub(MAX_KEPT);
    all.iter().take(surplus).for_each(|path| remove(path));
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// Removes a folder and all in it, also what was made unwritable. What cannot be removed is tried again by the next
/// process that starts.
fn remove(path: &Path) {
    if fs::remove_dir_all(path).is_err() && path.exists() {
        open_up(path);
        let _ = fs::remove_dir_all(path);
    }
}

fn open_up(folder: &Path) {
    let _ = fs::set_permissions(folder, Permissions::from_mode(0o700));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_nobody_has_any_more_is_removed_and_one_in_use_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let rooms = Rooms::open(folder.path()).unwrap();
        let room = rooms.room("a").unwrap();
        fs::create_dir_all(folder.path().join("runs/dead/x")).unwrap();
        let other = Rooms::open(folder.path()).unwrap();
        assert!(room.path.exists() && !folder.path().join("runs/dead").exists());
        drop(other);
        let closed = room.folder("closed").unwrap();
        fs::write(closed.join("file"), "x").unwrap();
        fs::set_permissions(&closed, Permissions::from_mode(0o500)).unwrap();
        drop(rooms);
        assert!(!room.path.exists());
    }

    #[test]
    fn so_many_are_kept_and_the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        let rooms = Rooms::open(folder.path()).unwrap();
        for number in 0..MAX_KEPT + 3 {
            let room = rooms.room(&format!("task-{number}")).unwrap();
            fs::write(room.path.join("note"), "x").unwrap();
            let kept = rooms.keep(&room);
            assert!(kept.join("note").exists() && !room.path.exists());
        }
        assert_eq!(entries(&folder.path().join("kept")).len(), MAX_KEPT);
    }
}
