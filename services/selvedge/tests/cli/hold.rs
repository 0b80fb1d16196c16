//! `lease hold`: a command runs only as long as its lease is held.

use std::path::Path;

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use selvedge_tests::wait;

use crate::leases::{Scene, end, signal, text};

/// Waits until a file is there with a whole line in it, and gives that.
async fn written(path: &Path) -> String {
    wait::until("a file to be written", async || match std::fs::read_to_string(path) {
        Ok(text) if text.ends_with('\n') => Ok(text.trim().to_owned()),
        other => Err(other),
    })
    .await
}

fn is_running(pid: &str) -> bool {
    // One that ended and was not reaped does not run.
    let command_line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    kill(Pid::from_raw(pid.parse().unwrap()), None).is_ok() && !command_line.is_empty()
}

async fn ended(pid: &str) {
    wait::until("the command to end", async || if is_running(pid) { Err("it runs") } else { Ok(()) }).await;
}

/// Says its pid and that of its child in `pid`, and runs until it is told to end.
const STAYS: &str = "sleep 600 & echo $$ $! > pid; wait";

#[tokio::test(flavor = "multi_thread")]
async fn a_command_runs_under_its_lease_and_its_code_is_passed_on() {
    let scene = Scene::start().await;
    let command = "echo $SELVEDGE_LEASE $SELVEDGE_LEASE_TOKEN $SELVEDGE_SPACE $SELVEDGE_AGENT; exit 7";
    let ran = scene.lease(&["hold", "src", "--as", "ada", "--", "sh", "-c", command]).await;
    assert_eq!(ran.code, 7, "{ran:?}");
    let said: Vec<&str> = ran.out.split_whitespace().collect();
    assert!(said[0].starts_with("lease_") && said[1].parse::<u64>().unwrap() > 0, "{ran:?}");
    assert_eq!(said[2..], ["shop", scene.ada.as_str()]);
    assert_eq!(ran.err, "", "it says nothing of its own");
    scene.until_leases("held", 0).await;
    let hold = ["hold", "src", "--as", "ada", "--"];
    for (command, code) in [
        (["true"].as_slice(), 0),
        (&["false"], 1),
        (&["sh", "-c", "kill -KILL $$"], 137),
        (&["/nowhere/command"], 127),
        (&["/"], 126),
    ] {
        let ran = scene.lease(&[&hold, command].concat()).await;
        assert_eq!(ran.code, code, "{command:?}: {ran:?}");
    }
    scene.until_leases("held", 0).await;
    let binary = env!("CARGO_BIN_EXE_selvedge");
    let inner = scene.lease(&[&hold, [binary, "lease", "check"].as_slice()].concat()).await;
    assert!(inner.code == 0 && inner.out.contains("valid"), "{inner:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_holds_is_not_run_and_a_wait_runs_it_then() {
    let scene = Scene::start().await;
    let lease = scene.take(&["src"]).await;
    let refused = scene.lease(&["hold", "src", "--as", "bob", "--", "touch", "ran"]).await;
    assert!(refused.code == 4 && refused.err.contains(&scene.ada), "{refused:?}");
    assert!(!scene.machine.path().join("shop/ran").exists());
    let waiter = scene.spawn(&["hold", "src", "--as", "bob", "--wait", "60s", "--", "touch", "ran"]);
    scene.until_leases("waiting", 1).await;
    scene.lease(&["release", text(&lease, "/id"), "--as", "ada"]).await.ok();
    assert_eq!(end(waiter).await.code, 0);
    assert!(scene.machine.path().join("shop/ran").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_renewed_as_long_as_its_command_runs() {
    let scene = Scene::start().await;
    // It ends once the lease, which lives a second, is two seconds old.
    let command = "start=$(date +%s); while [ $(($(date +%s) - start)) -lt 3 ]; do :; done";
    let holder = scene.spawn(&["hold", "src", "--as", "ada", "--ttl", "1s", "--", "sh", "-c", command]);
    let first = scene.until_leases("held", 1).await;
    let renewed = wait::until("two lives of the lease", async || {
        let now = scene.lease(&["list", "-o", "json"]).await.json();
        let ends = |list: &serde_json::Value| list[0]["expires_at_ms"].as_u64().unwrap_or(0);
        if ends(&now) > ends(&first) + 1_500 { Ok(now) } else { Err(now) }
    })
    .await;
    assert_eq!(renewed[0]["token"], first[0]["token"].as_u64().unwrap());
    let ran = end(holder).await;
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    scene.until_leases("held", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_stopped_when_its_lease_is_taken_and_told_who_has_it() {
    let scene = Scene::start().await;
    let holder = scene.spawn(&["hold", "src", "--as", "ada", "--ttl", "1h", "--", "sh", "-c", STAYS]);
    let pids = written(&scene.machine.path().join("shop/pid")).await;
    let waiter =
        scene.spawn(&["acquire", "src", "--as", "bob", "--wait", "60s", "--purpose", "mine", "-o", "json"]);
    scene.until_leases("waiting", 1).await;
    let held = scene.until_leases("held", 1).await;
    scene.lease(&["force-release", text(&held, "/0/id"), "--reason", "it hangs"]).await.ok();
    // An hour before its next renewal.
    let ran = end(holder).await;
    assert_eq!(ran.code, 75, "{ran:?}");
    assert!(
        ran.err.contains("lost") && ran.err.contains(&format!("now {} holds path src", scene.bob)),
        "{ran:?}"
    );
    for pid in pids.split(' ') {
        ended(pid).await;
    }
    assert_eq!(text(&end(waiter).await.json(), "/holder"), scene.bob);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_was_paused_too_long_stops_its_command_when_it_wakes() {
    let scene = Scene::start().await;
    let holder = scene.spawn(&["hold", "src", "--as", "ada", "--ttl", "1s", "--", "sh", "-c", STAYS]);
    let pids = written(&scene.machine.path().join("shop/pid")).await;
    let held = scene.until_leases("held", 1).await;
    signal(&holder, Signal::SIGSTOP);
    scene.until_leases("held", 0).await;
    let checked = format!("{}={}", text(&held, "/0/id"), held[0]["token"]);
    assert_eq!(scene.lease(&["check", &checked]).await.code, 4, "its token fails");
    scene.lease(&["acquire", "src", "--as", "bob"]).await.ok();
    signal(&holder, Signal::SIGCONT);
    let ran = end(holder).await;
    assert_eq!(ran.code, 75, "{ran:?}");
    assert!(ran.err.contains(&format!("now {} holds path src", scene.bob)), "{ran:?}");
    for pid in pids.split(' ') {
        ended(pid).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_whose_lease_nobody_confirms_is_stopped_and_killed_if_it_must_be() {
    let mut scene = Scene::start().await;
    let stubborn = "trap '' TERM; echo $$ > pid; while :; do sleep 0.05; done";
    let hold = ["hold", "src", "--as", "ada", "--ttl", "2s", "--grace", "300ms", "--", "sh", "-c", stubborn];
    let holder = scene.spawn(&hold);
    let pid = written(&scene.machine.path().join("shop/pid")).await;
    // Nobody serves leases any more, and nobody says that this one is gone.
    scene.leases.take().unwrap().drain().await;
    let ran = end(holder).await;
    assert_eq!(ran.code, 75, "{ran:?}");
    assert!(ran.err.contains("no renewal was confirmed") && ran.err.contains("it is killed"), "{ran:?}");
    ended(&pid).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_reach_the_command_and_the_lease_is_given_back() {
    let scene = Scene::start().await;
    let command = "trap 'exit 9' INT; echo $$ > pid; while :; do sleep 0.05; done";
    for (passed, command, code) in [
        (Signal::SIGINT, command, 9),
        (Signal::SIGTERM, STAYS, 128 + Signal::SIGTERM as i32),
        (Signal::SIGHUP, STAYS, 128 + Signal::SIGHUP as i32),
    ] {
        let pid = scene.machine.path().join("shop/pid");
        let holder = scene.spawn(&["hold", "src", "--as", "ada", "--", "sh", "-c", command]);
        let pids = written(&pid).await;
        signal(&holder, passed);
        let ran = end(holder).await;
        assert_eq!(ran.code, code, "{passed}: {ran:?}");
        for pid in pids.split(' ') {
            ended(pid).await;
        }
        scene.until_leases("held", 0).await;
        std::fs::remove_file(pid).unwrap();
    }
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_command_ends_with_the_hold_that_was_killed() {
    let scene = Scene::start().await;
    let command = "echo $$ > pid; exec sleep 600";
    let holder = scene.spawn(&["hold", "src", "--as", "ada", "--ttl", "2s", "--", "sh", "-c", command]);
    let pid = written(&scene.machine.path().join("shop/pid")).await;
    signal(&holder, Signal::SIGKILL);
    ended(&pid).await;
    scene.until_leases("held", 0).await;
}
