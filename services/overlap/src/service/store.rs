//! Where snapshots are kept: objects `<kluster>/<lineage>-<sequence>.snapshot` in a folder or behind a URL. The lineage
//! says which ledger they were made from; those of another one are neither read nor removed. All replicas write the
//! same ones there; the last two that were written stay.

use std::{
    io::{Read as _, Seek as _, Write as _},
    path::PathBuf,
    sync::Arc,
};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::{
    ObjectMeta, ObjectStore, ObjectStoreExt as _, WriteMultipart, local::LocalFileSystem, memory::InMemory,
    parse_url_opts, path::Path, prefix::PrefixStore,
};
use tempfile::NamedTempFile;
use url::Url;

use super::{error::OverlapError, state::Config};

/// Bytes that are sent at once: S3 takes no parts below 5 MiB.
const PART_BYTES: usize = 8 << 20;
/// Parts that are on their way at once.
const PARTS: usize = 4;
/// Snapshots that stay: a damaged one has another one before it.
const KEPT: usize = 2;
const EXTENSION: &str = "snapshot";

/// Hex digits of a lineage: as many as tell apart the ledgers that anybody ever keeps in one place.
const LINEAGE: usize = 16;

/// Where snapshots of one ledger are kept.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    objects: Arc<dyn ObjectStore>,
    lineage: String,
}

/// Why a snapshot could not be kept or fetched.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The store refused.
    #[error("the store of snapshots refused")]
    Store(#[from] object_store::Error),
    /// The file beside it cannot be written or read.
    #[error("cannot write or read the snapshot's own file")]
    File(#[from] std::io::Error),
}

/// One that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) sequence: u64,
    pub(crate) size_bytes: u64,
    /// Unix time in microseconds.
    written: i64,
    path: Path,
}

impl Store {
    fn over(objects: impl ObjectStore) -> Self {
        Self { objects: Arc::new(objects), lineage: String::new() }
    }

    /// The same place, for snapshots of a ledger that was made then.
    pub(crate) fn of_ledger(self, made_at: &str) -> Self {
        let lineage = blake3::hash(made_at.as_bytes()).to_hex().chars().take(LINEAGE).collect();
        Self { lineage, ..self }
    }

    /// Opens the store of one kluster. A folder is made if it is missing.
    pub(crate) fn open(config: &Config) -> Result<Self, OverlapError> {
        let failed = |reason: String| OverlapError::Snapshots { url: config.snapshots.clone(), reason };
        let folder = |folder: PathBuf| {
            let folder = folder.join(config.kluster.as_str());
            std::fs::create_dir_all(&folder).map_err(|error| failed(error.to_string()))?;
            let store = LocalFileSystem::new_with_prefix(&folder);
            let store = store.map_err(|error| failed(error.to_string()))?;
            Ok(Self::over(store.with_fsync(true)))
        };
        let url = match Url::parse(&config.snapshots) {
            Ok(url) => url,
            Err(url::ParseError::RelativeUrlWithoutBase) => return folder(config.snapshots.clone().into()),
            Err(error) => return Err(failed(error.to_string())),
        };
        match url.scheme() {
            "file" => folder(url.to_file_path().map_err(|()| failed("no path of this machine".to_owned()))?),
            "memory" => Ok(Self::over(InMemory::new())),
            _ => {
                // Its client speaks TLS with the provider that the process has.
                selvedge_kit::telemetry::use_ring();
                let options = config.options.iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
                let opened = parse_url_opts(&url, options);
                let (store, path) = opened.map_err(|error| failed(error.to_string()))?;
                let prefix: Path = path.parts().chain([config.kluster.as_str().into()]).collect();
                Ok(Self::over(PrefixStore::new(store, prefix)))
            }
        }
    }

    /// Those of this ledger, the newest first.
    pub(crate) async fn list(&self) -> Result<Vec<Kept>, StoreError> {
        let objects: Vec<ObjectMeta> = self.objects.list(None).try_collect().await?;
        let mut kept: Vec<_> = objects.into_iter().filter_map(|object| self.kept(object)).collect();
        kept.sort_by_key(|kept| std::cmp::Reverse(kept.sequence));
        Ok(kept)
    }

    /// Keeps a snapshot, and removes those that are too old.
    pub(crate) async fn put(&self, sequence: u64, file: &mut NamedTempFile) -> Result<u64, StoreError> {
        let path = Path::from(format!("{}-{sequence:020}.{EXTENSION}", self.lineage));
        let mut upload = WriteMultipart::new(self.objects.put_multipart(&path).await?);
        let (file, mut size_bytes) = (file.as_file_mut(), 0);
        file.rewind()?;
        loop {
            let mut part = Vec::new();
            let read = std::io::Read::by_ref(file).take(PART_BYTES as u64).read_to_end(&mut part)?;
            if read == 0 {
                break;
            }
            size_bytes += read as u64;
            upload.wait_for_capacity(PARTS).await?;
            upload.put(Bytes::from(part));
        }
        upload.finish().await?;
        self.prune(&path).await?;
        Ok(size_bytes)
    }

    /// Removes all but those that were written last: one that says it goes further may have been written from a
    /// ledger that was set back since. What was just written stays in any case.
    async fn prune(&self, written: &Path) -> Result<(), StoreError> {
        let mut kept = self.list().await?;
        kept.sort_by_key(|kept| std::cmp::Reverse((kept.path == *written, kept.written, kept.sequence)));
        for old in kept.into_iter().skip(KEPT) {
            match self.objects.delete(&old.path).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {} // another replica removes them too
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Fetches a snapshot into a file.
    pub(crate) async fn get(&self, kept: &Kept) -> Result<NamedTempFile, StoreError> {
        let mut file = NamedTempFile::new()?;
        let mut stream = self.objects.get(&kept.path).await?.into_stream();
        while let Some(part) = stream.next().await {
            file.write_all(&part?)?;
        }
        file.flush()?;
        file.as_file_mut().rewind()?;
        Ok(file)
    }

    /// A snapshot of this ledger.
    fn kept(&self, object: ObjectMeta) -> Option<Kept> {
        let name = object.location.filename()?.strip_suffix(EXTENSION)?.strip_suffix('.')?;
        let sequence = name.strip_prefix(&self.lineage)?.strip_prefix('-')?.parse().ok()?;
        let written = object.last_modified.timestamp_micros();
        Some(Kept { sequence, size_bytes: object.size, written, path: object.location })
    }
}
