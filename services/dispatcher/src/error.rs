//! Why the service cannot start.

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum DispatcherError {
    /// The service cannot start.
    #[error("cannot serve")]
    Service(#[from] selvedge_kit::service::ServiceError),
}
