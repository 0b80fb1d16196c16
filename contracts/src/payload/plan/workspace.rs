//! Where a task is worked on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{CommitHash, RepositoryName};

/// Place in a task's output where the reference to its change set stands, if the plan names none.
pub const DEFAULT_CHANGE: &str = "/change";

/// A checkout of one of the mission's repositories, made anew for each attempt. What differs from its base in the
/// end is the task's change set: a git effect, stored as an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Workspace {
    /// The repository.
    pub repository: RepositoryName,
    /// The branch, without `refs/heads/`.
    #[schemars(length(min = 1, max = 200))]
    pub branch: String,
    /// The commit to work on; the branch's tip when an attempt begins if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<CommitHash>,
    /// JSON pointer (RFC 6901) to where the reference to the change set stands in the output; `/change` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 500))]
    pub change: Option<String>,
    /// Whoever does or checks it may use the network.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub network: bool,
}

impl Workspace {
    /// Where the reference to the change set stands in the output.
    pub fn change(&self) -> &str {
        self.change.as_deref().unwrap_or(DEFAULT_CHANGE)
    }
}
