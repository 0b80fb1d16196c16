//! Real candidate lists: what the index names for each query, with the one right answer marked where there is
//! one.

use std::sync::Arc;

use selvedge_overlap::{Change, Features, Index, Item, Query, Readable, Settings, State, StaticModel};

use crate::{data::Corpus, report::Figures};

/// The candidates of one query.
pub(crate) struct List {
    /// Title asked about, and the right answer's, for a reader.
    pub(crate) titles: (String, Option<String>),
    /// Number of the first pair that hangs together with this one, the same for both directions; of other
    /// queries, a running number.
    pub(crate) number: usize,
    /// Whether there is a right answer, among the candidates or not.
    pub(crate) is_pair: bool,
    pub(crate) candidates: Vec<Candidate>,
}

pub(crate) struct Candidate {
    pub(crate) title: String,
    pub(crate) features: Features,
    pub(crate) is_right: bool,
}

pub(crate) struct Lists {
    pub(crate) name: String,
    pub(crate) lists: Vec<List>,
}

impl Lists {
    pub(crate) fn of(corpus: &Corpus, others: usize) -> anyhow::Result<Self> {
        let index = Index::new(Arc::new(StaticModel::embedded()?), Settings::default());
        for (sequence, item) in (1..).zip(&corpus.items) {
            let item = Item { state: State::Existing, ..item.clone() };
            index.apply(sequence, &Change::Insert(item))?;
        }
        let groups = groups(&corpus.pairs);
        let both =
            corpus.pairs.iter().zip(groups).flat_map(|((a, b), n)| [(n, *a, Some(*b)), (n, *b, Some(*a))]);
        let without = without_pair(corpus, others).into_iter().enumerate().map(|(n, a)| (n, a, None));
        let lists = both.chain(without).map(|(n, a, b)| list(&index, corpus, n, a, b)).collect();
        Ok(Self { name: corpus.name.clone(), lists })
    }

    pub(crate) fn print(&self, what: &str, figures: &Figures) {
        println!("{}, {what}: {figures}", self.name);
    }
}

/// For each pair, the first of those that it hangs together with by common items.
fn groups(pairs: &[(usize, usize)]) -> Vec<usize> {
    let mut groups: Vec<usize> = (0..pairs.len()).collect();
    let meet = |one: &(usize, usize), other: &(usize, usize)| {
        one.0 == other.0 || one.0 == other.1 || one.1 == other.0 || one.1 == other.1
    };
    for later in 0..pairs.len() {
        for earlier in 0..later {
            if meet(&pairs[earlier], &pairs[later]) {
                let (from, to) = (groups[later].max(groups[earlier]), groups[later].min(groups[earlier]));
                groups.iter_mut().filter(|group| **group == from).for_each(|group| *group = to);
            }
        }
    }
    groups
}

/// Items of no pair, by a fixed order that looks random.
fn without_pair(corpus: &Corpus, count: usize) -> Vec<usize> {
    let mut free: Vec<usize> = (0..corpus.items.len())
        .filter(|place| corpus.pairs.iter().all(|(a, b)| a != place && b != place))
        .collect();
    free.sort_by_key(|place| (*place as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    free.truncate(count);
    free
}

fn list(index: &Index, corpus: &Corpus, number: usize, asked: usize, right: Option<usize>) -> List {
    let item = &corpus.items[asked];
    let query = Query {
        title: item.title.clone(),
        description: item.description.clone(),
        scope: item.scope.clone(),
        except: Some(item.id.clone()),
        ..Query::default()
    };
    let right_id = right.map(|right| corpus.items[right].id.as_str());
    // Another known duplicate of the same item is neither right nor wrong here.
    let is_other_right = |id: &str| {
        corpus.pairs.iter().any(|(a, b)| {
            let (a, b) = if *a == asked { (*a, *b) } else { (*b, *a) };
            a == asked && Some(b) != right && corpus.items[b].id == id
        })
    };
    let found = index.check(&query, &Readable::All, 1_000).candidates.into_iter();
    let candidates = found.filter(|found| !is_other_right(&found.id)).map(|found| Candidate {
        is_right: Some(found.id.as_str()) == right_id,
        title: found.title,
        features: found.features,
    });
    List {
        titles: (item.title.clone(), right.map(|right| corpus.items[right].title.clone())),
        number,
        is_pair: right.is_some(),
        candidates: candidates.collect(),
    }
}
