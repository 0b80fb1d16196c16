//! Why the service cannot start.

use std::path::PathBuf;

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum CommitterError {
    /// The file of secrets cannot be used.
    #[error("cannot use the secrets in {}: {reason}", path.display())]
    Secrets {
        /// The file.
        path: PathBuf,
        /// What is wrong, and how to mend it.
        reason: String,
    },
    /// The folder for copies of remote repositories cannot be used.
    #[error("cannot use {}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The service cannot start.
    #[error("cannot serve")]
    Service(#[from] selvedge_kit::service::ServiceError),
}
