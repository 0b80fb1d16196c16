//! Replicas agree: the same changes give the same answers to the last bit, on any number of threads, whether read
//! in one go or taken up from a snapshot.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop where they fail"
)]

use std::{
    sync::{Arc, LazyLock},
    thread,
};

use selvedge_overlap::{
    Change, Checked, Index, Item, Query, Readable, Settings, SnapshotError, State, StaticModel, Weights,
};

/// Read once: the replicas of a test share nothing that changes.
static MODEL: LazyLock<Arc<StaticModel>> = LazyLock::new(|| Arc::new(StaticModel::embedded().unwrap()));

fn model() -> Arc<StaticModel> {
    Arc::clone(&MODEL)
}

/// Small bounds, so that cells, upkeep, renumbering and budgets are all at work.
fn settings() -> Settings {
    Settings {
        newest: 256,
        pending: 64,
        flat: 1_500,
        cells: 16,
        vectors_scanned: 300,
        word_places: 500,
        trigram_places: 300,
        ..Settings::default()
    }
}

fn draw(seed: u64) -> u64 {
    let x = (seed ^ (seed >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (x ^ (x >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32
}

fn text(seed: u64, count: u64) -> String {
    const WORDS: &[&str] = &[
        "add", "cache", "client", "index", "retry", "token", "build", "parser", "queue", "lease", "render",
        "page", "login", "error", "stream", "ledger", "replica", "commit", "merge", "budget", "vector",
        "snapshot", "test",
    ];
    let word = |n: u64| WORDS[(draw(seed * 131 + n) % WORDS.len() as u64) as usize];
    (0..count).map(word).chain([format!("n{}", draw(seed) % 500).as_str()]).collect::<Vec<_>>().join(" ")
}

fn item(number: u64, version: u64) -> Item {
    Item {
        id: format!("t/{number}"),
        title: text(number * 1_000 + version, 5),
        description: text(number * 1_000 + version + 7, 20),
        paths: vec![format!("src/{}.rs", number % 50)],
        artifacts: vec![],
        scope: format!("m{}", number % 3),
        state: if number.is_multiple_of(5) { State::Pending } else { State::Existing },
    }
}

/// Inserts with edits, ends and removals between them; ids of the last removed items come again.
fn changes(count: u64) -> Vec<(u64, Change)> {
    let mut changes = Vec::new();
    let mut sequence = 0;
    let mut push = |change| {
        sequence += 1 + sequence % 3;
        changes.push((sequence, change));
    };
    for number in 0..count {
        push(Change::Insert(item(number, 0)));
        let earlier = draw(number) % (number + 1);
        if earlier % 4 != 3 {
            match number % 4 {
                0 => push(Change::Edit(item(earlier, number))),
                1 => push(Change::State { id: format!("t/{earlier}"), state: State::Discarded }),
                _ => {}
            }
        }
        if number % 7 == 3 && number % 4 == 3 {
            push(Change::Remove { id: format!("t/{number}") });
        }
    }
    changes
}

fn apply(index: &Index, changes: &[(u64, Change)]) {
    for (sequence, change) in changes {
        index.apply(*sequence, change).unwrap();
    }
}

fn answer(index: &Index, number: u64) -> Checked {
    let item = item(number, 99);
    let query =
        Query { title: item.title, description: item.description, paths: item.paths, ..Query::default() };
    let readable = match number % 2 {
        0 => Readable::All,
        _ => Readable::Scopes(["m1".to_owned(), "m2".to_owned()].into()),
    };
    index.check(&query, &readable, 20)
}

fn answers(index: &Index) -> Vec<Checked> {
    (0..40).map(|number| answer(index, number)).collect()
}

#[test]
fn the_same_changes_give_the_same_answers_on_any_number_of_threads() {
    let changes = changes(3_000);
    let (one, other) = (Index::new(model(), settings()), Index::new(model(), settings()));
    apply(&one, &changes);
    // Checks go on meanwhile: they change nothing.
    thread::scope(|scope| {
        let checks =
            scope.spawn(|| (0..50).map(|number| answer(&other, number).candidates.len()).sum::<usize>());
        apply(&other, &changes);
        checks.join().unwrap();
    });
    let expected = answers(&one);
    assert!(one.stats().cells > 0 && expected.iter().all(|checked| checked.candidates.len() > 10));
    thread::scope(|scope| {
        for asked in
            [scope.spawn(|| answers(&one)), scope.spawn(|| answers(&other)), scope.spawn(|| answers(&other))]
        {
            assert_eq!(asked.join().unwrap(), expected);
        }
    });
}

#[test]
fn the_first_few_are_the_first_of_all() {
    let costly = Weights { shares: [900; selvedge_overlap::NAMES.len()], ..Weights::default() };
    for weights in [Weights::default(), costly] {
        let index = Index::new(model(), Settings { weights, ..settings() });
        apply(&index, &changes(600));
        for number in 0..15 {
            let item = item(number, 99);
            let query = Query { title: item.title, description: item.description, ..Query::default() };
            let all = index.check(&query, &Readable::All, 1_000).candidates;
            assert!(all.len() > 50 && all.is_sorted_by(|one, other| one.score >= other.score));
            for limit in [1, 5, 20] {
                assert_eq!(index.check(&query, &Readable::All, limit).candidates, all[..limit]);
            }
        }
    }
}

#[test]
fn a_snapshot_and_what_came_after_it_are_the_whole() {
    let changes = changes(3_000);
    let whole = Index::new(model(), settings());
    apply(&whole, &changes);
    let expected = answers(&whole);
    for cut in [0, 1, 700, 2_400, changes.len()] {
        let first = Index::new(model(), settings());
        apply(&first, &changes[..cut]);
        let mut bytes = Vec::new();
        first.snapshot(&mut bytes).unwrap();
        let second = Index::restore(model(), settings(), &mut bytes.as_slice()).unwrap();
        apply(&second, &changes[cut..]);
        assert_eq!(answers(&second), expected, "cut at {cut}");
        let sizes = |index: &Index| {
            let stats = index.stats();
            (
                stats.sequence,
                stats.items,
                stats.slots,
                stats.watched,
                stats.tail,
                stats.cells,
                stats.text_bytes,
            )
        };
        assert_eq!(sizes(&second), sizes(&whole), "cut at {cut}");
    }
}

#[test]
fn a_damaged_snapshot_is_refused() {
    let index = Index::new(model(), settings());
    apply(&index, &changes(300));
    let mut bytes = Vec::new();
    index.snapshot(&mut bytes).unwrap();
    let restore =
        |bytes: &[u8]| Index::restore(model(), settings(), &mut { bytes }).map(|index| index.stats().items);
    assert!(restore(&bytes).is_ok());
    for at in (0..bytes.len()).step_by(bytes.len() / 97) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x40;
        assert!(restore(&damaged).is_err(), "a changed byte at {at} of {}", bytes.len());
    }
    for length in (0..bytes.len()).step_by(bytes.len() / 29) {
        assert!(restore(&bytes[..length]).is_err(), "cut at {length}");
    }
}

#[test]
fn a_snapshot_of_other_settings_is_refused() {
    let mut bytes = Vec::new();
    Index::new(model(), settings()).snapshot(&mut bytes).unwrap();
    let other = Settings { weights: Weights { bias: 0, ..Weights::default() }, ..settings() };
    let refused = Index::restore(model(), other, &mut bytes.as_slice()).map(|index| index.stats());
    assert!(matches!(refused, Err(SnapshotError::Other("set of settings"))), "{refused:?}");
}
