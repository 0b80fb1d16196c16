//! Why the service cannot start.

use std::{io, path::PathBuf};

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum GovernanceError {
    /// The keys of approvals cannot be read or made.
    #[error("cannot use the keys of approvals in {}", path.display())]
    Keys {
        /// Their file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The keys of approvals are not what they should be.
    #[error("{} does not hold keys of approvals: {reason}; restore it from a backup, or remove it to make new ones (approvals that wait for execution are void then)", path.display())]
    NoKeys {
        /// Their file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Others than its owner may read the keys of approvals.
    #[error("{} has mode {mode:o}, so others than its owner may read the keys of approvals; run `chmod 600 {}`, and rotate them if somebody did", path.display(), path.display())]
    OpenKeys {
        /// Their file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The keys of approvals cannot be changed so.
    #[error("the keys of approvals in {} stay as they are: {reason}", path.display())]
    KeysStay {
        /// Their file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The service cannot start.
    #[error("cannot serve")]
    Service(#[from] selvedge_kit::service::ServiceError),
}
