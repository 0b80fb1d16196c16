//! Artifacts: content by its digest, and names under which versions of it stand.
//!
//! Content is put first (in one message if it is small, else piece by piece), which pins it for a while;
//! then a version of a name is published that points at it. Only named content stays for ever.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::contract::ContractVersion;
use crate::id::{
    ArtifactName, ArtifactRef, Caller, ContractName, Digest, MediaType, Mission, RequestId, ScopeId, UploadId,
};

mod reference;
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

/// A stretch of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// Where it starts, in bytes.
    pub offset: u64,
    /// Where it ends, in bytes; absent while the size is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<u64>,
}

/// Content that is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stored {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Unix time in milliseconds until which it stays without a name.
    pub pinned_until_ms: u64,
}

/// `artifacts.put`: content of at most 1 MiB, all of it as the request's attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Put {
    /// Its digest.
    pub digest: Digest,
}

/// `artifacts.put_start`: begins, or resumes, an upload. The same caller, digest and size mean the same
/// upload; without a digest a repeated request does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PutStart {
    /// Digest of the whole content, if it is known already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Its size in bytes, if it is known already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 68_719_476_736u64))]
    pub size_bytes: Option<u64>,
}

/// Reply of `artifacts.put_start`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Upload {
    /// The upload.
    pub upload: UploadId,
    /// Size of its pieces in bytes: each starts at a multiple of it, and only the last may be shorter.
    pub chunk_bytes: u32,
    /// What is still missing, in order; the first 256 gaps. The next `put_finish` names those that remain.
    pub missing: Vec<Span>,
    /// The content is stored already, and the caller may read it: nothing is to be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<Stored>,
}

/// `artifacts.put_chunk`: one piece of an upload, as the request's attachment. Pieces may come in any
/// order, several at once, and again; the one that came last counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PutChunk {
    /// The upload.
    pub upload: UploadId,
    /// Where the piece starts, in bytes: a multiple of the upload's chunk size.
    pub offset: u64,
}

/// Reply of `artifacts.put_chunk`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChunkTaken {
    /// Where the piece starts, in bytes.
    pub offset: u64,
    /// Its length in bytes.
    pub len: u64,
}

/// `artifacts.put_finish`: all pieces were sent; the content is put together, verified and stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PutFinish {
    /// The upload.
    pub upload: UploadId,
    /// Digest of the whole content.
    pub digest: Digest,
    /// Its size in bytes.
    #[schemars(range(max = 68_719_476_736u64))]
    pub size_bytes: u64,
}

/// Reply of `artifacts.put_finish`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Finish {
    /// It is stored.
    Stored {
        /// What is.
        stored: Stored,
    },
    /// Pieces are missing: send them and finish again.
    Missing {
        /// The first 256 gaps, in order.
        missing: Vec<Span>,
    },
    /// It is still being put together: finish again.
    Working {
        /// How much has been, in bytes.
        done_bytes: u64,
    },
}

/// `artifacts.get`: a stretch of content, as the reply's attachment. Every byte of it was verified before
/// it was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// Which content.
    pub artifact: ArtifactRef,
    /// Where the stretch starts, in bytes.
    #[serde(default)]
    pub offset: u64,
    /// Its longest length in bytes; 1 MiB, or what a message can hold, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_048_576))]
    pub len: Option<u32>,
}

/// Reply of `artifacts.get`. The stretch is empty at the end of the content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Got {
    /// Digest of the whole content.
    pub digest: Digest,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Where the stretch starts, in bytes.
    pub offset: u64,
    /// The version that was meant, if the content was asked for by a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u32>,
}

/// `artifacts.publish`: the next version of a name. The content must be stored, and the caller must be
/// allowed to read it. The newest version again, with the same content and provenance, is that version.
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

/// `artifacts.verify`: reads stored content and holds it against its digest, from `offset` on for as long
/// as one call may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// Which content.
    pub artifact: ArtifactRef,
    /// Where to go on, in bytes.
    #[serde(default)]
    pub offset: u64,
}

/// Reply of `artifacts.verify`: what was read is as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verified {
    /// Digest of the whole content.
    pub digest: Digest,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Up to where it was verified, in bytes; the size when all of it was.
    pub verified_bytes: u64,
}

/// `artifacts.gc`: removes content that nothing names and nobody has put lately, a bounded number of
/// objects at a time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gc {
    /// Say what would be removed, and remove nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Only content after this one, in order of digests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Digest>,
}

/// Reply of `artifacts.gc`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GcReport {
    /// What was removed, or would be.
    pub removed: Vec<Removed>,
    /// Content seen that something names.
    pub named: u64,
    /// Content seen that is pinned, or younger than the grace period.
    pub kept: u64,
    /// Unfinished uploads whose time had run out, removed with their pieces.
    pub uploads: u64,
    /// Half-written files of processes that died, removed.
    pub leftovers: u64,
    /// There is more to look at: ask again after this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Digest>,
}

/// Content that was removed, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Removed {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size_bytes: u64,
}
