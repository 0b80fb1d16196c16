//! What a search through the index has found, and when it has found enough.

use std::{cell::Cell, collections::HashMap};

use selvedge_contracts::payload::claim::Mode;

use super::{Clash, Effort, Key, Place};

/// Most clashing claims that are named of one lease.
const MOST_NAMED: usize = 16;

/// Collects clashes.
pub(super) struct Finder<'a> {
    counts: &'a dyn Fn(Key) -> bool,
    most: usize,
    wanted: u32,
    mode: Mode,
    found: Vec<Clash>,
    places: HashMap<Key, usize>,
    /// What comparing may cost.
    pub(super) effort: Effort,
    /// Claims looked at.
    looked: Cell<u32>,
}

impl<'a> Finder<'a> {
    /// Collects at most `most` leases, of those that count.
    pub(super) fn new(counts: &'a dyn Fn(Key) -> bool, most: usize) -> Self {
        Self {
            counts,
            most,
            wanted: 0,
            mode: Mode::Exclusive,
            found: Vec::new(),
            places: HashMap::new(),
            effort: Effort::new(),
            looked: Cell::new(0),
        }
    }

    /// From now on the wanted claim of this index is looked at.
    pub(super) fn want(&mut self, wanted: u32, mode: Mode) {
        (self.wanted, self.mode) = (wanted, mode);
    }

    /// Whether enough is found.
    pub(super) fn is_full(&self) -> bool {
        self.found.len() >= self.most
    }

    /// Whether a claim could be news: not shared by both, and of a lease that counts.
    pub(super) fn may_clash(&self, place: &Place) -> bool {
        self.looked.set(self.looked.get().saturating_add(1));
        !(self.mode == Mode::Shared && place.mode == Mode::Shared) && (self.counts)(place.key)
    }

    /// Notes a claim that covers what is wanted.
    pub(super) fn add(&mut self, place: &Place) {
        if self.is_full() || !self.may_clash(place) {
            return;
        }
        if let Some(clash) = self.places.get(&place.key).and_then(|at| self.found.get_mut(*at)) {
            if clash.held.len() < MOST_NAMED && !clash.held.contains(&place.at) {
                clash.held.push(place.at);
            }
            return;
        }
        self.places.insert(place.key, self.found.len());
        self.found.push(Clash { key: place.key, wanted: self.wanted, held: vec![place.at] });
    }

    /// Notes claims that cover what is wanted.
    pub(super) fn add_all<'b>(&mut self, places: impl IntoIterator<Item = &'b Place>) {
        for place in places {
            if self.is_full() {
                return;
            }
            self.add(place);
        }
    }

    /// What it has cost so far.
    pub(super) fn cost(&self) -> u32 {
        self.effort.spent().saturating_add(self.looked.get())
    }

    /// What was found.
    pub(super) fn found(self) -> Vec<Clash> {
        self.found
    }
}
