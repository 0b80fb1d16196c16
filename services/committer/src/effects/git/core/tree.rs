//! Trees: what stands at a path, what changed since the base, and the tree that changes make of another.

use std::collections::BTreeMap;

use bytes::Bytes;
use git2::{ObjectType, Oid, Repository, Tree};
use selvedge_contracts::{
    fault::Detail,
    id::Digest,
    payload::intent::{FileChange, FileMode, GitEffect, TreePath},
};

use super::{Contents, Stop, path};

const FOLDER: i32 = 0o040_000;
const LINK: i32 = 0o120_000;
const SUBMODULE: i32 = 0o160_000;

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Nothing,
    Entry(Entry),
    /// Something that is no folder stands where one of the path's folders would.
    Behind(Entry),
}

/// One entry of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    id: Oid,
    mode: i32,
}

fn components(path: &TreePath) -> impl Iterator<Item = &[u8]> {
    path.as_bytes().split(|&byte| byte == b'/')
}

fn look(repository: &Repository, root: Option<&Tree<'_>>, path: &TreePath) -> Result<Place, git2::Error> {
    let Some(root) = root else { return Ok(Place::Nothing) };
    let mut at = Entry { id: root.id(), mode: FOLDER };
    for name in components(path) {
        if at.mode != FOLDER {
            return Ok(Place::Behind(at));
        }
        match entry_of(&repository.find_tree(at.id)?, name) {
            Some(entry) => at = entry,
            None => return Ok(Place::Nothing),
        }
    }
    Ok(Place::Entry(at))
}

fn entry_of(tree: &Tree<'_>, name: &[u8]) -> Option<Entry> {
    tree.get_name_bytes(name).map(|entry| Entry { id: entry.id(), mode: entry.filemode() })
}

/// Every path that the effect touches or rests on and that is not in `head` as it was in `base`.
pub(super) fn stale(
    repository: &Repository,
    effect: &GitEffect,
    base: Option<&Tree<'_>>,
    head: Option<&Tree<'_>>,
) -> Result<Vec<Detail>, git2::Error> {
    if base.map(Tree::id) == head.map(Tree::id) {
        return Ok(Vec::new());
    }
    let touched = effect.changes.iter().enumerate().flat_map(|(index, change)| {
        change.paths().map(move |path| (format!("/effect/changes/{index}"), path))
    });
    let read = effect.reads.iter().enumerate().map(|(index, path)| (format!("/effect/reads/{index}"), path));
    let mut stale = Vec::new();
    for (at, path) in touched.chain(read) {
        if look(repository, base, path)? != look(repository, head, path)? {
            let message = format!("stale: {path} has changed on {} since {}", effect.branch, effect.base);
            stale.push(Detail { at, message });
        }
    }
    Ok(stale)
}

/// What becomes of one path and of those below it.
#[derive(Default)]
struct Node<'a> {
    /// Index of the change that takes away what stands there.
    taken: Option<usize>,
    /// What stands there afterwards, and the index of the change.
    put: Option<(Entry, usize, Over)>,
    below: BTreeMap<&'a [u8], Node<'a>>,
}

/// Whether a file may stand already where another one is put.
#[derive(Clone, Copy, PartialEq)]
enum Over {
    Allowed,
    Refused,
}

/// What the changes make of `head`'s tree; every object that was written is added to `written`.
///
/// # Errors
/// Every change that cannot be made, with the reason.
pub(super) fn changed(
    repository: &Repository,
    effect: &GitEffect,
    contents: &Contents,
    head: Option<&Tree<'_>>,
    written: &mut Vec<Oid>,
) -> Result<Oid, Stop> {
    let mut work = Changing { repository, written, wrong: Vec::new() };
    let root = work.plan(effect, contents, head)?;
    if !work.wrong.is_empty() {
        return Err(Stop::Refused(work.wrong));
    }
    let whole = head.map(|tree| Entry { id: tree.id(), mode: FOLDER });
    let result = work.apply(whole, &root, &mut Vec::new())?;
    if !work.wrong.is_empty() {
        return Err(Stop::Refused(work.wrong));
    }
    match result {
        Some(tree) => Ok(tree.id),
        None => Ok(work.write_tree(&repository.treebuilder(None)?)?),
    }
}

struct Changing<'r> {
    repository: &'r Repository,
    written: &'r mut Vec<Oid>,
    wrong: Vec<Detail>,
}

impl Changing<'_> {
    fn plan<'a>(
        &mut self,
        effect: &'a GitEffect,
        contents: &Contents,
        head: Option<&Tree<'_>>,
    ) -> Result<Node<'a>, Stop> {
        let mut root = Node::default();
        for (index, change) in effect.changes.iter().enumerate() {
            match change {
                FileChange::Put { path, content, mode } => {
                    if let Some(entry) =
                        self.put(index, path, contents.get(content), content, mode_of(*mode))?
                    {
                        self.place(&mut root, path, entry, index, Over::Allowed);
                    }
                }
                FileChange::Delete { path } => self.take(&mut root, path, index),
                FileChange::Rename { from, path, content } => {
                    self.take(&mut root, from, index);
                    if let Some(entry) = self.moved(index, from, path, content.as_ref(), contents, head)? {
                        self.place(&mut root, path, entry, index, Over::Refused);
                    }
                }
            }
        }
        Ok(root)
    }

    /// Writes the content of a file.
    fn put(
        &mut self,
        index: usize,
        path: &TreePath,
        found: Option<&Bytes>,
        digest: &Digest,
        mode: i32,
    ) -> Result<Option<Entry>, Stop> {
        let content = found.ok_or_else(|| Stop::Later(format!("the content {digest} is not at hand")))?;
        let fault = if mode == LINK { path::fault_of_target(path.as_bytes(), content) } else { None };
        if let Some(reason) = fault.or_else(|| path::fault_of(path.as_bytes())) {
            self.refuse(index, format!("{path}: {reason}"));
            return Ok(None);
        }
        let id = self.repository.blob(content)?;
        self.written.push(id);
        Ok(Some(Entry { id, mode }))
    }

    /// What a file is once it has moved.
    fn moved(
        &mut self,
        index: usize,
        from: &TreePath,
        path: &TreePath,
        content: Option<&Digest>,
        contents: &Contents,
        head: Option<&Tree<'_>>,
    ) -> Result<Option<Entry>, Stop> {
        let Place::Entry(entry) = look(self.repository, head, from)? else {
            // Taking it away says that it is not there.
            return Ok(None);
        };
        if matches!(entry.mode, FOLDER | SUBMODULE) {
            return Ok(None);
        }
        if let Some(digest) = content {
            return self.put(index, path, contents.get(digest), digest, entry.mode);
        }
        let target = if entry.mode == LINK { Some(self.repository.find_blob(entry.id)?) } else { None };
        let fault = target.and_then(|target| path::fault_of_target(path.as_bytes(), target.content()));
        match fault.or_else(|| path::fault_of(path.as_bytes())) {
            Some(reason) => {
                self.refuse(index, format!("{path}: {reason}"));
                Ok(None)
            }
            None => Ok(Some(entry)),
        }
    }

    fn place<'a>(&mut self, root: &mut Node<'a>, path: &'a TreePath, entry: Entry, index: usize, over: Over) {
        let node = node_at(root, path);
        if node.put.is_some() {
            self.refuse(index, format!("{path} is named twice; name each path once"));
        }
        node.put = Some((entry, index, over));
    }

    fn take<'a>(&mut self, root: &mut Node<'a>, path: &'a TreePath, index: usize) {
        let node = node_at(root, path);
        if node.taken.is_some() {
            self.refuse(index, format!("{path} is named twice; name each path once"));
        }
        node.taken = Some(index);
    }

    fn refuse(&mut self, index: usize, message: String) {
        self.wrong.push(Detail { at: format!("/effect/changes/{index}"), message });
    }

    /// What stands at `path` afterwards, when `existing` stood there.
    fn apply(
        &mut self,
        existing: Option<Entry>,
        node: &Node<'_>,
        path: &mut Vec<u8>,
    ) -> Result<Option<Entry>, git2::Error> {
        let left = self.without_taken(existing, node, path);
        let folder = if node.below.is_empty() { left } else { self.below(left, node, path)? };
        let Some((entry, index, over)) = node.put else { return Ok(folder) };
        let reason = match folder.map(|found| found.mode) {
            Some(FOLDER) => "a folder stands there",
            Some(SUBMODULE) => "a submodule stands there; submodules are not the committer's to change",
            Some(_) if over == Over::Refused => {
                "a file stands there; delete it in a commit before, or put the new content"
            }
            _ => return Ok(Some(entry)),
        };
        self.refuse(index, format!("{}: {reason}", shown(path)));
        Ok(folder)
    }

    fn without_taken(&mut self, existing: Option<Entry>, node: &Node<'_>, path: &[u8]) -> Option<Entry> {
        let Some(index) = node.taken else { return existing };
        let reason = match existing.map(|found| found.mode) {
            None => "it does not exist",
            Some(FOLDER) => "it is a folder; name the files in it",
            Some(SUBMODULE) => "it is a submodule; submodules are not the committer's to change",
            Some(_) => return None,
        };
        self.refuse(index, format!("{}: {reason}", shown(path)));
        existing
    }

    /// The folder that the changes below a path leave; nothing if they leave it empty.
    fn below(
        &mut self,
        existing: Option<Entry>,
        node: &Node<'_>,
        path: &mut Vec<u8>,
    ) -> Result<Option<Entry>, git2::Error> {
        let reason = match existing.map(|found| found.mode) {
            None | Some(FOLDER) => None,
            Some(LINK) => Some("leads through a symlink"),
            Some(SUBMODULE) => Some("leads into a submodule; submodules are not the committer's to change"),
            Some(_) => Some("leads through a file"),
        };
        if let Some(reason) = reason {
            let message = format!("a path below {} {reason}", shown(path));
            self.refuse(first_index(node), message);
            return Ok(existing);
        }
        let tree = existing.map(|entry| self.repository.find_tree(entry.id)).transpose()?;
        let mut builder = self.repository.treebuilder(tree.as_ref())?;
        for (name, child) in &node.below {
            let length = path.len();
            if length > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(name);
            let before = tree.as_ref().and_then(|tree| entry_of(tree, name));
            match self.apply(before, child, path)? {
                Some(entry) if Some(entry) != before => drop(builder.insert(*name, entry.id, entry.mode)?),
                None if before.is_some() => builder.remove(*name)?,
                _ => {}
            }
            path.truncate(length);
        }
        if builder.is_empty() {
            return Ok(None);
        }
        Ok(Some(Entry { id: self.write_tree(&builder)?, mode: FOLDER }))
    }

    fn write_tree(&mut self, builder: &git2::TreeBuilder<'_>) -> Result<Oid, git2::Error> {
        let id = builder.write()?;
        self.written.push(id);
        Ok(id)
    }
}

fn node_at<'n, 'a>(root: &'n mut Node<'a>, path: &'a TreePath) -> &'n mut Node<'a> {
    components(path).fold(root, |node, name| node.below.entry(name).or_default())
}

/// Index of a change at or below a node.
fn first_index(node: &Node<'_>) -> usize {
    let own = node.put.map(|(_, index, _)| index).or(node.taken);
    own.or_else(|| node.below.values().map(first_index).min()).unwrap_or(usize::MAX)
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

const fn mode_of(mode: FileMode) -> i32 {
    match mode {
        FileMode::Regular => 0o100_644,
        FileMode::Executable => 0o100_755,
        FileMode::Symlink => LINK,
    }
}

/// The tree of a commit.
pub(super) fn tree_of(repository: &Repository, commit: Option<Oid>) -> Result<Option<Tree<'_>>, git2::Error> {
    let tree = |id| repository.find_object(id, Some(ObjectType::Commit))?.peel_to_tree();
    commit.map(tree).transpose()
}
