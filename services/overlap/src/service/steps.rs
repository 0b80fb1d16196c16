//! The steps of the service, named, so that a test can stop the process, or hold it up, at each of them.

use std::sync::Arc;

/// Before a fact is taken in; between a proposal and its check; between a check and its answer; before a snapshot is
/// written beside what is held.
pub const STEPS: &[&str] = &["take", "proposed", "checked", "snapshot"];

/// What is told of every step that is reached: nothing in a fabric, a test in a test.
#[derive(Clone, Default)]
pub struct Steps(Option<Arc<dyn Fn(&'static str) + Send + Sync>>);

impl Steps {
    /// Calls `reached` with the name of every step that is reached, before it goes on.
    pub fn new(reached: impl Fn(&'static str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(reached)))
    }

    /// Says that `step` is reached.
    pub(crate) fn reached(&self, step: &'static str) {
        if let Some(told) = &self.0 {
            told(step);
        }
    }
}

impl std::fmt::Debug for Steps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Steps").field(&self.0.is_some()).finish()
    }
}
