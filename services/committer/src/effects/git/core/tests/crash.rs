//! A process that dies at every step, two that act at once, locks that were left.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering},
    },
};

use super::super::{Claim, Order, Record, STEPS, Verdict, fixture::*};
use selvedge_kit::steps::Steps;

/// Carries an order out until `step` is reached, and no further: nothing is tidied up on the way out.
fn die_at(temporary: &Temporary, step: &'static str, order: Order) {
    let steps = Steps::new(move |reached| assert_ne!(reached, step, "dies here"));
    let record = temporary.record();
    let died = catch_unwind(AssertUnwindSafe(|| record.land("main", &[order], &steps)));
    assert!(died.is_err(), "{step} is reached");
}

fn wanted(temporary: &Temporary, base: git2::Oid) -> Order {
    let _ = temporary;
    order("intent_1", base, vec![put("a", "2")], &["2"])
}

fn again(temporary: &Temporary, base: git2::Oid) -> Order {
    Order { may_have_begun: true, ..wanted(temporary, base) }
}

fn assert_once(temporary: &Temporary, verdict: &Verdict, step: &str) {
    let Verdict::Done { commit, .. } = verdict else { panic!("{step}: {verdict:?}") };
    assert_eq!(temporary.landed("intent_1"), [*commit], "{step}: exactly one");
    assert_eq!(temporary.intent("intent_1"), Some(*commit), "{step}");
    assert_eq!(temporary.file("a").unwrap().1, "2", "{step}");
    assert!(!temporary.path.join("refs/heads/main.lock").exists(), "{step}");
}

#[test]
fn whatever_step_it_dies_at_there_is_one_commit_afterwards() {
    for &step in STEPS {
        for deaths in 1..=2 {
            let temporary = Temporary::new(&[("a", "1"), ("b", "1")]);
            let base = temporary.head().unwrap();
            for death in 0..deaths {
                // After the move, the second attempt finds it and dies nowhere.
                if temporary.landed("intent_1").is_empty() {
                    let order = if death == 0 { wanted(&temporary, base) } else { again(&temporary, base) };
                    die_at(&temporary, step, order);
                }
            }
            let verdict = temporary.land(again(&temporary, base));
            assert_once(&temporary, &verdict, step);
            assert_eq!(temporary.land(again(&temporary, base)), verdict, "{step}: and again");
            let left = std::fs::read_dir(temporary.path.join("selvedge")).unwrap().count();
            assert!(left <= 1, "{step}: only the last process's folder is left, not {left}");
        }
    }
}

#[test]
fn when_the_branch_moved_after_the_death_it_is_built_anew_on_top() {
    for &step in STEPS {
        let temporary = Temporary::new(&[("a", "1"), ("b", "1")]);
        let base = temporary.head().unwrap();
        die_at(&temporary, step, wanted(&temporary, base));
        // Clears the lock that was left, as the next process does when it starts.
        drop(temporary.record());
        let is_there = !temporary.landed("intent_1").is_empty();
        let theirs = temporary.commit(&[(b"b", 0o100_644, "theirs")]);
        let verdict = temporary.land(again(&temporary, base));
        assert_once(&temporary, &verdict, step);
        assert_eq!(temporary.file("b").unwrap().1, "theirs");
        let Verdict::Done { parent, .. } = verdict else { unreachable!() };
        assert_eq!(parent, Some(if is_there { base } else { theirs }), "{step}");
    }
}

#[test]
fn when_the_branch_made_it_stale_after_the_death_it_is_refused_unless_it_is_there() {
    for &step in STEPS {
        let temporary = Temporary::new(&[("a", "1")]);
        let base = temporary.head().unwrap();
        die_at(&temporary, step, wanted(&temporary, base));
        drop(temporary.record());
        let is_there = !temporary.landed("intent_1").is_empty();
        temporary.commit(&[(b"a", 0o100_644, "theirs")]);
        match temporary.land(again(&temporary, base)) {
            Verdict::Done { commit, .. } => {
                assert_eq!((is_there, temporary.landed("intent_1")), (true, vec![commit]))
            }
            verdict => {
                assert!(reasons(&verdict).contains("stale"), "{step}: {verdict:?}");
                assert_eq!((is_there, temporary.landed("intent_1")), (false, vec![]), "{step}");
            }
        }
    }
}

#[test]
fn somebody_who_moves_the_branch_between_build_and_move_is_built_upon() {
    let temporary = Arc::new(Temporary::new(&[("a", "1"), ("b", "1")]));
    let base = temporary.head().unwrap();
    let (other, is_first) = (Arc::clone(&temporary), AtomicBool::new(true));
    let steps = Steps::new(move |step| {
        if step == "git.durable" && is_first.swap(false, Ordering::Relaxed) {
            other.commit(&[(b"b", 0o100_644, "theirs")]);
        }
    });
    let verdict = temporary.record().land("main", &[wanted(&temporary, base)], &steps).remove(0);
    assert_once(&temporary, &verdict, "built twice");
    assert_eq!(temporary.file("b").unwrap().1, "theirs");
}

#[test]
fn an_attempt_that_may_no_longer_act_does_not_move_the_branch() {
    let temporary = Temporary::new(&[("a", "1"), ("b", "1")]);
    let base = temporary.head().unwrap();
    let mut lost = wanted(&temporary, base);
    lost.claim = Claim::new(|answer| answer.send(false).unwrap());
    let kept = order("intent_2", base, vec![put("b", "2")], &["2"]);
    let verdicts = temporary.record().land("main", &[lost, kept], &Steps::default());
    assert!(
        matches!(&verdicts[0], Verdict::Later(reason) if reason.contains("no longer act")),
        "{verdicts:?}"
    );
    assert!(matches!(&verdicts[1], Verdict::Done { parent, .. } if *parent == Some(base)), "{verdicts:?}");
    assert_eq!(temporary.landed("intent_1"), []);
    // Its reference stands alone: whoever takes over finishes the move.
    assert!(temporary.intent("intent_1").is_some());
    assert_once(&temporary, &temporary.land(again(&temporary, base)), "taken over");
}

#[test]
fn two_at_once_make_one_commit() {
    let temporary = Temporary::new(&[("a", "1")]);
    let base = temporary.head().unwrap();
    let start = Barrier::new(2);
    let verdicts: Vec<Verdict> = std::thread::scope(|threads| {
        let act = || {
            let record = Record::open(&temporary.path);
            start.wait();
            record.unwrap().land("main", &[again(&temporary, base)], &Steps::default()).remove(0)
        };
        let both = [threads.spawn(act), threads.spawn(act)];
        both.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(verdicts[0], verdicts[1]);
    assert_once(&temporary, &verdicts[0], "two at once");
}

#[test]
fn a_takeover_decides_nothing_while_the_first_one_may_still_move_the_branch() {
    let temporary = Arc::new(Temporary::new(&[("a", "1")]));
    let base = temporary.head().unwrap();
    let other = Arc::clone(&temporary);
    let steps = Steps::new(move |step| {
        if step == "git.asked" {
            // It was told yes, and is paused here: the next one would have to refuse.
            let second = Record::open(&other.path).unwrap();
            let mut refused = again(&other, base);
            refused.effect.message = String::new();
            let verdict = second.land("main", &[refused], &Steps::default()).remove(0);
            assert!(
                matches!(&verdict, Verdict::Later(reason) if reason.contains("main.lock")),
                "{verdict:?}"
            );
        }
    });
    let verdict = temporary.record().land("main", &[wanted(&temporary, base)], &steps).remove(0);
    assert_once(&temporary, &verdict, "paused");
}

#[test]
fn a_lock_of_somebody_else_is_left_alone() {
    let temporary = Temporary::new(&[("a", "1")]);
    let lock = temporary.path.join("refs/heads/main.lock");
    std::fs::write(&lock, "").unwrap();
    let verdict = temporary.land(temporary.order("intent_1", vec![put("a", "2")], &["2"]));
    assert!(matches!(&verdict, Verdict::Later(reason) if reason.contains("somebody else")), "{verdict:?}");
    assert!(lock.exists());
    std::fs::remove_file(lock).unwrap();
    let verdict = temporary.land(temporary.order("intent_1", vec![put("a", "2")], &["2"]));
    assert!(matches!(verdict, Verdict::Done { .. }), "{verdict:?}");
}
