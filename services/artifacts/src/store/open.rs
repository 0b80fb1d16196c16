//! Opening a store by its URL.

use std::{path::PathBuf, sync::Arc};

use object_store::{
    ObjectStore, ObjectStoreExt as _, ObjectStoreScheme, PutMode, PutOptions, local::LocalFileSystem,
    memory::InMemory, parse_url_opts, path::Path, prefix::PrefixStore,
};
use selvedge_contracts::id::KlusterName;
use url::Url;

use super::{
    Store,
    buffers::Buffers,
    content::Cache,
    rebuild::{self, Rebuilds},
};
use crate::{Config, error::ArtifactsError};

/// Bytes of a part in a folder, where parts are only writes.
const LOCAL_PART_BYTES: usize = 2 << 20;
/// Bytes of a part elsewhere: S3 takes none below 5 MiB, and 10,000 of them, so 64 GiB fit.
const REMOTE_PART_BYTES: usize = 8 << 20;

/// Makes a folder that a power cut does not take away again: every folder that got a new one is synced.
fn make_durably(folder: &std::path::Path) -> std::io::Result<()> {
    let folder = std::path::absolute(folder)?;
    let made: Vec<_> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    std::fs::create_dir_all(&folder)?;
    made.iter().filter_map(|made| made.parent()).try_for_each(sync_folder)
}

pub(super) fn sync_folder(folder: &std::path::Path) -> std::io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

/// Makes the folders of content at once: one made by a put would cost it two syncs more.
fn shards(folder: &std::path::Path) -> std::io::Result<()> {
    make_durably(folder)?;
    for shard in 0..=u8::MAX {
        std::fs::create_dir_all(folder.join(format!("{shard:02x}")))?;
    }
    sync_folder(folder)
}

impl Store {
    /// Opens the store of one kluster. A folder is made if it is missing.
    pub(crate) fn open(config: &Config, kluster: &KlusterName) -> Result<Self, ArtifactsError> {
        let failed = |reason: String| ArtifactsError::Url { url: config.url.clone(), reason };
        let url = match Url::parse(&config.url) {
            Ok(url) => url,
            Err(url::ParseError::RelativeUrlWithoutBase) => {
                return Self::folder(config.url.clone().into(), kluster);
            }
            Err(error) => return Err(failed(error.to_string())),
        };
        if url.scheme() == "file" {
            let folder = url.to_file_path().map_err(|()| failed("no path of this machine".to_owned()))?;
            return Self::folder(folder, kluster);
        }
        if url.scheme() == "memory" {
            return Ok(Self::over(Arc::new(InMemory::new()), LOCAL_PART_BYTES));
        }
        ObjectStoreScheme::parse(&url).map_err(|error| failed(error.to_string()))?;
        // Its client speaks TLS with the provider that the process has.
        selvedge_kit::telemetry::use_ring();
        let options = config.options.iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
        let (store, path) = parse_url_opts(&url, options).map_err(|error| failed(error.to_string()))?;
        let prefix: Path = path.parts().chain([kluster.as_str().into()]).collect();
        Ok(Self::over(Arc::new(PrefixStore::new(store, prefix)), REMOTE_PART_BYTES))
    }

    /// Whose store it is, by the public key of the account: `account`'s from now on if it was nobody's. Names
    /// and pins say what is garbage, and they are those of one fabric alone.
    pub(crate) async fn owner(&self, account: &str) -> Result<String, object_store::Error> {
        let path = Path::from("owner");
        let create = PutOptions::from(PutMode::Create);
        match self.durable.put_opts(&path, account.to_owned().into(), create).await {
            Ok(_) => Ok(account.to_owned()),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                let owner = self.durable.get(&path).await?.bytes().await?;
                Ok(String::from_utf8_lossy(&owner).into_owned())
            }
            Err(error) => Err(error),
        }
    }

    fn folder(folder: PathBuf, kluster: &KlusterName) -> Result<Self, ArtifactsError> {
        let folder = folder.join(kluster.as_str());
        let named = |source| ArtifactsError::Folder { folder: folder.display().to_string(), source };
        shards(&folder.join("blake3")).map_err(named)?;
        let open = || {
            LocalFileSystem::new_with_prefix(&folder).map_err(|error| ArtifactsError::Url {
                url: folder.display().to_string(),
                reason: error.to_string(),
            })
        };
        Ok(Self {
            durable: Arc::new(open()?.with_fsync(true)),
            staged: Arc::new(open()?.with_automatic_cleanup(true)),
            folder: Some(folder),
            buffers: Buffers::default(),
            known: Cache::default(),
            rebuilds: Rebuilds::default(),
            rebuilds_for: rebuild::WORKS_FOR,
            part_bytes: LOCAL_PART_BYTES,
        })
    }

    /// The store of the kluster in one that is open.
    pub(crate) fn over(store: Arc<dyn ObjectStore>, part_bytes: usize) -> Self {
        Self {
            durable: Arc::clone(&store),
            staged: store,
            folder: None,
            buffers: Buffers::default(),
            known: Cache::default(),
            rebuilds: Rebuilds::default(),
            rebuilds_for: rebuild::WORKS_FOR,
            part_bytes,
        }
    }
}
