//! Why the index cannot start, or does not take a change.

/// Why a model is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ModelError {
    /// Its files are not the ones that were published.
    #[error(
        "the model hashes to {found} and should hash to {expected}: restore services/overlap/model from the \
         repository (git checkout -- services/overlap/model) and build again, or install the binary anew"
    )]
    Corrupt {
        /// What was published, in hexadecimal.
        expected: Box<str>,
        /// What is there.
        found: Box<str>,
    },
    /// Rows and scales do not belong together.
    #[error(
        "the model has {rows} rows of 256 and {scales} scales: they must be as many, with nothing behind"
    )]
    Shape {
        /// Whole rows.
        rows: usize,
        /// Whole scales.
        scales: usize,
    },
    /// The vocabulary has not one line per row, or no `[UNK]`.
    #[error("the model's vocabulary does not name its rows")]
    Vocabulary,
}

/// Why a change is not taken.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ApplyError {
    /// The sequence is not above the last one that was applied.
    #[error("sequence {sequence} is not above {applied}, which is applied")]
    Old {
        /// The change's.
        sequence: u64,
        /// The last one taken.
        applied: u64,
    },
    /// There is an item of this id already.
    #[error("there is an item {0}")]
    Exists(Box<str>),
    /// There is no item of this id.
    #[error("there is no item {0}")]
    Unknown(Box<str>),
    /// No more items fit.
    #[error("the index is full: {0} items")]
    Full(usize),
}

/// Why a snapshot is not taken up: read the ledger from its start instead.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// It cannot be written or read.
    #[error("cannot read or write the snapshot")]
    Storage(#[from] std::io::Error),
    /// It was made by another version.
    #[error("the snapshot is of format {found}, not {expected}")]
    Version {
        /// This version's.
        expected: u32,
        /// The snapshot's.
        found: u32,
    },
    /// It was made with another model or other settings.
    #[error("the snapshot was made with another {0}")]
    Other(&'static str),
    /// Its bytes are not those that were written.
    #[error("the snapshot is damaged: {0}")]
    Damaged(&'static str),
}
