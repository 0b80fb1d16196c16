//! Claims on literal paths. Every folder above one is a node too: a glob that matches the folder covers
//! what is claimed below it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finder, Key, Place, below};
use crate::{
    area::{Area, meets},
    automaton::{Automaton, Below},
    path::{folders, name},
    pattern::Pattern,
};

/// What a literal path stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// Itself.
    File,
    /// Itself and everything below.
    Below,
}

#[derive(Debug, Default)]
struct Node {
    /// Claims on this very path.
    places: Vec<(Place, Sort)>,
    /// How many claims there are at it and below it.
    claims: usize,
}

/// Claims on literal paths.
#[derive(Debug, Default)]
pub(super) struct Paths {
    nodes: BTreeMap<Box<str>, Node>,
    /// Paths of nodes (not the root's) by their name read backwards, so that names that end alike stand together.
    names: BTreeMap<Box<[u8]>, BTreeSet<Box<str>>>,
    /// Nodes whose path is claimed with everything below, and how often.
    belows: BTreeMap<Box<str>, usize>,
}

/// So many paths below a folder are looked at one by one; of more, only those whose name ends as it must.
const FEW: usize = 1_024;

fn backwards(name: &str) -> Box<[u8]> {
    name.bytes().rev().collect()
}

impl Paths {
    pub(super) fn insert(&mut self, path: &str, sort: Sort, place: Place) {
        for at in folders(path).chain([path]) {
            if let Some(node) = self.nodes.get_mut(at) {
                node.claims += 1;
                continue;
            }
            self.nodes.insert(at.into(), Node { places: Vec::new(), claims: 1 });
            if !at.is_empty() {
                self.names.entry(backwards(name(at))).or_default().insert(at.into());
            }
        }
        if let Some(node) = self.nodes.get_mut(path) {
            node.places.push((place, sort));
        }
        if sort == Sort::Below {
            *self.belows.entry(path.into()).or_default() += 1;
        }
    }

    pub(super) fn remove(&mut self, path: &str, key: Key, at: u32) {
        let Some(node) = self.nodes.get_mut(path) else { return };
        let Some(index) = node.places.iter().position(|(place, _)| (place.key, place.at) == (key, at)) else {
            return;
        };
        let (_, sort) = node.places.swap_remove(index);
        if sort == Sort::Below
            && let Some(count) = self.belows.get_mut(path)
        {
            *count -= 1;
            if *count == 0 {
                self.belows.remove(path);
            }
        }
        for at in folders(path).chain([path]) {
            let Some(node) = self.nodes.get_mut(at) else { continue };
            node.claims = node.claims.saturating_sub(1);
            if node.claims == 0 {
                self.nodes.remove(at);
                self.forget_name(at);
            }
        }
    }

    fn forget_name(&mut self, path: &str) {
        let name = backwards(name(path));
        if let Some(paths) = self.names.get_mut(&name) {
            paths.remove(path);
            if paths.is_empty() {
                self.names.remove(&name);
            }
        }
    }

    /// Adds the claims on paths that clash with an area.
    pub(super) fn find(&self, area: &Area, finder: &mut Finder<'_>) {
        match area {
            Area::Below(path) | Area::File(path) => {
                let path = path.as_str();
                folders(path).for_each(|folder| self.add_at(folder, finder));
                self.add_all(path, finder);
            }
            Area::Glob(glob) => self.find_covered(glob, finder),
        }
    }

    /// Adds the claims on this very path.
    fn add_at(&self, path: &str, finder: &mut Finder<'_>) {
        let places = self.nodes.get(path).into_iter().flat_map(|node| &node.places);
        finder.add_all(places.map(|(place, _)| place));
    }

    /// Adds the claims on this path and below it.
    fn add_all(&self, path: &str, finder: &mut Finder<'_>) {
        self.add_at(path, finder);
        for (_, node) in below(&self.nodes, path) {
            if finder.is_full() {
                return;
            }
            finder.add_all(node.places.iter().map(|(place, _)| place));
        }
    }

    fn find_covered(&self, glob: &Pattern, finder: &mut Finder<'_>) {
        let head = glob.head();
        for folder in folders(head).chain([head]) {
            self.add_at(folder, finder);
        }
        let in_folder = || below(&self.nodes, head).map(|(path, _)| path);
        let is_few = in_folder().take(FEW).count() < FEW;
        if glob.tail().is_empty() || is_few {
            self.add_matched(in_folder(), glob, finder);
        } else {
            let tail = glob.tail();
            let from = (std::ops::Bound::Included(tail), std::ops::Bound::Unbounded);
            let names = self.names.range::<[u8], _>(from).take_while(|(name, _)| name.starts_with(tail));
            let paths = names.flat_map(|(_, paths)| paths).map(|path| &**path);
            let is_below = |path: &&str| {
                let rest = path.strip_prefix(head);
                head.is_empty() || rest.is_some_and(|rest| rest.starts_with('/'))
            };
            self.add_matched(paths.filter(is_below), glob, finder);
        }
        self.find_below(glob, finder);
    }

    /// Adds the claims at and below those of `paths` that the glob matches.
    fn add_matched<'a>(&self, paths: impl Iterator<Item = &'a str>, glob: &Pattern, finder: &mut Finder<'_>) {
        for path in paths {
            if finder.is_full() {
                return;
            }
            if !finder.effort.meet(glob.matches(), Automaton::literal(path, Below::No)) {
                continue;
            }
            match glob.below() {
                Below::No => self.add_at(path, finder),
                Below::May => self.add_all(path, finder),
                Below::Must => self.add_below(path, finder),
            }
        }
    }

    /// Adds the claims on what lies below a path.
    fn add_below(&self, path: &str, finder: &mut Finder<'_>) {
        let places = self.nodes.get(path).into_iter().flat_map(|node| &node.places);
        finder.add_all(places.filter(|(_, sort)| *sort == Sort::Below).map(|(place, _)| place));
        for (_, node) in below(&self.nodes, path) {
            if finder.is_full() {
                return;
            }
            finder.add_all(node.places.iter().map(|(place, _)| place));
        }
    }

    /// Adds the claims on folders below which the glob matches something.
    fn find_below(&self, glob: &Pattern, finder: &mut Finder<'_>) {
        for (path, _) in below(&self.belows, glob.head()) {
            if finder.is_full() {
                return;
            }
            let Some(node) = self.nodes.get(path) else { continue };
            let places = node.places.iter().filter(|(_, sort)| *sort == Sort::Below).map(|(place, _)| place);
            let mut places = places.filter(|place| finder.may_clash(place)).peekable();
            if places.peek().is_none() {
                continue;
            }
            let places: Vec<Place> = places.copied().collect();
            if glob.is_deep() || meets(glob, path, Below::May, &mut finder.effort) {
                finder.add_all(&places);
            }
        }
    }
}
