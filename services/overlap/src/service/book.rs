//! The book: what every creation is, as one function of the facts in their order. A record holds what is needed to
//! show, decide and end it; its text stands in the index, and its whole state in the ledger.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use selvedge_contracts::{
    fact::{CREATION_DECIDED, CREATION_EDITED, CREATION_PROPOSED, CREATION_REOPENED},
    id::{CreationId, KindName},
    payload::overlap::{Answer, Creation, CreationState, Tuning},
};

use super::{
    content::Kept,
    names::Names,
    owners::{Said, Thing},
};
use crate::{Change, Decision, State};

mod chain;
mod family;
mod kept;

pub(crate) use chain::Root;

/// Most decisions that are remembered for calibration; the oldest are forgotten.
const DECISIONS: usize = 262_144;

/// Most creations that are over and still known: the oldest are forgotten, the ledger has them. What was merged stays,
/// so that it can be opened again.
const ENDED: usize = 100_000;

/// How much of an owner's in a mission is not over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Load {
    /// Creations that are on their way.
    pub(crate) open: u64,
    /// Things of kinds that no service of the fabric creates.
    pub(crate) own: u64,
}

/// Whether nothing can follow from a creation's end any more.
const fn is_over(state: CreationState) -> bool {
    matches!(state, CreationState::Expired | CreationState::Discarded | CreationState::Removed)
}

/// What is known of one creation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// Numbers of names.
    pub(crate) mission: u32,
    pub(crate) what: u32,
    pub(crate) agent: u32,
    pub(crate) owner: Option<u32>,
    /// What the thing is called.
    pub(crate) id: Box<str>,
    /// Where it stands, the facts of its thing taken into account.
    pub(crate) state: CreationState,
    /// Where it stands as its last own fact says: of a thing that is there and is being edited, the edit.
    pub(crate) said: CreationState,
    /// The sequence of the fact that says that its thing is there; 0: it is not.
    pub(crate) there: u64,
    /// Its place in the order.
    pub(crate) place: u64,
    /// When it got its place, by the clock of whoever recorded that: Unix time in milliseconds.
    pub(crate) placed_at_ms: u64,
    /// Sequence of its last own fact; 0: there is none.
    pub(crate) revision: u64,
    pub(crate) expires_at_ms: u64,
    /// What it was merged into.
    pub(crate) into: Link,
    /// What it is a part of.
    pub(crate) part_of: Link,
}

/// Another creation, if there is one: most records have none, and there may be millions of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Link(Option<Box<u128>>);

impl Link {
    /// Its number.
    pub(crate) fn get(&self) -> Option<u128> {
        self.0.as_deref().copied()
    }
}

impl From<Option<u128>> for Link {
    fn from(number: Option<u128>) -> Self {
        Self(number.map(Box::new))
    }
}

impl Record {
    /// Whether its thing is there and reads otherwise since.
    pub(crate) const fn is_edit(&self) -> bool {
        self.there > 0 && self.place > self.there
    }

    /// Where it stands for whoever wants it: an edit that nobody has answered is open, though its thing is there.
    pub(crate) const fn stands(&self) -> CreationState {
        if self.is_edit() && self.said.is_open() { self.said } else { self.state }
    }
}

/// What every creation is.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// The last sequence that was looked at.
    pub(crate) sequence: u64,
    /// By what the fact at that sequence is known again.
    pub(crate) last: [u8; 32],
    pub(crate) names: Names,
    pub(crate) records: BTreeMap<u128, Record>,
    pub(crate) tunings: BTreeMap<u32, Tuning>,
    /// Mission, and the score of what was decided about with what came of it; the oldest first.
    pub(crate) decisions: VecDeque<(u32, Decision)>,
    // What follows from the records.
    counts: BTreeMap<CreationState, u64>,
    counts_by_mission: BTreeMap<(u32, CreationState), u64>,
    /// By mission and owner.
    loads: BTreeMap<(u32, u32), Load>,
    /// By place, those that are over and may be forgotten.
    ended: BTreeSet<(u64, u128)>,
    open: BTreeSet<(u64, u128)>,
    pending: BTreeSet<(u64, u128)>,
    children: BTreeMap<u128, Vec<u128>>,
    parts: BTreeMap<u128, Vec<u128>>,
}

/// An id as the index has it: of fixed width, so that ties are broken as ids sort.
pub(crate) fn index_id(number: u128) -> String {
    format!("{number:032x}")
}

/// The number of an id of the index.
pub(crate) fn number_of(index_id: &str) -> u128 {
    u128::from_str_radix(index_id, 16).unwrap_or_default()
}

/// As the index has it.
const fn index_state(state: CreationState) -> State {
    if matches!(state, CreationState::Existing) { State::Existing } else { State::Pending }
}

impl Book {
    /// The creation of a number, if it is known.
    pub(crate) fn get(&self, number: u128) -> Option<&Record> {
        self.records.get(&number)
    }

    /// How many stand where.
    pub(crate) fn counts(&self) -> &BTreeMap<CreationState, u64> {
        &self.counts
    }

    /// What is in force in a mission.
    pub(crate) fn tuning(&self, mission: &str) -> Tuning {
        let found = self.names.find(mission).and_then(|number| self.tunings.get(&number));
        found.cloned().unwrap_or_default()
    }

    /// Open ones whose time is over.
    pub(crate) fn due(&self, now_ms: u64) -> Vec<u128> {
        self.open.iter().take_while(|(at_ms, _)| *at_ms <= now_ms).map(|(_, number)| *number).collect()
    }

    /// Pending ones that got their place before then.
    pub(crate) fn unjudged(&self, before_ms: u64) -> impl Iterator<Item = u128> {
        let old = self.pending.iter().take_while(move |(at_ms, _)| *at_ms < before_ms);
        old.map(|(_, number)| *number)
    }

    /// How much of an owner's in a mission is not over.
    pub(crate) fn load(&self, mission: &str, owner: &str) -> Load {
        let names = self.names.find(mission).zip(self.names.find(owner));
        names.and_then(|names| self.loads.get(&names)).copied().unwrap_or_default()
    }

    /// How many creations of a mission stand where.
    pub(crate) fn counts_of(&self, mission: u32) -> impl Iterator<Item = (CreationState, u64)> {
        let states = CreationState::ALL.iter();
        states.filter_map(move |state| Some((*state, *self.counts_by_mission.get(&(mission, *state))?)))
    }

    /// Takes in a fact about a creation; answers with what the index has to take in.
    pub(crate) fn own(&mut self, sequence: u64, kind: &str, at_ms: u64, after: &Creation) -> Option<Change> {
        let number = after.creation.number();
        let has_text = has_text(kind);
        if kind == CREATION_DECIDED.kind.name {
            self.remember(after);
        }
        let before = self.take_out(number);
        let (state, there) = stands(before.as_ref(), sequence, after.state);
        let (place, placed_at_ms) = match &before {
            Some(before) if !has_text => (before.place, before.placed_at_ms),
            _ => (sequence, at_ms),
        };
        let into = match after.decision.as_ref().map(|decision| &decision.answer) {
            Some(Answer::Merge(into)) if state == CreationState::Merged => Some(into.number()),
            _ => None,
        };
        let record = Record {
            mission: self.names.number(after.mission.as_str()),
            what: self.names.number(after.what.as_str()),
            agent: self.names.number(after.proposer.agent.as_str()),
            owner: Some(self.names.number(after.proposer.owner.as_str())),
            id: after.id.as_str().into(),
            state,
            said: after.state,
            there,
            place,
            placed_at_ms,
            revision: sequence,
            expires_at_ms: after.expires_at_ms,
            into: into.into(),
            part_of: after.part_of.as_ref().map(CreationId::number).into(),
        };
        self.put_in(number, record);
        let item = || item(after, state);
        change(before.as_ref(), state, number, has_text, item)
    }

    /// The change with the text that the index would have to take in if this fact about a creation came next; none
    /// if it takes in no text. So that the text can be worked out before its turn.
    pub(crate) fn foresee(&self, sequence: u64, kind: &str, after: &Creation) -> Option<Change> {
        let before = self.get(after.creation.number());
        let (state, _) = stands(before, sequence, after.state);
        let is_new = before.is_none_or(|record| !record.state.is_alive());
        (state.is_alive() && (is_new || has_text(kind))).then(|| Change::Insert(item(after, state)))
    }

    /// The same of what the owner of a thing says.
    pub(crate) fn foresee_owner(&self, said: &Said) -> Option<Change> {
        let Said::There(thing) = said else { return None };
        let is_new = self.get(thing.number).is_none_or(|record| !record.state.is_alive());
        is_new.then(|| Change::Insert(thing.item()))
    }

    /// Takes in what the owner of a thing says; answers with what the index has to take in.
    pub(crate) fn owner(&mut self, sequence: u64, at_ms: u64, said: Said) -> Option<Change> {
        match said {
            Said::There(thing) => self.there(sequence, at_ms, *thing),
            Said::Ended(number) => self.ended(number),
        }
    }

    fn there(&mut self, sequence: u64, at_ms: u64, thing: Thing) -> Option<Change> {
        let (number, state) = (thing.number, CreationState::Existing);
        let before = self.take_out(number);
        let record = match before.clone() {
            Some(before) if before.state.is_alive() => Record { state, there: sequence, ..before },
            Some(before) => {
                let (place, placed_at_ms) = (sequence, at_ms);
                Record { state, there: sequence, place, placed_at_ms, into: Link::default(), ..before }
            }
            None => Record {
                mission: self.names.number(&thing.mission),
                what: self.names.number(thing.what.as_str()),
                agent: self.names.number(&thing.agent),
                owner: thing.owner.as_deref().map(|owner| self.names.number(owner)),
                id: thing.id.as_str().into(),
                state,
                said: state,
                there: sequence,
                place: sequence,
                placed_at_ms: thing.at_ms,
                revision: 0,
                expires_at_ms: 0,
                into: Link::default(),
                part_of: thing.part_of.into(),
            },
        };
        self.put_in(number, record);
        change(before.as_ref(), state, number, false, || thing.item())
    }

    fn ended(&mut self, number: u128) -> Option<Change> {
        let before = self.take_out(number)?;
        let is_over = !before.state.is_alive();
        let state = if is_over { before.state } else { CreationState::Removed };
        self.put_in(number, Record { state, there: 0, ..before.clone() });
        change(Some(&before), state, number, false, Default::default)
    }

    /// Takes in what counts as alike in a mission.
    pub(crate) fn tuned(&mut self, mission: &str, tuning: Tuning) {
        let mission = self.names.number(mission);
        self.tunings.insert(mission, tuning);
    }

    /// Remembers at which score it was decided how: that of what it was merged into, else the best shown.
    fn remember(&mut self, after: &Creation) {
        let (Some(checked), Some(decision)) = (&after.checked, &after.decision) else {
            return;
        };
        let own = checked.candidates.iter().map(|found| (&found.creation, found.score));
        let mut shown = own.chain(checked.elsewhere.iter().map(|found| (&found.creation, found.score)));
        let candidate = match &decision.answer {
            Answer::Merge(into) => shown.find(|(creation, _)| *creation == into),
            Answer::Proceed | Answer::Discard => shown.max_by_key(|(_, score)| *score),
        };
        let Some((_, score)) = candidate else { return };
        let merged = !matches!(decision.answer, Answer::Proceed);
        let mission = self.names.number(after.mission.as_str());
        if self.decisions.len() == DECISIONS {
            self.decisions.pop_front();
        }
        self.decisions.push_back((mission, Decision { score, merged }));
    }

    fn take_out(&mut self, number: u128) -> Option<Record> {
        let record = self.records.remove(&number)?;
        for count in self.counts_with(&record) {
            *count = count.saturating_sub(1);
        }
        self.ended.remove(&(record.place, number));
        self.open.remove(&(record.expires_at_ms, number));
        self.pending.remove(&(record.placed_at_ms, number));
        if let Some(children) = record.into.get().and_then(|into| self.children.get_mut(&into)) {
            children.retain(|child| *child != number);
        }
        Some(record)
    }

    fn put_in(&mut self, number: u128, record: Record) {
        for count in self.counts_with(&record) {
            *count += 1;
        }
        if record.stands().is_open() {
            self.open.insert((record.expires_at_ms, number));
        }
        // A part's check is completed by whoever asks about its whole once more.
        if record.stands() == CreationState::Pending && record.part_of.get().is_none() {
            self.pending.insert((record.placed_at_ms, number));
        }
        if is_over(record.state) {
            self.ended.insert((record.place, number));
        }
        if let Some(into) = record.into.get() {
            self.children.entry(into).or_default().push(number);
        }
        if let Some(whole) = record.part_of.get() {
            let parts = self.parts.entry(whole).or_default();
            if !parts.contains(&number) {
                parts.push(number);
            }
        }
        self.records.insert(number, record);
        while self.ended.len() > ENDED {
            let oldest = self.ended.first().copied();
            oldest.and_then(|(_, number)| self.take_out(number));
        }
    }

    /// Every number in which a record counts.
    fn counts_with(&mut self, record: &Record) -> impl Iterator<Item = &mut u64> {
        let is_own_kind =
            KindName::new(self.names.name(record.what)).is_ok_and(|what| !what.is_of_the_fabric());
        let load = record.owner.map(|owner| self.loads.entry((record.mission, owner)).or_default());
        let load = load.and_then(|load| match record.stands() {
            stands if stands.is_open() => Some(&mut load.open),
            CreationState::Existing if is_own_kind => Some(&mut load.own),
            _ => None,
        });
        let of_mission = self.counts_by_mission.entry((record.mission, record.state)).or_default();
        let of_all = self.counts.entry(record.state).or_default();
        [of_all, of_mission].into_iter().chain(load)
    }

    /// The creation's id.
    pub(crate) fn id(number: u128) -> CreationId {
        CreationId::from_number(number)
    }
}

/// Whether facts of a kind give a creation its text.
fn has_text(kind: &str) -> bool {
    [CREATION_PROPOSED.kind, CREATION_EDITED.kind, CREATION_REOPENED.kind]
        .iter()
        .any(|with| with.name == kind)
}

/// Where a creation stands after a fact of its own that says `said`, and which fact says that its thing is there.
fn stands(before: Option<&Record>, sequence: u64, said: CreationState) -> (CreationState, u64) {
    let there = match said {
        CreationState::Merged | CreationState::Discarded => 0,
        CreationState::Existing => sequence,
        _ => before.map_or(0, |record| record.there),
    };
    (if there > 0 { CreationState::Existing } else { said }, there)
}

/// A creation as the index takes it.
fn item(creation: &Creation, state: CreationState) -> crate::Item {
    let id = index_id(creation.creation.number());
    Kept::of(creation).into_item(id, creation.mission.as_str(), index_state(state))
}

impl Thing {
    /// As the index takes it.
    fn item(&self) -> crate::Item {
        self.kept.clone().into_item(index_id(self.number), &self.mission, State::Existing)
    }
}

/// What the index has to take in, if a creation came from one state into another.
fn change(
    before: Option<&Record>,
    state: CreationState,
    number: u128,
    has_text: bool,
    item: impl FnOnce() -> crate::Item,
) -> Option<Change> {
    let before = before.map(|record| record.state).filter(|state| state.is_alive());
    match (before, state.is_alive()) {
        (None, true) => Some(Change::Insert(item())),
        (Some(_), false) => Some(Change::Remove { id: index_id(number) }),
        (Some(_), true) if has_text => Some(Change::Edit(item())),
        (Some(before), true) if index_state(before) != index_state(state) => {
            Some(Change::State { id: index_id(number), state: index_state(state) })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
