//! Payload contracts: named, versioned JSON Schemas that agents register. A version never changes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{fault::Detail, id::ContractName};

/// Largest schema in bytes of JSON text.
pub const MAX_SCHEMA_BYTES: usize = 65_536;

/// One version of a contract: entity `contract`, made once, in the kluster's own mission.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Contract {
    /// Its name.
    pub name: ContractName,
    /// Its version, from 1.
    pub version: u32,
    /// blake3 of the schema in canonical form (RFC 8785), in hex.
    pub digest: String,
    /// The JSON Schema (2020-12 unless it says otherwise).
    pub schema: Value,
    /// How it relates to the version before.
    pub compatibility: Compatibility,
    /// Unix time of its registration, in milliseconds.
    pub added_at_ms: u64,
}

/// Whether a document that satisfies this version's predecessor satisfies this version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Compatibility {
    /// There is no version before.
    First,
    /// Every document of the version before satisfies this one.
    Compatible,
    /// Some do not.
    Breaking {
        /// Where and why.
        reasons: Vec<Detail>,
    },
    /// The schemas use keywords that cannot be compared for certain.
    Unknown {
        /// Where and why.
        reasons: Vec<Detail>,
    },
}

/// `registry.contract_add`. Adding the newest version's own schema again answers with that version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContractAdd {
    /// Its name.
    pub name: ContractName,
    /// The JSON Schema, an object or a boolean, at most 64 KiB.
    pub schema: Value,
}

/// Reply of the calls that answer with one contract.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ContractReply {
    /// The contract.
    pub contract: Contract,
    /// Ledger revision of its fact.
    pub revision: u64,
}

/// `registry.contract_list`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContractList {
    /// Only versions of this contract.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<ContractName>,
    /// Only contracts after this one, in order of name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<ContractVersion>,
    /// Most versions to answer with; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
}

/// Name and version of a contract.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContractVersion {
    /// Its name.
    pub name: ContractName,
    /// Its version, from 1.
    #[schemars(range(min = 1))]
    pub version: u32,
}

/// Reply of `registry.contract_list`: without the schemas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Contracts {
    /// In order of name and version.
    pub contracts: Vec<ContractSummary>,
    /// There are more: ask again with `after` set to the last one.
    pub more: bool,
}

/// A contract without its schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ContractSummary {
    /// Its name.
    pub name: ContractName,
    /// Its version.
    pub version: u32,
    /// blake3 of the schema in canonical form, in hex.
    pub digest: String,
    /// How it relates to the version before.
    pub compatibility: Compatibility,
}

/// `registry.contract_show`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContractShow {
    /// Its name.
    pub name: ContractName,
    /// Its version; the newest if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub version: Option<u32>,
}

/// `registry.contract_check`: holds a document against a contract.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContractCheck {
    /// The contract's name.
    pub name: ContractName,
    /// Its version; the newest if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub version: Option<u32>,
    /// The document.
    pub document: Value,
}

/// Reply of `registry.contract_check`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ContractVerdict {
    /// The contract checked against.
    pub name: ContractName,
    /// Its version.
    pub version: u32,
    /// Whether the document satisfies it.
    pub valid: bool,
    /// Every violation, with its JSON pointer; at most 100.
    pub violations: Vec<Detail>,
}
