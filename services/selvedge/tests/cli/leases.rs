//! Leases from the command line: taken, refused, waited for, watched, and bad input.

use std::process::Stdio;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use selvedge_kit::service::Running;
use selvedge_tests::{fabric::Fabric, wait};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout},
};

use crate::machine::{Machine, Ran};

/// A fabric with leases, and a machine with the workers ada and bob and the repository `shop`.
pub(crate) struct Scene {
    pub(crate) machine: Machine,
    pub(crate) ada: String,
    pub(crate) bob: String,
    pub(crate) fabric: Fabric,
    pub(crate) leases: Option<Running>,
}

impl Scene {
    pub(crate) async fn start() -> Self {
        let fabric = Fabric::start().await;
        let leases = Some(fabric.leases_replica("l1").await);
        let machine = Machine::of_operator(&fabric);
        machine.repository("shop").await;
        let id = |made: Value| made["agent"]["id"].as_str().unwrap().to_owned();
        let (ada, bob) = (id(machine.worker("ada").await), id(machine.worker("bob").await));
        Self { machine, ada, bob, fabric, leases }
    }

    /// A verb of `lease`, in the repository.
    pub(crate) async fn lease(&self, arguments: &[&str]) -> Ran {
        self.machine.run_in("shop", &[&["lease"], arguments].concat()).await
    }

    /// Takes a lease as ada; gives the record.
    pub(crate) async fn take(&self, arguments: &[&str]) -> Value {
        self.lease(&[&["acquire", "--as", "ada", "-o", "json"], arguments].concat()).await.json()
    }

    pub(crate) fn spawn(&self, arguments: &[&str]) -> Child {
        self.machine.command_in("shop", &[&["lease"], arguments].concat()).spawn().unwrap()
    }

    /// Waits until so many leases are in this state.
    pub(crate) async fn until_leases(&self, state: &str, count: usize) -> Value {
        wait::until("leases", async || {
            let listed = self.lease(&["list", "--state", state, "-o", "json"]).await.json();
            if listed.as_array().unwrap().len() == count { Ok(listed) } else { Err(listed) }
        })
        .await
    }
}

pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer} in {value}"))
}

pub(crate) fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(child.id().unwrap().cast_signed()), signal).unwrap();
}

/// Waits for the end of a child with piped output.
pub(crate) async fn end(child: Child) -> Ran {
    let output =
        tokio::time::timeout(wait::PATIENCE, child.wait_with_output()).await.expect("an end in time");
    crate::machine::ran(output.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_taken_shown_renewed_and_given_back() {
    let scene = Scene::start().await;
    let lease = scene.take(&["src/main.rs", "--purpose", "the login page"]).await;
    assert_eq!((text(&lease, "/space"), text(&lease, "/holder")), ("shop", scene.ada.as_str()));
    let (id, token) = (text(&lease, "/id"), lease["token"].as_u64().expect("a token"));

    let shown = scene.lease(&["list"]).await.ok();
    assert!(shown.contains(id) && shown.contains("path src/main.rs") && shown.contains("5m"), "{shown}");
    let renewed = scene.lease(&["renew", id, "--as", "ada", "--ttl", "1h", "-o", "json"]).await.json();
    assert_eq!(renewed["token"], token);
    assert!(renewed["expires_at_ms"].as_u64() > lease["expires_at_ms"].as_u64(), "{renewed}");

    let shown_token = format!("{id}={token}");
    let checked = scene.lease(&["check", &shown_token, "-o", "json"]).await.json();
    assert_eq!(checked[0]["standing"], "valid");
    let released = scene.lease(&["release", id, "--as", "ada"]).await.ok();
    assert_eq!(released, format!("{id} is released; it was held\n"));
    let again = scene.lease(&["release", id, "--as", "ada"]).await;
    assert_eq!(again.code, 3, "{again:?}");
    let gone = scene.lease(&["check", &shown_token]).await;
    assert!(gone.code == 4 && gone.out.contains("gone") && gone.err.contains("1 of 1"), "{gone:?}");
    let lost = scene.lease(&["renew", id, "--as", "ada"]).await;
    assert_eq!(lost.code, 3, "{lost:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_who_holds_what_and_what_to_do() {
    let scene = Scene::start().await;
    let lease = scene.take(&["src", "--purpose", "the login page"]).await;
    let refused = scene.lease(&["acquire", "src/new.rs", "docs", "--as", "bob"]).await;
    assert_eq!(refused.code, 4, "{refused:?}");
    for named in
        [scene.ada.as_str(), "path src", "the login page", text(&lease, "/id"), "--wait", "src/new.rs: "]
    {
        assert!(refused.err.contains(named), "{named} is not in {}", refused.err);
    }
    let refused = scene.lease(&["acquire", "--glob", "*.rs", "--as", "bob", "-o", "json"]).await;
    let fault: Value = serde_json::from_str(&refused.err).unwrap();
    assert_eq!(
        (refused.code, text(&fault, "/code"), text(&fault, "/details/0/at")),
        (4, "conflict", "/claims/0")
    );
    // All or nothing: docs was not kept.
    scene.lease(&["acquire", "docs", "--as", "bob"]).await.ok();
    let clashing = scene.lease(&["list", "src/x", "--as", "bob", "-o", "json"]).await.json();
    assert_eq!(clashing.as_array().unwrap().len(), 1, "{clashing}");
    let denied = scene.lease(&["release", text(&lease, "/id"), "--as", "bob"]).await;
    assert_eq!(denied.code, 5, "{denied:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_ends_with_the_release_even_rounds_later() {
    let scene = Scene::start().await;
    let held = scene.take(&["src"]).await;
    let waiter = scene.spawn(&["acquire", "src/main.rs", "--as", "bob", "--wait", "60s"]);
    let waiting = scene.until_leases("waiting", 1).await;
    // The first round ends after 1.5 seconds and says for whom it waits; the place stays.
    let mut waiter = waiter;
    let mut said = BufReader::new(waiter.stderr.take().unwrap()).lines();
    let said = tokio::time::timeout(wait::PATIENCE, said.next_line()).await.unwrap().unwrap().unwrap();
    assert!(said.starts_with("waiting: ") && said.contains(&scene.ada), "{said}");
    scene.lease(&["release", text(&held, "/id"), "--as", "ada"]).await.ok();
    let granted = end(waiter).await.ok();
    assert!(granted.contains(text(&waiting, "/0/id")), "one request all the time: {granted}");
    let now = scene.until_leases("held", 1).await;
    assert!(now[0]["token"].as_u64() > held["token"].as_u64(), "{now}");
    assert!(granted.contains(&now[0]["token"].to_string()), "{granted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_is_interrupted_or_over_leaves_nothing_behind() {
    let scene = Scene::start().await;
    scene.take(&["src"]).await;
    let over = scene.lease(&["acquire", "src", "--as", "bob", "--wait", "300ms"]).await;
    assert!(over.code == 4 && over.err.contains(&scene.ada), "{over:?}");
    let waiter = scene.spawn(&["acquire", "src", "--as", "bob", "--wait", "60s"]);
    scene.until_leases("waiting", 1).await;
    signal(&waiter, Signal::SIGINT);
    assert_eq!(end(waiter).await.code, 130);
    scene.until_leases("waiting", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shared_leases_stand_together_and_pools_are_counted() {
    let scene = Scene::start().await;
    scene.take(&["docs", "--shared"]).await;
    scene.lease(&["acquire", "docs/a.md", "--shared", "--as", "bob"]).await.ok();
    let refused = scene.lease(&["acquire", "docs", "--as", "bob"]).await;
    assert!(refused.code == 4 && refused.err.contains("(shared)"), "{refused:?}");

    let set = scene.lease(&["pool", "set", "gpu", "2", "-o", "json"]).await.json();
    assert_eq!(set["pool"]["slots"], 2);
    let denied = scene.lease(&["pool", "set", "gpu", "9", "--as", "bob"]).await;
    assert_eq!(denied.code, 5, "{denied:?}");
    scene.take(&["--slots", "gpu=2"]).await;
    let refused = scene.lease(&["acquire", "--slots", "gpu", "--as", "bob"]).await;
    assert!(refused.code == 4 && refused.err.contains(&scene.ada), "{refused:?}");
    let pools = scene.lease(&["pool", "list", "-o", "json"]).await.json();
    assert_eq!((&pools[0]["held"], &pools[0]["pool"]["name"]), (&json!(2), &json!("gpu")));
    scene.take(&["--resource", "port:8080"]).await;
    let refused = scene.lease(&["acquire", "--resource", "port:8080", "--as", "bob"]).await;
    assert!(refused.code == 4 && refused.err.contains("resource port:8080"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_takes_a_lease_away_and_says_why() {
    let scene = Scene::start().await;
    let lease = scene.take(&["src"]).await;
    let id = text(&lease, "/id");
    let taken = scene.lease(&["force-release", id, "--reason", "it hangs"]).await.ok();
    assert_eq!(taken, format!("{id} is taken from {}\n", scene.ada));
    let log = scene.machine.run(&["log", "lease", id, "-o", "json"]).await.ok();
    assert!(log.contains("lease.force_released/1") && log.contains("it hangs"), "{log}");
    scene.lease(&["acquire", "src", "--as", "bob"]).await.ok();
}

async fn event(lines: &mut Lines<BufReader<ChildStdout>>) -> Value {
    let line = tokio::time::timeout(wait::PATIENCE, lines.next_line()).await.expect("an event in time");
    serde_json::from_str(&line.unwrap().expect("a line")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_shows_the_life_of_leases() {
    let scene = Scene::start().await;
    let mut watch = scene.spawn(&["watch", "--as", "bob", "--space", "shop"]);
    // A watch for people says when it stands.
    let mut said = BufReader::new(watch.stderr.take().unwrap()).lines();
    let said = tokio::time::timeout(wait::PATIENCE, said.next_line()).await.unwrap().unwrap().unwrap();
    assert_eq!(said, "watching; Ctrl-C ends");
    let first = scene.take(&["src", "--purpose", "first"]).await;
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let line = tokio::time::timeout(wait::PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
    for part in ["granted", text(&first, "/id"), &scene.ada, "path src", ": first"] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    signal(&watch, Signal::SIGINT);
    assert!(watch.wait().await.unwrap().success());

    let mut watch = scene.machine.command_in("shop", &["lease", "watch", "-o", "jsonl"]);
    let mut watch = watch.stderr(Stdio::inherit()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    // Nobody says when it stands, so the lease is renewed until that is seen.
    let renew = ["renew", text(&first, "/id"), "--as", "ada"];
    let seen = wait::until("a renewal to be seen", async || {
        scene.lease(&renew).await.ok();
        tokio::time::timeout(std::time::Duration::from_millis(100), event(&mut lines)).await
    })
    .await;
    assert_eq!((text(&seen, "/event"), &seen["record"]["token"]), ("renewed", &first["token"]));
    let waiter =
        scene.spawn(&["acquire", "src", "--as", "bob", "--wait", "60s", "--ttl", "1s", "-o", "json"]);
    let next = async |lines: &mut _, wanted: &str| loop {
        let seen = event(lines).await;
        if seen["event"] == wanted {
            break seen;
        }
    };
    let waiting = next(&mut lines, "waiting").await;
    assert_eq!(text(&waiting, "/record/holder"), scene.bob);
    scene.lease(&["release", text(&first, "/id"), "--as", "ada"]).await.ok();
    let released = next(&mut lines, "released").await;
    assert_eq!((&released["lease"], text(&released, "/record/holder")), (&first["id"], scene.ada.as_str()));
    let granted = next(&mut lines, "granted").await;
    assert_eq!(end(waiter).await.json()["token"], granted["record"]["token"]);
    let expired = next(&mut lines, "expired").await;
    assert_eq!(expired["lease"], waiting["lease"]);
    signal(&watch, Signal::SIGTERM);
    assert!(watch.wait().await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_are_those_of_the_repository_wherever_one_stands() {
    let scene = Scene::start().await;
    let below = scene.machine.path().join("shop/src/deep");
    std::fs::create_dir_all(&below).unwrap();
    std::fs::write(below.join("x.rs"), "").unwrap();
    let absolute = below.join("x.rs");
    let acquire =
        ["lease", "acquire", "x.rs", "..", "../../new", "--glob", "*.md", "--as", "ada", "-o", "json"];
    let lease = scene.machine.run_in("shop/src/deep", &acquire).await.json();
    let expected = json!([{ "file": "src/deep/x.rs" }, { "path": "src" }, { "path": "new" }, { "glob": "src/deep/**/*.md" }]);
    assert_eq!(lease["claims"], expected);
    let refused = scene.lease(&["acquire", absolute.to_str().unwrap(), "--as", "bob"]).await;
    assert!(refused.code == 4 && refused.err.contains("file src/deep/x.rs"), "{refused:?}");

    // A worktree is the same space, and so is a clone.
    scene.machine.git("shop", "ada", &["worktree", "add", "-q", "../tree"]).await.ok();
    let refused = scene.machine.run_in("tree", &["lease", "acquire", "src", "--as", "bob"]).await;
    assert!(refused.code == 4 && refused.err.contains(&scene.ada), "{refused:?}");
    scene.machine.git("", "ada", &["clone", "-q", "shop", "clone"]).await.ok();
    let refused = scene.machine.run_in("clone", &["lease", "acquire", "new", "--as", "bob"]).await;
    assert!(refused.code == 4 && refused.err.contains(&scene.ada), "{refused:?}");
    scene.machine.git("clone", "ada", &["config", "selvedge.space", "other"]).await.ok();
    let other = ["lease", "acquire", "new", "--as", "bob", "-o", "json"];
    assert_eq!(scene.machine.run_in("clone", &other).await.json()["space"], "other");
    let all = scene.lease(&["list", "--all-spaces", "-o", "jsonl"]).await.ok();
    assert_eq!(all.lines().count(), 2, "{all}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_with_what_was_expected() {
    let scene = Scene::start().await;
    let long = "x".repeat(300);
    let (acquire, ada): (_, &[&str]) = ("acquire", &["--as", "ada"]);
    let cases: &[(&[&str], &str)] = &[
        (&[], "nothing is claimed"),
        (&["/etc/passwd"], "the path /etc/passwd leads out of"),
        (&["../elsewhere"], "the path ../elsewhere leads out of"),
        (&[""], "a value is required"),
        (&["--glob", "[a"], "[a: "),
        (&["--glob", "!x"], "!x: "),
        (&["--glob", "/x"], "/x: "),
        (&["--glob", "../x"], "../x: "),
        (&["--files", "x/"], "x/: "),
        (&["a\nb"], "control character"),
        (&["src", "--ttl", "soon"], "expected 90s"),
        (&["src", "--ttl", "-5s"], "expected 90s"),
        (&["src", "--ttl", "10ms"], "expected 1s to 24h"),
        (&["src", "--ttl", "25h"], "expected 1s to 24h"),
        (&["src", "--wait", "2days"], "expected at most 24h"),
        (&["src", "--space", "Shop"], "space_id"),
        (&["src", "--purpose", &long], "/purpose"),
        (&["--slots", "gpu=0"], "expected POOL=N"),
        (&["--slots", "gpu=1"], "gpu"),
        (&["--resource", "a b"], "resource_name"),
    ];
    for (bad, expected) in cases {
        let ran = scene.lease(&[&[acquire], *bad, ada].concat()).await;
        assert!(matches!(ran.code, 2 | 3) && ran.err.contains(expected), "{bad:?}: {expected}: {ran:?}");
    }
    let held = scene.lease(&["list", "-o", "json"]).await.json();
    assert_eq!(held, json!([]), "nothing half done");

    let nobody = scene.lease(&["acquire", "src"]).await;
    assert!(nobody.code == 2 && nobody.err.contains("--as"), "{nobody:?}");
    let outside = scene.machine.run(&["lease", "acquire", "src", "--as", "ada"]).await;
    assert!(outside.code == 2 && outside.err.contains("--space"), "{outside:?}");
    let plain = ["lease", "acquire", "src", "--space", "lab", "--as", "ada", "-o", "json"];
    assert_eq!(scene.machine.run(&plain).await.json()["claims"], json!([{ "path": "src" }]));
    let foreign = scene.lease(&["check", "lease_01=x"]).await;
    assert!(foreign.code == 2 && foreign.err.contains("expected a number"), "{foreign:?}");
    let reasonless = scene.lease(&["force-release", "lease_01"]).await;
    assert_eq!(reasonless.code, 2, "{reasonless:?}");
    let many: Vec<String> = (0..300).map(|index| format!("f{index}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let ran = scene.lease(&[&[acquire], many.as_slice(), ada].concat()).await;
    assert!(ran.code == 2 && ran.err.contains("1 to 256"), "{ran:?}");
}
