//! The index of all that is claimed in a space: finds what clashes with a claim without a look at
//! everything. Paths stand in order of their text, so that what lies below a folder stands together; globs
//! stand under the folder that all they cover lies in, and there by the end of the names that they match.

use std::collections::{HashMap, btree_map::BTreeMap};

use selvedge_contracts::{id::ResourceName, payload::claim::Mode};

use crate::{area::Area, automaton::Effort, claim::Cover};

mod finder;
mod globs;
mod paths;

use finder::Finder;
use globs::Globs;
use paths::Paths;

/// Names one lease within the memory of one space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key(pub(crate) u64);

/// A lease that clashes with what is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clash {
    /// The lease.
    pub(crate) key: Key,
    /// Index of the first wanted claim that it clashes with.
    pub(crate) wanted: u32,
    /// Indexes of its claims that clash; not all of them where there are many.
    pub(crate) held: Vec<u32>,
}

/// One claim of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    key: Key,
    /// Index of the claim.
    at: u32,
    mode: Mode,
}

/// What is claimed, and by which lease.
#[derive(Debug, Default)]
pub(crate) struct Index {
    paths: Paths,
    globs: Globs,
    resources: HashMap<ResourceName, Vec<Place>>,
}

impl Index {
    /// Takes a lease's claims in.
    pub(crate) fn insert(&mut self, key: Key, covers: &[Cover]) {
        for (at, cover) in (0..).zip(covers) {
            match cover {
                Cover::Area(Area::Glob(glob), mode) => {
                    self.globs.insert(glob, Place { key, at, mode: *mode })
                }
                Cover::Area(Area::Below(path), mode) => {
                    self.paths.insert(path.as_str(), paths::Sort::Below, Place { key, at, mode: *mode });
                }
                Cover::Area(Area::File(path), mode) => {
                    self.paths.insert(path.as_str(), paths::Sort::File, Place { key, at, mode: *mode });
                }
                Cover::Resource(name, mode) => {
                    self.resources.entry(name.clone()).or_default().push(Place { key, at, mode: *mode });
                }
                Cover::Slots => {}
            }
        }
    }

    /// Forgets a lease's claims: the same that were taken in.
    pub(crate) fn remove(&mut self, key: Key, covers: &[Cover]) {
        for (at, cover) in (0..).zip(covers) {
            match cover {
                Cover::Area(Area::Glob(glob), _) => self.globs.remove(glob, key, at),
                Cover::Area(Area::Below(path) | Area::File(path), _) => {
                    self.paths.remove(path.as_str(), key, at)
                }
                Cover::Resource(name, _) => {
                    if let Some(places) = self.resources.get_mut(name) {
                        places.retain(|place| (place.key, place.at) != (key, at));
                        if places.is_empty() {
                            self.resources.remove(name);
                        }
                    }
                }
                Cover::Slots => {}
            }
        }
    }

    /// Leases with a claim that clashes with one of `covers`, of those that `counts` lets count; at most
    /// `most` of them.
    pub(crate) fn clashing(&self, covers: &[Cover], counts: impl Fn(Key) -> bool, most: usize) -> Vec<Clash> {
        self.clashing_at_cost(covers, counts, most).0
    }

    /// The same, and what it cost: pairs of states and claims that were looked at.
    pub(crate) fn clashing_at_cost(
        &self,
        covers: &[Cover],
        counts: impl Fn(Key) -> bool,
        most: usize,
    ) -> (Vec<Clash>, u32) {
        let mut finder = Finder::new(&counts, most);
        for (wanted, cover) in (0..).zip(covers) {
            match cover {
                Cover::Area(area, mode) => {
                    finder.want(wanted, *mode);
                    self.paths.find(area, &mut finder);
                    self.globs.find(area, &mut finder);
                }
                Cover::Resource(name, mode) => {
                    finder.want(wanted, *mode);
                    finder.add_all(self.resources.get(name).into_iter().flatten());
                }
                Cover::Slots => {}
            }
            if finder.is_full() {
                break;
            }
        }
        let cost = finder.cost();
        (finder.found(), cost)
    }
}

/// The entries of a map by path that lie below a folder; all but the root's own if it is the root.
fn below<'a, V>(map: &'a BTreeMap<Box<str>, V>, folder: &'a str) -> impl Iterator<Item = (&'a str, &'a V)> {
    let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    map.range::<str, _>((std::ops::Bound::Included(prefix.as_str()), std::ops::Bound::Unbounded))
        .take_while({
            let prefix = prefix.clone();
            move |(path, _)| path.starts_with(prefix.as_str())
        })
        .filter(|(path, _)| !path.is_empty())
        .map(|(path, value)| (&**path, value))
}

#[cfg(test)]
mod tests;
