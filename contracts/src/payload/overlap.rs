//! Overlap: what is to be created, what already exists that looks like it, and what was decided.
//!
//! A creation is proposed before its thing is made, which gives it a place in one total order: it is checked
//! against everything before that place, what others are about to create included.
//!
//! | from | to | by |
//! |---|---|---|
//! | nothing, expired, removed, discarded, merged | pending | `proposed` |
//! | pending, asked, cleared, existing | pending, at a new place | `edited` |
//! | pending | asked, cleared | `checked`; below the mission's threshold it may be left out |
//! | pending, asked, cleared | cleared, merged, discarded | `decided` |
//! | discarded | cleared | `decided` to proceed after all |
//! | pending, asked, cleared | expired | `expired` |
//! | merged | pending, at a new place | `reopened`: what it was merged into is gone |
//! | pending, asked, cleared, expired | existing | the owner's own fact: the thing is there |
//! | existing | removed | the owner's own fact: the thing has ended |
//!
//! The tasks of a plan are creations of their own, parts of it: proposed with it, all or none, each checked against
//! everything before the plan, and against each other as near-duplicates only. What becomes of a plan becomes of
//! its parts: once its planner proceeds with it, they are cleared; once it is merged, discarded or expires, they
//! expire. A plan of which one part is merged or discarded is not created as it is: it expires with the others.
//!
//! Things of a kind that no service of the fabric creates exist as soon as they are cleared; their proposer
//! discards them when they end.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    id::{Caller, CreationId, Digest, EntityId, KindName, Mission, Owner, RequestId, ScopeId},
    role::Role,
};

mod call;
mod found;

pub use call::{
    Answer, Calibrate, Calibration, CalibrationPoint, Check, CheckAll, CheckAllReply, CreationList,
    CreationReply, CreationShow, Creations, Decide, Explain, Explained, FeatureShare, OnBehalf, Pair, Part,
    PartReply, Propose, ProposeReply, RefusedSnapshot, Reindex, ReindexReply, Side, SnapshotState, Stats,
    Text, Tune, TuningReply, Verdict,
};
pub use found::{Candidate, Checked, Elsewhere, Level, Reason, Second};

/// Longest title in characters.
pub const MAX_TITLE_CHARS: usize = 500;
/// Longest description in characters.
pub const MAX_DESCRIPTION_CHARS: usize = 100_000;
/// Most paths, and most names of artifacts, of one creation.
pub const MAX_NAMES: usize = 1_000;
/// Longest path or name of an artifact in characters.
pub const MAX_NAME_CHARS: usize = 1_024;
/// Bytes of a title that a creation keeps; the same are looked at.
pub const KEPT_TITLE_BYTES: usize = 512;
/// Bytes of a description that a creation keeps; the same are looked at.
pub const KEPT_DESCRIPTION_BYTES: usize = 2_048;
/// Paths, and names of artifacts, that a creation keeps; the same are looked at.
pub const KEPT_NAMES: usize = 32;
/// Bytes of a path or name that a creation keeps.
pub const KEPT_NAME_BYTES: usize = 256;
/// Most candidates of one answer.
pub const MAX_CANDIDATES: usize = 48;
/// Candidates of an answer that names no limit, and most that a creation keeps.
pub const DEFAULT_CANDIDATES: usize = 10;
/// Most texts that are checked at once, and against each other.
pub const MAX_TEXTS: usize = 200;
/// Most parts of one creation that are checked by themselves; a plan's further tasks count in its own text alone.
pub const MAX_PARTS: usize = 200;
/// Most pairs of texts that one answer names.
pub const MAX_PAIRS: usize = 500;

/// Something that is to be created, or was: entity `creation`, in its mission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Creation {
    /// Follows from its mission, kind and id.
    pub creation: CreationId,
    /// Its mission.
    pub mission: Mission,
    /// What is created.
    pub what: KindName,
    /// What the thing is called among those of its kind.
    pub id: String,
    /// In a line; its front.
    pub title: String,
    /// The rest; its front.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Paths it is about; the first ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// Names of artifacts that it makes or changes; the first ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<String>,
    /// What it is a part of: of a task, its plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_of: Option<CreationId>,
    /// blake3 over all that was said, also of what is not kept: another digest is an edit.
    pub content: Digest,
    /// Who wants it.
    pub proposer: Proposer,
    /// Its place in the order: the sequence of the fact that proposed, edited or reopened it; 0 in that very fact.
    pub place: u64,
    /// Where it stands, as far as its own facts say.
    pub state: CreationState,
    /// Whether what it was merged into is gone, and nobody has answered since: it stays open until somebody does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reopened: bool,
    /// What was found, once that has been recorded: whole where it is of this mission, and what is of others by id and
    /// score alone. Whoever may read those is shown them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked: Option<Checked>,
    /// What was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// Unix time of its proposal, in milliseconds.
    pub proposed_at_ms: u64,
    /// Unix time, in milliseconds, at which it expires if its thing is not there by then.
    pub expires_at_ms: u64,
}

/// Who wants something created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Proposer {
    /// The agent.
    pub agent: Caller,
    /// Its role.
    pub role: Role,
    /// Who answers for it.
    pub owner: Owner,
    /// The credential's scope.
    pub session: ScopeId,
    /// The task that the credential is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<ScopeId>,
    /// The user request at the root of the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
}

/// Where a creation stands.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema, Default,
)]
#[serde(rename_all = "snake_case")]
pub enum CreationState {
    /// Proposed; nobody has recorded what it looks like.
    #[default]
    Pending,
    /// Something looks like it: an answer is waited for.
    Asked,
    /// It may be created.
    Cleared,
    /// Its thing is there.
    Existing,
    /// It is to be done with something else.
    Merged,
    /// It is not wanted any more.
    Discarded,
    /// Neither answered nor created in time.
    Expired,
    /// Its thing was there and has ended.
    Removed,
}

impl CreationState {
    /// Every state.
    pub const ALL: &'static [Self] = &[
        Self::Pending,
        Self::Asked,
        Self::Cleared,
        Self::Existing,
        Self::Merged,
        Self::Discarded,
        Self::Expired,
        Self::Removed,
    ];

    /// Whether it is on its way: proposed, and neither there nor given up.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Asked | Self::Cleared)
    }

    /// Whether others are compared with it: it is on its way, or there.
    pub const fn is_alive(self) -> bool {
        self.is_open() || matches!(self, Self::Existing)
    }

    /// The name, as it stands in payloads.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Asked => "asked",
            Self::Cleared => "cleared",
            Self::Existing => "existing",
            Self::Merged => "merged",
            Self::Discarded => "discarded",
            Self::Expired => "expired",
            Self::Removed => "removed",
        }
    }
}

impl std::fmt::Display for CreationState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// What was decided about a creation, by whom, and on what ground.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// What.
    pub answer: Answer,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Who.
    pub by: Caller,
    /// Who answers for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// Unix time, in milliseconds.
    pub at_ms: u64,
    /// The creation that stood at the end of the chain when it was merged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<CreationId>,
    /// What it was decided on: the sequence up to which was checked, and with what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<Basis>,
}

/// What an answer rests on: two that rest on the same say the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Basis {
    /// Everything up to this sequence of the ledger was taken into account.
    pub up_to_sequence: u64,
    /// Hash over everything that the index took in.
    pub index_hash: Digest,
    /// Hash of the model and of the index's settings.
    pub model_hash: Digest,
}

/// What the owner of a thing records with its creation: that it was checked, and against what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Clearance {
    /// The creation.
    pub creation: CreationId,
    /// What was taken into account.
    #[serde(flatten)]
    pub basis: Basis,
}

/// Change of `creation.reopened`: what it was merged into is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reopened {
    /// What it was merged into.
    pub into: CreationId,
    /// What became of that.
    pub became: CreationState,
}

/// What counts as how much alike in a mission, and from when on it is asked about: entity `tuning`, one of each
/// mission; the kluster's own says which index is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tuning {
    /// From which score on a candidate counts as what.
    pub thresholds: Thresholds,
    /// From which level on a creation is asked about.
    pub alert: Alert,
    /// How often the index was to be made anew, in the kluster's own.
    #[serde(default)]
    pub generation: u32,
    /// Who set it last; nobody: these are the defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Caller>,
    /// Unix time, in milliseconds.
    #[serde(default)]
    pub at_ms: u64,
}

impl Tuning {
    /// The one entity of a mission.
    pub fn entity_id() -> EntityId {
        EntityId::from(&Mission::kluster())
    }
}

/// Scores from which on two things count as more alike; thousandths. 1001 is never reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// The same, as good as surely.
    #[schemars(range(max = 1001))]
    pub strong: u16,
    /// The same, more likely than not.
    #[schemars(range(max = 1001))]
    pub likely: u16,
    /// Near enough to be looked at.
    #[schemars(range(max = 1001))]
    pub similar: u16,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { strong: 780, likely: 500, similar: 270 }
    }
}

/// From which level on a creation is asked about. An opposite never is: it is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Alert {
    /// `similar` and above.
    Similar,
    /// `likely` and above.
    #[default]
    Likely,
    /// `strong`.
    Strong,
    /// Never.
    Off,
}

impl Alert {
    /// Whether a candidate of this level is asked about.
    pub const fn is_raised_by(self, level: Level) -> bool {
        match self {
            Self::Similar => matches!(level, Level::Similar | Level::Likely | Level::Strong),
            Self::Likely => matches!(level, Level::Likely | Level::Strong),
            Self::Strong => matches!(level, Level::Strong),
            Self::Off => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_opposite_raises_no_alert() {
        for alert in [Alert::Similar, Alert::Likely, Alert::Strong, Alert::Off] {
            assert!(!alert.is_raised_by(Level::Opposite), "{alert:?}");
            assert_eq!(alert.is_raised_by(Level::Strong), alert != Alert::Off);
        }
        assert!(!Alert::Likely.is_raised_by(Level::Similar));
    }

    #[test]
    fn a_state_reads_as_it_is_written() {
        for state in CreationState::ALL {
            assert_eq!(serde_json::to_string(state).unwrap(), format!("\"{state}\""));
        }
    }
}
