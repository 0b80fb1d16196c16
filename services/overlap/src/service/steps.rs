//! The steps of the service, named, so that a test can stop the process, or hold it up, at each of them.

/// Before a fact is taken in; between a proposal and its check; between a check and its answer; before a snapshot is
/// written beside what is held.
pub const STEPS: &[&str] = &["take", "proposed", "checked", "snapshot"];
