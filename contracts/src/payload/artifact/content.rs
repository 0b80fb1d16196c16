//! Content without regard to names: how it goes in, comes out, is verified and collected.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{ArtifactRef, Digest, UploadId};

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

/// `artifacts.vouch`: whether contents are stored and an agent may read them; they are held for the grace
/// period from now, so that what names them can be recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Vouch {
    /// Which contents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2000))]
    pub digests: Vec<Digest>,
    /// What is meant by these references is wanted too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub artifacts: Vec<ArtifactRef>,
    /// Who wants to use them.
    pub reader: crate::id::Caller,
    /// In which role.
    pub role: crate::role::Role,
}

/// Reply of `artifacts.vouch`: of the contents only what cannot be used, in order; nothing if all can.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Vouched {
    /// Contents that are not stored, or that the reader may not read: to the reader that is the same.
    pub missing: Vec<Digest>,
    /// Contents that have names in the mission, and are valid under none of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_valid: Vec<Digest>,
    /// What the references mean, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub meant: Vec<Meaning>,
}

/// What a reference means to a reader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Meaning {
    /// This content: stored, readable, and valid if it was meant by a name.
    Content(Digest),
    /// Nothing that the reader may use, and why.
    Unusable(String),
}
