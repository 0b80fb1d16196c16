//! Policies: Cedar text (cedarpolicy.com), per mission, that says which effects may be done by whom and
//! what approvals they need. Every version is kept; exactly one is active, or none.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    id::{AgentId, Caller, Digest, EntityId, Mission, Owner, ScopeId},
    payload::intent::{Effect, Requirement},
    role::Role,
};

/// Largest policy text in bytes.
pub const MAX_POLICY_BYTES: usize = 262_144;
/// Most cases of one test.
pub const MAX_CASES: usize = 1_000;

/// One version of a mission's policy: entity `policy`, made once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Policy {
    /// Its mission.
    pub mission: Mission,
    /// Counts up from 1.
    pub version: u32,
    /// blake3 of the text.
    pub digest: Digest,
    /// The Cedar text.
    pub text: String,
    /// What it is for, or what changed.
    pub note: String,
    /// Who drafted it.
    pub author: Caller,
    /// Who answers for the author.
    pub owner: Owner,
    /// Unix time of its draft, in milliseconds.
    pub drafted_at_ms: u64,
}

/// The entity of a version. Of fixed width, so that ids sort as versions do.
pub fn version_id(version: u32) -> EntityId {
    // Our own text of digits always fits.
    EntityId::new(&format!("v{version:010}")).unwrap_or_else(|_| activation_id())
}

/// The one entity that says which version is active.
pub fn activation_id() -> EntityId {
    EntityId::from(&Mission::kluster())
}

/// Which version is active: entity `activation`, one of each mission.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Activation {
    /// How often a version was activated, a former one again included: approvals are bound to it.
    pub activation: u32,
    /// The version in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<Active>,
    /// The version that waits for a second principal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed: Option<ActivationProposal>,
}

/// The version in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Active {
    /// Which.
    pub version: u32,
    /// Who asked for it.
    pub proposed_by: Owner,
    /// Who agreed.
    pub confirmed_by: Owner,
    /// Unix time of its activation, in milliseconds.
    pub since_ms: u64,
}

/// A version that is to be activated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ActivationProposal {
    /// Which.
    pub version: u32,
    /// Who asks for it.
    pub by: Caller,
    /// Who answers for them: another principal has to agree.
    pub owner: Owner,
    /// Why.
    pub reason: String,
    /// Unix time, in milliseconds.
    pub at_ms: u64,
}

/// `governance.policy_draft`. The newest version's own text again is that version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyDraft {
    /// The Cedar text.
    #[schemars(length(min = 1, max = 262_144))]
    pub text: String,
    /// What it is for, or what changed.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    pub note: String,
}

/// `governance.policy_validate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyValidate {
    /// The Cedar text.
    #[schemars(length(max = 262_144))]
    pub text: String,
}

/// Reply of `governance.policy_validate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyFindings {
    /// Whether it may be drafted: no finding is an error.
    pub valid: bool,
    /// In order of place.
    pub findings: Vec<Finding>,
}

/// Something about a policy text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Whether it forbids a draft.
    pub error: bool,
    /// Line, from 1; absent if it is about the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column in characters, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// What is wrong, and how to mend it.
    pub message: String,
}

/// Reply of the calls that answer with one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyReply {
    /// The version.
    pub policy: Policy,
    /// Whether it is in force, and since when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<Active>,
    /// Ledger revision of its fact.
    pub revision: u64,
}

/// `governance.policy_show`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyShow {
    /// Which version; the one in force if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub version: Option<u32>,
}

/// `governance.policy_list`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyList {
    /// Only versions after this one.
    #[serde(default)]
    pub after: u32,
    /// Most versions to answer with; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
}

/// Reply of `governance.policy_list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Policies {
    /// In order; without their texts.
    pub policies: Vec<Policy>,
    /// Which is in force, and which is to be.
    pub activation: Activation,
    /// There are more: ask again with `after` set to the last one.
    pub more: bool,
}

/// `governance.policy_activate`: asks for a version to be put in force, a former one included. It is once
/// another principal agrees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyActivate {
    /// Which version.
    #[schemars(range(min = 1))]
    pub version: u32,
    /// Why.
    #[schemars(length(min = 1, max = 1000))]
    pub reason: String,
}

/// `governance.policy_confirm`: agrees to the activation that was asked for, as another principal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyConfirm {
    /// Which version: what was seen is what is agreed to.
    #[schemars(range(min = 1))]
    pub version: u32,
    /// blake3 of its text.
    pub digest: Digest,
}

/// Reply of the calls that answer with what is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ActivationReply {
    /// What is in force, and what is to be.
    pub activation: Activation,
    /// Ledger revision of its last fact; 0: there is none.
    pub revision: u64,
}

/// `governance.policy_test`: what a policy would decide.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyTest {
    /// The Cedar text; absent: that of `version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 262_144))]
    pub text: Option<String>,
    /// A version; the one in force if there is no text either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub version: Option<u32>,
    /// What to decide.
    #[schemars(length(min = 1, max = 1000))]
    pub cases: Vec<PolicyCase>,
}

/// One case of a policy's test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyCase {
    /// What it is called.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    /// Who asks.
    pub agent: AgentId,
    /// In which role.
    pub role: Role,
    /// Who answers for the agent; `person:nobody` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// The task that the agent's credential is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<ScopeId>,
    /// Whether what takes it back comes with it.
    #[serde(default)]
    pub has_undo: bool,
    /// What for.
    pub effect: Effect,
    /// What is expected.
    pub expect: Expected,
}

/// What a policy decides about an effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Whether it may be done at all.
    pub allow: bool,
    /// What it needs; not compared if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement: Option<Requirement>,
}

/// Reply of `governance.policy_test`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyTested {
    /// Whether every case came out as expected.
    pub passed: bool,
    /// In the order of the cases.
    pub cases: Vec<CaseResult>,
}

/// How a case came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CaseResult {
    /// What it is called.
    pub name: String,
    /// Whether it came out as expected.
    pub passed: bool,
    /// What was expected.
    pub expected: Expected,
    /// What was decided.
    pub actual: Expected,
    /// The rules that decided.
    pub rules: Vec<String>,
    /// What went wrong while deciding, if something did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
}

/// The Cedar schema that policies are held against, as JSON (reply of `governance.policy_schema`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PolicySchema {
    /// In Cedar's own syntax.
    pub text: String,
    /// In Cedar's JSON syntax.
    pub json: Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_sort_as_their_ids_do() {
        let ids: Vec<_> = [1, 2, 10, u32::MAX].map(|version| version_id(version).to_string()).into();
        assert!(ids.is_sorted(), "{ids:?}");
        assert_eq!(version_id(12).as_str(), "v0000000012");
        assert_eq!(activation_id().as_str(), "_");
    }
}
