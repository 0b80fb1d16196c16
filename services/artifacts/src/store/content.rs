//! Content under its digest: written once it is verified, read only verified.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use blake3::hazmat::ChainingValue;
use bytes::{Bytes, BytesMut};
use object_store::{MultipartUpload, ObjectStoreExt as _, PutPayload};
use selvedge_contracts::id::Digest;
use tracing::{debug, warn};

use super::{Store, content_path, found, hash_of, open::sync_folder, outboard_path, read};
use crate::{
    error::StoreError,
    tree::{self, GROUP_BYTES, Hashed},
};

/// What is known of stored content: enough to verify any group of it.
#[derive(Debug)]
struct Known {
    /// Its size in bytes.
    pub(crate) size_bytes: u64,
    /// Chaining values of its groups; empty if it is one group or less.
    groups: Vec<ChainingValue>,
}

/// What is known of content that was read lately. Content never changes, so nothing here grows old; when
/// there is too much of it, it starts anew.
#[derive(Clone, Default)]
pub(crate) struct Cache(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    known: HashMap<Digest, Arc<Known>>,
    groups: usize,
}

/// Most content that is known at once.
const MAX_KNOWN: usize = 4_096;
/// Most chaining values that are known at once: 8 MiB.
const MAX_KNOWN_GROUPS: usize = 262_144;

/// How long somebody who has time waits before looking again at what is made anew.
const REBUILDING: Duration = Duration::from_millis(20);

impl Cache {
    fn get(&self, digest: &Digest) -> Option<Arc<Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).known.get(digest).cloned()
    }

    fn put(&self, digest: &Digest, known: &Arc<Known>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.known.len() >= MAX_KNOWN || kept.groups >= MAX_KNOWN_GROUPS {
            *kept = Kept::default();
        }
        kept.groups += known.groups.len();
        kept.known.insert(digest.clone(), Arc::clone(known));
    }

    pub(super) fn forget(&self, digest: &Digest) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.known.remove(digest) {
            kept.groups = kept.groups.saturating_sub(known.groups.len());
        }
    }
}

impl Store {
    /// Size of the content in bytes, if it is stored.
    pub(crate) async fn size(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        Ok(found(self.durable.head(&content_path(digest)).await)?.map(|meta| meta.size))
    }

    /// Size of the content in bytes, if it is stored and that is its size: its last group is verified, which
    /// no content of another size has. What a sweep has moved aside is moved back.
    pub(crate) async fn sound_size(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        let sound = async || {
            let known = self.known(digest).await?;
            self.group(digest, &known, tree::groups_in(known.size_bytes).saturating_sub(1)).await?;
            Ok(known.size_bytes)
        };
        let size = match sound().await {
            Err(error) if self.is_back(digest, &error).await? => sound().await,
            size => size,
        };
        match size {
            Ok(size_bytes) => Ok(Some(size_bytes)),
            Err(StoreError::Missing(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether content that was missing is there now: a sweep had moved it aside, and it was moved back. What
    /// was known of it is forgotten.
    async fn is_back(&self, digest: &Digest, error: &StoreError) -> Result<bool, StoreError> {
        if !matches!(error, StoreError::Missing(_)) {
            return Ok(false);
        }
        self.known.forget(digest);
        self.recover(digest).await
    }

    /// Makes sure that content which somebody else stored outlasts a power cut: its file is synced before it
    /// has its name, but whoever named it may not have synced the folder yet.
    pub(crate) async fn settle(&self, digest: &Digest) -> Result<(), StoreError> {
        let Some(folder) = &self.folder else { return Ok(()) };
        let folders = [content_path(digest), outboard_path(digest)].map(|path| folder.join(path.as_ref()));
        let synced = tokio::task::spawn_blocking(move || {
            let parents = folders.iter().filter_map(|file| file.parent()).filter(|folder| folder.exists());
            parents.into_iter().try_for_each(sync_folder)
        });
        let synced = synced.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        synced
            .map_err(|error| object_store::Error::Generic { store: "folder", source: Box::new(error) }.into())
    }

    /// Stores content of one group, which the caller has verified.
    pub(crate) async fn put_whole(&self, digest: &Digest, content: Bytes) -> Result<(), StoreError> {
        self.durable.put(&content_path(digest), PutPayload::from_bytes(content)).await?;
        self.known.forget(digest);
        Ok(())
    }

    /// Whether the content is stored and is what its digest says. What is corrupted is told and counts as
    /// not there: whoever has it may write it anew.
    pub(crate) async fn is_sound(&self, digest: &Digest) -> Result<bool, StoreError> {
        if self.size(digest).await?.is_none() {
            return Ok(false);
        }
        self.known.forget(digest);
        let verified = loop {
            match self.verify_stored(digest, 0, || true).await {
                Err(StoreError::Rebuilding { .. }) => tokio::time::sleep(REBUILDING).await,
                verified => break verified,
            }
        };
        match verified {
            Ok(_) => Ok(true),
            Err(StoreError::Corrupted { what, .. }) => {
                warn!(%digest, what, "stored content is corrupted and will be written anew");
                Ok(false)
            }
            Err(StoreError::Missing(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// A stretch of content: every byte of it verified. Empty at the end of the content. What a sweep has
    /// moved aside is moved back.
    pub(crate) async fn read(
        &self,
        digest: &Digest,
        offset: u64,
        len: u64,
    ) -> Result<(u64, Bytes), StoreError> {
        match self.read_stored(digest, offset, len).await {
            Err(error) if self.is_back(digest, &error).await? => self.read_stored(digest, offset, len).await,
            read => read,
        }
    }

    async fn read_stored(&self, digest: &Digest, offset: u64, len: u64) -> Result<(u64, Bytes), StoreError> {
        let known = self.known(digest).await?;
        let end = offset.saturating_add(len).min(known.size_bytes);
        if offset >= end {
            if known.size_bytes == 0 {
                // Nothing to send, and yet something to verify: a power cut leaves files without content.
                self.group(digest, &known, 0).await?;
            }
            return Ok((known.size_bytes, Bytes::new()));
        }
        let (first, last) = (offset / GROUP_BYTES, (end - 1) / GROUP_BYTES);
        let mut stretch = BytesMut::new();
        for index in first..=last {
            let group = self.group(digest, &known, index).await?;
            let start = index * GROUP_BYTES;
            let cut =
                |at: u64| usize::try_from(at.saturating_sub(start)).unwrap_or(usize::MAX).min(group.len());
            let part = group.slice(cut(offset)..cut(end));
            if first == last {
                return Ok((known.size_bytes, part));
            }
            stretch.extend_from_slice(&part);
        }
        Ok((known.size_bytes, stretch.freeze()))
    }

    /// Reads content from `offset` on and holds it against its digest, as long as `goes_on` says so.
    /// Answers with its size and up to where it was verified. What a sweep has moved aside is moved back.
    pub(crate) async fn verify(
        &self,
        digest: &Digest,
        offset: u64,
        goes_on: impl Fn() -> bool,
    ) -> Result<(u64, u64), StoreError> {
        match self.verify_stored(digest, offset, &goes_on).await {
            Err(error) if self.is_back(digest, &error).await? => {
                self.verify_stored(digest, offset, goes_on).await
            }
            verified => verified,
        }
    }

    async fn verify_stored(
        &self,
        digest: &Digest,
        offset: u64,
        goes_on: impl Fn() -> bool,
    ) -> Result<(u64, u64), StoreError> {
        let known = self.known(digest).await?;
        let mut index = offset / GROUP_BYTES;
        let groups = tree::groups_in(known.size_bytes).max(1);
        while index < groups {
            self.group(digest, &known, index).await?;
            index += 1;
            if !goes_on() {
                break;
            }
        }
        Ok((known.size_bytes, (index * GROUP_BYTES).min(known.size_bytes)))
    }

    /// One group, verified.
    async fn group(&self, digest: &Digest, known: &Known, index: u64) -> Result<Bytes, StoreError> {
        let corrupted = |what: String| {
            self.known.forget(digest);
            StoreError::Corrupted { digest: digest.clone(), what }
        };
        let start = index * GROUP_BYTES;
        let end = (start + GROUP_BYTES).min(known.size_bytes);
        let bytes = if known.size_bytes == 0 {
            read(&self.durable, &content_path(digest)).await?
        } else {
            self.stretch(&content_path(digest), start..end).await?
        };
        let bytes = bytes.ok_or_else(|| StoreError::Missing(digest.clone()))?;
        if bytes.len() as u64 != end - start {
            return Err(corrupted(format!("it ends at byte {} of {end}", start + bytes.len() as u64)));
        }
        let is_right = match known.groups.is_empty() {
            true => blake3::hash(&bytes) == hash_of(digest),
            false => tree::is_group(&known.groups, index, &bytes),
        };
        if is_right {
            Ok(bytes)
        } else {
            Err(corrupted(format!("bytes {start} to {end} are not what was stored")))
        }
    }

    /// What is needed to verify the content's groups.
    async fn known(&self, digest: &Digest) -> Result<Arc<Known>, StoreError> {
        if let Some(known) = self.known.get(digest) {
            return Ok(known);
        }
        let size_bytes = self.size(digest).await?.ok_or_else(|| StoreError::Missing(digest.clone()))?;
        let groups = match size_bytes > GROUP_BYTES {
            true => self.outboard(digest, size_bytes).await?,
            false => Vec::new(),
        };
        let known = Arc::new(Known { size_bytes, groups });
        self.known.put(digest, &known);
        Ok(known)
    }

    /// The outboard; made anew from the content if it is missing or broken, and only if the content is
    /// sound. That may take several calls.
    async fn outboard(&self, digest: &Digest, size_bytes: u64) -> Result<Vec<ChainingValue>, StoreError> {
        let stored = read(&self.durable, &outboard_path(digest)).await?;
        let groups = stored.and_then(|bytes| tree::from_bytes(&bytes, &hash_of(digest)));
        let corrupted = |what: String| StoreError::Corrupted { digest: digest.clone(), what };
        match groups {
            Some(groups) if groups.len() as u64 == tree::groups_in(size_bytes) => return Ok(groups),
            Some(groups) => {
                let groups = groups.len();
                return Err(corrupted(format!("it has {size_bytes} bytes, which are not its {groups} MiB")));
            }
            None => debug!(%digest, "the outboard is missing or broken"),
        }
        let hashed = self.hash(digest, size_bytes).await?;
        if hashed.digest != hash_of(digest) {
            return Err(corrupted(format!("its {size_bytes} bytes have the digest {}", hashed.digest)));
        }
        self.put_outboard(digest, &hashed).await?;
        warn!(%digest, "the outboard was missing or broken and was made anew");
        Ok(hashed.groups)
    }

    /// Stores the outboard of content that has one.
    pub(crate) async fn put_outboard(&self, digest: &Digest, hashed: &Hashed) -> Result<(), StoreError> {
        if !hashed.groups.is_empty() {
            let bytes = tree::to_bytes(&hashed.groups);
            self.durable.put(&outboard_path(digest), bytes.into()).await?;
        }
        Ok(())
    }

    /// Begins to write content in parts; it is there once the writing is completed.
    pub(crate) async fn writing(&self, digest: &Digest) -> Result<Writing, StoreError> {
        let upload = self.durable.put_multipart(&content_path(digest)).await?;
        Ok(Writing { upload, waiting: Vec::new(), waiting_bytes: 0, part_bytes: self.part_bytes })
    }

    /// The content was written anew: what was known of it may be of what was there before.
    pub(crate) fn forget(&self, digest: &Digest) {
        self.known.forget(digest);
    }
}

/// Content that is being written in parts.
pub(crate) struct Writing {
    upload: Box<dyn MultipartUpload>,
    waiting: Vec<Bytes>,
    waiting_bytes: usize,
    part_bytes: usize,
}

impl Writing {
    /// Takes the next bytes, in order.
    pub(crate) async fn push(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let part = rest.split_to(rest.len().min(self.part_bytes - self.waiting_bytes));
            self.waiting_bytes += part.len();
            self.waiting.push(part);
            if self.waiting_bytes == self.part_bytes {
                self.flush().await?;
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), StoreError> {
        self.waiting_bytes = 0;
        let part: PutPayload = std::mem::take(&mut self.waiting).into_iter().collect();
        Ok(self.upload.put_part(part).await?)
    }

    /// Makes the content appear under its digest, whole. The caller has verified it.
    pub(crate) async fn complete(mut self) -> Result<(), StoreError> {
        if self.waiting_bytes > 0 {
            self.flush().await?;
        }
        self.upload.complete().await?;
        Ok(())
    }

    /// Throws away what was written.
    pub(crate) async fn abort(mut self) {
        if let Err(error) = self.upload.abort().await {
            warn!(%error, "an abandoned write was left behind");
        }
    }
}
