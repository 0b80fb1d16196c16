//! Every version of every name, in memory, followed from the ledger. The kit's view keeps the newest state
//! of an entity; a name's older versions are states that its older facts told.
//!
//! Also what garbage collection asks: whether anything names a digest.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use selvedge_contracts::{
    fact::{ARTIFACT_JUDGED, ARTIFACT_PUBLISHED, EntityName},
    id::{ArtifactName, Digest, EntityId, Mission},
    payload::artifact::{Artifact, Judged, Version},
    subject::Entity,
};
use selvedge_kit::{
    ledger::{FactRecord, RequestDigest},
    view::{Apply, View},
};
use serde::Deserialize;

/// One version, and the revision of the last fact that speaks of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Known {
    pub(crate) name: ArtifactName,
    pub(crate) version: Arc<Version>,
    pub(crate) revision: u64,
}

/// What may keep content: one kind of entity whose facts name digests. Whatever later names content (an
/// intent's inputs, a task's outputs) becomes one more of these.
pub(crate) trait Names: Send + Sync {
    /// Whether anything of it names the digest.
    fn names(&self, digest: &Digest) -> bool;
    /// Whether it has read every fact that could.
    fn is_complete(&self) -> bool;
}

/// All versions of all names.
#[derive(Default)]
pub(crate) struct Versions {
    newest: Arc<View<Artifact>>,
    all: RwLock<All>,
    /// A fact could not be read: something that is named may not be known to be.
    is_incomplete: AtomicBool,
}

type Key = (Mission, EntityId);

#[derive(Default)]
struct All {
    by_name: BTreeMap<Key, Versioned>,
    by_digest: HashMap<Digest, Vec<(Key, u32)>>,
    sources: HashMap<Digest, u32>,
}

#[derive(Default)]
struct Versioned {
    versions: BTreeMap<u32, Known>,
    revision: u64,
}

impl Versions {
    /// The newest state of every name, which writes are decided on.
    pub(crate) fn newest(&self) -> &Arc<View<Artifact>> {
        &self.newest
    }

    /// One version of a name.
    pub(crate) fn version(&self, mission: &Mission, name: &ArtifactName, version: u32) -> Option<Known> {
        let all = self.read();
        all.by_name.get(&(mission.clone(), name.entity_id()))?.versions.get(&version).cloned()
    }

    /// The versions of a name after `after`, the oldest first: at most `limit`, and whether there are more.
    pub(crate) fn page(
        &self,
        mission: &Mission,
        name: &ArtifactName,
        after: u32,
        limit: usize,
    ) -> (Vec<Known>, bool) {
        let all = self.read();
        let Some(found) = all.by_name.get(&(mission.clone(), name.entity_id())) else {
            return (Vec::new(), false);
        };
        let mut rest =
            found.versions.range((Bound::Excluded(after), Bound::Unbounded)).map(|(_, known)| known);
        let page = rest.by_ref().take(limit).cloned().collect();
        (page, rest.next().is_some())
    }

    /// The newest version of a name that `fits`.
    pub(crate) fn newest_where(
        &self,
        mission: &Mission,
        name: &ArtifactName,
        fits: impl Fn(&Version) -> bool,
    ) -> Option<Known> {
        let all = self.read();
        let found = all.by_name.get(&(mission.clone(), name.entity_id()))?;
        found.versions.values().rev().find(|known| fits(&known.version)).cloned()
    }

    /// Whether a version in the mission that `fits` has this content.
    pub(crate) fn any_with(
        &self,
        mission: &Mission,
        digest: &Digest,
        fits: impl Fn(&Version) -> bool,
    ) -> bool {
        let all = self.read();
        let version = |(key, version): &(Key, u32)| all.by_name.get(key)?.versions.get(version);
        let named = all.by_digest.get(digest).into_iter().flatten();
        named.filter(|(key, _)| key.0 == *mission).filter_map(version).any(|known| fits(&known.version))
    }

    /// Takes in what this process has just recorded.
    pub(crate) fn published(&self, entity: &Entity, state: &Artifact, revision: u64) {
        self.write().publish(entity, &state.name, state.latest.clone(), revision);
    }

    /// Takes in what this process has just recorded.
    pub(crate) fn judged(&self, entity: &Entity, judged: &Judged, revision: u64) {
        self.write().judge(entity, judged, revision);
    }

    fn read(&self) -> RwLockReadGuard<'_, All> {
        self.all.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, All> {
        self.all.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, fact: &FactRecord) -> Result<(), serde_json::Error> {
        #[derive(Deserialize)]
        struct Changed<C> {
            change: C,
            state: Artifact,
        }
        let (entity, payload) = (&fact.fact.entity, &fact.envelope.payload);
        if fact.fact.kind == ARTIFACT_PUBLISHED.kind.name {
            let Changed { change, state } = serde_json::from_slice::<Changed<Version>>(payload)?;
            self.write().publish(entity, &state.name, change, fact.revision);
        } else if fact.fact.kind == ARTIFACT_JUDGED.kind.name {
            let Changed { change, .. } = serde_json::from_slice::<Changed<Judged>>(payload)?;
            self.write().judge(entity, &change, fact.revision);
        } else {
            // Of a newer build, or carried from an archive: what it names, we do not know.
            return Err(serde::de::Error::custom(format!("no kind of fact of ours: {}", fact.fact.kind)));
        }
        Ok(())
    }
}

impl All {
    fn publish(&mut self, entity: &Entity, name: &ArtifactName, version: Version, revision: u64) {
        let key = (entity.mission.clone(), entity.id.clone());
        let named = self.by_name.entry(key.clone()).or_default();
        named.revision = named.revision.max(revision);
        if named.versions.contains_key(&version.version) {
            return;
        }
        self.by_digest.entry(version.digest.clone()).or_default().push((key, version.version));
        for source in &version.sources {
            *self.sources.entry(source.digest.clone()).or_default() += 1;
        }
        let known = Known { name: name.clone(), version: Arc::new(version), revision };
        named.versions.insert(known.version.version, known);
    }

    fn judge(&mut self, entity: &Entity, judged: &Judged, revision: u64) {
        let named = self.by_name.entry((entity.mission.clone(), entity.id.clone())).or_default();
        named.revision = named.revision.max(revision);
        if let Some(known) = named.versions.get_mut(&judged.version).filter(|known| known.revision < revision)
        {
            known.version = Arc::new(Version { state: judged.state, ..known.version.as_ref().clone() });
            known.revision = revision;
        }
    }
}

impl Names for Versions {
    fn names(&self, digest: &Digest) -> bool {
        let all = self.read();
        all.by_digest.contains_key(digest) || all.sources.contains_key(digest)
    }

    fn is_complete(&self) -> bool {
        !self.is_incomplete.load(Ordering::Relaxed)
    }
}

impl Apply for Versions {
    fn entity(&self) -> EntityName {
        EntityName::Artifact
    }

    fn apply(&self, fact: &FactRecord) -> Result<(), serde_json::Error> {
        let applied = self.take(fact).and_then(|()| self.newest.apply(fact));
        if applied.is_err() {
            self.is_incomplete.store(true, Ordering::Relaxed);
        }
        applied
    }

    /// What the versions have taken in: the newest state may be ahead of them by what this process wrote.
    fn revision_of(&self, entity: &Entity) -> u64 {
        let all = self.read();
        all.by_name.get(&(entity.mission.clone(), entity.id.clone())).map_or(0, |named| named.revision)
    }

    fn may_hold(&self, entity: &Entity, request: RequestDigest) -> bool {
        self.newest.may_hold(entity, request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{artifact, digest, entity, version};
    use selvedge_contracts::payload::artifact::{Source, VersionState};

    #[test]
    fn every_version_is_kept_and_its_sources_are_named() {
        let versions = Versions::default();
        let mut second = version(2, "two");
        second.sources = vec![Source { digest: digest("source"), name: None, version: None }];
        versions.published(&entity("a/b"), &artifact("a/b", version(1, "one")), 5);
        versions.published(&entity("a/b"), &artifact("a/b", second), 7);
        let (page, more) = versions.page(&entity("a/b").mission, &ArtifactName::new("a/b").unwrap(), 0, 1);
        assert_eq!((page.len(), page[0].version.version, page[0].revision, more), (1, 1, 5, true));
        for (content, is_named) in [("one", true), ("two", true), ("source", true), ("other", false)] {
            assert_eq!(versions.names(&digest(content)), is_named, "{content}");
        }
        assert_eq!(versions.revision_of(&entity("a/b")), 7);
    }

    #[test]
    fn a_verdict_changes_its_version_alone_and_an_older_fact_undoes_nothing() {
        let versions = Versions::default();
        let held = |n| Version { state: VersionState::Unvalidated, ..version(n, "x") };
        for n in [1, 2] {
            versions.published(&entity("a"), &artifact("a", held(n)), u64::from(n));
        }
        let judged = Judged {
            version: 1,
            state: VersionState::Valid,
            by: selvedge_contracts::id::Caller::new("vera-1a2b3c4d").unwrap(),
            reason: None,
        };
        versions.judged(&entity("a"), &judged, 3);
        versions.published(&entity("a"), &artifact("a", held(1)), 1);
        let state = |n| {
            let name = ArtifactName::new("a").unwrap();
            versions.version(&entity("a").mission, &name, n).unwrap().version.state
        };
        assert_eq!((state(1), state(2)), (VersionState::Valid, VersionState::Unvalidated));
    }
}
