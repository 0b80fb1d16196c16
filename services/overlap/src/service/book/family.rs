//! What follows for the parts of a creation from what became of the whole, and the other way round: no facts of
//! their own say so.

use selvedge_contracts::{
    fact::{CREATION_DECIDED, CREATION_EXPIRED},
    payload::overlap::{Answer, Creation, CreationState},
};

use super::{Book, Record, change};
use crate::Change;

impl Book {
    /// Its parts, in no order; of a part, what it is a part of and the other parts.
    pub(crate) fn family(&self, number: u128) -> Vec<u128> {
        let whole = self.get(number).and_then(|record| record.part_of.get());
        let parts = self.parts.get(&whole.unwrap_or(number)).into_iter().flatten().copied();
        whole.into_iter().chain(parts).filter(|relative| *relative != number).collect()
    }

    /// Takes in what a fact about a creation means for its family, once it was taken in itself; answers with what
    /// the index has to take in.
    ///
    /// Whoever proceeds with the whole proceeds with each part; where the whole is merged, discarded or expired, or
    /// one part of it is merged or discarded, nothing of it is created.
    pub(crate) fn own_family(&mut self, kind: &str, after: &Creation) -> Vec<Change> {
        let number = after.creation.number();
        let answer = after.decision.as_ref().map(|decision| &decision.answer);
        let is_whole = after.part_of.is_none();
        match answer {
            Some(Answer::Proceed) if is_whole && kind == CREATION_DECIDED.kind.name => self.clear(number),
            Some(Answer::Merge(_) | Answer::Discard) if kind == CREATION_DECIDED.kind.name => {
                self.give_up(number)
            }
            _ if is_whole && kind == CREATION_EXPIRED.kind.name => self.give_up(number),
            _ => Vec::new(),
        }
    }

    fn clear(&mut self, number: u128) -> Vec<Change> {
        let waits = |record: &Record| matches!(record.state, CreationState::Pending | CreationState::Asked);
        self.turn(number, waits, CreationState::Cleared)
    }

    fn give_up(&mut self, number: u128) -> Vec<Change> {
        self.turn(number, |record| record.state.is_open(), CreationState::Expired)
    }

    /// Brings those of a family that `which` says into a state.
    fn turn(&mut self, number: u128, which: impl Fn(&Record) -> bool, state: CreationState) -> Vec<Change> {
        let mut changes = Vec::new();
        for relative in self.family(number) {
            if !self.get(relative).is_some_and(&which) {
                continue;
            }
            let Some(before) = self.take_out(relative) else { continue };
            self.put_in(relative, Record { state, ..before.clone() });
            changes.extend(change(Some(&before), state, relative, false, Default::default));
        }
        // The index takes them in an order that every replica has.
        changes.sort_by(|one, other| one.id().cmp(other.id()));
        changes
    }
}
