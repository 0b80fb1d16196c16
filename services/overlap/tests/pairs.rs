//! Pairs of texts that are alike and not the same, and pairs that are the same in other words: the first may
//! never be `strong`, which is worth something only while the second are seen.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop where they fail"
)]

use std::sync::Arc;

use selvedge_overlap::{Candidate, Change, Index, Item, Level, Query, Readable, Settings, StaticModel};

fn pairs(table: &str) -> Vec<(&str, &str)> {
    table.lines().map(|line| line.split_once(" | ").unwrap()).collect()
}

fn index() -> Index {
    Index::new(Arc::new(StaticModel::embedded().unwrap()), Settings::default())
}

/// The second of each pair as a candidate for the first, in an index of all seconds.
fn found(pairs: &[(&str, &str)]) -> Vec<Option<Candidate>> {
    let index = index();
    for (sequence, (_, title)) in (1_u64..).zip(pairs) {
        let item = Item { id: sequence.to_string(), title: (*title).to_owned(), ..Item::default() };
        index.apply(sequence, &Change::Insert(item)).unwrap();
    }
    (1_u64..)
        .zip(pairs)
        .map(|(sequence, (title, _))| {
            let query = Query { title: (*title).to_owned(), ..Query::default() };
            let checked = index.check(&query, &Readable::All, 10);
            checked.candidates.into_iter().find(|found| found.id == sequence.to_string())
        })
        .collect()
}

/// Whether a reason says why it is not held for the same.
fn is_told_apart(found: &Candidate) -> bool {
    let features = &found.features;
    features.is_opposite || features.numbers_differ || features.order_differs || features.words_differ
}

#[test]
fn another_number_name_or_direction_is_never_strong() {
    let pairs = pairs(include_str!("differences.txt"));
    assert!(pairs.len() >= 300, "{}", pairs.len());
    let mut wrong = Vec::new();
    for (pair, found) in pairs.iter().zip(found(&pairs)) {
        let found = found.unwrap_or_else(|| panic!("{pair:?} is not even a candidate"));
        if found.level == Some(Level::Strong) || !is_told_apart(&found) {
            wrong.push((pair, found.score, found.level));
        }
    }
    assert!(wrong.is_empty(), "{} of {}: {wrong:#?}", wrong.len(), pairs.len());
}

/// The same pairs one by one, where the index knows nothing of how rare words are.
#[test]
fn nor_is_it_strong_where_nothing_else_is_known() {
    let index = index();
    for (one, other) in pairs(include_str!("differences.txt")) {
        let item = |title: &str| Item { title: title.to_owned(), ..Item::default() };
        let explained = index.explain(&item(one), &item(other), &Query::default().thresholds);
        assert_ne!(explained.level, Some(Level::Strong), "{one} | {other}");
        let back = index.explain(&item(other), &item(one), &Query::default().thresholds);
        assert_eq!((back.score, back.level), (explained.score, explained.level), "{one} | {other}");
    }
}

/// Where the titles are the same, the descriptions tell; with a path in common, too.
#[test]
fn nor_are_things_whose_descriptions_tell_them_apart() {
    let (index, mut wrong) = (index(), Vec::new());
    for line in include_str!("described.txt").lines() {
        let mut parts = line.split(" | ");
        let mut next = || parts.next().unwrap().to_owned();
        let (title, one, other) = (next(), next(), next());
        for paths in [Vec::new(), vec!["src/main.rs".to_owned()]] {
            let item = |description: &String| Item {
                title: title.clone(),
                description: description.clone(),
                paths: paths.clone(),
                ..Item::default()
            };
            let explained = index.explain(&item(&one), &item(&other), &Query::default().thresholds);
            if explained.level == Some(Level::Strong) {
                wrong.push((line, explained.score));
            }
        }
        let same = Item { title: title.clone(), description: one.clone(), ..Item::default() };
        let explained = index.explain(&same, &same, &Query::default().thresholds);
        assert_eq!(explained.level, Some(Level::Strong), "{line}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// And the pairs of titles with a path in common, which raises every score.
#[test]
fn nor_does_a_path_in_common_make_it_strong() {
    let index = index();
    for (one, other) in pairs(include_str!("differences.txt")) {
        let paths = || vec!["src/main.rs".to_owned()];
        let item = |title: &str| Item { title: title.to_owned(), paths: paths(), ..Item::default() };
        let explained = index.explain(&item(one), &item(other), &Query::default().thresholds);
        assert_ne!(explained.level, Some(Level::Strong), "{one} | {other}");
    }
}

#[test]
fn the_same_in_other_words_is_mostly_seen() {
    let pairs = pairs(include_str!("paraphrases.txt"));
    let found = found(&pairs);
    let is_seen = |found: &Option<Candidate>| found.as_ref().is_some_and(|found| found.level.is_some());
    let missed: Vec<_> = pairs.iter().zip(&found).filter(|(_, found)| !is_seen(found)).collect();
    assert!(missed.len() * 5 <= pairs.len(), "{} of {}: {missed:#?}", missed.len(), pairs.len());
    let opposite: Vec<_> = pairs
        .iter()
        .zip(&found)
        .filter(|(_, found)| found.as_ref().is_some_and(|found| found.level == Some(Level::Opposite)))
        .collect();
    assert!(opposite.len() * 8 <= pairs.len(), "{} of {}: {opposite:#?}", opposite.len(), pairs.len());
}

#[test]
fn the_same_words_are_strong() {
    let pairs = pairs(include_str!("paraphrases.txt"));
    let same: Vec<_> = pairs.iter().map(|(title, _)| (*title, *title)).collect();
    for (pair, found) in same.iter().zip(found(&same)) {
        assert_eq!(found.and_then(|found| found.level), Some(Level::Strong), "{pair:?}");
    }
}
