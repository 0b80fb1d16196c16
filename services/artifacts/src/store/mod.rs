//! Where content lies. Layout, below the kluster's name:
//!
//! | path | what | written |
//! |---|---|---|
//! | `blake3/<2 hex>/<62 hex>` | content under its digest | whole or not at all, once it is verified |
//! | `outboard/<2 hex>/<62 hex>` | chaining values of its groups ([`crate::tree`]) | before the content |
//! | `staging/<mission>/<agent>/<upload>/…` | an upload's record, and its pieces by offset | as they come |
//! | `trash/<64 hex>/<sweep>` | content that a sweep is about to delete | by a sweep |
//! | `owner` | public key of the account whose store it is | once, by the first service that opens it |
//!
//! In a local folder a file is written under another name, synced, renamed, and its folder synced, so a
//! crash never leaves a wrong object under a digest, nor takes one that was answered for; the folders above
//! are synced when they are made. Deletions are not synced: what was collected may be back after a power
//! cut, and is collected again. Nor are pieces: what a power cut takes of them, the digest of the whole
//! finds out. Elsewhere larger content is a multipart upload. Every replica
//! of the service must see the same store: those on several machines need one that they share.

mod buffers;
mod content;
mod open;
mod rebuild;
mod staging;
mod trash;

use std::{ops::Range, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt as _, path::Path};
use selvedge_contracts::id::Digest;

pub(crate) use content::Writing;
pub(crate) use staging::{Piece, Place, Record, missing};
pub(crate) use trash::{Retired, sweep_name};

use crate::error::StoreError;

/// The store of one kluster.
#[derive(Clone)]
pub(crate) struct Store {
    /// Where what is to last goes.
    durable: Arc<dyn ObjectStore>,
    /// Where pieces go: the same place, without syncing.
    staged: Arc<dyn ObjectStore>,
    /// The folder, if it is one, and the memory that its files are read into.
    folder: Option<PathBuf>,
    buffers: buffers::Buffers,
    known: content::Cache,
    rebuilds: rebuild::Rebuilds,
    /// How long one call works at an outboard that was lost.
    rebuilds_for: Duration,
    /// Bytes of one part of an object that is written in parts.
    part_bytes: usize,
}

impl Store {
    /// A stretch of an object, at most 1 MiB: what there is of it, nothing if there is no such object.
    async fn stretch(&self, path: &Path, range: Range<u64>) -> Result<Option<Bytes>, StoreError> {
        let Some(folder) = &self.folder else {
            return found(self.durable.get_range(path, range).await);
        };
        let len = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX);
        // None of our paths holds a character that a folder's would not.
        let read = self.buffers.read(folder.join(path.as_ref()), range.start, len).await;
        read.map_err(|error| object_store::Error::Generic { store: "folder", source: Box::new(error) }.into())
    }
}

/// The digest as blake3 has it.
pub(crate) fn hash_of(digest: &Digest) -> blake3::Hash {
    // A digest is 64 hex digits, which is all that can be wrong about a hash.
    blake3::Hash::from_hex(digest.as_str()).unwrap_or_else(|_| blake3::Hash::from_bytes([0; 32]))
}

fn sharded(kind: &str, digest: &Digest) -> Path {
    let (shard, rest) = digest.as_str().split_at_checked(2).unwrap_or_default();
    Path::from_iter([kind, shard, rest])
}

fn content_path(digest: &Digest) -> Path {
    sharded("blake3", digest)
}

fn outboard_path(digest: &Digest) -> Path {
    sharded("outboard", digest)
}

/// Nothing instead of "not found".
fn found<T>(result: object_store::Result<T>) -> Result<Option<T>, StoreError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn read(store: &Arc<dyn ObjectStore>, path: &Path) -> Result<Option<Bytes>, StoreError> {
    match found(store.get(path).await)? {
        Some(got) => found(got.bytes().await),
        None => Ok(None),
    }
}

/// When an object was written: Unix time in milliseconds.
fn modified_ms(meta: &object_store::ObjectMeta) -> u64 {
    u64::try_from(meta.last_modified.timestamp_millis()).unwrap_or(0)
}
