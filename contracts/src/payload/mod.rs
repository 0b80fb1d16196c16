//! The payloads: one file per noun, with its entity's state, the changes its facts record, and the
//! requests and replies of its calls. Bounds stand here as schema keywords, so that they are checked
//! before a handler runs and shown to whoever reads the schema.

pub mod agent;
pub mod arbitration;
pub mod artifact;
pub mod case;
pub mod claim;
pub mod contract;
pub mod dead;
pub mod effector;
pub mod handoff;
pub mod history;
pub mod intent;
pub mod invite;
pub mod lease;
pub mod memory;
pub mod mission;
pub mod overlap;
pub mod plan;
pub mod policy;
pub mod repository;
pub mod request;
pub mod session;
pub mod task;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A request or change that says nothing more than its kind.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// The payload of a fact: what changed, and the entity's state after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Recorded<C, S> {
    /// What changed.
    pub change: C,
    /// The state after it.
    pub state: S,
}

/// Most items in one page of a list.
pub const MAX_PAGE: u32 = 1_000;
/// Items in a page when the request names no limit.
pub const DEFAULT_PAGE: u32 = 100;
