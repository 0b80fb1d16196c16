//! Against remotes that are folders, by the same way as any other.

use std::{
    os::unix::fs::PermissionsExt as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use git2::Oid;

use super::{
    super::core::{Claim, REMOTE_STEPS, fixture::*},
    *,
};

struct Elsewhere {
    at: Temporary,
    copies: tempfile::TempDir,
}

impl Elsewhere {
    fn new(at: Temporary) -> Self {
        Self { at, copies: tempfile::tempdir().unwrap() }
    }

    fn url(&self) -> String {
        format!("file://{}", self.at.path.display())
    }

    fn open(&self) -> Remote {
        Remote::open(&self.url(), self.copies.path(), Deadline::in_ms(10_000)).unwrap()
    }

    fn land(&self, order: Order) -> Verdict {
        self.land_with(order, &Steps::default())
    }

    fn land_with(&self, order: Order, steps: &Steps) -> Verdict {
        self.open().land("main", &[order], steps).remove(0)
    }

    fn set(&self, name: &str, value: bool) {
        self.at.repository().config().unwrap().set_bool(name, value).unwrap();
    }

    fn hook(&self, script: &str) -> std::path::PathBuf {
        let hook = self.at.path.join("hooks/pre-receive");
        std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
        std::fs::write(&hook, script).unwrap();
        std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
        hook
    }
}

fn wanted(base: Oid) -> Order {
    order("intent_1", base, vec![put("a", "2")], &["2"])
}

fn again(base: Oid) -> Order {
    Order { may_have_begun: true, ..wanted(base) }
}

fn assert_once(elsewhere: &Elsewhere, verdict: &Verdict, step: &str) {
    let Verdict::Done { commit, .. } = verdict else { panic!("{step}: {verdict:?}") };
    assert_eq!(elsewhere.at.landed("intent_1"), [*commit], "{step}: exactly one");
    assert_eq!(elsewhere.at.intent("intent_1"), Some(*commit), "{step}");
}

#[test]
fn commits_arrive_at_the_remote_with_their_references() {
    let elsewhere = Elsewhere::new(Temporary::new(&[("a", "1"), ("b", "1")]));
    let base = elsewhere.at.head().unwrap();
    let remote = elsewhere.open();
    remote.check(Deadline::in_ms(10_000)).unwrap();
    let second = order("intent_2", base, vec![put("b", "2")], &["2"]);
    let verdicts = remote.land("main", &[wanted(base), second], &Steps::default());
    assert_once(&elsewhere, &verdicts[0], "first");
    let Verdict::Done { commit, .. } = verdicts[1] else { panic!("{verdicts:?}") };
    assert_eq!((elsewhere.at.head(), elsewhere.at.intent("intent_2")), (Some(commit), Some(commit)));
    assert_eq!(elsewhere.land(wanted(base)), verdicts[0], "another copy finds it there");
    let late = order("intent_3", base, vec![put("a", "3")], &["3"]);
    assert!(reasons(&elsewhere.land(late)).contains("stale: a has changed on main"));
}

#[test]
fn a_branch_begins_at_an_empty_remote() {
    let elsewhere = Elsewhere::new(Temporary::empty());
    elsewhere.open().check(Deadline::in_ms(10_000)).unwrap();
    let verdict = elsewhere.land(order("intent_1", Oid::ZERO_SHA1, vec![put("a", "1")], &["1"]));
    assert_once(&elsewhere, &verdict, "begun");
}

#[test]
fn whatever_step_it_dies_at_there_is_one_commit_afterwards() {
    for &step in REMOTE_STEPS {
        for moved in [false, true] {
            let elsewhere = Elsewhere::new(Temporary::new(&[("a", "1"), ("b", "1")]));
            let base = elsewhere.at.head().unwrap();
            let steps = Steps::new(move |reached| assert_ne!(reached, step, "dies here"));
            let died = catch_unwind(AssertUnwindSafe(|| elsewhere.land_with(wanted(base), &steps)));
            assert!(died.is_err(), "{step} is reached");
            if moved {
                elsewhere.at.commit(&[(b"b", 0o100_644, "theirs")]);
            }
            let verdict = elsewhere.land(again(base));
            assert_once(&elsewhere, &verdict, step);
            assert_eq!(elsewhere.land(again(base)), verdict, "{step}: and again");
        }
    }
}

#[test]
fn a_remote_that_moves_between_build_and_push_is_built_upon() {
    let elsewhere = Arc::new(Elsewhere::new(Temporary::new(&[("a", "1"), ("b", "1")])));
    let base = elsewhere.at.head().unwrap();
    let (other, is_first) = (Arc::clone(&elsewhere), AtomicBool::new(true));
    let steps = Steps::new(move |step| {
        if step == ASKED && is_first.swap(false, Ordering::Relaxed) {
            other.at.commit(&[(b"b", 0o100_644, "theirs")]);
        }
    });
    assert_once(&elsewhere, &elsewhere.land_with(wanted(base), &steps), "moved");
    assert_eq!(elsewhere.at.file("b").unwrap().1, "theirs");
}

#[test]
fn a_push_that_a_hook_rejects_changes_nothing_and_is_tried_later() {
    let elsewhere = Elsewhere::new(Temporary::new(&[("a", "1")]));
    let base = elsewhere.at.head().unwrap();
    let hook = elsewhere.hook("#!/bin/sh\necho 'not on a Friday' >&2\nexit 1\n");
    let verdict = elsewhere.land(wanted(base));
    assert!(matches!(&verdict, Verdict::Later(why) if why.contains("not on a Friday")), "{verdict:?}");
    assert_eq!((elsewhere.at.head(), elsewhere.at.intent("intent_1")), (Some(base), None));
    std::fs::remove_file(hook).unwrap();
    assert_once(&elsewhere, &elsewhere.land(wanted(base)), "taken");
}

#[test]
fn a_push_without_an_answer_is_not_said_to_have_failed() {
    let elsewhere = Elsewhere::new(Temporary::new(&[("a", "1")]));
    let base = elsewhere.at.head().unwrap();
    elsewhere.hook("#!/bin/sh\nkill -9 $(ps -o ppid= $PPID) $PPID\nexit 1\n");
    let verdict = elsewhere.land(wanted(base));
    assert!(matches!(&verdict, Verdict::Again(_)), "{verdict:?}");
}

#[test]
fn a_remote_that_cannot_be_reached_is_tried_later() {
    let elsewhere = Elsewhere::new(Temporary::new(&[("a", "1")]));
    let base = elsewhere.at.head().unwrap();
    let away = elsewhere.at.path.with_extension("away");
    std::fs::rename(&elsewhere.at.path, &away).unwrap();
    let verdict = elsewhere.land(wanted(base));
    assert!(matches!(&verdict, Verdict::Later(why) if why.contains("cannot be read")), "{verdict:?}");
    let error = elsewhere.open().check(Deadline::in_ms(10_000)).unwrap_err();
    assert!(error.contains("cannot be read"), "{error}");
    std::fs::rename(away, &elsewhere.at.path).unwrap();
    assert_once(&elsewhere, &elsewhere.land(wanted(base)), "back");
}

#[test]
fn a_remote_without_atomic_push_is_found_out() {
    let elsewhere = Elsewhere::new(Temporary::new(&[("a", "1")]));
    elsewhere.set("receive.advertiseAtomic", false);
    let error = elsewhere.open().check(Deadline::in_ms(10_000)).unwrap_err();
    assert!(error.contains("atomic push"), "{error}");
    let verdict = elsewhere.land(wanted(elsewhere.at.head().unwrap()));
    assert!(matches!(verdict, Verdict::Again(_) | Verdict::Later(_)), "{verdict:?}");
    assert_eq!(elsewhere.at.landed("intent_1"), []);
}

#[test]
fn a_refusal_keeps_out_the_push_of_whoever_came_before() {
    let elsewhere = Arc::new(Elsewhere::new(Temporary::new(&[("a", "1")])));
    let base = elsewhere.at.head().unwrap();
    let mut first = wanted(base);
    let is_ours = AtomicBool::new(true);
    first.claim = Claim::new(move |answer| answer.send(is_ours.swap(false, Ordering::Relaxed)).unwrap());
    let other = Arc::clone(&elsewhere);
    let is_paused = AtomicBool::new(false);
    let steps = Steps::new(move |step| {
        if step == ASKED && !is_paused.swap(true, Ordering::Relaxed) {
            let refused = Order { contents: again(base).contents, ..again(base) };
            let refused = Order {
                effect: selvedge_contracts::payload::intent::GitEffect {
                    message: " ".into(),
                    ..refused.effect.clone()
                },
                ..refused
            };
            assert!(reasons(&other.land(refused)).contains("it is empty"));
        }
    });
    let verdict = elsewhere.land_with(first, &steps);
    assert!(!matches!(verdict, Verdict::Done { .. }), "{verdict:?}");
    assert_eq!((elsewhere.at.head(), elsewhere.at.landed("intent_1")), (Some(base), vec![]));
    assert_once(&elsewhere, &elsewhere.land(again(base)), "a later round");
}

#[test]
fn locks_that_a_dead_process_left_in_a_copy_are_cleared() {
    let elsewhere = Elsewhere::new(Temporary::new(&[("a", "1")]));
    let remote = elsewhere.open();
    let lock = remote.folder.join("refs/selvedge/copy/refs/heads/main.lock");
    std::fs::create_dir_all(lock.parent().unwrap()).unwrap();
    std::fs::write(&lock, "").unwrap();
    assert_ne!(elsewhere.open().folder, remote.folder, "no two processes share a copy");
    assert!(lock.exists());
    drop(remote);
    assert_once(&elsewhere, &elsewhere.land(wanted(elsewhere.at.head().unwrap())), "cleared");
    assert!(!Path::new(&lock).exists());
}
