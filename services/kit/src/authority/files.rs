//! Private files: mode 0600 in folders of mode 0700, replaced whole or not at all.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use super::Error;

const FILE_MODE: u32 = 0o600;
const FOLDER_MODE: u32 = 0o700;

fn failed<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Error + 'a {
    move |source| Error::File { action, path: path.to_owned(), source }
}

/// The text of a file.
///
/// # Errors
/// [`Error::File`].
pub fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(failed("read", path))
}

/// Makes the folder and those above it, if they are not there.
///
/// # Errors
/// [`Error::File`].
pub fn make_folder(path: &Path) -> Result<(), Error> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path).map_err(failed("create", path))
}

/// Replaces the file by one with this text; after a crash it holds the old text or the new one.
///
/// # Errors
/// [`Error::File`].
pub fn write(path: &Path, text: &str) -> Result<(), Error> {
    let scratch = scratch(path);
    write_synced(&scratch, text).map_err(failed("write", &scratch))?;
    move_to(&scratch, path)
}

/// Makes the file with this text unless it is there already, and says whether it was made here. Of two
/// who make it at once one does, and what the file holds is whole whenever it is there.
///
/// # Errors
/// [`Error::File`].
pub fn create(path: &Path, text: &str) -> Result<bool, Error> {
    let scratch = scratch(path);
    let written = write_synced(&scratch, text).map_err(failed("write", &scratch));
    // A name given by a link is given once, unlike one given by a renaming.
    let linked = written.and_then(|()| match fs::hard_link(&scratch, path) {
        Ok(()) => sync_folder_of(path).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(failed("create", path)(error)),
    });
    // It has its other name, or is of no use.
    let _ = fs::remove_file(&scratch);
    linked
}

/// Locks the file, which is made if it is not there, until the answer is dropped. Waits for others.
///
/// # Errors
/// [`Error::File`].
pub(super) fn lock(path: &Path) -> Result<File, Error> {
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(FILE_MODE).open(path);
    let file = opened.map_err(failed("open", path))?;
    file.lock().map_err(failed("lock", path))?;
    Ok(file)
}

/// Gives a finished file or folder its name.
///
/// # Errors
/// [`Error::File`].
pub fn move_to(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(failed("write", to))?;
    sync_folder_of(to)
}

fn sync_folder_of(path: &Path) -> Result<(), Error> {
    let parent = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|folder| folder.sync_all()).map_err(failed("write", parent))
}

fn write_synced(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// A name beside `path` that nobody else uses.
pub(super) fn scratch(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}-{count}.new", std::process::id()))
}

/// Names of the visible entries of a folder, in order; none if it is not there.
///
/// # Errors
/// [`Error::File`].
pub fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("read", folder)(error)),
    };
    let names: io::Result<Vec<_>> =
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect();
    let mut names = names.map_err(failed("read", folder))?;
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    Ok(names)
}
