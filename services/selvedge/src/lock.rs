//! One `up` a folder: an exclusive lock on `lock`, which the system lets go of however its holder ends.
//! The file holds its holder's process id, for messages alone.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
    time::Duration,
};

use anyhow::Context as _;
use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};
use selvedge_contracts::fault::Fault;

use crate::{connect::UpState, exit::Failure, home::Home};

/// The lock, held as long as this value.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// A folder that somebody made by hand, or copied, may be open to others: it will hold every key.
fn make_private(folder: &Path) -> io::Result<()> {
    let mode = fs::metadata(folder)?.permissions().mode();
    if mode & 0o077 == 0 { Ok(()) } else { fs::set_permissions(folder, fs::Permissions::from_mode(0o700)) }
}

/// [`is_held`] takes the lock for a moment, shared: whoever wants it tries more than once.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);

impl Lock {
    /// Makes the folder if it is not there, and takes its lock.
    ///
    /// # Errors
    /// A conflict that names the holder; or the folder cannot be written.
    pub(crate) async fn take(home: &Home) -> Result<Self, Failure> {
        let folder = home.path();
        let hint = || format!("cannot write to {}; choose a folder with --home", folder.display());
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        let mut file =
            made.and_then(|()| make_private(folder)).and_then(|()| open(home)).with_context(hint)?;
        for _ in 0..ATTEMPTS {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {
                    sign(&mut file).with_context(hint)?;
                    return Ok(Self { _file: file });
                }
                Err(Errno::WOULDBLOCK) => tokio::time::sleep(PAUSE).await,
                Err(error) => return Err(anyhow::Error::new(error).context(hint()).into()),
            }
        }
        Err(held(home, &mut file).into())
    }

    /// Whether an `up` runs on this folder.
    pub(crate) fn is_held(home: &Home) -> bool {
        Self::holder(home).is_some()
    }

    /// The process of the `up` that runs on this folder; 0 if it has not signed yet.
    pub(crate) fn holder(home: &Home) -> Option<u32> {
        let mut file = File::open(home.lock()).ok()?;
        let is_held = flock(&file, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK);
        let mut pid = String::new();
        is_held.then(|| match file.read_to_string(&mut pid) {
            Ok(_) => pid.trim().parse().unwrap_or_default(),
            Err(_) => 0,
        })
    }
}

fn open(home: &Home) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(home.lock())
}

fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())
}

fn held(home: &Home, file: &mut File) -> Fault {
    let mut pid = String::new();
    // The message is worth printing without the number, too.
    let _ = file.rewind().and_then(|()| file.read_to_string(&mut pid));
    let pid = match pid.trim() {
        "" => "unknown",
        pid => pid,
    };
    let place = match UpState::read(home) {
        Some(state) if state.pid.to_string() == pid => format!("at {}", state.url),
        _ => "and is still starting".to_owned(),
    };
    Fault::conflict(format!(
        "selvedge is up on {} already: process {pid} {place}. Use it, stop it with Ctrl-C or `kill {pid}`, or choose another folder with --home",
        home.path().display()
    ))
}
