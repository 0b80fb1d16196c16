use selvedge_contracts::{
    id::{Caller, KindName, Mission, Owner, ScopeId},
    payload::overlap::{Basis, Checked, Propose, Proposer},
    role::Role,
};

use super::*;
use crate::{ApplyError, Index, Settings, StaticModel, service::content};

fn creation(what: &str, id: &str) -> Creation {
    let request = Propose {
        what: KindName::new(what).unwrap(),
        id: id.to_owned(),
        title: format!("title of {id}"),
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
    content::wanted(&Mission::new("demo").unwrap(), &request, proposer, 1_000, 500).unwrap()
}

fn in_state(creation: &Creation, state: CreationState) -> Creation {
    Creation { state, ..creation.clone() }
}

fn merged(creation: &Creation, into: &Creation) -> Creation {
    let decision = selvedge_contracts::payload::overlap::Decision {
        answer: Answer::Merge(into.creation.clone()),
        reason: None,
        by: creation.proposer.agent.clone(),
        owner: None,
        at_ms: 0,
        root: None,
        basis: None,
    };
    Creation { state: CreationState::Merged, decision: Some(decision), ..creation.clone() }
}

fn thing(creation: &Creation) -> Said {
    Said::There(Box::new(Thing {
        number: creation.creation.number(),
        mission: "demo".to_owned(),
        what: creation.what.clone(),
        id: creation.id.clone(),
        agent: "ada-00000001".to_owned(),
        owner: None,
        at_ms: 5,
        kept: Kept::of(creation),
        part_of: None,
    }))
}

fn state_of(book: &Book, creation: &Creation) -> CreationState {
    book.get(creation.creation.number()).unwrap().state
}

#[test]
fn a_creation_is_compared_from_its_proposal_to_its_end() {
    let (mut book, a) = (Book::default(), creation("task", "a"));
    let number = a.creation.number();
    assert!(
        matches!(book.own(1, "proposed", 0, &a), Some(Change::Insert(item)) if item.state == State::Pending)
    );
    assert_eq!(book.own(2, "checked", 0, &in_state(&a, CreationState::Asked)), None);
    let there = book.owner(3, 0, thing(&a));
    assert_eq!(there, Some(Change::State { id: index_id(number), state: State::Existing }));
    assert_eq!(book.owner(4, 0, thing(&a)), None);
    assert_eq!(book.own(5, "expired", 0, &in_state(&a, CreationState::Expired)), None, "it is there");
    assert_eq!(state_of(&book, &a), CreationState::Existing);
    assert_eq!(book.owner(6, 0, Said::Ended(number)), Some(Change::Remove { id: index_id(number) }));
    assert_eq!(state_of(&book, &a), CreationState::Removed);
    assert!(matches!(book.own(7, "proposed", 0, &a), Some(Change::Insert(_))));
    assert_eq!(book.get(number).unwrap().place, 7);
    assert_eq!(book.counts().values().sum::<u64>(), 1);
}

#[test]
fn a_thing_that_nobody_proposed_is_compared_too() {
    let (mut book, a) = (Book::default(), creation("task", "a"));
    assert!(
        matches!(book.owner(3, 0, thing(&a)), Some(Change::Insert(item)) if item.state == State::Existing)
    );
    assert_eq!(book.get(a.creation.number()).unwrap().revision, 0);
    assert_eq!(book.owner(4, 0, Said::Ended(7)), None, "of what nobody knows");
}

#[test]
fn an_edit_keeps_what_is_there_there() {
    let (mut book, a) = (Book::default(), creation("task", "a"));
    book.own(1, "proposed", 0, &a);
    book.owner(2, 0, thing(&a));
    assert!(matches!(book.own(3, "edited", 0, &a), Some(Change::Edit(_))));
    let record = book.get(a.creation.number()).unwrap();
    assert_eq!((record.state, record.place, record.there), (CreationState::Existing, 3, 2));
}

#[test]
fn only_open_ones_are_due_and_only_pending_ones_unjudged() {
    let (mut book, a) = (Book::default(), creation("task", "a"));
    let number = a.creation.number();
    book.own(1, "proposed", 40, &a);
    assert_eq!((book.due(1_499), book.due(1_500)), (vec![], vec![number]));
    assert_eq!((unjudged(&book, 40), unjudged(&book, 41)), (vec![], vec![number]));
    book.own(2, "checked", 0, &in_state(&a, CreationState::Cleared));
    assert_eq!((book.due(9_999), unjudged(&book, 9_999)), (vec![number], vec![]));
    book.owner(3, 0, thing(&a));
    assert_eq!(book.due(9_999), vec![]);
}

#[test]
fn a_chain_ends_in_its_root_and_what_hangs_on_a_dead_one_is_stranded() {
    let mut book = Book::default();
    let [a, b, c] = ["a", "b", "c"].map(|id| creation("task", id));
    let [na, nb, nc] = [&a, &b, &c].map(|one| one.creation.number());
    for (at, one) in [&a, &b, &c].into_iter().enumerate() {
        book.own(at as u64 + 1, "proposed", 0, one);
    }
    book.own(4, "decided", 0, &merged(&c, &b));
    book.own(5, "decided", 0, &merged(&b, &a));
    assert_eq!(
        (book.root(nc), book.root(nb), book.root(na)),
        (Root::Alive(na), Root::Alive(na), Root::Alive(na))
    );
    assert_eq!(book.stranded(nb), vec![]);
    book.own(6, "decided", 0, &in_state(&a, CreationState::Discarded));
    assert_eq!(book.root(nc), Root::Gone(na, CreationState::Discarded));
    assert_eq!(book.stranded(na), vec![(nb, na, CreationState::Discarded)]);
    assert_eq!(book.stranded(nc), vec![], "what it was merged into is opened first");
    book.own(7, "reopened", 0, &b);
    assert_eq!((book.root(nc), book.get(nb).unwrap().place), (Root::Alive(nb), 7));
    assert_eq!(book.stranded(na), vec![]);
}

#[test]
fn of_a_ring_the_last_merge_is_opened() {
    let mut book = Book::default();
    let [a, b, c] = ["a", "b", "c"].map(|id| creation("task", id));
    let [na, nb, nc] = [&a, &b, &c].map(|one| one.creation.number());
    book.own(4, "decided", 0, &merged(&a, &b));
    book.own(5, "decided", 0, &merged(&b, &c));
    book.own(6, "decided", 0, &merged(&c, &a));
    assert_eq!(book.root(na), Root::Ring);
    assert_eq!((book.stranded(na), book.stranded(nb)), (vec![], vec![]));
    assert_eq!(book.stranded(nc), vec![(nc, na, CreationState::Merged)]);
}

#[test]
fn a_decision_is_remembered_with_the_score_that_was_shown() {
    let mut book = Book::default();
    let a = creation("task", "a");
    let hash: selvedge_contracts::id::Digest = (&blake3::hash(b"")).into();
    let candidate = |number: u128, score| {
        let shown = shown_for_tests(number);
        selvedge_contracts::payload::overlap::Candidate { score, ..shown }
    };
    let basis = Basis { up_to_sequence: 1, index_hash: hash.clone(), model_hash: hash };
    let candidates = vec![candidate(1, 900), candidate(2, 700)];
    let checked = Checked { basis, weak_meaning: false, candidates, elsewhere: Vec::new(), second: None };
    let into = Creation { creation: CreationId::from_number(2), ..a.clone() };
    let decided = Creation { checked: Some(checked), ..merged(&a, &into) };
    book.own(1, "decided", 0, &decided);
    assert_eq!(book.decisions, [(0, Decision { score: 700, merged: true })]);
}

fn shown_for_tests(number: u128) -> selvedge_contracts::payload::overlap::Candidate {
    let mut book = Book::default();
    let a = creation("task", "a");
    book.own(1, "proposed", 0, &a);
    let record = book.get(a.creation.number()).unwrap();
    crate::service::shown::record(&book, number, record, String::new()).unwrap()
}

#[test]
fn a_book_reads_back_as_it_was_written() {
    let mut book = Book::default();
    let [a, b] = ["a", "b"].map(|id| creation("task", id));
    book.own(1, "proposed", 3, &a);
    book.own(2, "proposed", 4, &b);
    book.own(3, "decided", 4, &merged(&b, &a));
    book.tuned("demo", Tuning::default());
    book.sequence = 3;
    let read: Book = serde_json::from_str(&serde_json::to_string(&book).unwrap()).unwrap();
    assert_eq!((read.sequence, &read.records, &read.names), (3, &book.records, &book.names));
    assert_eq!((read.counts(), read.due(9_999)), (book.counts(), book.due(9_999)));
    assert_eq!(read.root(b.creation.number()), book.root(b.creation.number()));
}

/// A plan with two tasks, all proposed.
fn family(book: &mut Book) -> [Creation; 3] {
    let whole = creation("plan", "p");
    let part = |name: &str| selvedge_contracts::payload::overlap::Part {
        name: name.to_owned(),
        text: selvedge_contracts::payload::overlap::Text { title: name.to_owned(), ..Default::default() },
    };
    let parts = content::parts(&whole, &[part("x"), part("y")]).unwrap();
    let all = [whole, parts[0].clone(), parts[1].clone()];
    for (sequence, one) in (1..).zip(&all) {
        book.own(sequence, "proposed", 0, one);
    }
    all
}

fn decided(of: &Creation, answer: Answer, state: CreationState) -> Creation {
    let merged = merged(of, of);
    let decision =
        merged.decision.map(|decision| selvedge_contracts::payload::overlap::Decision { answer, ..decision });
    Creation { state, decision, ..merged }
}

fn remove(of: &Creation) -> Change {
    Change::Remove { id: index_id(of.creation.number()) }
}

#[test]
fn whoever_proceeds_with_a_plan_proceeds_with_its_tasks() {
    let mut book = Book::default();
    let [whole, x, y] = family(&mut book);
    assert_eq!(x.part_of.as_ref(), Some(&whole.creation));
    assert_eq!((x.id.as_str(), x.what.as_str()), ("p/x", "task"));
    book.own(4, "checked", 0, &in_state(&x, CreationState::Asked));
    let proceed = decided(&whole, Answer::Proceed, CreationState::Cleared);
    book.own(5, "decided", 0, &proceed);
    assert_eq!(book.own_family("decided", &proceed), vec![], "the index holds them as before");
    assert_eq!([&x, &y].map(|part| state_of(&book, part)), [CreationState::Cleared; 2]);
}

#[test]
fn tasks_go_with_their_plan_and_the_plan_with_a_task_that_is_given_up() {
    let mut book = Book::default();
    let [whole, x, y] = family(&mut book);
    let gone = in_state(&whole, CreationState::Expired);
    book.own(4, "expired", 0, &gone);
    let mut changes = vec![remove(&x), remove(&y)];
    changes.sort_by(|one, other| one.id().cmp(other.id()));
    assert_eq!(book.own_family("expired", &gone), changes);

    let mut book = Book::default();
    let [whole, x, y] = family(&mut book);
    let given_up = decided(&x, Answer::Discard, CreationState::Discarded);
    assert_eq!(book.own(4, "decided", 0, &given_up), Some(remove(&x)));
    let mut changes = vec![remove(&whole), remove(&y)];
    changes.sort_by(|one, other| one.id().cmp(other.id()));
    assert_eq!(book.own_family("decided", &given_up), changes);
    let states = [&whole, &x, &y].map(|one| state_of(&book, one));
    assert_eq!(states, [CreationState::Expired, CreationState::Discarded, CreationState::Expired]);
    assert_eq!(book.due(u64::MAX), Vec::<u128>::new(), "nothing of it is left open");
}

#[test]
fn a_task_that_is_there_stays_whatever_becomes_of_its_plans_proposal() {
    let mut book = Book::default();
    let [whole, x, _] = family(&mut book);
    book.owner(4, 0, thing(&x));
    let gone = in_state(&whole, CreationState::Expired);
    book.own(5, "expired", 0, &gone);
    book.own_family("expired", &gone);
    assert_eq!(state_of(&book, &x), CreationState::Existing);
    let read: Book = serde_json::from_str(&serde_json::to_string(&book).unwrap()).unwrap();
    assert_eq!(
        (&read.records, read.family(x.creation.number())),
        (&book.records, book.family(x.creation.number()))
    );
}

proptest::proptest! {
    /// Whatever comes, in whatever order, the index takes every change that the book makes of it.
    #[test]
    fn the_index_follows_the_book(steps in proptest::collection::vec((0_usize..4, 0_usize..12), 1..60)) {
        use std::sync::{Arc, LazyLock};
        static MODEL: LazyLock<Arc<StaticModel>> = LazyLock::new(|| Arc::new(StaticModel::embedded().unwrap()));
        let (mut book, model) = (Book::default(), Arc::clone(&MODEL));
        let index = Index::new(model, Settings::default());
        let all: Vec<Creation> = ["a", "b", "c", "d"].map(|id| creation("note", id)).into();
        for (sequence, (one, what)) in (1..).zip(steps) {
            let (one, other) = (&all[one], &all[(one + 1) % 4]);
            let own = |book: &mut Book, kind: &str, state| book.own(sequence, kind, 0, &in_state(one, state));
            let change = match what {
                0 => own(&mut book, "proposed", CreationState::Pending),
                1 => own(&mut book, "edited", CreationState::Pending),
                2 => own(&mut book, "checked", CreationState::Asked),
                3 => own(&mut book, "checked", CreationState::Cleared),
                4 => own(&mut book, "checked", CreationState::Existing),
                5 => own(&mut book, "decided", CreationState::Discarded),
                6 => own(&mut book, "expired", CreationState::Expired),
                7 => own(&mut book, "reopened", CreationState::Pending),
                8 => book.own(sequence, "decided", 0, &merged(one, other)),
                9 | 10 => book.owner(sequence, 0, thing(one)),
                _ => book.owner(sequence, 0, Said::Ended(one.creation.number())),
            };
            if let Some(change) = change {
                let taken: Result<(), ApplyError> = index.apply(sequence, &change);
                proptest::prop_assert_eq!(taken, Ok(()));
            }
            for (number, record) in &book.records {
                let held = index.item(&index_id(*number)).map(|item| item.state);
                let expected = record.state.is_alive().then(|| index_state(record.state));
                proptest::prop_assert_eq!(held, expected);
            }
        }
    }
}

fn unjudged(book: &Book, before_ms: u64) -> Vec<u128> {
    book.unjudged(before_ms).collect()
}

#[test]
fn an_edit_of_what_is_there_is_open_until_it_is_answered() {
    let (mut book, a) = (Book::default(), creation("note", "a"));
    let number = a.creation.number();
    book.own(1, "checked", 10, &in_state(&a, CreationState::Existing));
    assert_eq!((unjudged(&book, 99), book.due(9_999)), (vec![], vec![]));
    book.own(2, "edited", 20, &a);
    let stands = |book: &Book| {
        let record = book.get(number).unwrap();
        (record.state, record.stands())
    };
    assert_eq!(stands(&book), (CreationState::Existing, CreationState::Pending));
    assert_eq!((unjudged(&book, 99), book.due(9_999)), (vec![number], vec![number]));
    assert_eq!(book.load("demo", "person:olga"), Load { open: 1, own: 0 });
    book.own(3, "checked", 30, &in_state(&a, CreationState::Asked));
    assert_eq!(stands(&book), (CreationState::Existing, CreationState::Asked));
    book.own(4, "expired", 40, &in_state(&a, CreationState::Expired));
    assert_eq!((stands(&book).1, book.due(9_999)), (CreationState::Existing, vec![]));
    let read: Book = serde_json::from_str(&serde_json::to_string(&book).unwrap()).unwrap();
    assert_eq!(stands(&read), stands(&book));
    assert_eq!(read.load("demo", "person:olga"), Load { open: 0, own: 1 });
}

#[test]
fn what_is_over_is_forgotten_once_there_is_much_of_it() {
    let mut book = Book::default();
    let all: Vec<Creation> = (0..ENDED + 5).map(|at| creation("task", &at.to_string())).collect();
    for (sequence, one) in (1_u64..).zip(&all) {
        book.own(sequence, "expired", 0, &in_state(one, CreationState::Expired));
    }
    let into = creation("task", "into");
    book.own(900_000, "decided", 0, &merged(&creation("task", "x"), &into));
    assert_eq!((book.records.len(), book.counts()[&CreationState::Expired]), (ENDED + 1, ENDED as u64));
    assert!(book.get(all[4].creation.number()).is_none() && book.get(all[5].creation.number()).is_some());
}
