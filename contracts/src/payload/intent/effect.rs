//! Effects: what an intent would do to the world, and the receipts they leave.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::tree::TreePath;
use crate::id::{
    Caller, CommitHash, Digest, EffectorName, MediaType, Owner, RecordKey, RepositoryName, SecretName,
};

/// Most changes of one commit; more are several intents, or a saga.
pub const MAX_CHANGES: usize = 1_000;
/// Longest commit message in bytes, trailers not counted.
pub const MAX_MESSAGE_BYTES: usize = 16_384;
/// Most paths that a git effect may name as read.
pub const MAX_READS: usize = 1_000;
/// Longest URL in bytes.
pub const MAX_URL_BYTES: usize = 4_096;
/// Most headers of a request, and of a probe.
pub const MAX_HEADERS: usize = 64;
/// Largest value of a memory record, and largest arguments of an external effect, in bytes of JSON.
pub const MAX_VALUE_BYTES: usize = 65_536;
/// Longest time an HTTP request or an effector may take, in milliseconds.
pub const MAX_EFFECT_MS: u64 = 60_000;
/// Time an HTTP request or an effector gets when none is named, in milliseconds.
pub const DEFAULT_EFFECT_MS: u64 = 10_000;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Effect {
    /// A commit on a branch of one of the mission's repositories.
    Git(GitEffect),
    /// An HTTP request.
    Http(HttpEffect),
    /// A canonical record of the mission's memory.
    Memory(MemoryEffect),
    /// Something that an effector on the bus carries out.
    External(ExternalEffect),
}

impl Effect {
    /// The kind in one word, as policies name it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Git(_) => "git",
            Self::Http(_) => "http",
            Self::Memory(_) => "memory",
            Self::External(_) => "external",
        }
    }

    /// Every content it names.
    pub fn digests(&self) -> Vec<&Digest> {
        match self {
            Self::Git(git) => git.changes.iter().filter_map(FileChange::content).collect(),
            Self::Http(http) => http.body.iter().collect(),
            Self::Memory(memory) => memory.sources.iter().collect(),
            Self::External(_) => Vec::new(),
        }
    }

    /// Whether what it does cannot be taken back by anything but another effect. A record of memory keeps
    /// every version, and `GET` and `HEAD` change nothing (RFC 9110, 9.2.1).
    pub const fn is_irreversible(&self) -> bool {
        match self {
            Self::Git(_) | Self::External(_) => true,
            Self::Http(http) => !matches!(http.method, Method::Get | Method::Head),
            Self::Memory(_) => false,
        }
    }
}

/// A commit. It is built on the branch's head: the paths it changes or read must be there as they were at
/// `base`, else the intent is stale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GitEffect {
    /// The repository.
    pub repository: RepositoryName,
    /// The branch, without `refs/heads/`.
    #[schemars(length(min = 1, max = 200))]
    pub branch: String,
    /// The commit that the work was based on.
    pub base: CommitHash,
    /// What changes, each path once.
    #[schemars(length(min = 1, max = 1000))]
    pub changes: Vec<FileChange>,
    /// The commit's message; the committer adds its trailers.
    #[schemars(length(min = 1, max = 16_384))]
    pub message: String,
    /// Paths that the work rests on without changing them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub reads: Vec<TreePath>,
}

/// One path of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum FileChange {
    /// The file is this content afterwards.
    Put {
        /// Where.
        path: TreePath,
        /// Its content, stored as an artifact. Of a symlink: its target.
        content: Digest,
        /// What it is.
        #[serde(default)]
        mode: FileMode,
    },
    /// The file is gone afterwards.
    Delete {
        /// Where it was.
        path: TreePath,
    },
    /// The file stands elsewhere afterwards.
    Rename {
        /// Where it was.
        from: TreePath,
        /// Where it is.
        path: TreePath,
        /// Its new content, if that changes too.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content: Option<Digest>,
    },
}

impl FileChange {
    /// Where it is afterwards, or was before it was deleted.
    pub fn path(&self) -> &TreePath {
        match self {
            Self::Put { path, .. } | Self::Delete { path } | Self::Rename { path, .. } => path,
        }
    }

    /// Every path it touches.
    pub fn paths(&self) -> impl Iterator<Item = &TreePath> {
        let from = match self {
            Self::Rename { from, .. } => Some(from),
            _ => None,
        };
        from.into_iter().chain(std::iter::once(self.path()))
    }

    /// The content it names.
    pub fn content(&self) -> Option<&Digest> {
        match self {
            Self::Put { content, .. } => Some(content),
            Self::Rename { content, .. } => content.as_ref(),
            Self::Delete { .. } => None,
        }
    }
}

/// What a file is, of the modes that git knows. There are no submodules: they are refused.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileMode {
    /// `100644`
    #[default]
    Regular,
    /// `100755`
    Executable,
    /// `120000`
    Symlink,
}

/// An HTTP request, carried out once. Sent with `Idempotency-Key: <intent id>` (IETF
/// draft-ietf-httpapi-idempotency-key-header).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpEffect {
    /// The method.
    pub method: Method,
    /// The absolute URL, `http` or `https`, without user or password.
    #[schemars(length(min = 8, max = 4096))]
    pub url: String,
    /// Its headers; none that carries a secret.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Headers whose values are secrets, by the names that the committer's configuration gives them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretName>,
    /// Its body, stored as an artifact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Digest>,
    /// What the body is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<MediaType>,
    /// What the target does with a request that comes twice.
    #[serde(default)]
    pub repeat: Repeat,
    /// How to find out whether a request whose answer was lost was carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,
    /// Longest time for the answer, in milliseconds; 10 seconds if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 60_000))]
    pub timeout_ms: Option<u64>,
}

/// Methods of HTTP (RFC 9110) that an effect may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs, reason = "they are what they are called")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
}

impl Method {
    /// As it stands in a request.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// What a target does with an effect that comes twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Repeat {
    /// It does it twice, or nobody knows: it gets at most one attempt, then a probe or a person.
    #[default]
    Unsafe,
    /// It knows our key (`Idempotency-Key`, or the intent's id) and does it once.
    ByKey,
    /// Doing it twice is doing it once (`PUT` and `DELETE` by RFC 9110, 9.2.2).
    Idempotent,
}

/// A `GET` that tells whether the effect happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// What to get; on a host that the policy allows.
    #[schemars(length(min = 8, max = 4096))]
    pub url: String,
    /// Statuses that say it happened.
    #[schemars(length(min = 1, max = 16))]
    pub done: Vec<u16>,
    /// Statuses that say it did not.
    #[schemars(length(min = 1, max = 16))]
    pub absent: Vec<u16>,
}

/// A canonical record of the mission's memory: written whole, if it is still as the writer knew it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryEffect {
    /// Its key.
    pub key: RecordKey,
    /// Its new value, at most 64 KiB of JSON; absent: it is deleted, its history stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Ledger revision of the record that this replaces; 0: there must be none.
    pub revision: u64,
    /// What it was made from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub sources: Vec<Digest>,
}

/// Something that an effector carries out. It is asked on `sv.effect.<effector>.execute` with the intent's
/// id as its key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExternalEffect {
    /// Who does it.
    pub effector: EffectorName,
    /// What it is called there.
    #[schemars(length(min = 1, max = 100))]
    pub operation: String,
    /// What it is done with, at most 64 KiB of JSON.
    #[serde(default)]
    pub arguments: Value,
    /// What the effector does with an intent's id that it has seen.
    #[serde(default)]
    pub repeat: Repeat,
    /// Longest time for the answer, in milliseconds; 10 seconds if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 60_000))]
    pub timeout_ms: Option<u64>,
}

/// What an effect left in the world: back from the fact to what it names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Receipt {
    /// A commit.
    Git {
        /// The repository.
        repository: RepositoryName,
        /// The branch.
        branch: String,
        /// The commit.
        commit: CommitHash,
        /// The commit it was built on.
        parent: CommitHash,
    },
    /// An answer.
    Http {
        /// Its status; absent if only a probe said that it happened.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// Its body, stored as an artifact.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        response: Option<Digest>,
        /// What the body is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content_type: Option<MediaType>,
    },
    /// A record.
    Memory {
        /// Its key.
        key: RecordKey,
        /// Ledger revision of the record that was replaced.
        replaced: u64,
    },
    /// What the effector said.
    External {
        /// In its words.
        result: Value,
    },
    /// A person found out what happened and said so.
    Settled {
        /// Who.
        by: Caller,
        /// Who answers for it.
        owner: Owner,
        /// How it is known.
        note: String,
    },
}
