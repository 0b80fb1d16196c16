//! Artifacts: content by its digest, and names under which versions of it stand.
//!
//! Content is put first (in one message if it is small, else piece by piece), which pins it for a while;
//! then a version of a name is published that points at it. Only named content stays for ever.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{contract::ContractVersion, overlap::Clearance};
use crate::id::{
    ArtifactName, ArtifactRef, Caller, ContractName, Digest, MediaType, Mission, RequestId, ScopeId,
};

mod content;
mod reference;

pub use content::{
    Aborted, ChunkTaken, Finish, Gc, GcReport, Get, Got, Meaning, Put, PutAbort, PutChunk, PutFinish,
    PutStart, Removed, Span, Stored, Upload, Verified, Verify, Vouch, Vouched,
};
pub use reference::{Reference, Which};

/// Largest content in bytes: 64 GiB.
pub const MAX_CONTENT_BYTES: u64 = 64 << 30;
/// Largest JSON content that is held against a contract when it is published, in bytes.
pub const MAX_CHECKED_BYTES: u64 = 4 << 20;
/// Most sources that one version may name.
pub const MAX_SOURCES: usize = 100;
/// Most gaps that one answer about an upload lists.
pub const MAX_SPANS: usize = 256;
/// Keyword of a contract's schema, at its root: with the value `"required"`, content that fits the schema
/// still has to be validated by a verifier before others may read it.
pub const VALIDATION_KEYWORD: &str = "x-validation";

/// A name and its newest version: entity `artifact`, in its mission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Artifact {
    /// Its name.
    pub name: ArtifactName,
    /// Its mission.
    pub mission: Mission,
    /// Its newest version.
    pub latest: Version,
}

/// One version of a name. But for its state it never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Version {
    /// Counts up from 1 without gaps.
    pub version: u32,
    /// Digest of its content.
    pub digest: Digest,
    /// Size of its content in bytes.
    pub size_bytes: u64,
    /// What its content is.
    pub content_type: MediaType,
    /// The contract that it satisfies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<ContractVersion>,
    /// The agent that published it.
    pub producer: Caller,
    /// The session or task whose credential it used.
    pub session: ScopeId,
    /// The task that it was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<ScopeId>,
    /// The user request at the root of the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// What it was made from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
    /// That nothing was in the way of its name that looks like it; of a first version alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<Clearance>,
    /// Who may read it.
    pub state: VersionState,
    /// Unix time of its publication, in milliseconds.
    pub published_at_ms: u64,
}

/// Something that a version was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Source {
    /// Digest of its content.
    pub digest: Digest,
    /// Its name, if it was named by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<ArtifactName>,
    /// Its version, if it was named by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
}

/// Who may read a version's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VersionState {
    /// Everybody in its mission.
    Valid,
    /// Its producer, verifiers, arbitrators and operators: its contract demands a validation that has not
    /// come yet.
    Unvalidated,
    /// The same: its validation failed.
    Invalid,
}

/// A version was judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Judged {
    /// Which version.
    pub version: u32,
    /// What it is now: `valid` or `invalid`.
    pub state: VersionState,
    /// By whom.
    pub by: Caller,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `artifacts.publish`: the next version of a name. The content must be stored, and the caller must be
/// allowed to read it. The newest version again, with the same content and provenance, is that version. The first
/// version of a name is asked about first, where something looks like it (`overlap.decide`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Publish {
    /// The name.
    pub name: ArtifactName,
    /// Digest of the content.
    pub digest: Digest,
    /// What the content is; `application/octet-stream` if absent, `application/json` with a contract.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<MediaType>,
    /// The contract that the content satisfies: it is refused, with every violation, if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contract: Option<ContractWanted>,
    /// What it was made from: content in the same mission that the caller may read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub sources: Vec<ArtifactRef>,
}

/// A contract, and one of its versions if one is named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContractWanted {
    /// Its name.
    pub name: ContractName,
    /// Its version; the newest if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub version: Option<u32>,
}

/// Reply of the calls that answer with one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VersionReply {
    /// Its name.
    pub name: ArtifactName,
    /// The version.
    pub version: Version,
    /// Ledger revision of the name's last fact that speaks of it.
    pub revision: u64,
}

/// `artifacts.show`: which version is meant, without its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Show {
    /// A name, with or without a version.
    pub artifact: ArtifactRef,
}

/// `artifacts.judge`: the verdict on a version whose contract demands validation; by somebody else than
/// its producer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Judge {
    /// The name.
    pub name: ArtifactName,
    /// The version.
    #[schemars(range(min = 1))]
    pub version: u32,
    /// The verdict.
    pub verdict: Verdict,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    pub reason: Option<String>,
}

/// What a validation came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everybody in the mission may read it from now on.
    Valid,
    /// Nobody else ever may.
    Invalid,
}

/// `artifacts.list`: the names of the mission.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArtifactList {
    /// Only names that start so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub prefix: Option<String>,
    /// Only names after this one, in order of their entities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<ArtifactName>,
    /// Most names to answer with; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
}

/// Reply of `artifacts.list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Artifacts {
    /// In order of their entities.
    pub artifacts: Vec<Artifact>,
    /// There are more: ask again with `after` set to the last one.
    pub more: bool,
}

/// `artifacts.history`: the versions of a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VersionList {
    /// The name.
    pub name: ArtifactName,
    /// Only versions after this one.
    #[serde(default)]
    pub after: u32,
    /// Most versions to answer with; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
}

/// Reply of `artifacts.history`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Versions {
    /// In order.
    pub versions: Vec<Version>,
    /// There are more: ask again with `after` set to the last one.
    pub more: bool,
}
