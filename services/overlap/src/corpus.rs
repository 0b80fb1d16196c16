//! All items, as one function of the changes that were applied: the same changes give the same corpus, and the
//! same corpus the same answers.

use std::sync::Arc;

use crate::{
    cells::{Cells, Place},
    embed::Embedder,
    error::ApplyError,
    item::{Change, Item, State, Text},
    lexicon::Lexicon,
    packed::{Entry, pack},
    profile::{Meanings, Words},
    rarity::{Rarity, imagined},
    rules::kind::Kinds,
    settings::Settings,
    trigrams, words,
};

mod chain;
mod ids;
mod names;
mod pending;
mod upkeep;

pub(crate) use {
    chain::{number as state_byte, state_of},
    ids::Ids,
    names::Names,
    pending::Pending,
    upkeep::Upkeep,
};

/// One place for an item. Slots only grow until they are renumbered: an edited item gets a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Nothing: the item is gone from here.
    pub(crate) text: Option<Text>,
    /// The sequence that the item came with.
    pub(crate) created: u64,
    pub(crate) scope: u32,
    pub(crate) place: Place,
    /// Length of title and body together before they were brought to the fixed length; 0: there is no body.
    pub(crate) reach: u16,
    pub(crate) state: State,
    /// What the title speaks of.
    pub(crate) kinds: Kinds,
    /// The words of title and description (`packed`), by their numbers in the word index.
    pub(crate) words: Box<[u8]>,
}

impl Slot {
    /// One without an item.
    pub(crate) fn empty() -> Self {
        Self {
            text: None,
            created: 0,
            scope: 0,
            place: Place::NONE,
            reach: 0,
            state: State::default(),
            kinds: Kinds::default(),
            words: Box::default(),
        }
    }
}

/// All items.
pub(crate) struct Corpus {
    pub(crate) embedder: Arc<dyn Embedder>,
    pub(crate) settings: Settings,
    /// The last sequence that was applied.
    pub(crate) sequence: u64,
    /// Over all that was applied.
    pub(crate) chain: [u8; 32],
    pub(crate) slots: Vec<Slot>,
    /// How long the text of each slot is.
    pub(crate) lengths: Vec<Lengths>,
    pub(crate) ids: Ids,
    pub(crate) scopes: Names,
    /// Sum of all `lengths` of items that are there.
    pub(crate) words_in_all: u64,
    pub(crate) words: Lexicon,
    pub(crate) trigrams: Lexicon,
    pub(crate) cells: Cells,
    /// Pending items that are compared exactly.
    pub(crate) watched: Pending,
    /// Slots taken since the last upkeep.
    pub(crate) since_upkeep: u32,
}

/// How long a text is; at most 255 each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Lengths {
    /// Words of title and description.
    pub(crate) words: u8,
    /// Trigrams of the title.
    pub(crate) title: u8,
}

/// A pending item's terms, names of paths and artifacts among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Watched {
    pub(crate) words: Words,
    pub(crate) trigrams: Vec<u32>,
}

/// An item, ready to be taken in: all that can be done without the corpus.
pub(crate) struct Ready {
    text: Text,
    words: Words,
    trigrams: Vec<u32>,
    names: Vec<u32>,
    meanings: Meanings,
}

impl Ready {
    /// Works an item out.
    pub(crate) fn new(embedder: &dyn Embedder, item: &Item) -> Self {
        let text = Text::of(item);
        let meanings = Meanings::of(embedder, text.title(), text.description());
        let words = Words::of(text.title(), text.description(), |_, _| ());
        let trigrams = trigrams::of(text.title());
        let names = terms_beside(&text, &words);
        Self { text, words, trigrams, names, meanings }
    }
}

/// Terms of the word index beside the words: paths and artifact names; and all of a text that has no word, by which
/// alone one like it can be found.
pub(crate) fn terms_beside(text: &Text, words: &Words) -> Vec<u32> {
    let paths = text.paths().map(|path| words::hash(&format!("path\0{path}")));
    let artifacts = text.artifacts().map(|name| words::hash(&format!("artifact\0{name}")));
    let mut terms: Vec<u32> = paths.chain(artifacts).collect();
    if words.all.is_empty() && text.says_something() {
        terms.push(words::hash(&format!("text\0{}", text.plain().join("\0"))));
    }
    terms.sort_unstable();
    terms.dedup();
    terms
}

impl Corpus {
    pub(crate) fn new(embedder: Arc<dyn Embedder>, settings: Settings) -> Self {
        Self {
            embedder,
            settings,
            sequence: 0,
            chain: [0; 32],
            slots: Vec::new(),
            lengths: Vec::new(),
            ids: Ids::default(),
            scopes: Names::default(),
            words_in_all: 0,
            words: Lexicon::default(),
            trigrams: Lexicon::default(),
            cells: Cells::default(),
            watched: Pending::default(),
            since_upkeep: 0,
        }
    }

    /// Items that are there.
    pub(crate) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Applies a change; `ready` is its item worked out, where it has one, and `upkeep` what [`Self::prepare`]
    /// said of it.
    pub(crate) fn apply(
        &mut self,
        sequence: u64,
        change: &Change,
        ready: Option<Ready>,
        upkeep: Option<Upkeep>,
    ) -> Result<(), ApplyError> {
        if sequence <= self.sequence {
            return Err(ApplyError::Old { sequence, applied: self.sequence });
        }
        self.apply_also(sequence, change, ready, upkeep)
    }

    /// The same for one more change of the last sequence, or of a later one.
    pub(crate) fn apply_also(
        &mut self,
        sequence: u64,
        change: &Change,
        ready: Option<Ready>,
        upkeep: Option<Upkeep>,
    ) -> Result<(), ApplyError> {
        self.refuse(change)?;
        match (change, ready) {
            (Change::Insert(item), Some(ready)) => self.insert(sequence, item.state, &item.scope, ready),
            (Change::Edit(item), Some(ready)) => {
                if let Some(old) = self.remove(&item.id) {
                    // Whatever comes before it by now was not compared with what it says now: it comes after.
                    self.insert(sequence, old.state, &item.scope, ready);
                }
            }
            (Change::State { id, state }, _) => self.set_state(id, *state),
            (Change::Remove { id }, _) => drop(self.remove(id)),
            (Change::Insert(_) | Change::Edit(_), None) => {}
        }
        self.sequence = sequence;
        self.chain = chain::next(&self.chain, sequence, change);
        self.keep_up(upkeep);
        Ok(())
    }

    fn refuse(&self, change: &Change) -> Result<(), ApplyError> {
        let is_there = self.find(change.id()).is_some();
        match change {
            Change::Insert(_) if is_there => Err(ApplyError::Exists(change.id().into())),
            Change::Insert(_) if self.len() >= self.settings.items => Err(ApplyError::Full(self.len())),
            Change::Insert(_) => Ok(()),
            _ if is_there => Ok(()),
            _ => Err(ApplyError::Unknown(change.id().into())),
        }
    }

    /// The item of a slot.
    pub(crate) fn item(&self, slot: &Slot, text: &Text) -> Item {
        Item {
            id: text.id().to_owned(),
            title: text.title().to_owned(),
            description: text.description().to_owned(),
            paths: text.paths().map(str::to_owned).collect(),
            artifacts: text.artifacts().map(str::to_owned).collect(),
            scope: self.scopes.name(slot.scope).to_owned(),
            state: slot.state,
        }
    }

    fn insert(&mut self, created: u64, state: State, scope: &str, ready: Ready) {
        let number = self.slots.len() as u32;
        let Ready { text, words, trigrams, names, meanings } = ready;
        let mut entries: Vec<Entry> = Vec::with_capacity(words.all.len());
        for word in &words.all {
            let is_in_title = words.is_in_title(*word);
            entries.push((self.words.push(*word, number, is_in_title), is_in_title));
        }
        entries.sort_unstable();
        for name in &names {
            self.words.push(*name, number, true);
        }
        for group in &trigrams {
            self.trigrams.push(*group, number, false);
        }
        let byte = |length: usize| u8::try_from(length).unwrap_or(u8::MAX);
        let lengths = Lengths { words: byte(words.all.len()), title: byte(trigrams.len()) };
        self.lengths.push(lengths);
        self.words_in_all += u64::from(lengths.words);
        self.slots.push(Slot {
            text: Some(text),
            created,
            scope: self.scopes.number(scope),
            place: self.cells.push(number, meanings.whole),
            reach: meanings.reach(),
            state,
            kinds: words.kinds,
            words: pack(&entries),
        });
        self.ids.insert(number, &self.slots);
        self.watch(number, state, || Watched::new(words, names, trigrams));
        self.since_upkeep += 1;
    }

    /// Compares a pending item exactly from now on, if there is room, and one that is not no more.
    fn watch(&mut self, number: u32, state: State, watched: impl FnOnce() -> Watched) {
        if state != State::Pending {
            self.watched.remove(number);
        } else if self.watched.len() < self.settings.pending {
            self.watched.insert(number, watched());
        }
    }

    fn set_state(&mut self, id: &str, state: State) {
        let Some(number) = self.find(id) else { return };
        let Some(slot) = self.slots.get_mut(number as usize) else { return };
        slot.state = state;
        let is_watched = state == State::Pending && self.watched.len() < self.settings.pending;
        match slot.text.as_ref().filter(|_| is_watched).map(Watched::of) {
            Some(watched) => self.watched.insert(number, watched),
            None if state != State::Pending => self.watched.remove(number),
            None => {}
        }
    }

    /// Bytes of all texts.
    pub(crate) fn text_bytes(&self) -> usize {
        self.slots.iter().filter_map(|slot| slot.text.as_ref()).map(Text::bytes).sum()
    }

    /// Bytes of all but the texts.
    pub(crate) fn index_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
            + self.slots.iter().map(|slot| slot.words.len()).sum::<usize>()
            + self.lengths.capacity() * size_of::<Lengths>()
            + self.ids.bytes()
            + self.words.bytes()
            + self.trigrams.bytes()
            + self.cells.bytes()
    }

    /// Takes an item out; its slot stays, empty.
    fn remove(&mut self, id: &str) -> Option<Slot> {
        let number = self.ids.remove(id, &self.slots)?;
        self.watched.remove(number);
        let lengths = self.lengths.get(number as usize).copied().unwrap_or_default();
        self.words_in_all -= u64::from(lengths.words);
        let slot = self.slots.get_mut(number as usize)?;
        let old = std::mem::replace(slot, Slot::empty());
        if let Some(moved) = self.cells.remove(old.place)
            && let Some(moved) = self.slots.get_mut(moved as usize)
        {
            moved.place = old.place;
        }
        Some(old)
    }

    /// The slot of an item.
    pub(crate) fn find(&self, id: &str) -> Option<u32> {
        self.ids.find(id, &self.slots)
    }

    /// The text of a slot.
    pub(crate) fn text(&self, slot: u32) -> Option<&Text> {
        self.slots.get(slot as usize)?.text.as_ref()
    }

    /// The first slot that is compared exactly for its age.
    pub(crate) fn floor(&self) -> u32 {
        (self.slots.len() as u32).saturating_sub(self.settings.newest)
    }

    /// What a slot's text means.
    pub(crate) fn meanings(&self, slot: &Slot) -> Option<Meanings> {
        let title = self.embedder.embed(slot.text.as_ref()?.title());
        Some(Meanings::from_parts(title, self.cells.vector(slot.place)?, slot.reach))
    }

    /// How many words a slot's text has, up to 255.
    pub(crate) fn words_of(&self, slot: u32) -> usize {
        self.lengths.get(slot as usize).map_or(0, |lengths| lengths.words.into())
    }

    /// How rare words are.
    pub(crate) fn rarity(&self) -> Rarity {
        Rarity::among(self.slots.len())
    }

    /// How many items have a word, the imagined ones among them.
    pub(crate) fn count(&self, word: u32) -> u32 {
        let number = self.words.number(word);
        number.map_or_else(|| imagined(word), |number| self.words.count_with_imagined(number))
    }
}
