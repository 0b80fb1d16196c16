//! The history of one entity, as its facts tell it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    fact::EntityName,
    id::{EntityId, Mission},
};

/// `registry.history`: the facts of one entity that this service owns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// What sort of entity.
    pub entity: EntityName,
    /// Which one.
    pub id: EntityId,
    /// Only facts after this ledger revision.
    #[serde(default)]
    pub after: u64,
    /// Most facts to answer with; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
}

/// Reply of `registry.history`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Facts {
    /// In ledger order.
    pub facts: Vec<FactLine>,
    /// There are more: ask again with `after` set to the last revision.
    pub more: bool,
}

/// One fact, as a history shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FactLine {
    /// Its place in the ledger.
    pub revision: u64,
    /// Unix time at which it was stored, in milliseconds, by the server's clock.
    pub at_ms: u64,
    /// What happened: `agent.registered/1`.
    pub kind: String,
    /// Mission of the request that led to it.
    pub mission: Mission,
    /// Who asked for it.
    pub sender: String,
    /// Under which session or task.
    pub scope: String,
    /// Id of the request that led to it.
    pub cause: String,
    /// User request at the root of the chain.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub root: String,
    /// Whether the request was signed, and the signature stored with the fact.
    pub signed: bool,
    /// What changed, and the state after it.
    pub payload: Value,
}
