//! Memory: canonical records, which only a committed intent writes, and scratchpads, which are an agent's
//! own and forgotten after a while.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::id::{Caller, Digest, IntentId, Mission, RecordKey};

/// Shortest life of a scratchpad's entry, in milliseconds.
pub const MIN_SCRATCH_TTL_MS: u64 = 1_000;
/// Longest life of a scratchpad's entry, in milliseconds: 7 days.
pub const MAX_SCRATCH_TTL_MS: u64 = 7 * 86_400_000;
/// Life of a scratchpad's entry when none is asked for, in milliseconds: 1 hour.
pub const DEFAULT_SCRATCH_TTL_MS: u64 = 3_600_000;
/// Most entries of one agent's scratchpad, those among them that ended within the last ten minutes.
pub const MAX_SCRATCH_ENTRIES: usize = 1_000;

/// A canonical record: entity `memory`, in its mission. Its revision is the ledger's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// Its key.
    pub key: RecordKey,
    /// Its mission.
    pub mission: Mission,
    /// Its value; absent: it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// The intent that wrote it.
    pub intent: IntentId,
    /// The agent that proposed that.
    pub author: Caller,
    /// What it was made from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Digest>,
    /// Unix time at which it was written, in milliseconds.
    pub written_at_ms: u64,
}

/// A record was written, in place of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// Revision of the record that was replaced; 0: there was none.
    pub replaced: u64,
}

/// `committer.memory_get`. "At least revision r" is the envelope's `at_least`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryGet {
    /// Its key.
    pub key: RecordKey,
}

/// A record and its revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecordReply {
    /// The record.
    pub record: Record,
    /// Ledger revision of the fact that wrote it: what a writer names to replace it.
    pub revision: u64,
}

/// `committer.memory_list`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryList {
    /// Only keys that start so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub prefix: Option<String>,
    /// Only keys after this one, in order of their entities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<RecordKey>,
    /// Most records to answer with; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
}

/// Reply of `committer.memory_list` and `committer.memory_history`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Records {
    /// In order.
    pub records: Vec<RecordReply>,
    /// There are more: ask again with `after` set to the last one.
    pub more: bool,
}

/// `committer.memory_history`: every version of a record, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryHistory {
    /// Its key.
    pub key: RecordKey,
    /// Only versions after this revision.
    #[serde(default)]
    pub after: u64,
    /// Most versions to answer with; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
}

/// `committer.scratch_put`: an entry of the caller's own scratchpad, which nobody else reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScratchPut {
    /// Its key.
    pub key: RecordKey,
    /// Its value, at most 64 KiB of JSON; absent: it is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Its life in milliseconds; one hour if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1_000, max = 604_800_000))]
    pub ttl_ms: Option<u64>,
    /// Revision of the entry that this replaces, 0 for none; whatever is there if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
}

/// `committer.scratch_get`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScratchGet {
    /// Its key.
    pub key: RecordKey,
}

/// An entry of a scratchpad.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScratchReply {
    /// Its key.
    pub key: RecordKey,
    /// Its value; absent: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Its revision in the bucket, for the next `scratch_put`.
    pub revision: u64,
}
