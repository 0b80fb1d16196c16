//! The git hook: what it refuses and lets pass, and what becomes of hooks that were there before.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    path::{Path, PathBuf},
};

use selvedge_tests::fabric::Fabric;

use crate::{
    leases::{Scene, text},
    machine::{Machine, Ran},
};

impl Scene {
    fn file(&self, name: &str) -> PathBuf {
        self.machine.path().join("shop").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.file(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    async fn git(&self, agent: &str, arguments: &[&str]) -> Ran {
        self.machine.git("shop", agent, arguments).await
    }

    /// Stages everything and commits it, as an agent.
    async fn commit(&self, agent: &str) -> Ran {
        self.git(agent, &["add", "-A"]).await.ok();
        self.git(agent, &["commit", "-q", "-m", "more"]).await
    }

    async fn hook(&self, arguments: &[&str]) -> Ran {
        self.machine.run_in("shop", &[&["hook"], arguments].concat()).await
    }

    fn executable(&self, name: &str, text: &str) {
        self.write(name, text);
        fs::set_permissions(self.file(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

fn refused(ran: &Ran, parts: &[&str]) {
    assert_ne!(ran.code, 0, "{ran:?}");
    for part in parts {
        assert!(ran.err.contains(part), "{part} is not in {ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_what_others_hold_is_refused_and_of_ones_own_is_not() {
    let scene = Scene::start().await;
    scene.write("src/old.rs", "old");
    scene.write("docs/a.md", "a");
    scene.commit("ada").await.ok();
    scene.hook(&["install"]).await.ok();
    let lease = scene.take(&["src", "--purpose", "the login page"]).await;

    scene.write("src/new.rs", "new");
    let ran = scene.commit("bob").await;
    refused(&ran, &["src/new.rs: ", &scene.ada, "path src", "the login page", text(&lease, "/id"), "left"]);
    scene.commit("ada").await.ok();

    scene.write("docs/a.md", "b");
    scene.commit("bob").await.ok();
    // A deletion, and either end of a rename.
    fs::remove_file(scene.file("src/old.rs")).unwrap();
    refused(&scene.commit("bob").await, &["src/old.rs: "]);
    scene.git("bob", &["reset", "-q", "--hard"]).await.ok();
    scene.git("bob", &["mv", "src/old.rs", "moved.rs"]).await.ok();
    refused(&scene.commit("bob").await, &["src/old.rs: "]);
    scene.git("bob", &["reset", "-q", "--hard"]).await.ok();
    scene.git("bob", &["mv", "docs/a.md", "src/a.md"]).await.ok();
    refused(&scene.commit("bob").await, &["src/a.md: "]);
    scene.git("bob", &["reset", "-q", "--hard"]).await.ok();

    // What is not part of the commit does not count, and what `-a` adds does.
    scene.write("src/new.rs", "newer");
    scene.write("docs/a.md", "c");
    scene.git("bob", &["add", "-A"]).await.ok();
    scene.git("bob", &["commit", "-q", "-m", "docs", "--", "docs/a.md"]).await.ok();
    scene.git("bob", &["reset", "-q"]).await.ok();
    refused(&scene.git("bob", &["commit", "-q", "-a", "-m", "all"]).await, &["src/new.rs: "]);
    scene.git("bob", &["reset", "-q", "--hard"]).await.ok();

    // What is given back is free.
    scene.lease(&["release", text(&lease, "/id"), "--as", "ada"]).await.ok();
    scene.git("bob", &["mv", "src/old.rs", "moved.rs"]).await.ok();
    scene.commit("bob").await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn globs_shared_leases_and_odd_names_are_told_apart() {
    let scene = Scene::start().await;
    scene.hook(&["install"]).await.ok();
    scene.take(&["--glob", "db/**/*.sql", "--purpose", "the schema"]).await;
    scene.take(&["docs", "--shared"]).await;
    scene.write("db/deep/users.sql", "");
    refused(&scene.commit("bob").await, &["db/deep/users.sql: ", "glob db/**/*.sql", "the schema"]);
    scene.git("bob", &["rm", "-q", "--cached", "-r", "."]).await.ok();
    fs::remove_dir_all(scene.file("db")).unwrap();

    scene.write("docs/a.md", "");
    refused(&scene.commit("bob").await, &["docs/a.md: ", "(shared)"]);
    scene.lease(&["acquire", "docs", "--shared", "--as", "bob"]).await.ok();
    scene.commit("bob").await.ok();

    // No claim can hold this name, and it is not let pass for that.
    scene.take(&["raw"]).await;
    for name in [b"raw/\xff \n[x].bin".as_slice(), b"raw/a\\b"] {
        fs::create_dir_all(scene.file("raw")).unwrap();
        fs::write(scene.file("").join(OsStr::from_bytes(name)), "").unwrap();
        refused(&scene.commit("bob").await, &["raw/", "path raw"]);
        scene.git("bob", &["reset", "-q", "--hard"]).await.ok();
    }
    fs::create_dir_all(scene.file("free")).unwrap();
    fs::write(scene.file("free").join(OsStr::from_bytes(b"\xff \n[x].bin")), "").unwrap();
    scene.write("with space/[1]*?.txt", "");
    scene.commit("bob").await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_was_there_runs_first_and_comes_back() {
    let scene = Scene::start().await;
    scene.executable(".git/hooks/pre-commit", "#!/bin/sh\n[ ! -e veto ] || { echo 'a veto' >&2; exit 3; }\n");
    let before = fs::read(scene.file(".git/hooks/pre-commit")).unwrap();
    let installed = scene.hook(&["install"]).await.ok();
    assert!(installed.contains("pre-commit.chained"), "{installed}");
    scene.hook(&["install"]).await.ok(); // ours is written anew, and chains nothing twice
    assert_eq!(fs::read(scene.file(".git/hooks/pre-commit.chained")).unwrap(), before);

    scene.take(&["src"]).await;
    scene.write("src/a", "");
    refused(&scene.commit("bob").await, &["src/a: "]);
    scene.write("veto", "");
    refused(&scene.commit("ada").await, &["a veto"]);
    fs::remove_file(scene.file("veto")).unwrap();
    scene.commit("ada").await.ok();

    scene.hook(&["uninstall"]).await.ok();
    assert_eq!(fs::read(scene.file(".git/hooks/pre-commit")).unwrap(), before);
    let foreign = scene.hook(&["uninstall"]).await;
    assert_eq!(foreign.code, 4, "{foreign:?}");
    scene.hook(&["install", "--force"]).await.ok();
    assert_eq!(fs::read(scene.file(".git/hooks/pre-commit.replaced")).unwrap(), before, "nothing is lost");
    assert!(!scene.file(".git/hooks/pre-commit.chained").exists());
    scene.hook(&["uninstall"]).await.ok();
    let nothing = scene.hook(&["uninstall"]).await;
    assert_eq!(nothing.code, 3, "{nothing:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_of_what_others_hold_is_refused_like_a_commit() {
    let scene = Scene::start().await;
    scene.write("src/a", "");
    scene.commit("ada").await.ok();
    scene.git("bob", &["checkout", "-q", "-b", "side"]).await.ok();
    scene.write("src/b", "");
    scene.commit("bob").await.ok();
    scene.git("bob", &["checkout", "-q", "-"]).await.ok();
    scene.executable(".git/hooks/pre-merge-commit", "#!/bin/sh\necho 'a look at the merge' >&2\n");
    let before = fs::read(scene.file(".git/hooks/pre-merge-commit")).unwrap();
    scene.hook(&["install"]).await.ok();
    scene.take(&["src/b"]).await;
    let merge = ["merge", "-q", "--no-ff", "-m", "side", "side"];
    refused(&scene.git("bob", &merge).await, &["a look at the merge", "src/b: ", &scene.ada]);
    scene.git("bob", &["merge", "--abort"]).await.ok();
    scene.git("ada", &merge).await.ok();
    scene.hook(&["uninstall"]).await.ok();
    assert_eq!(fs::read(scene.file(".git/hooks/pre-merge-commit")).unwrap(), before, "it is back");
    assert!(!scene.file(".git/hooks/pre-commit").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_the_hook_asks_has_one_deadline() {
    let scene = Scene::start().await;
    scene.write("a", "");
    scene.git("bob", &["add", "-A"]).await.ok();
    let late = scene.hook(&["check", "--as", "bob", "--within", "1ms"]).await;
    assert_eq!(late.code, 6, "{late:?}");
    refused(&late, &["nobody said within", "SELVEDGE_HOOK=off"]);
    let open = scene.hook(&["check", "--as", "bob", "--within", "1ms", "--fail-open"]).await;
    assert!(open.code == 0 && open.err.contains("committed all the same"), "{open:?}");
    scene.hook(&["check", "--as", "bob"]).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_where_git_looks_for_it() {
    let scene = Scene::start().await;
    scene.take(&["src"]).await;
    // From a worktree, for all of them.
    scene.git("ada", &["worktree", "add", "-q", "../tree"]).await.ok();
    scene.machine.run_in("tree", &["hook", "install"]).await.ok();
    assert!(scene.file(".git/hooks/pre-commit").exists());
    fs::create_dir_all(scene.machine.path().join("tree/src")).unwrap();
    fs::write(scene.machine.path().join("tree/src/a"), "").unwrap();
    scene.machine.git("tree", "bob", &["add", "-A"]).await.ok();
    let ran = scene.machine.git("tree", "bob", &["commit", "-q", "-m", "more"]).await;
    refused(&ran, &["src/a: ", &scene.ada]);

    scene.git("ada", &["config", "core.hooksPath", "my hooks"]).await.ok();
    fs::create_dir_all(scene.file("sub")).unwrap();
    scene.machine.run_in("shop/sub", &["hook", "install"]).await.ok();
    assert!(scene.file("my hooks/pre-commit").exists());
    scene.write("src/b", "");
    refused(&scene.commit("bob").await, &["src/b: "]);

    // A folder for every repository is nothing to write into unasked.
    scene.git("ada", &["config", "--unset", "core.hooksPath"]).await.ok();
    let global = scene.machine.path().join("gitconfig");
    fs::write(&global, "[core]\n\thooksPath = /nowhere\n").unwrap();
    let mut install = scene.machine.command_in("shop", &["hook", "install"]);
    let ran = crate::machine::ran(install.env("GIT_CONFIG_GLOBAL", &global).output().await.unwrap());
    assert!(ran.code == 2 && ran.err.contains("--force") && ran.err.contains("global"), "{ran:?}");
    let outside = scene.machine.run(&["hook", "install"]).await;
    assert!(outside.code == 2 && outside.err.contains("no git repository"), "{outside:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_fabric_there_is_no_commit_unless_that_was_chosen() {
    let mut scene = Scene::start().await;
    scene.hook(&["install", "--as", "bob"]).await.ok();
    scene.write("a", "");
    scene.fabric.bus.kill9_server(0);
    refused(&scene.commit("bob").await, &["cannot ask who holds what", "SELVEDGE_HOOK=off"]);
    let mut off = scene.machine.git_command("shop", "bob", &["commit", "-q", "-m", "off"]);
    crate::machine::ran(off.env("SELVEDGE_HOOK", "off").output().await.unwrap()).ok();
    scene.hook(&["install", "--fail-open"]).await.ok();
    scene.write("b", "");
    let open = scene.commit("bob").await;
    assert!(open.code == 0 && open.err.contains("committed all the same"), "{open:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_paths_are_asked_for_in_few_calls() {
    let scene = Scene::start().await;
    scene.hook(&["install"]).await.ok();
    scene.take(&["many/f599", "many/f3"]).await;
    for index in 0..600 {
        scene.write(&format!("many/f{index}"), "");
    }
    let ran = scene.commit("bob").await;
    refused(&ran, &["many/f599: ", "many/f3: "]);
    assert_eq!(ran.err.matches(&scene.ada).count(), 2, "{ran:?}");
}

/// The first lines of the page on leases.
fn page() -> String {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/leases.md")).unwrap();
    let (_, block) = page.split_once("```sh\n").unwrap();
    block.split_once("```").unwrap().0.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_runs_as_typed() {
    let fabric = Fabric::start().await;
    let _leases = fabric.leases_replica("l1").await;
    let machine = Machine::of_operator(&fabric);
    let lines = page();
    // Each line's code follows it.
    let script: String = lines.lines().map(|line| format!("{line}\necho \"= $?\"\n")).collect();
    let binaries = Path::new(env!("CARGO_BIN_EXE_selvedge")).parent().unwrap().to_owned();
    let sh = machine.git_command("", "ada", &[]);
    let environment = sh.as_std().get_envs().filter_map(|(name, value)| Some((name, value?)));
    let mut run = tokio::process::Command::new("sh");
    run.arg("-c").arg(script).current_dir(machine.path()).env_clear().envs(environment);
    run.env_remove("SELVEDGE_AGENT").env("PATH", format!("{}:/usr/bin:/bin", binaries.display()));
    let ran = crate::machine::ran(run.output().await.unwrap());
    let codes: Vec<&str> = ran.out.lines().filter_map(|line| line.strip_prefix("= ")).collect();
    let expected: Vec<&str> = lines
        .lines()
        .map(|line| match line {
            line if line.contains("# refused") && line.contains("git commit") => "1",
            line if line.contains("# refused") => "4",
            _ => "0",
        })
        .collect();
    assert_eq!(codes, expected, "{lines}\n{ran:?}");
    assert_eq!(expected.iter().filter(|code| **code != "0").count(), 2);
    let eve = ran.err.matches("eve-").count();
    assert!(eve >= 2, "both refusals name her: {ran:?}");
    assert!(ran.out.contains("path src  the login page"), "{ran:?}");
    let notes = fs::read_to_string(machine.path().join("shop/docs/notes")).unwrap();
    assert!(notes.trim().strip_prefix("token ").unwrap().parse::<u64>().unwrap() > 0, "{notes}");
}
