//! What was written stays: files and folders are synced, several at once, so that the file system's journal
//! takes them together.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use git2::Oid;

/// Files that are synced at once.
const AT_ONCE: usize = 8;

/// Syncs loose objects, whoever wrote them, then the folders they lie in. What lies in a pack was synced
/// when it was packed.
pub(super) fn objects(repository: &Path, objects: &[Oid], also: Vec<PathBuf>) -> io::Result<()> {
    let all = repository.join("objects");
    let (mut files, mut folders) = (BTreeSet::new(), BTreeSet::from([all.clone()]));
    for object in objects {
        let name = object.to_string();
        let (start, rest) = name.split_at(2);
        let folder = all.join(start);
        files.insert(folder.join(rest));
        folders.insert(folder);
    }
    each(&files.into_iter().chain(also).collect::<Vec<_>>())?;
    each(&folders.into_iter().collect::<Vec<_>>())
}

/// Syncs folders, so that the names in them stay.
pub(super) fn folders(folders: BTreeSet<PathBuf>) -> io::Result<()> {
    each(&folders.into_iter().collect::<Vec<_>>())
}

fn each(paths: &[PathBuf]) -> io::Result<()> {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
    let work = || {
        while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = sync(path) {
                *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            }
        }
    };
    std::thread::scope(|threads| {
        for _ in 1..paths.len().min(AT_ONCE) {
            threads.spawn(work);
        }
        work();
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

fn sync(path: &Path) -> io::Result<()> {
    match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        file => file?.sync_all(),
    }
}
