//! The index of all that is claimed in a space: finds what clashes with a claim.

use std::collections::BTreeMap;

use crate::claim::Cover;

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

/// What is claimed, and by which lease.
#[derive(Debug, Default)]
pub(crate) struct Index {
    all: BTreeMap<Key, Vec<Cover>>,
}

impl Index {
    /// Takes a lease's claims in.
    pub(crate) fn insert(&mut self, key: Key, covers: &[Cover]) {
        self.all.insert(key, covers.to_vec());
    }

    /// Forgets a lease's claims: the same that were taken in.
    pub(crate) fn remove(&mut self, key: Key, _covers: &[Cover]) {
        self.all.remove(&key);
    }

    /// Leases with a claim that clashes with one of `covers`, of those that `counts` lets count; at most
    /// `most` of them.
    pub(crate) fn clashing(&self, covers: &[Cover], counts: impl Fn(Key) -> bool, most: usize) -> Vec<Clash> {
        let mut found = Vec::new();
        for (key, held) in self.all.iter().filter(|(key, _)| counts(**key)) {
            let pairs = (0_u32..).zip(covers).flat_map(|(wanted, cover)| {
                (0_u32..).zip(held).filter(|(_, held)| cover.clashes(held)).map(move |(at, _)| (wanted, at))
            });
            let pairs: Vec<(u32, u32)> = pairs.collect();
            if let Some((wanted, _)) = pairs.first() {
                let held = pairs.iter().map(|(_, at)| *at).collect();
                found.push(Clash { key: *key, wanted: *wanted, held });
            }
            if found.len() >= most {
                break;
            }
        }
        found
    }
}
