//! Requests and replies about creations.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Basis, Candidate, Checked, Clearance, Creation, CreationState, Level, Reason, Thresholds, Tuning,
};
use crate::{
    id::{AgentId, CreationId, Digest, KindName, Owner, RequestId, ScopeId},
    role::Role,
};

/// What is compared: a title, and what else is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// In a line.
    #[schemars(length(min = 1, max = 500))]
    pub title: String,
    /// The rest; its first 2,048 bytes count.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 100_000))]
    pub description: String,
    /// Paths that it is about; the first 32 count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1_000), inner(length(min = 1, max = 1_024)))]
    pub paths: Vec<String>,
    /// Names of artifacts that it makes or changes; the first 32 count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1_000), inner(length(min = 1, max = 1_024)))]
    pub artifacts: Vec<String>,
}

/// `overlap.check`: what already exists that looks like this. Writes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// In a line.
    #[schemars(length(min = 1, max = 500))]
    pub title: String,
    /// The rest; its first 2,048 bytes count.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 100_000))]
    pub description: String,
    /// Paths that it is about; the first 32 count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1_000), inner(length(min = 1, max = 1_024)))]
    pub paths: Vec<String>,
    /// Names of artifacts that it makes or changes; the first 32 count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1_000), inner(length(min = 1, max = 1_024)))]
    pub artifacts: Vec<String>,
    /// Only candidates of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<KindName>,
    /// Most candidates to answer with; 10 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 48))]
    pub limit: Option<u32>,
    /// Only from this score on; thousandths. Absent: what the mission counts as similar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1_000))]
    pub at_least: Option<u16>,
}

/// `overlap.check_all`: what already exists that looks like each of these, and which of them look like each
/// other. Writes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckAll {
    /// What to check.
    #[schemars(length(min = 1, max = 200))]
    pub texts: Vec<Text>,
    /// Most candidates of each; 10 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 48))]
    pub limit: Option<u32>,
    /// Only from this score on; thousandths. Absent: what the mission counts as similar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 1_000))]
    pub at_least: Option<u16>,
}

/// Reply of `overlap.check_all`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CheckAllReply {
    /// What was found for each, in the order of the texts.
    pub checked: Vec<Checked>,
    /// Those that look like each other, best first.
    pub pairs: Vec<Pair>,
}

/// Two of the texts that look like each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pair {
    /// Place of the first among the texts, from 0.
    pub one: u32,
    /// Place of the other.
    pub other: u32,
    /// How much alike; thousandths.
    pub score: u16,
    /// What that is held for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// For whom a service proposes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OnBehalf {
    /// The agent.
    pub agent: AgentId,
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

/// `overlap.propose`: says what is to be created, before it is. The same again is the same creation, answered as
/// it stands by then; with another text it is an edit, and checked again.
///
/// Tasks, artifacts and intents are proposed by the services that own them, for the agents that want them; things
/// of any other kind by agents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Propose {
    /// What is created.
    pub what: KindName,
    /// What the thing is called among those of its kind, in its mission.
    #[schemars(length(min = 1, max = 200))]
    pub id: String,
    /// In a line.
    #[schemars(length(min = 1, max = 500))]
    pub title: String,
    /// The rest; its first 2,048 bytes count.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 100_000))]
    pub description: String,
    /// Paths that it is about; the first 32 count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1_000), inner(length(min = 1, max = 1_024)))]
    pub paths: Vec<String>,
    /// Names of artifacts that it makes or changes; the first 32 count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1_000), inner(length(min = 1, max = 1_024)))]
    pub artifacts: Vec<String>,
    /// Parts of it that are creations of their own: of a plan, its tasks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub parts: Vec<Part>,
    /// Who wants it, where a service asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf: Option<OnBehalf>,
}

/// A part of what is created, and checked by itself: a task of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// What it is called within the whole.
    #[schemars(length(min = 1, max = 100))]
    pub name: String,
    /// What it says.
    pub text: Text,
}

/// Reply of `overlap.propose`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProposeReply {
    /// The creation.
    pub creation: CreationId,
    /// Whether its thing may be created.
    pub verdict: Verdict,
    /// Its place in the order: it was checked against everything before.
    pub place: u64,
    /// What was found; with `pending`, up to where it was checked so far.
    pub checked: Checked,
    /// What was found for each part, in their order. The thing may be created once all of it may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<PartReply>,
    /// Ledger revision of the creation's last fact.
    pub revision: u64,
}

/// What was found for a part of what is to be created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PartReply {
    /// What it is called within the whole.
    pub name: String,
    /// Its creation.
    pub creation: CreationId,
    /// Whether it may be created.
    pub verdict: Verdict,
    /// The best of what was found; `overlap.show` has all of what is asked about.
    pub candidates: Vec<Candidate>,
}

impl ProposeReply {
    /// What the owner of the thing records with its creation; nothing if it may not be created.
    pub fn clearance(&self) -> Option<Clearance> {
        let clearance = || Clearance { creation: self.creation.clone(), basis: self.checked.basis.clone() };
        matches!(self.verdict, Verdict::Clear).then(clearance)
    }
}

/// Whether a thing may be created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// It may.
    Clear,
    /// Something looks like it: whoever wants it answers with `overlap.decide`, and then asks again.
    Asked,
    /// The index has not taken in everything before it within the time: ask again. The check is completed
    /// meanwhile, and recorded.
    Pending,
    /// It may not: it is done with something else.
    Merged {
        /// What it was merged into.
        into: CreationId,
        /// What stands at the end of the chain.
        root: CreationId,
    },
    /// It may not: it was decided against. To proceed all the same, decide so: that takes it back.
    Discarded {
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// It may not: another agent is about to create a thing of that kind and id. It is the only candidate.
    Taken,
}

/// `overlap.decide`: by the proposer, another agent of the same owner, a planner, an arbitrator or an operator.
/// Once; the same answer again is a success, and who discarded may proceed after all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Decide {
    /// The creation.
    pub creation: CreationId,
    /// What is to become of it.
    pub answer: Answer,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1_000))]
    pub reason: Option<String>,
}

/// What is to become of a creation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It is something else than the candidates, or wanted all the same.
    Proceed,
    /// It is the same as this one: that is worked on instead.
    Merge(CreationId),
    /// It is not wanted any more.
    Discard,
}

/// `overlap.show`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreationShow {
    /// The creation.
    pub creation: CreationId,
}

/// Reply of the calls that answer with one creation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CreationReply {
    /// As its last fact left it.
    pub creation: Creation,
    /// Where it stands, the facts of its thing taken into account.
    pub state: CreationState,
    /// What stands at the end of the chain, if it was merged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<CreationId>,
    /// Ledger revision of its last fact.
    pub revision: u64,
}

/// `overlap.list`: creations of the mission, in order of id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreationList {
    /// Only those that stand there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<CreationState>,
    /// Only those of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<KindName>,
    /// Only the caller's own.
    #[serde(default)]
    pub mine: bool,
    /// Only those after this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<CreationId>,
    /// Most to answer with; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
}

/// Reply of `overlap.list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Creations {
    /// In order of id; without score, level and reasons, which need something to be compared with.
    pub creations: Vec<Candidate>,
    /// There are more: ask again with `after` set to the last one.
    pub more: bool,
}

/// `overlap.explain`: how two things are alike, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    /// One.
    pub one: Side,
    /// The other.
    pub other: Side,
}

/// A creation, or a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// A creation.
    Creation(CreationId),
    /// A text.
    Text(Text),
}

/// Reply of `overlap.explain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Explained {
    /// How much alike; thousandths.
    pub score: u16,
    /// What that is held for in the mission; absent below every threshold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// Why.
    pub reasons: Vec<Reason>,
    /// What the score was made of.
    pub features: Vec<FeatureShare>,
    /// What was taken into account: how rare a word is, the index says.
    pub basis: Basis,
}

/// One thing that a score is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FeatureShare {
    /// Its name.
    pub name: String,
    /// How much of it there is; thousandths.
    pub share: i32,
}

/// Reply of `overlap.stats`: of the replica that answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stats {
    /// The replica.
    pub instance: String,
    /// What its index has taken in.
    pub basis: Basis,
    /// Whether the numbers are those of the whole kluster: an operator's. To others they are those of the missions
    /// that they may read, and sizes are 0.
    #[serde(default)]
    pub whole: bool,
    /// Things that others are compared with.
    pub items: u64,
    /// Creations of each state.
    pub states: std::collections::BTreeMap<CreationState, u64>,
    /// Pending ones that are compared exactly.
    pub watched: u64,
    /// Vectors in the part that is always compared whole.
    pub tail: u64,
    /// Cells for the others; 0 while all are compared.
    pub cells: u64,
    /// Bytes of all texts.
    pub text_bytes: u64,
    /// Bytes of the rest of the index.
    pub index_bytes: u64,
    /// The last snapshot that this replica wrote or started from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotState>,
    /// Snapshots that this replica found when it started and could not use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused_snapshots: Vec<RefusedSnapshot>,
    /// What is in force in the mission.
    pub tuning: Tuning,
    /// How far the index is that is made anew, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reindex: Option<ReindexReply>,
}

/// A snapshot that was of no use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefusedSnapshot {
    /// The sequence that it is called by.
    pub sequence: u64,
    /// Why.
    pub reason: String,
}

/// A snapshot of an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SnapshotState {
    /// It holds everything up to this sequence.
    pub sequence: u64,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Unix time, in milliseconds.
    pub at_ms: u64,
}

/// `overlap.calibrate`: what was decided at which score, and the thresholds that follow. Writes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Calibrate {
    /// Share of alerts that must be merges for `strong`; thousandths, 900 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub strong: Option<u16>,
    /// The same for `likely`; 500 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub likely: Option<u16>,
    /// Share of merges that `similar` must catch; thousandths, 950 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub similar: Option<u16>,
}

/// Reply of `overlap.calibrate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Calibration {
    /// Decisions of the mission about what was shown.
    pub decisions: u64,
    /// Those that merged or discarded.
    pub merged: u64,
    /// One point for each score that was seen, lowest first.
    pub curve: Vec<CalibrationPoint>,
    /// What is in force.
    pub tuning: Tuning,
    /// What would fit; absent while there are too few decisions to tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed: Option<Thresholds>,
}

/// What a threshold would have done to the decisions; shares in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CalibrationPoint {
    /// Scores from here on raise an alert.
    pub threshold: u16,
    /// Merges that would have been seen.
    pub caught: u16,
    /// Others that would have raised an alert.
    pub alerts: u16,
    /// Alerts that would have been merges.
    pub precision: u16,
}

/// `overlap.tune`: what counts as how much alike in the mission. What is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tune {
    /// From which score on a candidate counts as what: `strong` at least `likely`, and that at least `similar`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thresholds: Option<Thresholds>,
    /// From which level on a creation is asked about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<super::Alert>,
}

/// Reply of `overlap.tune`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TuningReply {
    /// What is in force.
    pub tuning: Tuning,
    /// Ledger revision of its last fact.
    pub revision: u64,
}

/// `overlap.reindex`: every replica makes its index anew from the ledger, in the background, and takes it up when
/// it has caught up. `overlap.stats` says how far each is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reindex {
    /// Only says how far the replica that answers is.
    #[serde(default)]
    pub look: bool,
}

/// Reply of `overlap.reindex`: how far the replica is that answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReindexReply {
    /// The replica.
    pub instance: String,
    /// How often the index was to be made anew.
    pub generation: u32,
    /// The generation of the index in use.
    pub in_use: u32,
    /// Sequence up to which the new one has read.
    pub at: u64,
    /// Sequence that it has to reach.
    pub of: u64,
    /// Hash of the model and of the index's settings.
    pub model_hash: Digest,
}
