//! A view that tells the board of everything that it takes in, also of what this process records itself.

use std::sync::Arc;

use selvedge_contracts::{
    fact::{EntityName, State},
    subject::Entity,
};
use selvedge_kit::{
    ledger::{FactRecord, RequestDigest},
    view::{Apply, Entry, View},
};

use crate::board::Board;

/// How the board hears of one sort of entity.
pub(crate) struct Watched<S> {
    pub(crate) view: Arc<View<S>>,
    pub(crate) board: Arc<Board>,
    /// Tells the board.
    pub(crate) tell: fn(&Arc<Board>, &Entity, &Entry<S>),
    /// Revision of the entity that the board was told of last, if it keeps one.
    pub(crate) told: fn(&Board, &Entity) -> Option<u64>,
}

impl<S: State> Apply for Watched<S> {
    fn entity(&self) -> EntityName {
        S::ENTITY
    }

    fn apply(&self, fact: &FactRecord) -> Result<(), serde_json::Error> {
        self.view.apply(fact)?;
        let entity = &fact.fact.entity;
        if let Some(entry) = self.view.get(&entity.mission, &entity.id) {
            (self.tell)(&self.board, entity, &entry);
        }
        Ok(())
    }

    /// What the board does not know yet must be read once more.
    fn revision_of(&self, entity: &Entity) -> u64 {
        let known = self.view.revision_of(entity);
        (self.told)(&self.board, entity).map_or(known, |told| told.min(known))
    }

    fn may_hold(&self, entity: &Entity, request: RequestDigest) -> bool {
        self.view.may_hold(entity, request)
    }
}
