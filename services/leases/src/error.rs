//! Why the service does not start, and why one attempt of a request came to nothing.

use selvedge_contracts::fault::Fault;
use selvedge_kit::pipeline::Lost;

/// Why the service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LeasesError {
    /// The service cannot start.
    #[error("cannot serve")]
    Service(#[from] selvedge_kit::service::ServiceError),
    /// The bus refused a subscription.
    #[error("cannot subscribe")]
    Bus(#[from] selvedge_kit::bus::BusError),
    /// The bucket cannot be read.
    #[error("cannot read the bucket of leases")]
    Mirror(#[from] selvedge_kit::mirror::MirrorError),
    /// No name could be made for this instance.
    #[error("cannot name the instance")]
    Instance(#[from] selvedge_contracts::id::InvalidToken),
}

/// Why an attempt at a request gave no answer.
#[derive(Debug)]
pub(crate) enum Miss {
    /// The space is not, or no longer, ours: look for its owner again.
    Lost,
    /// It is refused.
    Refused(Fault),
}

impl From<Lost> for Miss {
    fn from(_: Lost) -> Self {
        Self::Lost
    }
}

impl From<Fault> for Miss {
    fn from(fault: Fault) -> Self {
        Self::Refused(fault)
    }
}
