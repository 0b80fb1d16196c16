//! Content on its way out. A sweep moves it aside first, where nobody who asks whether it is stored sees
//! it, looks again whether anything names or pins it, and then deletes it or moves it back. What a dead
//! sweep left is settled by the next one.

use std::ops::RangeInclusive;

use futures::TryStreamExt as _;
use object_store::{ObjectMeta, ObjectStoreExt as _, path::Path};
use selvedge_contracts::id::Digest;

use super::{Store, content_path, found, outboard_path, staging::STAGING};
use crate::error::StoreError;

const TRASH: &str = "trash";
const OUTBOARD: &str = ".outboard";

/// Content that was moved aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Retired {
    pub(crate) digest: Digest,
    pub(crate) size_bytes: u64,
    sweep: String,
}

impl Retired {
    /// Whether it was moved aside before `at_ms` (Unix time).
    pub(crate) fn is_older_than(&self, at_ms: u64) -> bool {
        began_ms(&self.sweep).is_some_and(|began_ms| began_ms < at_ms)
    }

    fn content(&self) -> Path {
        Path::from_iter([TRASH, self.digest.as_str(), &self.sweep])
    }

    fn outboard(&self) -> Path {
        Path::from_iter([TRASH, self.digest.as_str(), &format!("{}{OUTBOARD}", self.sweep)])
    }
}

impl Store {
    /// The contents whose digests begin with these two hex digits, in order, with their sizes and when they
    /// were written (Unix time in milliseconds).
    pub(crate) async fn shard(&self, shard: u8) -> Result<Vec<(Digest, u64, u64)>, StoreError> {
        let shard = format!("{shard:02x}");
        let listed: Vec<_> =
            self.durable.list(Some(&Path::from_iter(["blake3", &shard]))).try_collect().await?;
        let read = |meta: ObjectMeta| {
            let digest = Digest::new(&format!("{shard}{}", meta.location.filename()?)).ok()?;
            Some((digest, meta.size, super::modified_ms(&meta)))
        };
        let mut contents: Vec<_> = listed.into_iter().filter_map(read).collect();
        contents.sort_unstable();
        Ok(contents)
    }

    /// Moves content aside under the name of this sweep; nothing if it is not there any more.
    pub(crate) async fn retire(
        &self,
        digest: &Digest,
        size_bytes: u64,
        sweep: &str,
    ) -> Result<Option<Retired>, StoreError> {
        let retired = Retired { digest: digest.clone(), size_bytes, sweep: sweep.to_owned() };
        if found(self.durable.rename(&content_path(digest), &retired.content()).await)?.is_none() {
            return Ok(None);
        }
        found(self.durable.rename(&outboard_path(digest), &retired.outboard()).await)?;
        self.forget(digest);
        Ok(Some(retired))
    }

    /// Moves it back. If somebody has put the content again meanwhile, that one stays.
    pub(crate) async fn restore(&self, retired: &Retired) -> Result<(), StoreError> {
        // The outboard first, so that whoever finds the content can read it.
        for (from, to) in [
            (retired.outboard(), outboard_path(&retired.digest)),
            (retired.content(), content_path(&retired.digest)),
        ] {
            if found(self.durable.head(&to).await)?.is_some() {
                found(self.durable.delete(&from).await)?;
            } else {
                found(self.durable.rename(&from, &to).await)?;
            }
        }
        Ok(())
    }

    /// Deletes it for good.
    pub(crate) async fn purge(&self, retired: &Retired) -> Result<(), StoreError> {
        found(self.durable.delete(&retired.content()).await)?;
        found(self.durable.delete(&retired.outboard()).await)?;
        Ok(())
    }

    /// What was moved aside before `before_ms` (Unix time) and never settled.
    pub(crate) async fn unsettled(&self, before_ms: u64) -> Result<Vec<Retired>, StoreError> {
        let listed: Vec<_> = self.durable.list(Some(&Path::from(TRASH))).try_collect().await?;
        let read = |meta: ObjectMeta| {
            let parts: Vec<_> = meta.location.parts().collect();
            let [_, digest, sweep] = parts.as_slice() else { return None };
            if sweep.as_ref().ends_with(OUTBOARD) {
                return None;
            }
            let (at_ms, sweep) = (began_ms(sweep.as_ref())?, sweep.as_ref().to_owned());
            let digest = Digest::new(digest.as_ref()).ok()?;
            (at_ms <= before_ms).then_some(Retired { digest, size_bytes: meta.size, sweep })
        };
        Ok(listed.into_iter().filter_map(read).collect())
    }

    /// Moves content back that a sweep had moved aside, if it did; says whether it is stored now.
    pub(crate) async fn recover(&self, digest: &Digest) -> Result<bool, StoreError> {
        let folder = Path::from_iter([TRASH, digest.as_str()]);
        let listed: Vec<_> = self.durable.list(Some(&folder)).try_collect().await?;
        for meta in listed {
            if let Some(sweep) = meta.location.filename().filter(|name| !name.ends_with(OUTBOARD)) {
                let (digest, sweep) = (digest.clone(), sweep.to_owned());
                self.restore(&Retired { digest, size_bytes: meta.size, sweep }).await?;
            }
        }
        Ok(self.size(digest).await?.is_some())
    }

    /// Removes files that a process which died was writing, older than `before_ms` (Unix time): below these
    /// shards. Only a folder has such files; a bucket's owner lets unfinished uploads expire.
    pub(crate) async fn remove_half_written(&self, shards: RangeInclusive<u8>, before_ms: u64) -> u64 {
        let Some(folder) = self.folder.clone() else { return 0 };
        let removed = tokio::task::spawn_blocking(move || {
            let folders =
                shards.flat_map(|shard| ["blake3", "outboard"].map(|kind| format!("{kind}/{shard:02x}")));
            folders.map(|shard| leftovers(&folder.join(shard), before_ms)).sum()
        });
        removed.await.unwrap_or_default()
    }

    /// Removes such files among pieces and what lies aside, and the folders there that hold nothing.
    pub(crate) async fn remove_leftovers(&self, before_ms: u64) -> u64 {
        let Some(folder) = self.folder.clone() else { return 0 };
        let removed = tokio::task::spawn_blocking(move || {
            let emptied = [TRASH, STAGING].map(|kind| folder.join(kind));
            let removed = emptied.iter().map(|kind| leftovers(kind, before_ms)).sum();
            emptied.iter().for_each(|kind| remove_empty(kind));
            removed
        });
        removed.await.unwrap_or_default()
    }
}

/// The name of a sweep that begins now; it sorts by time.
pub(crate) fn sweep_name(now_ms: u64, random: u64) -> String {
    format!("{now_ms:013x}-{random:016x}")
}

fn began_ms(sweep: &str) -> Option<u64> {
    u64::from_str_radix(sweep.split_once('-')?.0, 16).ok()
}

/// Removes the folders below that hold nothing: what moved content aside, or died in an upload, leaves them.
/// One that somebody needs again at this moment is made again by whoever writes into it.
fn remove_empty(folder: &std::path::Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_empty(&entry.path());
            // It fails on one that holds something, and that is what is wanted.
            let _ = std::fs::remove_dir(entry.path());
        }
    }
}

/// object_store writes `<name>#<number>` before it renames.
fn leftovers(folder: &std::path::Path, before_ms: u64) -> u64 {
    let mut removed = 0;
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            removed += leftovers(&entry.path(), before_ms);
            continue;
        }
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.rsplit_once('#')).map(|(_, number)| number);
        if !number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit())) {
            continue;
        }
        let written = entry.metadata().and_then(|meta| meta.modified()).ok();
        let since = written.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        let at_ms = since.map_or(u64::MAX, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
        if at_ms <= before_ms && std::fs::remove_file(entry.path()).is_ok() {
            removed += 1;
        }
    }
    removed
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use object_store::memory::InMemory;

    use super::*;
    use crate::fixture::digest;

    /// A sweep moves aside at any moment, also between two looks at content that was just read.
    #[tokio::test]
    async fn whoever_reads_what_lies_aside_brings_it_back() {
        let memory = Arc::new(InMemory::new());
        let (store, other) = (Store::over(memory.clone(), 1 << 20), Store::over(memory, 1 << 20));
        let content = digest("content");
        store.put_whole(&content, Bytes::from("content")).await.unwrap();
        let aside = async || {
            store.read(&content, 0, 1).await.unwrap();
            other.retire(&content, 7, &sweep_name(1, 1)).await.unwrap().unwrap();
        };
        aside().await;
        assert_eq!(store.read(&content, 0, 9).await.unwrap(), (7, Bytes::from("content")));
        aside().await;
        assert_eq!(store.verify(&content, 0, || true).await.unwrap(), (7, 7));
        aside().await;
        assert_eq!(store.sound_size(&content).await.unwrap(), Some(7));
        assert_eq!(store.unsettled(u64::MAX).await.unwrap(), []);
    }
}
