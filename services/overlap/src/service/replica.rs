//! What one replica holds: the book and the index, one after the other made from every fact in its order. What is
//! answered is read from both at once, so that it is of one instant.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use selvedge_contracts::{
    fact::{EntityName, TUNING_REINDEXED},
    id::{KindName, Mission},
    payload::overlap::{self, Checked, Creation, CreationState, Level, Thresholds, Tuning},
};
use selvedge_kit::{ledger::FactRecord, metrics::OverlapMetrics, order::Take, steps::Steps};
use serde::Deserialize;
use tokio::sync::watch;
use tracing::{error, warn};

use super::{
    book::{Book, index_id},
    owners::{self, Said},
    rule::Asks,
    shown, snapshot,
};
use crate::{ApplyError, Embedder, Index, Query, Readable, Settings, index::Prepared};

/// Candidates that a creation is shown.
const MOST: usize = overlap::DEFAULT_CANDIDATES;

/// Candidates of a part that are looked at: many may be parts of the same whole.
const OF_PARTS: usize = overlap::MAX_CANDIDATES;

/// Facts that are taken in at once: checks wait for as many.
const AT_ONCE: usize = 32;

/// The book and the index, after the same facts.
pub(crate) struct Held {
    pub(crate) book: Book,
    pub(crate) index: Index,
    /// How often the index was to be made anew when this one was begun.
    pub(crate) generation: u32,
}

/// What one replica holds.
pub(crate) struct Replica {
    held: RwLock<Held>,
    /// The generation that the ledger asks for.
    asked: watch::Sender<u32>,
    steps: Steps,
    metrics: OverlapMetrics,
}

/// What was found for a creation.
pub(crate) struct Judged {
    /// The place for which it was checked.
    pub(crate) place: u64,
    pub(crate) found: Checked,
    pub(crate) asks: Asks,
    /// Whether the owner of its thing will say that it is there.
    pub(crate) is_of_the_fabric: bool,
}

/// Where a creation stands.
pub(crate) struct Known {
    pub(crate) state: CreationState,
    /// Sequence of its last own fact.
    pub(crate) revision: u64,
    /// Whether its thing is there, and it says something else of it since.
    pub(crate) is_edit: bool,
}

/// What looking for what is like a creation came to.
pub(crate) enum Found {
    /// This.
    Judged(Judged),
    /// Nobody knows it, or it is over.
    Moved,
    /// The index had no room for it.
    Full,
}

impl Held {
    /// With nothing in it.
    pub(crate) fn empty(embedder: Arc<dyn Embedder>, generation: u32) -> Self {
        let index = Index::new(embedder, Settings::default());
        Self { book: Book::default(), index, generation }
    }

    /// Takes in the next fact; one that it has, it knows.
    pub(crate) fn take(&mut self, fact: &FactRecord) {
        let heard = self.hear(fact);
        self.take_in(heard);
    }

    /// Reads a fact, and works out of it what can be before its turn.
    fn hear<'a>(&self, fact: &'a FactRecord) -> Heard<'a> {
        let says = read(fact);
        let foreseen = match &says {
            _ if fact.revision <= self.book.sequence => Vec::new(),
            Ok(Says::Creation(after)) => {
                self.book.foresee(fact.revision, &fact.fact.kind, after).into_iter().collect()
            }
            Ok(Says::Owner(said)) => said.iter().filter_map(|said| self.book.foresee_owner(said)).collect(),
            _ => Vec::new(),
        };
        let prepare = |change: crate::Change| (change.id().to_owned(), self.index.prepare(&change));
        Heard { fact, says, prepared: foreseen.into_iter().map(prepare).collect() }
    }

    fn take_in(&mut self, heard: Heard<'_>) {
        let Heard { fact, says, mut prepared } = heard;
        if fact.revision <= self.book.sequence {
            return;
        }
        self.book.sequence = fact.revision;
        self.book.last = snapshot::digest(fact);
        let changes = match says.map(|says| self.changes(fact, says)) {
            Ok(changes) => changes,
            Err(error) => {
                return warn!(revision = fact.revision, %error, "skipped a fact with a foreign payload");
            }
        };
        for (at, change) in changes.iter().enumerate() {
            let prepared = prepared.remove(change.id()).unwrap_or_else(|| self.index.prepare(change));
            self.apply(fact.revision, at, change, prepared);
        }
    }

    fn apply(&self, revision: u64, at: usize, change: &crate::Change, prepared: Prepared) {
        let applied = match at {
            0 => self.index.apply_prepared(revision, change, prepared),
            _ => self.index.apply_also(revision, change, prepared),
        };
        match applied {
            Ok(()) => {}
            Err(full @ ApplyError::Full(_)) => warn!(revision, %full, "not compared"),
            Err(error) => error!(revision, %error, "the index does not follow the book"),
        }
    }

    fn changes(&mut self, fact: &FactRecord, says: Says) -> Vec<crate::Change> {
        let (revision, at_ms, kind) = (fact.revision, fact.envelope.sent_at_ms, &fact.fact.kind);
        match says {
            Says::Creation(after) => {
                let own = self.book.own(revision, kind, at_ms, &after);
                own.into_iter().chain(self.book.own_family(kind, &after)).collect()
            }
            Says::Tuning(tuning) => {
                self.book.tuned(fact.fact.entity.mission.as_str(), *tuning);
                Vec::new()
            }
            Says::Owner(said) => {
                said.into_iter().filter_map(|said| self.book.owner(revision, at_ms, said)).collect()
            }
            Says::Nothing => Vec::new(),
        }
    }

    /// What the kluster's own tuning asks for.
    pub(crate) fn asked_generation(&self) -> u32 {
        self.book.tuning(Mission::kluster().as_str()).generation
    }

    /// What is found for a part: of its own whole only what is as good as surely the same. Where most of the best
    /// are of its whole, what was there before that is looked at by itself.
    fn search_part(&self, query: Query, readable: &Readable, whole: u128) -> Checked {
        let is_relative = |found: &overlap::Candidate| {
            found.part_of.as_ref().is_some_and(|id| id.number() == whole) || found.creation.number() == whole
        };
        let relatives = std::cell::Cell::new(0);
        let keep = |found: &overlap::Candidate| {
            let is_relative = is_relative(found);
            relatives.set(relatives.get() + usize::from(is_relative));
            let is_twin = found.level == Some(Level::Strong) && found.creation.number() != whole;
            found.level.is_some() && (!is_relative || is_twin)
        };
        let found = self.search(&query, readable, (MOST, OF_PARTS), keep);
        let place = self.book.get(whole).map(|record| record.place);
        let Some(place) = place.filter(|_| relatives.get() > OF_PARTS / 2) else { return found };
        let query = Query { before: query.before.map(|before| before.min(place)), ..query };
        let earlier = self.search(&query, readable, (MOST, MOST), |found| found.level.is_some());
        let mut candidates = earlier.candidates;
        candidates.extend(found.candidates.into_iter().filter(is_relative));
        candidates.sort_by(|one, other| (other.score, &one.creation).cmp(&(one.score, &other.creation)));
        candidates.truncate(MOST);
        Checked { candidates, ..earlier }
    }

    /// What is found for a text: at most `limit` candidates that `keep` wants, of the best `of`.
    pub(crate) fn search(
        &self,
        query: &Query,
        readable: &Readable,
        (limit, of): (usize, usize),
        keep: impl Fn(&overlap::Candidate) -> bool,
    ) -> Checked {
        shown::checked(&self.book, self.index.check(query, readable, of), limit, keep)
    }
}

/// What a fact says.
enum Says {
    /// A creation, as it stands after it.
    Creation(Box<Creation>),
    /// What counts as alike.
    Tuning(Box<Tuning>),
    /// What the owner of a thing says, of its parts too.
    Owner(Vec<Said>),
    /// Nothing about a creation.
    Nothing,
}

/// A fact that was read, and what was worked out of it before its turn.
struct Heard<'a> {
    fact: &'a FactRecord,
    says: Result<Says, serde_json::Error>,
    /// By the index's id of what changes.
    prepared: HashMap<String, Prepared>,
}

fn read(fact: &FactRecord) -> Result<Says, serde_json::Error> {
    #[derive(Deserialize)]
    struct After<S> {
        state: S,
    }
    let payload = &fact.envelope.payload;
    Ok(match fact.fact.entity.name {
        EntityName::Creation => Says::Creation(serde_json::from_slice::<After<_>>(payload)?.state),
        EntityName::Tuning => Says::Tuning(serde_json::from_slice::<After<_>>(payload)?.state),
        _ => match owners::said(fact)? {
            said if said.is_empty() => Says::Nothing,
            said => Says::Owner(said),
        },
    })
}

impl Replica {
    pub(crate) fn new(held: Held, steps: Steps, metrics: OverlapMetrics) -> Self {
        let asked = watch::Sender::new(held.asked_generation());
        Self { held: RwLock::new(held), asked, steps, metrics }
    }

    /// Reads what is held. Nothing is taken in meanwhile.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Held) -> T) -> T {
        read(&self.held.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Holds something else from now on. What was held is given up once others can read again: that takes long.
    pub(crate) fn replace(&self, mut held: Held) {
        std::mem::swap(&mut *self.held.write().unwrap_or_else(PoisonError::into_inner), &mut held);
        drop(held);
    }

    /// What is held was made from the whole ledger just now: of the generation that it asks for.
    pub(crate) fn is_new(&self) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        held.generation = held.asked_generation();
    }

    /// Told when the ledger asks for another generation.
    pub(crate) fn asked(&self) -> watch::Receiver<u32> {
        self.asked.subscribe()
    }

    /// Where a creation stands, and the last own fact that says so.
    pub(crate) fn standing_of(&self, number: u128) -> Option<Known> {
        self.read(|held| {
            let record = held.book.get(number)?;
            Some(Known { state: record.state, revision: record.revision, is_edit: record.is_edit() })
        })
    }

    /// What is found by now for a creation that this replica need not have heard of.
    pub(crate) fn look(&self, wanted: &Creation, place: u64, readable: &Readable) -> Checked {
        self.read(|held| {
            let scope = wanted.mission.to_string();
            let tuning = held.book.tuning(&scope);
            let query = Query {
                title: wanted.title.clone(),
                description: wanted.description.clone(),
                paths: wanted.paths.clone(),
                artifacts: wanted.artifacts.clone(),
                scope,
                before: Some(place),
                except: Some(index_id(wanted.creation.number())),
                thresholds: thresholds(&tuning.thresholds),
            };
            held.search(&query, readable, (MOST, MOST), |found| found.level.is_some())
        })
    }

    /// What is found for a creation at its place.
    pub(crate) fn judge(&self, number: u128, readable: &Readable) -> Found {
        self.read(|held| {
            let Some(record) = held.book.get(number).filter(|record| record.state.is_alive()) else {
                return Found::Moved;
            };
            let Some(item) = held.index.item(&index_id(number)) else { return Found::Full };
            let tuning = held.book.tuning(&item.scope);
            let query = Query {
                title: item.title,
                description: item.description,
                paths: item.paths,
                artifacts: item.artifacts,
                scope: item.scope,
                before: Some(record.place),
                except: Some(index_id(number)),
                thresholds: thresholds(&tuning.thresholds),
            };
            let found = match record.part_of.get() {
                None => held.search(&query, readable, (MOST, MOST), |found| found.level.is_some()),
                Some(whole) => held.search_part(query, readable, whole),
            };
            let alarms = |found: &overlap::Candidate| {
                found.level.is_some_and(|level| tuning.alert.is_raised_by(level))
            };
            let asks = if found.candidates.iter().any(alarms) { Asks::Yes } else { Asks::No };
            let what = KindName::new(held.book.names.name(record.what));
            let is_of_the_fabric = what.is_ok_and(|what| what.is_of_the_fabric());
            Found::Judged(Judged { place: record.place, found, asks, is_of_the_fabric })
        })
    }
}

/// As the index takes them.
pub(crate) fn thresholds(thresholds: &Thresholds) -> crate::Thresholds {
    let Thresholds { strong, likely, similar } = *thresholds;
    crate::Thresholds { strong, likely, similar }
}

impl Take for Replica {
    fn wants(&self, entity: EntityName) -> bool {
        matches!(entity, EntityName::Creation | EntityName::Tuning) || owners::ENTITIES.contains(&entity)
    }

    fn take(&self, facts: &[FactRecord]) {
        let mut rest = facts;
        while !rest.is_empty() {
            // A change with which an upkeep becomes due is the first of its turn, so that the upkeep can be worked
            // out before it.
            let most = self.read(|held| held.index.before_upkeep()).clamp(1, AT_ONCE);
            let (now, later) = rest.split_at(most.min(rest.len()));
            self.take_at_once(now);
            rest = later;
        }
    }
}

impl Replica {
    /// Takes facts in one turn: checks wait for the last part of it only, which is short.
    fn take_at_once(&self, facts: &[FactRecord]) {
        facts.iter().for_each(|_| self.steps.reached("take"));
        let heard: Vec<_> = facts.iter().map(|fact| self.read(|held| held.hear(fact))).collect();
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        heard.into_iter().for_each(|heard| held.take_in(heard));
        self.metrics.took(held.book.sequence, held.index.len());
        let is_reindex = |fact: &FactRecord| {
            fact.fact.entity.name == EntityName::Tuning && fact.fact.kind == TUNING_REINDEXED.kind.name
        };
        let asked = facts.iter().any(is_reindex).then(|| held.asked_generation());
        drop(held);
        if let Some(asked) = asked {
            self.asked.send_replace(asked);
        }
    }
}

#[cfg(test)]
mod tests {
    use selvedge_contracts::{
        id::{Caller, Owner, ScopeId},
        payload::overlap::{Propose, Proposer},
        role::Role,
    };

    use super::*;
    use crate::{StaticModel, service::content};

    #[test]
    fn what_the_index_has_no_room_for_is_told_from_what_is_over() {
        let model = Arc::new(StaticModel::embedded().unwrap());
        let index = Index::new(model, Settings { items: 1, ..Settings::default() });
        let held = Held { book: Book::default(), index, generation: 0 };
        let metrics = selvedge_kit::metrics::Metrics::default().overlap();
        let replica = Replica::new(held, Steps::default(), metrics);
        let proposed = |id: &str| {
            let request = Propose {
                what: KindName::task(),
                id: id.to_owned(),
                title: format!("Mend fence {id}"),
                description: String::new(),
                paths: Vec::new(),
                artifacts: Vec::new(),
                parts: Vec::new(),
                on_behalf: None,
            };
            let proposer = Proposer {
                agent: Caller::new("ada-00000001").unwrap(),
                role: Role::Worker,
                owner: Owner::new("person:olga").unwrap(),
                session: ScopeId::new("s1").unwrap(),
                task: None,
                request: None,
            };
            content::wanted(&Mission::new("demo").unwrap(), &request, proposer, 1, 1).unwrap()
        };
        let (first, second) = (proposed("1"), proposed("2"));
        for (sequence, creation) in [(1, &first), (2, &second)] {
            let mut held = replica.held.write().unwrap();
            let change = held.book.own(sequence, "proposed", 0, creation).unwrap();
            let applied = held.index.apply(sequence, &change);
            assert_eq!(applied.is_ok(), sequence == 1, "{applied:?}");
        }
        let judge = |creation: &Creation| replica.judge(creation.creation.number(), &Readable::All);
        assert!(matches!(judge(&first), Found::Judged(_)));
        assert!(matches!(judge(&second), Found::Full));
        assert!(matches!(judge(&proposed("3")), Found::Moved));
    }
}
