//! What a refusal has to say.

use selvedge_contracts::fault::{Code, Fault};

/// The refusal; it must have this code, and say this somewhere.
///
/// # Panics
/// If it was not refused, or otherwise.
pub fn refused<T: std::fmt::Debug>(outcome: Result<T, Fault>, code: Code, says: &str) -> Fault {
    let fault = outcome.unwrap_err();
    let told = fault.message.contains(says)
        || fault.details.iter().any(|detail| detail.message.contains(says) || detail.at.contains(says));
    assert!(fault.code == code && told, "expected {code} with {says:?}: {fault:?}");
    fault
}
