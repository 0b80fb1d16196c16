//! A view that tells the board of everything that it takes in, also of what this process records itself.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

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
    /// What was taken in of the past, and the board has not been told of.
    pub(crate) untold: Mutex<HashSet<Entity>>,
}

impl<S: State> Watched<S> {
    fn tell(&self, entity: &Entity) {
        if let Some(entry) = self.view.get(&entity.mission, &entity.id) {
            (self.tell)(&self.board, entity, &entry);
        }
    }
}

impl<S: State> Apply for Watched<S> {
    fn entity(&self) -> EntityName {
        S::ENTITY
    }

    fn apply(&self, fact: &FactRecord) -> Result<(), serde_json::Error> {
        self.view.apply(fact)?;
        self.tell(&fact.fact.entity);
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

    fn is_of_newest(&self) -> bool {
        true
    }

    fn remember(&self, entity: &Entity, request: RequestDigest) {
        self.view.remember(entity, request);
    }

    /// The board is told once for each entity, when all of them are there: a task says little without its plan.
    fn apply_past(&self, fact: &FactRecord) -> Result<(), serde_json::Error> {
        self.view.apply(fact)?;
        self.untold.lock().unwrap_or_else(PoisonError::into_inner).insert(fact.fact.entity.clone());
        Ok(())
    }

    fn caught_up(&self) {
        let untold = std::mem::take(&mut *self.untold.lock().unwrap_or_else(PoisonError::into_inner));
        for entity in untold {
            self.tell(&entity);
        }
    }
}
