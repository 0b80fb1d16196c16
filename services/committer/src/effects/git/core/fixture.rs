//! Repositories in temporary folders, and orders on them.

use std::path::PathBuf;

use bytes::Bytes;
use git2::{Oid, Repository, Signature, Time};
use selvedge_contracts::{
    id::{CommitHash, Digest, RepositoryName},
    payload::intent::{FileChange, FileMode, GitEffect, TreePath},
};
use selvedge_kit::clock::Deadline;

use super::{Author, Claim, Contents, INTENT_TRAILER, Order, Record, Verdict};
use selvedge_kit::steps::Steps;

/// A bare repository with a branch `main`.
pub(crate) struct Temporary {
    _folder: Option<tempfile::TempDir>,
    pub(crate) path: PathBuf,
}

/// A file as it is seeded: where, mode, content.
pub(crate) type Seed<'a> = (&'a [u8], i32, &'a str);

impl Temporary {
    /// With one commit of these files.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let seeds: Vec<Seed<'_>> =
            files.iter().map(|(path, content)| (path.as_bytes(), 0o100_644, *content)).collect();
        let temporary = Self::empty();
        temporary.commit(&seeds);
        temporary
    }

    /// Without any commit.
    pub(crate) fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = Self::at(folder.path().join("record.git"));
        Self { _folder: Some(folder), ..at }
    }

    /// In a folder that somebody else removes.
    pub(crate) fn at(path: PathBuf) -> Self {
        Repository::init_bare(&path).unwrap();
        Self { _folder: None, path }
    }

    pub(crate) fn repository(&self) -> Repository {
        Repository::open_bare(&self.path).unwrap()
    }

    pub(crate) fn head(&self) -> Option<Oid> {
        self.repository().refname_to_id("refs/heads/main").ok()
    }

    /// Somebody else's commit on `main`: these files as well, an empty content for one that is gone.
    pub(crate) fn commit(&self, files: &[Seed<'_>]) -> Oid {
        let repository = self.repository();
        let parent = self.head().map(|head| repository.find_commit(head).unwrap());
        let mut tree = parent.as_ref().map(|parent| parent.tree_id());
        for (path, mode, content) in files {
            let entry = (!content.is_empty()).then(|| {
                let is_commit = *mode == 0o160_000;
                let id = if is_commit { Oid::from_str(content) } else { repository.blob(content.as_bytes()) };
                (id.unwrap(), *mode)
            });
            tree = Some(with(&repository, tree, path, entry));
        }
        let tree = repository.find_tree(tree.unwrap()).unwrap();
        let who = Signature::new("somebody", "else@example.org", &Time::new(1_000, 0)).unwrap();
        let parents: Vec<_> = parent.iter().collect();
        repository.commit(Some("refs/heads/main"), &who, &who, "by hand", &tree, &parents).unwrap()
    }

    /// A file on `main`: its mode and content.
    pub(crate) fn file(&self, path: impl AsRef<[u8]>) -> Option<(i32, String)> {
        let repository = self.repository();
        let mut tree = repository.find_commit(self.head()?).unwrap().tree().unwrap();
        let mut parts = path.as_ref().split(|&byte| byte == b'/').peekable();
        loop {
            let name = parts.next()?;
            let (id, mode) = tree.get_name_bytes(name).map(|entry| (entry.id(), entry.filemode()))?;
            if parts.peek().is_none() {
                let blob = repository.find_blob(id).unwrap();
                return Some((mode, String::from_utf8_lossy(blob.content()).into_owned()));
            }
            tree = repository.find_tree(id).unwrap();
        }
    }

    /// Commits on `main` that carry an order's trailer.
    pub(crate) fn landed(&self, key: &str) -> Vec<Oid> {
        let repository = self.repository();
        let mut walk = repository.revwalk().unwrap();
        walk.push(self.head().unwrap()).unwrap();
        let is_of = |commit: &Oid| {
            let message = repository.find_commit(*commit).unwrap().message().unwrap().to_owned();
            super::trailer(&message, INTENT_TRAILER) == Some(key)
        };
        walk.map(Result::unwrap).filter(is_of).collect()
    }

    pub(crate) fn intent(&self, key: &str) -> Option<Oid> {
        self.repository().refname_to_id(&super::intent_ref(key)).ok()
    }

    pub(crate) fn record(&self) -> Record {
        Record::open(&self.path).unwrap()
    }

    /// One order on the present head.
    pub(crate) fn order(&self, key: &str, changes: Vec<FileChange>, contents: &[&str]) -> Order {
        let base = self.head().unwrap_or(Oid::ZERO_SHA1);
        order(key, base, changes, contents)
    }

    /// Carries out one order, all the way.
    pub(crate) fn land(&self, order: Order) -> Verdict {
        self.record().land("main", &[order], &Steps::default()).remove(0)
    }
}

fn with(repository: &Repository, tree: Option<Oid>, path: &[u8], entry: Option<(Oid, i32)>) -> Oid {
    let tree = tree.map(|tree| repository.find_tree(tree).unwrap());
    let mut builder = repository.treebuilder(tree.as_ref()).unwrap();
    let (name, below) = match path.iter().position(|&byte| byte == b'/') {
        Some(at) => (&path[..at], Some(&path[at + 1..])),
        None => (path, None),
    };
    match (below, entry) {
        (Some(below), _) => {
            let inner = tree.as_ref().and_then(|tree| tree.get_name_bytes(name)).map(|found| found.id());
            let inner = with(repository, inner, below, entry);
            builder.insert(name, inner, 0o040_000).unwrap();
        }
        (None, Some((id, mode))) => drop(builder.insert(name, id, mode).unwrap()),
        (None, None) => builder.remove(name).unwrap(),
    }
    builder.write().unwrap()
}

/// An order on a base.
pub(crate) fn order(key: &str, base: Oid, changes: Vec<FileChange>, contents: &[&str]) -> Order {
    let contents: Contents = contents
        .iter()
        .map(|content| (digest(content), Bytes::copy_from_slice(content.as_bytes())))
        .collect();
    Order {
        key: key.to_owned(),
        effect: GitEffect {
            repository: RepositoryName::new("record").unwrap(),
            branch: "main".to_owned(),
            base: CommitHash::new(&base.to_string()).unwrap(),
            changes,
            message: format!("Do {key}"),
            reads: Vec::new(),
        },
        contents,
        author: Author { name: "ada".to_owned(), address: "ada@demo.selvedge.invalid".to_owned() },
        at_ms: 1_700_000_000_000,
        trailers: vec![(INTENT_TRAILER, key.to_owned())],
        may_have_begun: false,
        claim: Claim::new(|answer| answer.send(true).unwrap()),
        deadline: Deadline::in_ms(20_000),
    }
}

pub(crate) fn digest(content: &str) -> Digest {
    Digest::from(&blake3::hash(content.as_bytes()))
}

pub(crate) fn path(path: impl AsRef<[u8]>) -> TreePath {
    TreePath::new(path).unwrap()
}

pub(crate) fn put(at: impl AsRef<[u8]>, content: &str) -> FileChange {
    FileChange::Put { path: path(at), content: digest(content), mode: FileMode::Regular }
}

pub(crate) fn delete(at: impl AsRef<[u8]>) -> FileChange {
    FileChange::Delete { path: path(at) }
}

pub(crate) fn rename(from: &str, to: &str) -> FileChange {
    FileChange::Rename { from: path(from), path: path(to), content: None }
}

/// The reasons of a refusal, joined.
pub(crate) fn reasons(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Refused(reasons) => reasons
            .iter()
            .map(|reason| format!("{} {}", reason.at, reason.message))
            .collect::<Vec<_>>()
            .join("\n"),
        other => format!("{other:?}"),
    }
}
