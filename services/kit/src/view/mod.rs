//! Views: the newest state of every entity of one sort, in memory, rebuilt from the ledger and kept up
//! by its feed. Never the truth: every write is guarded, so a view that is behind only costs a retry.

mod feed;
mod own;
mod past;
mod skipped;

pub use feed::{Feed, FeedError};

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    ops::Bound,
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard},
};

use selvedge_contracts::{
    fact::{EntityName, State},
    id::{EntityId, Mission},
    subject::Entity,
};
use serde::{Deserialize, de::IgnoredAny};

use crate::ledger::{FactRecord, RequestDigest};

/// The newest state of every entity of one sort.
pub struct View<S> {
    missions: RwLock<HashMap<Mission, Entities<S>>>,
    watch: Option<Arc<dyn Watch<S>>>,
}

/// What is kept beside a view: counts, or an index by something else than the id.
pub trait Watch<S>: Send + Sync + 'static {
    /// A state came in after another one. Told in the view's order, under its lock: it must not ask the view.
    fn changed(&self, entity: &Entity, before: Option<&S>, after: &S);
}

/// The entities of one mission: found by their hash, since every call looks some up, and listed in order.
struct Entities<S> {
    by_id: HashMap<EntityId, Entry<S>>,
    in_order: BTreeSet<EntityId>,
}

impl<S> Default for Entities<S> {
    fn default() -> Self {
        Self { by_id: HashMap::new(), in_order: BTreeSet::new() }
    }
}

/// One entity, as a view knows it.
#[derive(Clone)]
pub struct Entry<S> {
    /// Revision of its last fact.
    pub revision: u64,
    /// Its state after that fact.
    pub state: Arc<S>,
    /// The requests that led to its facts.
    requests: Arc<Requests>,
}

/// Short digests of the requests that led to an entity's last facts; a hit is verified in the ledger.
#[derive(Default)]
struct Requests(Mutex<VecDeque<u64>>);

impl Requests {
    /// Facts of one entity after which a repeated request is no longer recognised.
    const KEPT: usize = 1_024;

    fn holds(&self, request: RequestDigest) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&request.short())
    }

    fn add(&self, request: RequestDigest) {
        let mut digests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if digests.contains(&request.short()) {
            return;
        }
        if digests.len() == Self::KEPT {
            digests.pop_front();
        }
        digests.push_back(request.short());
    }

    /// The same of a fact before all those that are known.
    fn add_older(&self, request: RequestDigest) {
        let mut digests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if digests.len() < Self::KEPT && !digests.contains(&request.short()) {
            digests.push_front(request.short());
        }
    }
}

impl<S> Entry<S> {
    /// Whether the entity's history probably holds a fact of this request.
    pub(crate) fn may_hold(&self, request: RequestDigest) -> bool {
        self.requests.holds(request)
    }
}

/// A view, whatever it is of.
pub trait Apply: Send + Sync + 'static {
    /// The sort of entity it is of.
    fn entity(&self) -> EntityName;
    /// Takes in one fact; one that it has already, or an older one, changes nothing but what it
    /// remembers of requests.
    ///
    /// # Errors
    /// The payload is not what the fact's kind says.
    fn apply(&self, fact: &FactRecord) -> Result<(), serde_json::Error>;
    /// Revision of the entity's last fact that it has taken in; 0 if none.
    fn revision_of(&self, entity: &Entity) -> u64;
    /// Whether the entity's history probably holds a fact of this request.
    fn may_hold(&self, entity: &Entity, request: RequestDigest) -> bool;

    /// Whether the newest fact of each entity says all that it holds. Then what was recorded before this process
    /// looked may come in any order, and of facts that are not an entity's newest it is told of the request alone.
    fn is_of_newest(&self) -> bool {
        false
    }
    /// Takes in that a fact older than what it holds of the entity was of this request.
    fn remember(&self, _entity: &Entity, _request: RequestDigest) {}
    /// Takes in one fact of those that were recorded before this process looked, or while it could not.
    ///
    /// # Errors
    /// As [`Apply::apply`].
    fn apply_past(&self, fact: &FactRecord) -> Result<(), serde_json::Error> {
        self.apply(fact)
    }
    /// All of those facts, of every sort, were taken in, or no more of them can be for now.
    fn caught_up(&self) {}
}

impl<S: State> Default for View<S> {
    fn default() -> Self {
        Self { missions: RwLock::default(), watch: None }
    }
}

impl<S: State> View<S> {
    /// An empty view; `watch` is told of every change of a state.
    pub fn watched(watch: Arc<dyn Watch<S>>) -> Self {
        Self { missions: RwLock::default(), watch: Some(watch) }
    }

    fn missions(&self) -> RwLockReadGuard<'_, HashMap<Mission, Entities<S>>> {
        self.missions.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entity, if there is one.
    pub fn get(&self, mission: &Mission, id: &EntityId) -> Option<Entry<S>> {
        self.missions().get(mission)?.by_id.get(id).cloned()
    }

    /// The entity's state, if there is one.
    pub fn state(&self, mission: &Mission, id: &EntityId) -> Option<Arc<S>> {
        self.missions().get(mission)?.by_id.get(id).map(|entry| Arc::clone(&entry.state))
    }

    /// How many entities there are.
    pub fn len(&self) -> usize {
        self.missions().values().map(|entities| entities.by_id.len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A page of the states in one mission that `keep` wants, in order of id: at most `limit` of them
    /// after `after`, and whether there are more.
    pub fn page(
        &self,
        mission: &Mission,
        after: Option<&EntityId>,
        limit: usize,
        keep: impl Fn(&S) -> bool,
    ) -> (Vec<Arc<S>>, bool) {
        let missions = self.missions();
        let Some(entities) = missions.get(mission) else {
            return (Vec::new(), false);
        };
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut found = entities
            .in_order
            .range::<EntityId, _>((start, Bound::Unbounded))
            .filter_map(|id| entities.by_id.get(id))
            .map(|entry| &entry.state)
            .filter(|state| keep(state));
        let states: Vec<_> = found.by_ref().take(limit).cloned().collect();
        (states, found.next().is_some())
    }

    /// The states of all entities, in every mission, that `keep` wants, in no order; it is told the
    /// revision too.
    pub fn all(&self, keep: impl Fn(&S, u64) -> bool) -> Vec<Arc<S>> {
        let missions = self.missions();
        let entries = missions.values().flat_map(|entities| entities.by_id.values());
        let kept = entries.filter(|entry| keep(&entry.state, entry.revision));
        kept.map(|entry| Arc::clone(&entry.state)).collect()
    }

    /// Takes in a state that this process has just recorded.
    pub(crate) fn put(&self, entity: &Entity, revision: u64, state: Arc<S>, request: Option<RequestDigest>) {
        let mut missions = self.missions.write().unwrap_or_else(PoisonError::into_inner);
        let entities = match missions.get_mut(&entity.mission) {
            Some(entities) => entities,
            None => missions.entry(entity.mission.clone()).or_default(),
        };
        let Some(entry) = entities.by_id.get_mut(&entity.id) else {
            let requests = Arc::<Requests>::default();
            if let Some(request) = request {
                requests.add(request);
            }
            self.tell(entity, None, &state);
            entities.in_order.insert(entity.id.clone());
            entities.by_id.insert(entity.id.clone(), Entry { revision, state, requests });
            return;
        };
        if let Some(request) = request {
            entry.requests.add(request);
        }
        if revision > entry.revision {
            self.tell(entity, Some(&entry.state), &state);
            entry.revision = revision;
            entry.state = state;
        }
    }

    fn tell(&self, entity: &Entity, before: Option<&S>, after: &S) {
        if let Some(watch) = &self.watch {
            watch.changed(entity, before, after);
        }
    }
}

impl<S: State> Apply for View<S> {
    fn entity(&self) -> EntityName {
        S::ENTITY
    }

    fn apply(&self, fact: &FactRecord) -> Result<(), serde_json::Error> {
        #[derive(Deserialize)]
        struct After<S> {
            #[serde(rename = "change")]
            _change: IgnoredAny,
            state: S,
        }
        let entity = &fact.fact.entity;
        if self.revision_of(entity) == fact.revision {
            return Ok(());
        }
        let After { state, .. } = serde_json::from_slice::<After<S>>(&fact.envelope.payload)?;
        self.put(entity, fact.revision, Arc::new(state), fact.request);
        Ok(())
    }

    fn revision_of(&self, entity: &Entity) -> u64 {
        let missions = self.missions();
        let entry = missions.get(&entity.mission).and_then(|entities| entities.by_id.get(&entity.id));
        entry.map_or(0, |entry| entry.revision)
    }

    fn may_hold(&self, entity: &Entity, request: RequestDigest) -> bool {
        self.get(&entity.mission, &entity.id).is_some_and(|entry| entry.may_hold(request))
    }

    /// Who watches is told of every change.
    fn is_of_newest(&self) -> bool {
        self.watch.is_none()
    }

    fn remember(&self, entity: &Entity, request: RequestDigest) {
        let missions = self.missions();
        let entry = missions.get(&entity.mission).and_then(|entities| entities.by_id.get(&entity.id));
        if let Some(entry) = entry {
            entry.requests.add_older(request);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use selvedge_contracts::payload::mission::Mission as Named;

    fn entity(id: &str) -> Entity {
        Entity { mission: Mission::kluster(), name: EntityName::Mission, id: EntityId::new(id).unwrap() }
    }

    fn named(id: &str, title: &str) -> Arc<Named> {
        Arc::new(Named { id: Mission::new(id).unwrap(), title: title.into(), created_at_ms: 0 })
    }

    #[test]
    fn the_newest_state_stays_whatever_the_order() {
        let view = View::default();
        view.put(&entity("a"), 7, named("a", "new"), None);
        let request = RequestDigest::new("x", "y", "z");
        view.put(&entity("a"), 3, named("a", "old"), Some(request));
        let entry = view.get(&Mission::kluster(), &EntityId::new("a").unwrap()).unwrap();
        assert_eq!((entry.revision, entry.state.title.as_str()), (7, "new"));
        assert!(entry.may_hold(request), "an older fact's request is remembered");
    }

    #[test]
    fn of_the_requests_of_an_entity_the_oldest_are_forgotten_first() {
        let view = View::default();
        let request = |n: usize| RequestDigest::new("x", "y", &n.to_string());
        view.put(&entity("a"), 9_000, named("a", "new"), Some(request(9_000)));
        for older in (0..Requests::KEPT + 5).rev() {
            view.remember(&entity("a"), request(older));
        }
        view.put(&entity("a"), 9_001, named("a", "newer"), Some(request(9_001)));
        let held = |n| view.may_hold(&entity("a"), request(n));
        let kept = Requests::KEPT;
        assert_eq!(
            [held(9_001), held(9_000), held(kept + 4), held(7), held(6), held(0)],
            [true, true, true, true, false, false]
        );
        view.remember(&entity("b"), request(1)); // of one that is not known: nothing to keep it with
        assert!(!view.may_hold(&entity("b"), request(1)));
    }

    #[derive(Default)]
    struct Told(Mutex<Vec<(Option<String>, String)>>);

    impl Watch<Named> for Told {
        fn changed(&self, _: &Entity, before: Option<&Named>, after: &Named) {
            self.0.lock().unwrap().push((before.map(|state| state.title.clone()), after.title.clone()));
        }
    }

    #[test]
    fn whoever_watches_is_told_of_each_change_once_and_of_nothing_older() {
        let told = Arc::<Told>::default();
        let view = View::watched(Arc::clone(&told) as Arc<dyn Watch<Named>>);
        for (revision, title) in [(2, "one"), (5, "two"), (5, "two"), (3, "old")] {
            view.put(&entity("a"), revision, named("a", title), None);
        }
        let expected = [(None, "one".to_owned()), (Some("one".to_owned()), "two".to_owned())];
        assert_eq!(*told.0.lock().unwrap(), expected);
    }

    #[test]
    fn a_page_goes_on_after_the_last_one() {
        let view = View::default();
        for (revision, id) in ["a", "b", "c"].iter().enumerate() {
            view.put(&entity(id), revision as u64 + 1, named(id, ""), None);
        }
        let (first, more) = view.page(&Mission::kluster(), None, 2, |_| true);
        assert_eq!((first.len(), more), (2, true));
        let after = EntityId::from(&first[1].id);
        let (rest, more) = view.page(&Mission::kluster(), Some(&after), 2, |_| true);
        assert_eq!((rest[0].id.as_str(), rest.len(), more), ("c", 1, false));
        assert!(view.page(&Mission::new("demo").unwrap(), None, 2, |_| true).0.is_empty());
    }
}
