//! Why the service cannot start.

use crate::ModelError;

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum OverlapError {
    /// The model is not the one that was published.
    #[error("cannot use the model")]
    Model(#[from] ModelError),
    /// The second model cannot be used.
    #[error("cannot use the second model")]
    Second(#[from] super::SecondError),
    /// The setting `overlap.snapshots` names no place that can be used.
    #[error("the setting `overlap.snapshots` is {url:?}, which cannot be used: {reason}")]
    Snapshots {
        /// What it says.
        url: String,
        /// Why not.
        reason: String,
    },
    /// The ledger cannot be followed.
    #[error("cannot follow the ledger")]
    Ledger(#[from] selvedge_kit::view::FeedError),
    /// The service cannot start.
    #[error("cannot serve")]
    Service(#[from] selvedge_kit::service::ServiceError),
}
