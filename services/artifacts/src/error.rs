//! Why the store did not do what it was asked, and what of it a caller is told.

use std::io;

use selvedge_contracts::{fault::Fault, id::Digest};
use tracing::warn;

/// Why artifacts cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactsError {
    /// The store's URL is none that can be opened.
    #[error("cannot open the store at {url}: {reason}")]
    Url {
        /// As it stands in the settings.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The store's folder cannot be made.
    #[error("cannot make the folder {folder}")]
    Folder {
        /// Which.
        folder: String,
        /// Why.
        source: io::Error,
    },
    /// Another fabric keeps its content there: a sweep here would take it for garbage.
    #[error(
        "the store at {url} belongs to the account {owner}, not to {account}: name another artifacts.url; if that fabric is no more, remove the object `owner` of the kluster's folder there"
    )]
    Foreign {
        /// As it stands in the settings.
        url: String,
        /// Public key of the account whose store it is.
        owner: String,
        /// Public key of the account that was to use it.
        account: String,
    },
    /// The store did not answer.
    #[error("the store at {url} cannot be used")]
    Unusable {
        /// As it stands in the settings.
        url: String,
        /// Why.
        source: object_store::Error,
    },
    /// The service cannot start.
    #[error("cannot serve")]
    Service(#[from] selvedge_kit::service::ServiceError),
}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// Nothing is stored under that digest.
    #[error("no content {0} is stored")]
    Missing(Digest),
    /// What is stored under that digest is something else.
    #[error("the stored content {digest} is corrupted: {what}")]
    Corrupted {
        /// Which.
        digest: Digest,
        /// How, and where.
        what: String,
    },
    /// What is needed to verify the content was lost, and is being made anew from it.
    #[error(
        "what {digest} is verified with was lost and is being made anew: {done_bytes} of {size_bytes} bytes are read; try again"
    )]
    Rebuilding {
        /// Which.
        digest: Digest,
        /// How much has been read, in bytes; 0 if somebody else is at it.
        done_bytes: u64,
        /// Its size in bytes.
        size_bytes: u64,
    },
    /// There is no room.
    #[error("the store has no room left; nothing was stored")]
    Full(#[source] object_store::Error),
    /// The store failed.
    #[error("the store failed")]
    Failed(#[source] object_store::Error),
}

impl From<object_store::Error> for StoreError {
    fn from(error: object_store::Error) -> Self {
        let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(cause) = source {
            let kind = cause.downcast_ref::<io::Error>().map(io::Error::kind);
            if matches!(kind, Some(io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)) {
                return Self::Full(error);
            }
            source = cause.source();
        }
        Self::Failed(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::Missing(_) => {
                Self::not_found(error.to_string()).at("", "put it, then send the request again")
            }
            StoreError::Corrupted { digest, what } => {
                warn!(%digest, what, "stored content is corrupted");
                Self::internal(error.to_string())
                    .at("", "nothing of it was served; putting the same content again mends it")
            }
            StoreError::Rebuilding { .. } => Self::unavailable(error.to_string()),
            StoreError::Full(source) => {
                warn!(%source, "the store has no room");
                Self::internal(error.to_string()).at("", "make room where the store lies, or run artifact gc")
            }
            StoreError::Failed(source) => {
                warn!(%source, "the store failed");
                Self::unavailable(format!("{error}; try again"))
            }
        }
    }
}
