//! What an index answers: order, visibility, changes, and texts that are none.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop where they fail"
)]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use selvedge_overlap::{
    ApplyError, Change, Index, Item, Level, Query, Readable, Reason, Settings, State, StaticModel, Thresholds,
};

fn index(settings: Settings) -> Index {
    Index::new(Arc::new(StaticModel::embedded().unwrap()), settings)
}

fn item(id: &str, title: &str) -> Item {
    Item {
        id: id.to_owned(),
        title: title.to_owned(),
        scope: "demo".to_owned(),
        state: State::Existing,
        ..Item::default()
    }
}

fn query(title: &str) -> Query {
    Query { title: title.to_owned(), scope: "demo".to_owned(), ..Query::default() }
}

fn ids(index: &Index, query: &Query) -> Vec<String> {
    let found = index.check(query, &Readable::All, 10).candidates;
    found.into_iter().filter(|found| found.level.is_some()).map(|found| found.id).collect()
}

const TITLE: &str = "Retry uploads when the object store is busy";

#[test]
fn of_two_racers_the_later_sees_the_earlier() {
    let index = index(Settings::default());
    index.apply(10, &Change::Insert(Item { state: State::Pending, ..item("a", TITLE) })).unwrap();
    index.apply(11, &Change::Insert(Item { state: State::Pending, ..item("b", TITLE) })).unwrap();
    let asked =
        |id: &str, before| Query { before: Some(before), except: Some(id.to_owned()), ..query(TITLE) };
    assert_eq!(ids(&index, &asked("a", 10)), Vec::<String>::new());
    assert_eq!(ids(&index, &asked("b", 11)), ["a"]);
    let checked = index.check(&asked("b", 11), &Readable::All, 10);
    assert_eq!(checked.up_to_sequence, 11);
    assert_eq!(checked.candidates[0].level, Some(Level::Strong));
    assert_eq!(checked.candidates[0].sequence, 10);
}

#[test]
fn what_the_asker_may_not_read_is_not_shown() {
    let index = index(Settings::default());
    index.apply(1, &Change::Insert(Item { scope: "secret".into(), ..item("a", TITLE) })).unwrap();
    index.apply(2, &Change::Insert(item("b", TITLE))).unwrap();
    let readable = |scope: &str| Readable::Scopes([scope.to_owned()].into());
    let seen = |readable: &Readable| -> Vec<String> {
        index.check(&query(TITLE), readable, 10).candidates.into_iter().map(|found| found.id).collect()
    };
    assert_eq!(seen(&readable("demo")), ["b"]);
    assert_eq!(seen(&readable("secret")), ["a"]);
    assert_eq!(seen(&readable("nowhere")), Vec::<String>::new());
    assert_eq!(seen(&Readable::All), ["b", "a"], "the same scope first");
}

#[test]
fn unreadable_items_do_not_push_readable_ones_out() {
    let index = index(Settings::default());
    for sequence in 1..=300 {
        let secret = Item { scope: "secret".into(), ..item(&format!("s{sequence}"), TITLE) };
        index.apply(sequence, &Change::Insert(secret)).unwrap();
    }
    index
        .apply(301, &Change::Insert(item("b", "Retrying of uploads while the object store is busy")))
        .unwrap();
    let readable = Readable::Scopes(["demo".to_owned()].into());
    let found = index.check(&query(TITLE), &readable, 10).candidates;
    assert_eq!(found.iter().map(|found| found.id.as_str()).collect::<Vec<_>>(), ["b"]);
}

#[test]
fn edits_states_and_removals_count_at_once() {
    let index = index(Settings::default());
    index.apply(1, &Change::Insert(item("a", TITLE))).unwrap();
    assert_eq!(ids(&index, &query(TITLE)), ["a"]);
    index.apply(2, &Change::Edit(item("a", "Translate the manual into Welsh"))).unwrap();
    assert_eq!(ids(&index, &query(TITLE)), Vec::<String>::new());
    assert_eq!(ids(&index, &query("Translate the manual into Welsh")), ["a"]);
    index.apply(3, &Change::State { id: "a".into(), state: State::Discarded }).unwrap();
    assert_eq!(ids(&index, &query("Translate the manual into Welsh")), Vec::<String>::new());
    index.apply(4, &Change::State { id: "a".into(), state: State::Existing }).unwrap();
    assert_eq!(ids(&index, &query("Translate the manual into Welsh")), ["a"]);
    index.apply(5, &Change::Remove { id: "a".into() }).unwrap();
    assert_eq!(ids(&index, &query("Translate the manual into Welsh")), Vec::<String>::new());
    assert_eq!(index.item("a"), None);
    assert_eq!(index.stats().items, 0);
}

#[test]
fn changes_that_do_not_fit_are_refused_and_change_nothing() {
    let index = index(Settings { items: 2, ..Settings::default() });
    index.apply(5, &Change::Insert(item("a", TITLE))).unwrap();
    let before = index.check(&query(TITLE), &Readable::All, 10);
    let refused = |sequence, change| index.apply(sequence, &change).unwrap_err();
    assert_eq!(refused(5, Change::Insert(item("b", "x"))), ApplyError::Old { sequence: 5, applied: 5 });
    assert_eq!(refused(6, Change::Insert(item("a", "x"))), ApplyError::Exists("a".into()));
    assert_eq!(refused(6, Change::Edit(item("b", "x"))), ApplyError::Unknown("b".into()));
    assert_eq!(refused(6, Change::Remove { id: "b".into() }), ApplyError::Unknown("b".into()));
    assert_eq!(index.check(&query(TITLE), &Readable::All, 10), before);
    index.apply(6, &Change::Insert(item("b", "x"))).unwrap();
    assert_eq!(refused(7, Change::Insert(item("c", "x"))), ApplyError::Full(2));
}

#[test]
fn paths_and_artifacts_are_evidence_and_reasons() {
    let index = index(Settings::default());
    let tagged = |mut item: Item| {
        item.paths = vec!["src/pool.rs".into()];
        item.artifacts = vec!["design/pool".into()];
        item
    };
    index.apply(1, &Change::Insert(tagged(item("a", "Rework how connections are handed out")))).unwrap();
    index.apply(2, &Change::Insert(item("b", "Rework how connections are handed out"))).unwrap();
    let mut asked = query("Connections are handed out late");
    asked.paths = vec!["src/pool.rs".into()];
    asked.artifacts = vec!["design/pool".into()];
    let found = index.check(&asked, &Readable::All, 10).candidates;
    assert_eq!(found[0].id, "a");
    assert!(found[0].score > found[1].score + 100, "{} {}", found[0].score, found[1].score);
    assert!(found[0].reasons.contains(&Reason::SamePaths(vec!["src/pool.rs".into()])));
    assert!(found[0].reasons.contains(&Reason::SameArtifacts(vec!["design/pool".into()])));
    let words = found[0].reasons.iter().find_map(|reason| match reason {
        Reason::SharedWords(words) => Some(words.clone()),
        _ => None,
    });
    assert_eq!(words.unwrap(), ["connections", "handed", "out"]);
    // Another text altogether: the artifact's name alone finds it.
    let mut other = query("Prepare the quarterly budget");
    other.artifacts = vec!["design/pool".into()];
    let found = index.check(&other, &Readable::All, 10).candidates;
    assert!(found.iter().any(|found| found.id == "a"));
}

#[test]
fn the_newest_and_the_pending_are_compared_however_little_is_read() {
    let settings = Settings {
        newest: 64,
        flat: 500,
        cells: 8,
        vectors_scanned: 1,
        word_places: 0,
        trigram_places: 0,
        ..Settings::default()
    };
    let index = index(settings);
    let state = |number: u64| if number == 3 { State::Pending } else { State::Existing };
    for number in 1..=3_000 {
        let item = item(&number.to_string(), &format!("Ticket about subject s{}x{}", number % 97, number));
        index.apply(number, &Change::Insert(Item { state: state(number), ..item })).unwrap();
    }
    assert!(index.stats().cells > 0);
    for number in [3, 2_940, 2_970, 3_000] {
        let asked = query(&format!("Ticket about subject s{}x{number}", number % 97));
        let found = index.check(&asked, &Readable::All, 10).candidates;
        assert_eq!(found[0].id, number.to_string());
    }
}

#[test]
fn slots_of_edited_items_are_given_back() {
    let index = index(Settings { newest: 16, flat: 50, cells: 4, ..Settings::default() });
    for number in 0..100_u64 {
        index
            .apply(number + 1, &Change::Insert(item(&number.to_string(), &format!("Subject s{number}"))))
            .unwrap();
    }
    for edit in 0..67_000_u64 {
        let number = edit % 100;
        let title = format!("Subject s{number} again");
        index.apply(200 + edit, &Change::Edit(item(&number.to_string(), &title))).unwrap();
    }
    let stats = index.stats();
    assert!(stats.slots < 60_000, "{stats:?}");
    assert_eq!(stats.items, 100);
    for number in [0, 50, 99] {
        assert_eq!(ids(&index, &query(&format!("Subject s{number} again")))[0], number.to_string());
    }
}

#[test]
fn texts_that_are_none_cost_little_and_break_nothing() {
    let index = index(Settings::default());
    let nested = format!("{}x{}", "(".repeat(5_000), ")".repeat(5_000));
    let texts = [
        String::new(),
        " ".into(),
        "x".into(),
        "\0\u{1}\u{7f}\u{fffd}\n\r\t".into(),
        "a".repeat(1 << 20),
        "a ".repeat(1 << 19),
        "é".repeat(1 << 19),
        "1234567890".repeat(100_000),
        "🎉".repeat(1 << 18),
        "مرحبا بالعالم ".repeat(10_000),
        "\u{202e}desrever\u{202c} ".repeat(10_000),
        "fn f<T>(x: &[T]) -> Option<&T> { x.first() }\n".repeat(1_000),
        "日本語のテキスト".repeat(10_000),
        "e\u{301}".repeat(100_000),
        "camelCaseWordsWithoutAnEnd".repeat(10_000),
        nested,
    ];
    let start = Instant::now();
    for (sequence, text) in (1..).zip(&texts) {
        let odd = Item {
            description: text.clone(),
            paths: vec![text.clone(); 100],
            artifacts: vec![text.clone(); 100],
            ..item(&sequence.to_string(), text)
        };
        index.apply(sequence, &Change::Insert(odd)).unwrap();
    }
    for text in &texts {
        let asked = Query {
            description: text.clone(),
            paths: vec![text.clone(); 100],
            artifacts: vec![text.clone(); 100],
            ..query(text)
        };
        let checked = index.check(&asked, &Readable::All, 10);
        assert!(checked.candidates.len() <= 10);
    }
    // An unoptimised build on a busy machine: far more than they need, far less than unbounded work.
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    let mut bytes = Vec::new();
    index.snapshot(&mut bytes).unwrap();
    assert!(bytes.len() < 1 << 20, "{} bytes kept", bytes.len());
}

/// What one text is held for beside another, in an index where both may be found.
fn held_for(index: &Index, one: &str, other: &str) -> Option<Level> {
    let texts = |text: &str| Item { description: text.to_owned(), ..item("t", text) };
    index.explain(&texts(one), &texts(other), &Query::default().thresholds).level
}

#[test]
fn texts_that_say_nothing_are_held_for_nothing() {
    let index = index(Settings::default());
    let nothing = [
        "",
        " ",
        "\0\u{1}\u{7f}\u{fffd}\n\r\t",
        "🎉🎉",
        "🚀",
        "!!! ???",
        "{}[]();",
        "\u{202e}\u{202c}",
        "the of and",
    ];
    for (sequence, text) in (1..).zip(nothing) {
        index.apply(sequence, &Change::Insert(item(&sequence.to_string(), text))).unwrap();
    }
    for one in nothing {
        let checked = index.check(&query(one), &Readable::All, 10);
        // Signs that can be seen are the same as themselves, and that is all.
        let is_seen = one.chars().any(|c| c.is_alphanumeric() || c.is_ascii_punctuation() || c > '\u{1f000}');
        let alike: Vec<_> = checked.candidates.iter().filter(|found| found.level.is_some()).collect();
        let expected: &[&str] = if is_seen { &[one] } else { &[] };
        assert_eq!(alike.iter().map(|found| found.title.as_str()).collect::<Vec<_>>(), expected, "{one:?}");
        assert!(checked.weak_meaning || one == "the of and", "{one:?}");
        for other in nothing {
            let expected = (one == other && is_seen).then_some(Level::Strong);
            assert_eq!(held_for(&index, one, other), expected, "{one:?} {other:?}");
        }
    }
}

#[test]
fn odd_texts_are_the_same_as_themselves_and_as_no_others() {
    let index = index(Settings::default());
    let long = "alpha beta gamma ".repeat(70_000);
    let odd = [
        "x",
        "y",
        "42",
        "مرحبا بالعالم",
        "إصلاح صفحة الدخول",
        "Исправить ошибку входа",
        "検索ページを速くする",
        "fn f<T>(x: &[T]) -> Option<&T> { x.first() }",
        "SELECT id, name FROM users WHERE age > 30 ORDER BY name;",
        "\u{202e}desrever\u{202c}",
        &long,
    ];
    for (at, one) in odd.iter().enumerate() {
        assert_eq!(held_for(&index, one, one), Some(Level::Strong), "{at}");
        for other in odd.iter().skip(at + 1) {
            assert_eq!(held_for(&index, one, other), None, "{at} {:?}", other.get(..20));
        }
    }
}

#[test]
fn what_stands_behind_the_bounds_of_a_text_does_not_count() {
    let index = index(Settings::default());
    let text = |end: &str| Item {
        title: TITLE.into(),
        description: "word ".repeat(200_000) + end,
        ..item("t", TITLE)
    };
    let explained = index.explain(&text("one"), &text("other"), &Query::default().thresholds);
    assert_eq!(explained, index.explain(&text("one"), &text("one"), &Query::default().thresholds));
    assert_eq!(explained.level, Some(Level::Strong));
}

#[test]
fn other_languages_are_found_by_their_words_and_said_to_be_weak() {
    let index = index(Settings::default());
    let titles = ["Исправить ошибку входа в систему", "検索ページを速くする", "إصلاح صفحة الدخول"];
    for (sequence, title) in (1..).zip(titles) {
        index.apply(sequence, &Change::Insert(item(&sequence.to_string(), title))).unwrap();
    }
    for (number, title) in (1..).zip(titles) {
        let checked = index.check(&query(title), &Readable::All, 10);
        assert!(checked.weak_meaning, "{title}");
        assert_eq!(checked.candidates[0].id, number.to_string(), "{title}");
    }
    assert!(!index.check(&query("Make the search page faster"), &Readable::All, 10).weak_meaning);
}

#[test]
fn short_opposites_are_said_to_be_some_where_the_rest_is_the_same() {
    let index = index(Settings::default());
    for (sequence, title) in
        (1..).zip(["Disable the cache", "Start without TLS", "Disable the queue of mails"])
    {
        index.apply(sequence, &Change::Insert(item(title, title))).unwrap();
    }
    let level = |asked: &str, id: &str| {
        let found = index.check(&query(asked), &Readable::All, 10).candidates;
        found.into_iter().find(|found| found.id == id).and_then(|found| found.level)
    };
    assert_eq!(level("Enable the cache", "Disable the cache"), Some(Level::Opposite));
    assert_eq!(level("Start with TLS", "Start without TLS"), Some(Level::Opposite));
    assert_eq!(level("Enable the cache", "Disable the queue of mails"), None);
    let [one, other] = ["Enable the cache", "Disable the cache"].map(|title| item("", title));
    let explained = index.explain(&one, &other, &Thresholds::default());
    assert_eq!(explained.level, Some(Level::Opposite));
    assert!(explained.reasons.contains(&Reason::Opposite), "{explained:?}");
}

#[test]
fn the_same_text_without_a_word_is_found_and_no_other() {
    let index = index(Settings { newest: 1, ..Settings::default() });
    let texts = ["🚀🔥🚀", "🔥🚀🔥", "{}[]();", "::<>::", "!!!", "???"];
    for (sequence, text) in (1..).zip(texts) {
        let state = if sequence % 2 == 0 { State::Existing } else { State::Pending };
        index.apply(sequence, &Change::Insert(Item { state, ..item(text, text) })).unwrap();
    }
    for text in texts {
        let found = index.check(&query(&format!(" {text} ")), &Readable::All, 10).candidates;
        let same: Vec<_> = found.iter().filter(|found| found.level.is_some()).collect();
        assert_eq!(same.iter().map(|found| found.id.as_str()).collect::<Vec<_>>(), [text], "{found:#?}");
        assert_eq!(same[0].level, Some(Level::Strong), "{found:#?}");
        assert!(matches!(&same[0].reasons[0], Reason::SameText(digest) if digest.len() == 64), "{found:#?}");
    }
    let other = Query { description: "…".into(), ..query(texts[0]) };
    assert_eq!(ids(&index, &other), Vec::<String>::new(), "its description is another");
    assert_eq!(index.explain(&Item::default(), &Item::default(), &Thresholds::default()).level, None);
}
