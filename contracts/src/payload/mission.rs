//! Missions: what agents work on together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::Mission as MissionId;

/// A mission: entity `mission`, in the kluster's own mission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mission {
    /// Its name, in every subject of it.
    pub id: MissionId,
    /// What it is about, in a line.
    pub title: String,
    /// Unix time of its creation, in milliseconds.
    pub created_at_ms: u64,
}

/// `registry.mission_create`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MissionCreate {
    /// Its name.
    pub mission: MissionId,
    /// What it is about, in a line.
    #[serde(default)]
    #[schemars(length(max = 200))]
    pub title: String,
}

/// Reply of `registry.mission_create`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MissionReply {
    /// The mission.
    pub mission: Mission,
    /// Ledger revision of its last fact.
    pub revision: u64,
}

/// `registry.mission_list`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MissionList {
    /// Only missions after this one, in order of name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<MissionId>,
    /// Most missions to answer with; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
}

/// Reply of `registry.mission_list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Missions {
    /// In order of name.
    pub missions: Vec<Mission>,
    /// There are more: ask again with `after` set to the last one.
    pub more: bool,
}
