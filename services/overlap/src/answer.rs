//! What is asked, and what is answered.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{
    features::Features,
    fusion::{Level, Thresholds},
    item::State,
};

/// What is to be checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    /// One line.
    pub title: String,
    /// The rest; may be empty.
    pub description: String,
    /// Paths that it is about.
    pub paths: Vec<String>,
    /// Names of artifacts that it makes or changes.
    pub artifacts: Vec<String>,
    /// Where it belongs.
    pub scope: String,
    /// Only items that came before this sequence: an item is checked against all before it. Nothing: all.
    pub before: Option<u64>,
    /// This item is not compared: it is the one that is asked about.
    pub except: Option<String>,
    /// From which score on a candidate counts as what.
    pub thresholds: Thresholds,
}

/// What the asker may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readable {
    /// Everything.
    All,
    /// Items of these scopes.
    Scopes(BTreeSet<String>),
}

impl Readable {
    /// Whether items of a scope may be read.
    pub(crate) fn has(&self, scope: &str) -> bool {
        match self {
            Self::All => true,
            Self::Scopes(scopes) => scopes.contains(scope),
        }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Everything up to this sequence was taken into account.
    pub up_to_sequence: u64,
    /// Hash over everything that was applied: two replicas with the same hash and model give the same answer.
    pub index_hash: String,
    /// Hash of the model and of the settings.
    pub model_hash: String,
    /// Best first; of equal score, by id.
    pub candidates: Vec<Candidate>,
    /// Whether little is known of the meaning of what was asked: another language, symbols, nothing at all. The
    /// candidates then rest on words and spelling.
    pub weak_meaning: bool,
}

/// An item that looks like what was asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// The item.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its scope.
    pub scope: String,
    /// How far it is.
    pub state: State,
    /// The sequence that it came with.
    pub sequence: u64,
    /// Thousandths.
    pub score: u16,
    /// What it is held for; nothing if its score is below every threshold.
    pub level: Option<Level>,
    /// Why.
    pub reasons: Vec<Reason>,
    /// What the score was made of.
    pub features: Features,
}

/// Why an item is a candidate, or why it is held for less than its likeness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Both say exactly the same, in signs without a word: the blake3 of title and description, in hexadecimal.
    SameText(String),
    /// Words that stand in both, rarest first.
    SharedWords(Vec<String>),
    /// How near they are in meaning; thousandths.
    Meaning(u16),
    /// How alike their titles are spelt; thousandths.
    Spelling(u16),
    /// Paths of both.
    SamePaths(Vec<String>),
    /// Artifact names of both.
    SameArtifacts(Vec<String>),
    /// Each has a number or an identifier that the other lacks.
    NumbersDiffer,
    /// They seem to ask for opposite things.
    Opposite,
    /// Their titles say the same words in another order.
    OrderDiffers,
    /// Each title, or where they agree each description, has a word, sign, letter or number that the other lacks.
    WordsDiffer,
    /// One is of another kind of work: tests, documents or a frame of the other.
    KindDiffers,
}
