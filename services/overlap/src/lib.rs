//! Overlap: what already exists that looks like this, before anything is created.
//!
//! An [`Index`] takes in changes in their order and answers checks from memory. Three arms name candidates: the
//! meaning of the text (a static embedding in the binary), its words, and the spelling of its title. All of these
//! are looked at, the best are compared in full, a logistic regression fuses what is found, and rules that no
//! similarity replaces have the last word: another number is never `strong`, an opposite is never a duplicate.
//!
//! Promises: two replicas that applied the same changes give the same answer to the last bit, on any machine and
//! number of threads; the newest and the pending are compared exactly; every text costs bounded work. Never
//! reads a clock, the network or a file, and never decides: it answers.

mod answer;
mod calibrate;
mod cells;
mod common;
mod corpus;
mod embed;
mod error;
mod features;
mod fixed;
mod fusion;
mod index;
mod item;
mod language;
mod lexicon;
mod measured;
mod model;
mod packed;
mod postings;
mod profile;
mod rarity;
mod reasons;
mod rules;
mod search;
pub mod service;
mod settings;
mod snapshot;
mod top;
mod trigrams;
mod vector;
mod wordpiece;
mod words;

pub use answer::{Candidate, Checked, Query, Readable, Reason};
pub use calibrate::{Calibration, Decision, Goals, Point, calibrate};
pub use embed::{Embedder, Meaning};
pub use error::{ApplyError, ModelError, SnapshotError};
pub use features::{Features, NAMES, Shares};
pub use fixed::{ONE, logistic};
pub use fusion::{Level, Thresholds, Weights};
pub use index::{Explained, Index, Stats};
pub use item::{Change, Item, State};
pub use model::StaticModel;
pub use settings::Settings;
pub use vector::{DIMENSIONS, Vector, normalised};
