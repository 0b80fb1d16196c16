//! From what the index answers to what is shown.

use selvedge_contracts::{
    id::{Caller, Digest, KindName, Mission, Owner},
    payload::overlap::{Basis, Candidate, Checked, Level, Reason},
};

use super::book::{Book, Record, number_of};

/// What is shown of what was found: at most `limit` candidates that `keep` wants.
pub(crate) fn checked(
    book: &Book,
    found: crate::Checked,
    limit: usize,
    keep: impl Fn(&Candidate) -> bool,
) -> Checked {
    let basis = basis(found.up_to_sequence, &found.index_hash, &found.model_hash);
    let candidates = found.candidates.into_iter().filter_map(|found| candidate(book, found));
    Checked {
        basis,
        weak_meaning: found.weak_meaning,
        candidates: candidates.filter(|found| keep(found)).take(limit).collect(),
        second: None,
    }
}

/// What an answer rests on.
pub(crate) fn basis(up_to_sequence: u64, index_hash: &str, model_hash: &str) -> Basis {
    Basis { up_to_sequence, index_hash: digest(index_hash), model_hash: digest(model_hash) }
}

/// The index's hashes are blake3 in hexadecimal, as digests are.
fn digest(hex: &str) -> Digest {
    Digest::new(hex).unwrap_or_else(|_| (&blake3::hash(hex.as_bytes())).into())
}

fn candidate(book: &Book, found: crate::Candidate) -> Option<Candidate> {
    let number = number_of(&found.id);
    let shown = record(book, number, book.get(number)?, found.title)?;
    Some(Candidate {
        score: found.score,
        level: found.level.map(level),
        reasons: found.reasons.into_iter().map(reason).collect(),
        ..shown
    })
}

/// A creation on its own; nothing if its names are none, which no fact of ours can bring about.
pub(crate) fn record(book: &Book, number: u128, record: &Record, title: String) -> Option<Candidate> {
    Some(Candidate {
        creation: Book::id(number),
        mission: Mission::new(book.names.name(record.mission)).ok()?,
        what: KindName::new(book.names.name(record.what)).ok()?,
        id: record.id.to_string(),
        title,
        state: record.state,
        proposer: Caller::new(book.names.name(record.agent)).ok()?,
        owner: record.owner.and_then(|owner| Owner::new(book.names.name(owner)).ok()),
        place: record.place,
        score: 0,
        level: None,
        second: None,
        reasons: Vec::new(),
    })
}

/// What a candidate is held for.
pub(crate) const fn level(level: crate::Level) -> Level {
    match level {
        crate::Level::Strong => Level::Strong,
        crate::Level::Likely => Level::Likely,
        crate::Level::Similar => Level::Similar,
        crate::Level::Opposite => Level::Opposite,
    }
}

/// Why.
pub(crate) fn reason(reason: crate::Reason) -> Reason {
    match reason {
        crate::Reason::SameText(hex) => Reason::SameText(digest(&hex)),
        crate::Reason::SharedWords(words) => Reason::SharedWords(words),
        crate::Reason::Meaning(share) => Reason::Meaning(share),
        crate::Reason::Spelling(share) => Reason::Spelling(share),
        crate::Reason::SamePaths(paths) => Reason::SamePaths(paths),
        crate::Reason::SameArtifacts(names) => Reason::SameArtifacts(names),
        crate::Reason::NumbersDiffer => Reason::NumbersDiffer,
        crate::Reason::Opposite => Reason::Opposite,
        crate::Reason::OrderDiffers => Reason::OrderDiffers,
        crate::Reason::WordsDiffer => Reason::WordsDiffer,
        crate::Reason::KindDiffers => Reason::KindDiffers,
    }
}
