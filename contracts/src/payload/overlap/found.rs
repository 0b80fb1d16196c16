//! What a check found.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Basis, CreationState};
use crate::id::{Caller, CreationId, Digest, KindName, Mission, Owner};

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Checked {
    /// What was taken into account: two replicas with the same basis give the same answer.
    #[serde(flatten)]
    pub basis: Basis,
    /// Whether little is known of the meaning of what was asked about (another language, symbols, code): the
    /// candidates then rest on words and spelling.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub weak_meaning: bool,
    /// Best first; of equal score, by id. Where a second model answered: by score and nearness together.
    pub candidates: Vec<Candidate>,
    /// In a fact: what was found in other missions, best first. Whoever may read a fact need not be allowed to read
    /// those.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elsewhere: Vec<Elsewhere>,
    /// The second model that was asked, if one is set. Never in a fact: what is decided in order rests on the first
    /// model alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<Second>,
}

/// A second model, which has a say in the order of what was found and changes nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Second {
    /// Its name.
    pub model: String,
    /// Why it did not answer; the order is the first model's then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// Something in another mission that looks like what was asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Elsewhere {
    /// The creation.
    pub creation: CreationId,
    /// How much alike; thousandths.
    pub score: u16,
    /// What that is held for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
}

/// Something that looks like what was asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    /// The creation.
    pub creation: CreationId,
    /// Its mission.
    pub mission: Mission,
    /// What it creates.
    pub what: KindName,
    /// What the thing is called among those of its kind.
    pub id: String,
    /// What it is a part of: of a task, its plan. The same as that of what was checked: both stand in one plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_of: Option<CreationId>,
    /// In a line.
    pub title: String,
    /// Where it stands.
    pub state: CreationState,
    /// Who wants it.
    pub proposer: Caller,
    /// Who answers for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// Its place in the order: a sequence of the ledger.
    pub place: u64,
    /// How much alike; thousandths.
    pub score: u16,
    /// What that is held for; absent below every threshold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// How near it is by the second model; thousandths of a cosine, 0 for what points elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub second: Option<u16>,
    /// Why.
    pub reasons: Vec<Reason>,
}

/// What a candidate is held for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Level {
    /// Alike, and perhaps the opposite: never held for the same.
    #[serde(rename = "opposite?")]
    Opposite,
    /// Near enough to be looked at.
    #[serde(rename = "similar")]
    Similar,
    /// The same, more likely than not.
    #[serde(rename = "likely")]
    Likely,
    /// The same, as good as surely.
    #[serde(rename = "strong")]
    Strong,
}

impl Level {
    /// The name, as it stands in payloads.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opposite => "opposite?",
            Self::Similar => "similar",
            Self::Likely => "likely",
            Self::Strong => "strong",
        }
    }
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// Why something is a candidate, or why it is held for less than its likeness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Both say exactly the same, in signs without a word: the blake3 of title and description.
    SameText(Digest),
    /// Words that stand in both, rarest first.
    SharedWords(Vec<String>),
    /// How near they are in meaning; thousandths.
    Meaning(u16),
    /// How alike their titles are spelt; thousandths.
    Spelling(u16),
    /// Paths of both.
    SamePaths(Vec<String>),
    /// Names of artifacts of both.
    SameArtifacts(Vec<String>),
    /// Each has a number or an identifier that the other lacks.
    NumbersDiffer,
    /// They seem to ask for opposite things.
    Opposite,
    /// Their titles say the same words in another order: from here to there is not from there to here.
    OrderDiffers,
    /// Each title, or where they agree each description, has a word, sign, letter or number that the other lacks.
    WordsDiffer,
    /// One is of another kind of work: tests, documents or a frame of the other.
    KindDiffers,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_reads_as_it_is_written_and_they_are_in_order() {
        let all = [Level::Opposite, Level::Similar, Level::Likely, Level::Strong];
        assert!(all.is_sorted());
        for level in all {
            assert_eq!(serde_json::to_string(&level).unwrap(), format!("\"{level}\""));
        }
    }
}
