//! Claims on globs, by the folder that all they cover lies in.

use std::collections::{BTreeMap, HashMap};

use super::{Finder, Key, Place, below};
use crate::{
    area::{Area, meets},
    automaton::Below,
    path::folders,
    pattern::Pattern,
};

/// The globs of one folder, by the end of the names that they match (from the last byte on).
#[derive(Debug, Default)]
struct Folder {
    tails: HashMap<Box<[u8]>, Vec<(Place, Pattern)>>,
    /// Lengths of those ends, and how many there are of each.
    lengths: BTreeMap<usize, usize>,
}

/// Claims on globs.
#[derive(Debug, Default)]
pub(super) struct Globs {
    heads: BTreeMap<Box<str>, Folder>,
}

impl Globs {
    pub(super) fn insert(&mut self, glob: &Pattern, place: Place) {
        if !self.heads.contains_key(glob.head()) {
            self.heads.insert(glob.head().into(), Folder::default());
        }
        let Some(folder) = self.heads.get_mut(glob.head()) else { return };
        if !folder.tails.contains_key(glob.tail()) {
            *folder.lengths.entry(glob.tail().len()).or_default() += 1;
        }
        folder.tails.entry(glob.tail().into()).or_default().push((place, glob.clone()));
    }

    pub(super) fn remove(&mut self, glob: &Pattern, key: Key, at: u32) {
        let Some(folder) = self.heads.get_mut(glob.head()) else { return };
        let Some(globs) = folder.tails.get_mut(glob.tail()) else { return };
        globs.retain(|(place, _)| (place.key, place.at) != (key, at));
        if !globs.is_empty() {
            return;
        }
        folder.tails.remove(glob.tail());
        if let Some(count) = folder.lengths.get_mut(&glob.tail().len()) {
            *count -= 1;
            if *count == 0 {
                folder.lengths.remove(&glob.tail().len());
            }
        }
        if folder.tails.is_empty() {
            self.heads.remove(glob.head());
        }
    }

    /// Adds the claims on globs that clash with an area.
    pub(super) fn find(&self, area: &Area, finder: &mut Finder<'_>) {
        match area {
            Area::File(path) => self.find_path(path.as_str(), Below::No, finder),
            Area::Below(path) => self.find_path(path.as_str(), Below::May, finder),
            Area::Glob(glob) => self.find_glob(glob, finder),
        }
    }

    fn find_path(&self, path: &str, below_it: Below, finder: &mut Finder<'_>) {
        for head in folders(path) {
            let Some(folder) = self.heads.get(head) else { continue };
            match below_it {
                Below::No => folder.find_file(path, head, finder),
                Below::May | Below::Must => folder.find_folder(path, finder),
            }
        }
        // What has the path, or what lies below it, for its folder.
        let own = self.heads.get(path).into_iter();
        for folder in own.chain(below(&self.heads, path).map(|(_, folder)| folder)) {
            for (place, _) in folder.all() {
                if finder.is_full() {
                    return;
                }
                finder.add(place);
            }
        }
    }

    fn find_glob(&self, wanted: &Pattern, finder: &mut Finder<'_>) {
        let head = wanted.head();
        let above = folders(head).chain([head]).filter_map(|head| self.heads.get(head));
        for folder in above.chain(below(&self.heads, head).map(|(_, folder)| folder)) {
            for (place, glob) in folder.all() {
                if finder.is_full() {
                    return;
                }
                if finder.may_clash(place)
                    && !wanted.is_apart(glob)
                    && finder.effort.meet(wanted.covers(), glob.covers())
                {
                    finder.add(place);
                }
            }
        }
    }
}

impl Folder {
    fn all(&self) -> impl Iterator<Item = &(Place, Pattern)> {
        self.tails.values().flatten()
    }

    /// Adds the globs that cover a file: those that match it or a folder of it, as names below the head end.
    fn find_file(&self, path: &str, head: &str, finder: &mut Finder<'_>) {
        let below_head = path.get(head.len()..).unwrap_or(path).trim_start_matches('/');
        let mut looked_at = std::collections::BTreeSet::new();
        for name in below_head.split('/') {
            let backwards: Vec<u8> = name.bytes().rev().collect();
            for length in self.lengths.keys() {
                let Some(end) = backwards.get(..*length) else { break };
                if !looked_at.insert(end.to_vec()) {
                    continue;
                }
                for (place, glob) in self.tails.get(end).into_iter().flatten() {
                    if finder.is_full() {
                        return;
                    }
                    if finder.may_clash(place) && meets(glob, path, Below::No, &mut finder.effort) {
                        finder.add(place);
                    }
                }
            }
        }
    }

    /// Adds the globs that cover a folder or anything below it.
    fn find_folder(&self, path: &str, finder: &mut Finder<'_>) {
        for (place, glob) in self.all() {
            if finder.is_full() {
                return;
            }
            if finder.may_clash(place)
                && (glob.is_deep() || meets(glob, path, Below::May, &mut finder.effort))
            {
                finder.add(place);
            }
        }
    }
}
