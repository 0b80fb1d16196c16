//! Making lost outboards anew: the content has to be read whole, which may take longer than any call. Each
//! call does a part of it and leaves the rest to the next one.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use selvedge_contracts::id::Digest;
use tokio::time::Instant;

use super::{Store, content_path};
use crate::{
    error::StoreError,
    tree::{GROUP_BYTES, Groups, Hashed},
};

/// How long one call works at it.
pub(super) const WORKS_FOR: Duration = Duration::from_secs(2);
/// Most outboards that are made at once: each holds up to 2 MiB.
const MAX_PARTS: usize = 4;

/// What of outboards is made by now. The state of a hash is taken out while a call works at it.
#[derive(Clone, Default)]
pub(super) struct Rebuilds(Arc<Mutex<HashMap<Digest, Option<Part>>>>);

struct Part {
    groups: Groups,
    done_bytes: u64,
}

/// A part that a call works at. It goes back however the call ends.
struct AtWork<'a> {
    home: &'a Rebuilds,
    digest: &'a Digest,
    part: Option<Part>,
}

impl Rebuilds {
    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Option<Part>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing while another call works at it, or at too many others.
    fn take<'a>(&'a self, digest: &'a Digest) -> Option<AtWork<'a>> {
        let mut parts = self.lock();
        if !parts.contains_key(digest) && parts.len() >= MAX_PARTS {
            // One that nobody works at has been given up by its callers, or comes back for more later.
            let idle = parts.iter().find(|(_, part)| part.is_some()).map(|(digest, _)| digest.clone())?;
            parts.remove(&idle);
        }
        let part = match parts.insert(digest.clone(), None) {
            Some(None) => return None,
            Some(Some(part)) => part,
            None => Part { groups: Groups::new(), done_bytes: 0 },
        };
        Some(AtWork { home: self, digest, part: Some(part) })
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        let mut parts = self.home.lock();
        match self.part.take() {
            Some(part) => parts.insert(self.digest.clone(), Some(part)),
            None => parts.remove(self.digest),
        };
    }
}

impl Store {
    /// Hashes stored content, a part of it in each call.
    ///
    /// # Errors
    /// [`StoreError::Rebuilding`] until all of it is.
    pub(super) async fn hash(&self, digest: &Digest, size_bytes: u64) -> Result<Hashed, StoreError> {
        let rebuilding =
            |done_bytes| StoreError::Rebuilding { digest: digest.clone(), done_bytes, size_bytes };
        let until = Instant::now() + self.rebuilds_for;
        let mut work = self.rebuilds.take(digest).ok_or_else(|| rebuilding(0))?;
        while let Some(part) = work.part.as_mut() {
            let start = part.done_bytes;
            let end = (start + GROUP_BYTES).min(size_bytes);
            let bytes = self.stretch(&content_path(digest), start..end).await;
            let Ok(Some(bytes)) = bytes else {
                work.part = None;
                return Err(bytes.err().unwrap_or_else(|| StoreError::Missing(digest.clone())));
            };
            part.groups.push(&bytes);
            part.done_bytes = end;
            if end >= size_bytes {
                break;
            }
            if Instant::now() >= until {
                return Err(rebuilding(end));
            }
        }
        let part = work.part.take();
        Ok(part.map(|part| part.groups.finish()).unwrap_or_else(|| Groups::new().finish()))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use object_store::{ObjectStoreExt as _, memory::InMemory};

    use super::*;
    use crate::store::outboard_path;

    const GROUPS: u64 = 5;

    /// Content of some groups without its outboard, in a store that makes one group of it in each call.
    async fn without_outboard(seed: u8) -> (Store, Digest, Bytes) {
        let mut store = Store::over(Arc::new(InMemory::new()), 1 << 20);
        store.rebuilds_for = Duration::ZERO;
        let (digest, content) = lost(&store, seed).await;
        (store, digest, content)
    }

    async fn lost(store: &Store, seed: u8) -> (Digest, Bytes) {
        let content: Bytes = (0..GROUPS * GROUP_BYTES - 9).map(|at| (at >> 12) as u8 ^ seed).collect();
        let digest = Digest::from(&blake3::hash(&content));
        store.put_whole(&digest, content.clone()).await.unwrap();
        (digest, content)
    }

    async fn done(store: &Store, digest: &Digest) -> Option<u64> {
        match store.read(digest, GROUP_BYTES, 10).await {
            Ok(_) => None,
            Err(StoreError::Rebuilding { done_bytes, .. }) => Some(done_bytes / GROUP_BYTES),
            Err(error) => panic!("{error}"),
        }
    }

    #[tokio::test]
    async fn each_call_makes_a_part_and_the_last_one_serves() {
        let (store, digest, content) = without_outboard(1).await;
        for groups in 1..GROUPS {
            assert_eq!(done(&store, &digest).await, Some(groups));
        }
        let (size_bytes, stretch) = store.read(&digest, GROUP_BYTES - 5, 10).await.unwrap();
        let at = usize::try_from(GROUP_BYTES - 5).unwrap();
        assert_eq!((size_bytes, stretch), (content.len() as u64, content.slice(at..at + 10)));
        assert!(store.durable.head(&outboard_path(&digest)).await.is_ok(), "it is stored again");
        assert!(store.rebuilds.lock().is_empty());
    }

    #[tokio::test]
    async fn content_that_is_not_sound_is_told_at_the_end_and_begun_anew_once_it_is() {
        let (store, digest, content) = without_outboard(1).await;
        let mut bent = content.to_vec();
        bent[9] ^= 1;
        store.put_whole(&digest, bent.into()).await.unwrap();
        for _ in 1..GROUPS {
            done(&store, &digest).await.unwrap();
        }
        let told = store.read(&digest, 0, 1).await.unwrap_err();
        assert!(matches!(told, StoreError::Corrupted { .. }), "{told}");
        store.put_whole(&digest, content).await.unwrap();
        assert_eq!(done(&store, &digest).await, Some(1));
    }

    #[tokio::test]
    async fn a_call_that_is_given_up_loses_nothing_and_two_never_do_the_same() {
        let (store, digest, _) = without_outboard(1).await;
        assert_eq!(done(&store, &digest).await, Some(1));
        let other = store.rebuilds.take(&digest).unwrap();
        assert_eq!(done(&store, &digest).await, Some(0), "somebody else is at it");
        drop(other);
        assert_eq!(done(&store, &digest).await, Some(2));
    }

    #[tokio::test]
    async fn what_is_half_made_is_bounded() {
        let (store, first, _) = without_outboard(1).await;
        assert_eq!(done(&store, &first).await, Some(1));
        for seed in 2..10 {
            let (digest, _) = lost(&store, seed).await;
            assert_eq!(done(&store, &digest).await, Some(1));
            assert!(store.rebuilds.lock().len() <= MAX_PARTS);
        }
    }
}
