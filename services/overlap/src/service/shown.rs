//! From what the index answers to what is shown.

use selvedge_contracts::{
    id::{Caller, Digest, KindName, Mission, Owner},
    payload::overlap::{Basis, Candidate, Checked, Creation, Elsewhere, Level, Reason},
};

use super::{
    book::{Book, Record, index_id, number_of},
    content::Kept,
    replica::{Held, thresholds},
};
use crate::{Readable, State};

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
        elsewhere: Vec::new(),
        second: None,
    }
}

/// What of a check is recorded in a mission: what belongs to others goes by id and score alone.
pub(crate) fn recorded(found: &Checked, mission: &Mission) -> Checked {
    let (candidates, others): (Vec<_>, Vec<_>) =
        found.candidates.iter().cloned().partition(|candidate| candidate.mission == *mission);
    let elsewhere = |Candidate { creation, score, level, .. }| Elsewhere { creation, score, level };
    Checked { candidates, elsewhere: others.into_iter().map(elsewhere).collect(), ..found.clone() }
}

/// What was found for a creation, for somebody who may read these missions.
pub(crate) fn for_reader(held: &Held, creation: &Creation, readable: &Readable) -> Option<Checked> {
    let found = creation.checked.as_ref()?;
    let scope = creation.mission.as_str();
    let thresholds = thresholds(&held.book.tuning(scope).thresholds);
    let own = Kept::of(creation).into_item(String::new(), scope, State::Pending);
    let whole = |found: &Elsewhere| {
        let number = found.creation.number();
        let known =
            held.book.get(number).filter(|known| readable.has(held.book.names.name(known.mission)))?;
        let item = held.index.item(&index_id(number));
        let explained = item.as_ref().map(|item| held.index.explain(&own, item, &thresholds));
        let reasons = explained.into_iter().flat_map(|explained| explained.reasons).map(reason).collect();
        let title = item.map(|item| item.title).unwrap_or_default();
        let shown = record(&held.book, number, known, title)?;
        Some(Candidate { score: found.score, level: found.level, reasons, ..shown })
    };
    let mut candidates: Vec<Candidate> = found.elsewhere.iter().filter_map(whole).collect();
    candidates.extend(found.candidates.iter().filter(|own| readable.has(own.mission.as_str())).cloned());
    candidates.sort_by(|one, other| (other.score, &one.creation).cmp(&(one.score, &other.creation)));
    Some(Checked { candidates, elsewhere: Vec::new(), ..found.clone() })
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
        part_of: record.part_of.get().map(Book::id),
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
