//! Keeps what the child says, bounded, and picks out what it denied.

use std::{
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::ChildStderr,
    thread,
};

use tokio::sync::mpsc;
use tracing::warn;

use super::{Denial, Error};

/// A file of this size makes room for the next.
const MAX_FILE_BYTES: u64 = 16 << 20;
/// Longer lines are kept in pieces.
const MAX_LINE_BYTES: u64 = 8 << 10;
/// How much of its end an error shows.
const TAIL_LINES: usize = 12;

/// Starts the thread that reads until the child ends.
pub(super) fn keep(stderr: ChildStderr, path: PathBuf, denials: mpsc::Sender<Denial>) -> Result<(), Error> {
    let mut log = Log::open(path.clone()).map_err(|source| Error::File { path, source })?;
    let reading = move || {
        if let Err(error) = read(stderr, &mut log, &denials) {
            warn!(%error, "nats-server's log is no longer kept");
        }
    };
    thread::Builder::new().name("nats-log".to_owned()).spawn(reading).map(drop).map_err(Error::Spawn)
}

fn read(stderr: ChildStderr, log: &mut Log, denials: &mpsc::Sender<Denial>) -> io::Result<()> {
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    while stderr.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line)? > 0 {
        // A full disk must not stop the reading, or nats-server would wait for us for ever.
        if let Err(error) = log.write(&line) {
            warn!(%error, "a line of nats-server's log is lost");
        }
        if let Some(denial) = Denial::read(&String::from_utf8_lossy(&line)) {
            let _ = denials.try_send(denial); // bounded on purpose, and the log has it
        }
        line.clear();
    }
    Ok(())
}

struct Log {
    path: PathBuf,
    file: File,
    size_bytes: u64,
}

impl Log {
    fn open(path: PathBuf) -> io::Result<Self> {
        let file = File::options().create(true).append(true).open(&path)?;
        let size_bytes = file.metadata()?.len();
        Ok(Self { path, file, size_bytes })
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.size_bytes > MAX_FILE_BYTES {
            fs::rename(&self.path, self.path.with_extension("log.1"))?;
            *self = Self::open(self.path.clone())?;
        }
        self.file.write_all(line)?;
        self.size_bytes += line.len() as u64;
        Ok(())
    }
}

/// The end of the log in this folder.
pub fn tail(folder: &Path) -> String {
    let bytes = fs::read(folder.join("nats.log")).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let shown = lines.get(lines.len().saturating_sub(TAIL_LINES)..).unwrap_or_default();
    shown.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_log_makes_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nats.log");
        let mut log = Log::open(path.clone()).unwrap();
        log.write(b"old\n").unwrap();
        log.size_bytes = MAX_FILE_BYTES + 1;
        log.write(b"new\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
        assert_eq!(fs::read_to_string(folder.path().join("nats.log.1")).unwrap(), "old\n");
        assert_eq!(tail(folder.path()), "new");
    }
}
