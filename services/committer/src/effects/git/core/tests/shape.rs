//! What a commit is.

use git2::Oid;
use selvedge_contracts::payload::intent::{FileChange, FileMode};

use super::super::{Verdict, fixture::*};
use selvedge_kit::steps::Steps;

fn done(verdict: &Verdict) -> (Oid, Option<Oid>) {
    match verdict {
        Verdict::Done { commit, parent } => (*commit, *parent),
        other => panic!("expected a commit: {other:?}"),
    }
}

#[test]
fn an_order_becomes_one_commit_by_the_agent_with_trailers_and_a_reference() {
    let temporary = Temporary::new(&[("a", "1"), ("src/b", "2")]);
    let base = temporary.head();
    let order = temporary.order("intent_1", vec![put("src/c", "3"), delete("a")], &["3"]);
    let (commit, parent) = done(&temporary.land(order));
    assert_eq!((Some(commit), parent), (temporary.head(), base));
    assert_eq!(temporary.intent("intent_1"), Some(commit));
    let repository = temporary.repository();
    let found = repository.find_commit(commit).unwrap();
    assert_eq!(found.message(), Ok("Do intent_1\n\nSelvedge-Intent: intent_1\n"));
    assert_eq!(found.author().to_string(), "ada <ada@demo.selvedge.invalid>");
    assert_eq!(found.time().seconds(), 1_700_000_000);
    assert_eq!(temporary.file("src/c").unwrap().1, "3");
    assert_eq!(temporary.file("src/b").unwrap().1, "2");
    assert_eq!(temporary.file("a"), None);
    assert!(git_is_content(&temporary), "git finds the repository sound");
}

fn git_is_content(temporary: &Temporary) -> bool {
    let mut git = std::process::Command::new("git");
    git.arg("-C").arg(&temporary.path).args(["fsck", "--full", "--strict"]).status().unwrap().success()
}

#[test]
fn the_same_order_on_the_same_head_is_the_same_commit() {
    let commits: Vec<Oid> = (0..2)
        .map(|_| {
            let temporary = Temporary::new(&[("a", "1")]);
            done(&temporary.land(temporary.order("intent_1", vec![put("a", "2")], &["2"]))).0
        })
        .collect();
    assert_eq!(commits[0], commits[1]);
}

#[test]
fn modes_renames_symlinks_and_odd_names_come_out_as_ordered() {
    let temporary = Temporary::empty();
    temporary.commit(&[
        (b"tool", 0o100_755, "run"),
        (b"one", 0o100_644, "1"),
        (b"two", 0o100_644, "2"),
        (b"file", 0o100_644, "x"),
        (b"only/deep/x", 0o100_644, "y"),
    ]);
    let with_mode =
        |at: &str, content: &str, mode| FileChange::Put { path: path(at), content: digest(content), mode };
    let changes = vec![
        rename("tool", "bin/tool"),
        rename("one", "two"),
        rename("two", "one"),
        with_mode("run.sh", "#!/bin/sh", FileMode::Executable),
        with_mode("bin/link", "../run.sh", FileMode::Symlink),
        put(b"caf\xe9", "latin"),
        delete("file"),
        put("file/inside", "folder"),
        delete("only/deep/x"),
        FileChange::Rename { from: path("run"), path: path("x"), content: None },
    ];
    let contents = ["#!/bin/sh", "../run.sh", "latin", "folder"];
    let wrong = reasons(&temporary.land(temporary.order("intent_0", changes.clone(), &contents)));
    assert_eq!(wrong, "/effect/changes/9 run: it does not exist");
    done(&temporary.land(temporary.order("intent_1", changes[..9].to_vec(), &contents)));
    let file = |at: &str| temporary.file(at);
    assert_eq!(file("bin/tool"), Some((0o100_755, "run".to_owned())));
    assert_eq!(file("one"), Some((0o100_644, "2".to_owned())), "swapped");
    assert_eq!(file("two"), Some((0o100_644, "1".to_owned())));
    assert_eq!(file("run.sh").unwrap().0, 0o100_755);
    assert_eq!(file("bin/link"), Some((0o120_000, "../run.sh".to_owned())));
    assert_eq!(temporary.file(b"caf\xe9").unwrap().1, "latin");
    assert_eq!(file("file/inside").unwrap().1, "folder");
    assert_eq!((file("tool"), file("only")), (None, None), "an empty folder is none");
    assert!(git_is_content(&temporary));
}

#[test]
fn what_others_did_elsewhere_is_built_upon() {
    let temporary = Temporary::new(&[("a", "1"), ("b", "1")]);
    let order = temporary.order("intent_1", vec![put("a", "2")], &["2"]);
    let theirs = temporary.commit(&[(b"b", 0o100_644, "theirs")]);
    assert_eq!(done(&temporary.land(order)).1, Some(theirs));
    assert_eq!(temporary.file("b").unwrap().1, "theirs");
    assert_eq!(temporary.file("a").unwrap().1, "2");
}

#[test]
fn a_branch_begins_from_nothing_where_that_was_agreed() {
    let temporary = Temporary::empty();
    let order = temporary.order("intent_1", vec![put("a", "1")], &["1"]);
    assert_eq!(done(&temporary.land(order)).1, None);
    let late = order_on_nothing("intent_2", "main");
    assert!(reasons(&temporary.land(late)).contains("stale: main has been begun meanwhile"));
    let below = order_on_nothing("intent_3", "main/below");
    let verdict = temporary.record().land("main/below", &[below], &Steps::default()).remove(0);
    assert!(reasons(&verdict).contains("a branch whose name is a folder"), "{verdict:?}");
    let other = order_on_nothing("intent_4", "release/1");
    done(&temporary.record().land("release/1", &[other], &Steps::default())[0]);
}

fn order_on_nothing(key: &str, branch: &str) -> super::super::Order {
    let mut order = order(key, Oid::ZERO_SHA1, vec![put("a", "1")], &["1"]);
    order.effect.branch = branch.to_owned();
    order
}

#[test]
fn orders_that_wait_together_are_built_on_each_other_each_with_its_own_verdict() {
    let temporary = Temporary::new(&[("a", "1"), ("b", "1")]);
    let base = temporary.head();
    let orders = vec![
        temporary.order("intent_1", vec![put("a", "2")], &["2"]),
        temporary.order("intent_2", vec![put("a", "3")], &["3"]),
        temporary.order("intent_3", vec![put("b", "2")], &["2"]),
    ];
    let verdicts = temporary.record().land("main", &orders, &Steps::default());
    let first = done(&verdicts[0]);
    assert_eq!(first.1, base);
    assert!(
        reasons(&verdicts[1]).starts_with("/effect/changes/0 stale: a has changed on main"),
        "{verdicts:?}"
    );
    assert_eq!(done(&verdicts[2]), (temporary.head().unwrap(), Some(first.0)));
    assert_eq!(temporary.intent("intent_2"), None, "nothing is left of what was refused");
}

#[test]
fn packed_references_are_seen_and_moved() {
    let temporary = Temporary::new(&[("a", "1")]);
    let (first, _) = done(&temporary.land(temporary.order("intent_1", vec![put("a", "2")], &["2"])));
    let mut git = std::process::Command::new("git");
    assert!(
        git.arg("-C")
            .arg(&temporary.path)
            .args(["pack-refs", "--all", "--prune"])
            .status()
            .unwrap()
            .success()
    );
    assert!(!temporary.path.join("refs/heads/main").exists(), "packed");
    let again = temporary.order("intent_1", vec![put("a", "2")], &["2"]);
    assert_eq!(done(&temporary.land(again)).0, first, "the intent's reference is found packed");
    let second = done(&temporary.land(temporary.order("intent_2", vec![put("a", "3")], &["3"])));
    assert_eq!(second.1, Some(first));
}
