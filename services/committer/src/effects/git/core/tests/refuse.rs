//! What is refused, with every reason.

use git2::Oid;
use selvedge_contracts::payload::intent::{FileChange, FileMode};

use super::super::{Record, Verdict, fixture::*};
use selvedge_kit::steps::Steps;

#[test]
fn a_stale_order_is_refused_with_every_path_also_those_it_only_read() {
    let temporary = Temporary::new(&[("a", "1"), ("b", "1"), ("docs/x", "1"), ("c", "1"), ("m", "1")]);
    let changes = vec![put("a", "2"), put("new", "2"), put("m", "2"), delete("c")];
    let mut order = temporary.order("intent_1", changes, &["2"]);
    order.effect.reads = vec![path("b"), path("docs")];
    temporary.commit(&[
        (b"a", 0o100_644, "theirs"),
        (b"b", 0o100_644, "theirs"),
        (b"docs/y", 0o100_644, "theirs"),
        (b"new/file", 0o100_644, "in the way"),
        (b"m", 0o100_755, "1"),
    ]);
    let before = temporary.head();
    let found = reasons(&temporary.land(order));
    let stale: Vec<&str> = found.lines().filter_map(|line| line.split(" stale: ").next()).collect();
    assert_eq!(
        stale,
        ["/effect/changes/0", "/effect/changes/1", "/effect/changes/2", "/effect/reads/0", "/effect/reads/1"],
        "{found}"
    );
    assert_eq!(temporary.head(), before);
}

#[test]
fn changes_that_cannot_be_made_are_refused_all_at_once() {
    let temporary = Temporary::empty();
    temporary.commit(&[
        (b"file", 0o100_644, "x"),
        (b"folder/x", 0o100_644, "x"),
        (b"link", 0o120_000, "folder"),
        (b"module", 0o160_000, "0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d"),
    ]);
    let before = temporary.head();
    let changes = vec![
        put("file/below", "2"),
        put("folder", "2"),
        put("link/x", "2"),
        put("module/x", "2"),
        put("other/module", "2"),
        delete("missing"),
        delete("folder"),
        rename("file", "folder/x"),
    ];
    let found = reasons(&temporary.land(temporary.order("intent_1", changes, &["2"])));
    for (index, reason) in [
        (2, "leads through a symlink"),
        (3, "leads into a submodule"),
        (5, "missing: it does not exist"),
        (6, "folder: it is a folder"),
        (7, "a file stands there"),
    ] {
        let line = found.lines().find(|line| line.starts_with(&format!("/effect/changes/{index} ")));
        assert!(line.is_some_and(|line| line.contains(reason)), "{index} {reason}: {found}");
    }
    for (change, reason) in [
        (put("file/below", "2"), "leads through a file"),
        (put("folder", "2"), "a folder stands there"),
        (put("module", "2"), "a submodule stands there"),
        (delete("module"), "it is a submodule"),
        (put("git~1/x", "2"), ".git"),
    ] {
        let found = reasons(&temporary.land(temporary.order("intent_2", vec![change], &["2"])));
        assert!(found.contains(reason), "{reason}: {found}");
    }
    let twice = temporary.order("intent_3", vec![put("n", "2"), put("n", "2")], &["2"]);
    assert!(reasons(&temporary.land(twice)).contains("named twice"));
    let both = temporary.order("intent_4", vec![put("n", "2"), put("n/m", "2")], &["2"]);
    assert!(reasons(&temporary.land(both)).contains("a folder stands there"));
    assert_eq!(temporary.head(), before);
}

#[test]
fn symlinks_that_leave_the_tree_are_refused_also_when_they_are_moved_there() {
    let temporary = Temporary::empty();
    temporary.commit(&[(b"a/b/link", 0o120_000, "../../x"), (b"x", 0o100_644, "x")]);
    let out = FileChange::Put { path: path("l"), content: digest("../out"), mode: FileMode::Symlink };
    let verdict =
        temporary.land(temporary.order("intent_1", vec![out, rename("a/b/link", "link")], &["../out"]));
    let found = reasons(&verdict);
    assert_eq!(found.matches("out of the tree").count(), 2, "{found}");
}

#[test]
fn a_base_that_is_not_behind_the_branch_is_refused() {
    let temporary = Temporary::new(&[("a", "1")]);
    let unknown = order("intent_1", Oid::from_bytes(&[7; 20]).unwrap(), vec![put("a", "2")], &["2"]);
    assert!(reasons(&temporary.land(unknown)).contains("is not in the history of main"));
    let mut elsewhere = temporary.order("intent_2", vec![put("a", "2")], &["2"]);
    elsewhere.effect.branch = "other".to_owned();
    let verdict = temporary.record().land("other", &[elsewhere], &Steps::default()).remove(0);
    assert!(reasons(&verdict).contains("there is no branch other"));
    for name in ["-x", "a..b", "HEAD", "a b", ""] {
        let mut order = temporary.order("intent_3", vec![put("a", "2")], &["2"]);
        order.effect.branch = name.to_owned();
        let verdict = temporary.record().land(name, &[order], &Steps::default()).remove(0);
        assert!(reasons(&verdict).contains("is no name for a branch"), "{name:?} {verdict:?}");
    }
}

#[test]
fn a_commit_that_changes_nothing_is_refused() {
    let temporary = Temporary::new(&[("a", "1")]);
    let order = temporary.order("intent_1", vec![put("a", "1")], &["1"]);
    assert!(reasons(&temporary.land(order)).contains("would be empty"));
}

#[test]
fn a_symbolic_branch_is_refused() {
    let temporary = Temporary::new(&[("a", "1")]);
    temporary.repository().reference_symbolic("refs/heads/alias", "refs/heads/main", false, "").unwrap();
    let order = temporary.order("intent_1", vec![put("a", "2")], &["2"]);
    let verdict = temporary.record().land("alias", &[order], &Steps::default()).remove(0);
    assert!(reasons(&verdict).contains("symbolic reference"), "{verdict:?}");
}

#[test]
fn a_folder_that_is_no_repository_cannot_be_opened() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Record::open(folder.path()).is_err());
}

/// Needs to mount a small file system, which only root may: others have nothing to see here.
#[test]
fn a_full_disk_leaves_the_branch_and_is_tried_again() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let run = |program: &str, arguments: &[&str]| {
        std::process::Command::new(program).args(arguments).arg(folder.path()).status().unwrap().success()
    };
    if !run("mount", &["-t", "tmpfs", "-o", "size=400k", "tmpfs"]) {
        return;
    }
    let temporary = Temporary::at(folder.path().join("record.git"));
    temporary.commit(&[(b"a", 0o100_644, "1")]);
    let before = temporary.head();
    let noise: String =
        (0..30_000_u32).map(|number| blake3::hash(&number.to_le_bytes()).to_hex().to_string()).collect();
    let verdict = temporary.land(temporary.order("intent_1", vec![put("a", &noise)], &[&noise]));
    let small = temporary.land(temporary.order("intent_2", vec![put("a", "2")], &["2"]));
    let after = temporary.head();
    drop(temporary);
    assert!(run("umount", &["--lazy"]));
    assert!(matches!(&verdict, Verdict::Later(reason) if reason.contains("cannot be")), "{verdict:?}");
    assert!(matches!(small, Verdict::Done { parent, .. } if parent == before), "{small:?}");
    assert_ne!(after, before);
}
