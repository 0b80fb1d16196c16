//! Repositories: where the committer records, by name within a mission.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{Caller, Mission, RepositoryName};

/// Longest URL or path in bytes.
pub const MAX_LOCATION_BYTES: usize = 1_024;

/// A git repository: entity `repository`, in its mission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Repository {
    /// Its name.
    pub name: RepositoryName,
    /// Its mission.
    pub mission: Mission,
    /// An absolute path of a bare repository on the committer's machine, or a URL that git understands. It
    /// holds no password: what git needs to reach it is the committer's own configuration.
    pub location: String,
    /// Who set it.
    pub set_by: Caller,
    /// Unix time, in milliseconds.
    pub set_at_ms: u64,
}

/// `committer.repository_set`: names a repository, or moves it. The committer looks at it first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RepositorySet {
    /// Its name.
    pub name: RepositoryName,
    /// Where it is.
    #[schemars(length(min = 1, max = 1024))]
    pub location: String,
}

/// Reply of `committer.repository_set`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RepositoryReply {
    /// The repository.
    pub repository: Repository,
    /// Ledger revision of its last fact.
    pub revision: u64,
}

/// Reply of `committer.repository_list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Repositories {
    /// In order of name.
    pub repositories: Vec<RepositoryReply>,
}
