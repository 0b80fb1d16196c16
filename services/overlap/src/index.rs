//! The index: many checks at once, and changes between them.

use std::{
    io::{Read, Write},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use serde::Serialize;

use crate::{
    answer::{Candidate, Checked, Query, Readable, Reason},
    corpus::{Corpus, Ready, Upkeep},
    embed::Embedder,
    error::{ApplyError, SnapshotError},
    features::Features,
    fixed::logistic,
    fusion::{Level, Thresholds, Weights},
    item::{Change, Item, Text},
    lexicon::Scores,
    measured::Measured,
    packed::unpack,
    profile::{Meanings, Profile},
    reasons::reasons,
    rules::wording::{Wordings, worded},
    search::{Asked, Compared},
    settings::Settings,
    snapshot,
};

/// Sets of scores that are kept for the next checks: as many as checks run at once, at 4 bytes an item each.
const KEPT_SCORES: usize = 8;

/// What already exists that looks like this.
///
/// Answers depend on nothing but the changes that were applied, the model and the settings: not on threads, not
/// on time, not on whether a snapshot stood between.
pub struct Index {
    embedder: Arc<dyn Embedder>,
    corpus: RwLock<Corpus>,
    /// Held while a change is worked out and applied: one comes after the other.
    changing: Mutex<()>,
    scores: Mutex<Vec<Scores>>,
    model_hash: String,
}

/// What was worked out of a change before its turn.
pub(crate) struct Prepared {
    ready: Option<Ready>,
    upkeep: Option<Upkeep>,
    /// The sequence behind which it was.
    after: u64,
}

/// How two items are alike, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explained {
    /// Thousandths.
    pub score: u16,
    /// What that is held for.
    pub level: Option<Level>,
    /// Why.
    pub reasons: Vec<Reason>,
    /// What the score was made of.
    pub features: Features,
}

/// How large the index is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// The last sequence that was applied.
    pub sequence: u64,
    /// Items that are there.
    pub items: usize,
    /// Places for items, those of removed and edited ones included.
    pub slots: usize,
    /// Pending items that are compared exactly.
    pub watched: usize,
    /// Vectors in the part that is always compared whole.
    pub tail: usize,
    /// Cells for the others; 0 while all are compared.
    pub cells: usize,
    /// Bytes of all texts.
    pub text_bytes: usize,
    /// Bytes of everything else.
    pub index_bytes: usize,
}

impl Index {
    /// An empty one.
    pub fn new(embedder: Arc<dyn Embedder>, settings: Settings) -> Self {
        Self::over(Corpus::new(Arc::clone(&embedder), settings), embedder)
    }

    fn over(corpus: Corpus, embedder: Arc<dyn Embedder>) -> Self {
        let model = blake3::Hasher::new().update(&embedder.hash()).update(&corpus.settings.hash()).finalize();
        let model_hash = model.to_hex().as_str().to_owned();
        Self {
            embedder,
            corpus: RwLock::new(corpus),
            changing: Mutex::default(),
            scores: Mutex::default(),
            model_hash,
        }
    }

    /// Takes in what happened at a sequence. Sequences may have gaps. Checks go on while it is worked out, which
    /// takes seconds once, when there are so many items that cells are made for them.
    ///
    /// # Errors
    /// The sequence is not above the last one, or the change does not fit what is there; nothing changes then,
    /// in no replica.
    pub fn apply(&self, sequence: u64, change: &Change) -> Result<(), ApplyError> {
        let _turn = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.apply_prepared(sequence, change, self.prepare(change))
    }

    /// All of a change that can be worked out before its turn: what takes long.
    pub(crate) fn prepare(&self, change: &Change) -> Prepared {
        let ready = self.ready(change);
        self.read(|corpus| Prepared { ready, upkeep: corpus.prepare(change), after: corpus.sequence })
    }

    /// As [`Self::apply`], by whoever sees to it that one change comes after the other. What was worked out for
    /// another moment is worked out again.
    pub(crate) fn apply_prepared(
        &self,
        sequence: u64,
        change: &Change,
        prepared: Prepared,
    ) -> Result<(), ApplyError> {
        let mut corpus = self.corpus.write().unwrap_or_else(PoisonError::into_inner);
        let Prepared { ready, upkeep, after } = prepared;
        let upkeep = if after == corpus.sequence { upkeep } else { corpus.prepare(change) };
        corpus.apply(sequence, change, ready, upkeep)
    }

    /// The same for one more change that happened at the last sequence that was applied, or behind it.
    pub(crate) fn apply_also(
        &self,
        sequence: u64,
        change: &Change,
        prepared: Prepared,
    ) -> Result<(), ApplyError> {
        let mut corpus = self.corpus.write().unwrap_or_else(PoisonError::into_inner);
        let upkeep = corpus.prepare(change);
        corpus.apply_also(sequence, change, prepared.ready, upkeep)
    }

    /// How many changes can be made for certain without an upkeep.
    pub(crate) fn before_upkeep(&self) -> usize {
        self.read(Corpus::before_upkeep)
    }

    fn ready(&self, change: &Change) -> Option<Ready> {
        match change {
            Change::Insert(item) | Change::Edit(item) => Some(Ready::new(&*self.embedder, item)),
            Change::State { .. } | Change::Remove { .. } => None,
        }
    }

    fn read<T>(&self, read: impl FnOnce(&Corpus) -> T) -> T {
        read(&self.corpus.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The items that look like what is asked about, of those that the asker may read: at most `limit`.
    pub fn check(&self, query: &Query, readable: &Readable, limit: usize) -> Checked {
        let asked = self.asked(query);
        let mut scores = self.scores.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        let checked = self.read(|corpus| {
            let view = corpus.view(query, readable);
            let found = corpus.search(&asked, query, &view, limit, &mut scores);
            let candidates = found.iter().take(limit);
            Checked {
                up_to_sequence: corpus.sequence,
                index_hash: blake3::Hash::from_bytes(corpus.chain).to_hex().as_str().to_owned(),
                model_hash: self.model_hash.clone(),
                candidates: candidates
                    .filter_map(|found| candidate(corpus, &asked, found, &query.thresholds))
                    .collect(),
                weak_meaning: asked.profile.meanings.is_weak,
            }
        });
        let mut kept = self.scores.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_SCORES {
            kept.push(scores);
        }
        checked
    }

    fn asked(&self, query: &Query) -> Asked {
        let texts = [query.title.as_str(), query.description.as_str()];
        let text = Text::new("", texts, [&query.paths, &query.artifacts]);
        Asked::new(self.profile(&text), text)
    }

    fn profile(&self, text: &Text) -> Profile {
        let meanings = Meanings::of(&*self.embedder, text.title(), text.description());
        Profile::new(text.title(), text.description(), meanings)
    }

    /// How two items are alike, whether they are in the index or not; how rare a word is, the index says.
    pub fn explain(&self, one: &Item, other: &Item, thresholds: &Thresholds) -> Explained {
        let measured = |item| {
            let mut measured = Measured::new(&*self.embedder, item);
            self.weigh(&mut measured);
            measured
        };
        measured(one).explain(&measured(other), &self.weights(), thresholds)
    }

    /// Weighs the words of a text by how rare they are here.
    pub(crate) fn weigh(&self, measured: &mut Measured) {
        self.read(|corpus| {
            let rarity = corpus.rarity();
            measured.weigh(|word| rarity.of(corpus.count(word)));
        });
    }

    /// How much each feature counts.
    pub(crate) fn weights(&self) -> Weights {
        self.read(|corpus| corpus.settings.weights.clone())
    }

    /// The item of an id, its texts up to their bounds.
    pub fn item(&self, id: &str) -> Option<Item> {
        self.read(|corpus| {
            let slot = corpus.slots.get(corpus.find(id)? as usize)?;
            Some(corpus.item(slot, slot.text.as_ref()?))
        })
    }

    /// Whether it holds the item of an id.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.read(|corpus| corpus.find(id).is_some())
    }

    /// How large it is. Reads everything.
    pub fn stats(&self) -> Stats {
        self.read(|corpus| Stats {
            sequence: corpus.sequence,
            items: corpus.len(),
            slots: corpus.slots.len(),
            watched: corpus.watched.len(),
            tail: corpus.cells.tail.slots.len(),
            cells: corpus.cells.cells.len(),
            text_bytes: corpus.text_bytes(),
            index_bytes: corpus.index_bytes(),
        })
    }

    /// What it has taken in: the last sequence that was applied, the hash over everything that was, and the hash of
    /// the model and of the settings. What a check says of itself, without one.
    pub fn basis(&self) -> (u64, String, String) {
        let (sequence, chain) = self.read(|corpus| (corpus.sequence, corpus.chain));
        (sequence, blake3::Hash::from_bytes(chain).to_hex().as_str().to_owned(), self.model_hash.clone())
    }

    /// Items that are there.
    pub fn len(&self) -> usize {
        self.read(Corpus::len)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes all of it. Changes wait meanwhile, and checks behind a change that waits.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn snapshot(&self, out: &mut dyn Write) -> Result<(), SnapshotError> {
        self.read(|corpus| snapshot::write(corpus, out))
    }

    /// Takes a snapshot up, to go on with the changes behind its sequence.
    ///
    /// # Errors
    /// It is damaged, or made with another version, model or settings: start empty, and apply everything anew.
    pub fn restore(
        embedder: Arc<dyn Embedder>,
        settings: Settings,
        from: &mut dyn Read,
    ) -> Result<Self, SnapshotError> {
        let corpus = snapshot::read(Corpus::new(Arc::clone(&embedder), settings), from)?;
        Ok(Self::over(corpus, embedder))
    }
}

fn candidate(corpus: &Corpus, asked: &Asked, found: &Compared, thresholds: &Thresholds) -> Option<Candidate> {
    let slot = corpus.slots.get(found.slot as usize)?;
    let text = slot.text.as_ref()?;
    let score = logistic(found.logit);
    let wordings = [&asked.wordings, &Wordings::default()];
    let features = worded(found.features, [&asked.text, text], wordings);
    let rarity = corpus.rarity();
    let words = unpack(&slot.words).filter_map(|(number, _)| {
        Some((corpus.words.key(number)?, rarity.of(corpus.words.count_with_imagined(number))))
    });
    Some(Candidate {
        id: text.id().to_owned(),
        title: text.title().to_owned(),
        scope: corpus.scopes.name(slot.scope).to_owned(),
        state: slot.state,
        sequence: slot.created,
        score,
        level: thresholds.level(score, &features),
        reasons: reasons(&asked.profile.spelt, [&asked.text, text], &features, words),
        features,
    })
}
