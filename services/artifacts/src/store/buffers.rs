//! Memory for what is read from files: so many buffers, used again and again. Were each read to allocate
//! its own, on whichever thread it runs, the allocator would keep some megabytes for every thread (66 MiB
//! were seen where 12 were in use).

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;

/// Bytes of a buffer: a group, or a piece.
const BUFFER_BYTES: usize = 1 << 20;
/// Most buffers that are kept while nobody uses them.
const MAX_KEPT: usize = 16;

/// The buffers of one store.
#[derive(Clone, Default)]
pub(super) struct Buffers(Arc<Mutex<Vec<Vec<u8>>>>);

/// A buffer in use; it goes back when the last who looks at it lets go.
struct Lent {
    buffer: Vec<u8>,
    home: Buffers,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut kept = self.home.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MAX_KEPT {
            kept.push(std::mem::take(&mut self.buffer));
        }
    }
}

impl Buffers {
    /// Reads `len` bytes of a file from `offset` on, at most [`BUFFER_BYTES`]; fewer if it ends before,
    /// nothing if there is no such file.
    pub(super) async fn read(&self, path: PathBuf, offset: u64, len: usize) -> io::Result<Option<Bytes>> {
        let home = self.clone();
        let read = tokio::task::spawn_blocking(move || home.read_now(&path, offset, len));
        read.await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }

    fn read_now(&self, path: &PathBuf, offset: u64, len: usize) -> io::Result<Option<Bytes>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut lent = Lent { buffer: kept.unwrap_or_else(|| vec![0; BUFFER_BYTES]), home: self.clone() };
        let mut done = 0;
        while let Some(rest) = lent.buffer.get_mut(done..len).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, offset + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Some(Bytes::from_owner(lent).slice(..done)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_buffer_is_used_again_and_what_was_in_it_is_not_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("long"), [1; 100]).unwrap();
        std::fs::write(path("short"), [2; 3]).unwrap();
        let buffers = Buffers::default();
        let first = buffers.read(path("long"), 90, 50).await.unwrap().unwrap();
        assert_eq!(first, [1; 10].as_slice());
        let address = first.as_ptr();
        drop(first);
        let second = buffers.read(path("short"), 0, BUFFER_BYTES).await.unwrap().unwrap();
        assert_eq!((second.as_ptr(), second.as_ref()), (address, [2; 3].as_slice()));
        assert_eq!(buffers.read(path("none"), 0, 1).await.unwrap(), None);
    }
}
