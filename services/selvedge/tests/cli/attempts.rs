//! How attempts end: by their own doing, by the end of their time, with their worker.

use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use nix::{sys::signal::kill, unistd::Pid};
use selvedge_tests::wait::until;
use serde_json::{Value, json};

use crate::{
    machine::Machine,
    working::{becomes, left_rooms, said, shop, start, stop, submit, task, worker},
};

/// A task that is done with whatever is handed in at `/ok`.
pub(crate) fn simple(name: &str, attempts: u32) -> Value {
    json!({ "id": name, "title": name, "attempts": attempts, "backoff_ms": 0,
        "checks": [{ "kind": "pointer", "at": "/ok" }] })
}

/// Waits until a command has written a file with a whole line into its workspace; gives the line.
pub(crate) async fn written(machine: &Machine, name: &str) -> String {
    let found = || -> Vec<PathBuf> {
        let runs = left_rooms(machine).into_iter().filter(|path| path.parent().unwrap().ends_with("runs"));
        let rooms = runs.flat_map(|run| std::fs::read_dir(run).into_iter().flatten().flatten());
        rooms.map(|room| room.path().join("workspace").join(name)).collect()
    };
    until("a file in a workspace", async || {
        let mut texts = found().into_iter().filter_map(|path| std::fs::read_to_string(path).ok());
        texts.find(|text| text.ends_with('\n')).ok_or("none")
    })
    .await
    .trim()
    .to_owned()
}

pub(crate) fn is_running(pid: &str) -> bool {
    // One that ended and was not reaped does not run.
    let command_line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    kill(Pid::from_raw(pid.parse().unwrap()), None).is_ok() && !command_line.is_empty()
}

pub(crate) async fn gone(pids: &str) {
    until("the processes to be gone", async || {
        let left: Vec<&str> = pids.split(' ').filter(|pid| is_running(pid)).collect();
        if left.is_empty() { Ok(()) } else { Err(left.join(" ")) }
    })
    .await;
}

/// Ignores what tells it to end, as do its child and another that has left its process group; says their ids.
pub(crate) const STUBBORN: &str =
    "trap '' TERM; sleep 600 & one=$!; setsid sleep 601 & two=$!; echo $$ $one $two > pids; wait; wait";

#[tokio::test(flavor = "multi_thread")]
async fn what_a_command_ends_with_decides_what_becomes_of_its_attempt() {
    let machine = shop().await;
    let names = [("bad", 1), ("again", 2), ("never", 3), ("crash", 1), ("good", 1)];
    let tasks: Vec<Value> = names.iter().map(|(name, attempts)| simple(name, *attempts)).collect();
    let plan = submit(&machine, json!(tasks)).await;
    let script = "cat > prompt; case $SELVEDGE_TASK_FILE in
      *-bad-*) echo this is no document;;
      *-again-1*) echo not now >&2; exit 75;;
      *-never-*) exit 65;;
      *-crash-*) echo it broke >&2; exit 3;;
      *) grep -q 'What to hand in' prompt && echo '{\"ok\": 1}';;
    esac";
    let working = start(&machine, "worker.log", &worker(script, &["--cap", "2"]));
    becomes(&machine, &plan, "good", "validated").await;
    let shown = becomes(&machine, &plan, "again", "validated").await;
    let past = shown["task"]["past"][0]["reason"].as_str().unwrap();
    assert!(past.contains("tried again (status 75") && past.contains("not now"), "{past}");
    let never = becomes(&machine, &plan, "never", "failed").await;
    assert_eq!(never["task"]["attempt"], 1, "65 is final");
    let crash = becomes(&machine, &plan, "crash", "failed").await;
    let reason = crash["task"]["past"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("status 3") && reason.contains("it broke"), "{reason}");
    let kept = reason.split("kept in ").nth(1).unwrap();
    assert!(Path::new(kept).join("workspace/prompt").is_file(), "kept: {kept}");
    assert!(!Path::new(kept).join("private").exists(), "without what it was ordered");
    let bad = becomes(&machine, &plan, "bad", "failed").await;
    let reason = bad["task"]["past"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("not JSON"), "{reason}");
    assert_eq!(stop(working).await, Some(0), "{}", said(&machine, "worker.log"));

    let more = submit(&machine, json!([simple("missing", 1)])).await;
    let none = machine.run(&["worker", "--as", "ada", "--", "no-such-agent"]).await;
    assert!(none.code == 2 && none.err.contains("no-such-agent"), "{none:?}");
    for missing in ["/nowhere/agent", "./doesnotexist"] {
        let none = machine.run(&["worker", "--as", "ada", "--once", "--", missing]).await;
        assert!(none.code == 2 && none.err.contains(missing), "{none:?}");
    }
    let shown = task(&machine, &more, "missing").await;
    assert_eq!(shown["line"]["phase"], "ready", "nothing was tried: {shown}");
    let templates = machine.run(&["worker", "--templates"]).await.ok();
    assert!(templates.contains("claude-code") && templates.contains("codex exec"), "{templates}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_outlives_a_worker_that_is_killed_and_the_task_is_tried_again() {
    let machine = shop().await;
    let plan = submit(&machine, json!([simple("long", 2)])).await;
    let mut working = start(&machine, "ada.log", &worker(STUBBORN, &["--ttl", "2s"]));
    let pids = written(&machine, "pids").await;
    assert_eq!(pids.split(' ').filter(|pid| is_running(pid)).count(), 3);
    working.kill().await.unwrap();
    gone(&pids).await;
    let script = "echo '{\"ok\": 1}'";
    let other = ["worker", "--as", "bob", "--once", "-o", "jsonl", "--", "sh", "-c", script];
    let told = machine.run(&other).await;
    assert!(told.code == 0 && told.out.contains("\"event\":\"validated\""), "{told:?}");
    let shown = task(&machine, &plan, "long").await;
    assert_eq!((&shown["line"]["phase"], &shown["task"]["attempt"]), (&json!("validated"), &json!(2)));
    assert_eq!(shown["task"]["past"][0]["cause"], "lost");
    // What it left behind is removed by the next one.
    submit(&machine, json!([simple("more", 1)])).await;
    let next = ["worker", "--as", "ada", "--once", "--", "sh", "-c", script];
    machine.run(&next).await.ok();
    assert_eq!(left_rooms(&machine), Vec::<PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_end_of_its_time_or_of_its_worker_all_of_a_command_is_stopped() {
    let machine = shop().await;
    let mut short = simple("short", 1);
    short["timeout_ms"] = json!(1_500);
    let plan = submit(&machine, json!([short])).await;
    let working = start(&machine, "ada.log", &worker(STUBBORN, &["--grace", "300ms"]));
    let pids = written(&machine, "pids").await;
    let shown = becomes(&machine, &plan, "short", "failed").await;
    assert_eq!(shown["task"]["past"][0]["cause"], "timeout");
    gone(&pids).await;
    stop(working).await;

    // One that ends well within its grace is handed in, one that does not is given back.
    let plan = submit(&machine, json!([simple("kind", 1)])).await;
    let kind = "trap 'echo \"{\\\"ok\\\": 1}\" > $SELVEDGE_OUTPUT; exit 0' TERM; echo > pids; while :; do sleep 0.1; done";
    let working = start(&machine, "ada.log", &worker(kind, &[]));
    until(
        "it to run",
        async || {
            if said(&machine, "ada.log").contains("running") { Ok(()) } else { Err("not yet") }
        },
    )
    .await;
    written(&machine, "pids").await;
    assert_eq!(stop(working).await, Some(0), "{}", said(&machine, "ada.log"));
    assert_eq!(task(&machine, &plan, "kind").await["line"]["phase"], "validated");

    let plan = submit(&machine, json!([simple("stubborn", 1)])).await;
    let working = start(&machine, "ada.log", &worker(STUBBORN, &["--grace", "300ms"]));
    let pids = written(&machine, "pids").await;
    stop(working).await;
    gone(&pids).await;
    let shown = task(&machine, &plan, "stubborn").await;
    let past = &shown["task"]["past"][0];
    assert!(past["reason"].as_str().unwrap().contains("the worker was stopped"), "{past}");
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_are_worked_on_at_once_and_a_cancelled_plan_stops_them() {
    let machine = shop().await;
    let shared = machine.path().join("shared");
    std::fs::create_dir(&shared).unwrap();
    let tasks: Vec<Value> = (0..4).map(|number| simple(&format!("t{number}"), 1)).collect();
    let plan = submit(&machine, json!(tasks)).await;
    let place = shared.display().to_string();
    // Each waits until three have begun, tells how many run with it, and is counted no more.
    let script = format!(
        "cd {place}; echo > begun-$SELVEDGE_TASK; echo > run-$SELVEDGE_TASK
         until [ $(ls | grep -c begun-) -ge 3 ]; do sleep 0.05; done
         ls | grep -c run- > seen-$SELVEDGE_TASK; rm run-$SELVEDGE_TASK; echo '{{\"ok\": 1}}'"
    );
    let working = start(&machine, "ada.log", &worker(&script, &["--cap", "3", "--write", &place]));
    for name in ["t0", "t1", "t2", "t3"] {
        becomes(&machine, &plan, name, "validated").await;
    }
    stop(working).await;
    let seen = std::fs::read_dir(&shared).unwrap().map(|entry| entry.unwrap().path());
    let seen: Vec<u32> = seen
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("seen-"))
        .map(|path| std::fs::read_to_string(path).unwrap().trim().parse().unwrap())
        .collect();
    assert!(seen.len() == 4 && seen.iter().all(|count| *count <= 3), "{seen:?}");

    let plan = submit(&machine, json!([simple("unwanted", 1)])).await;
    let working = start(&machine, "ada.log", &worker(STUBBORN, &["--ttl", "3s", "--grace", "200ms"]));
    let pids = written(&machine, "pids").await;
    machine.run(&["plan", "cancel", &plan, "--reason", "enough", "--as", "pia"]).await.ok();
    gone(&pids).await;
    until("it to be told", async || {
        let log = said(&machine, "ada.log");
        if log.contains("lost") { Ok(()) } else { Err(log) }
    })
    .await;
    stop(working).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_to_a_worker_that_was_stopped_goes_back_unbegun() {
    let machine = shop().await;
    // What it has asked for by then may be answered for two seconds more: one of a few plans comes in between.
    for _ in 0..6 {
        let mut working = start(&machine, "ada.log", &worker("true", &[]));
        told(&machine, "started").await;
        let pid = nix::unistd::Pid::from_raw(i32::try_from(working.id().unwrap()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        told(&machine, "stopping").await;
        let plan = submit(&machine, json!([simple("late", 1)])).await;
        assert_eq!(working.wait().await.unwrap().code(), Some(0), "{}", said(&machine, "ada.log"));
        let log = said(&machine, "ada.log");
        assert!(!log.contains("running"), "{log}");
        if log.contains("returned") {
            let shown = task(&machine, &plan, "late").await;
            let past = &shown["task"]["past"][0]["reason"];
            assert_eq!(past, "the worker was stopped before it began", "{shown}");
            return;
        }
        assert!(!log.contains("claimed"), "{log}");
        machine.run(&["plan", "cancel", &plan, "--reason", "again", "--as", "pia"]).await.ok();
    }
    panic!("no task came to a stopped worker: {}", said(&machine, "ada.log"));
}

async fn told(machine: &Machine, event: &str) {
    until(event, async || {
        let log = said(machine, "ada.log");
        if log.contains(event) { Ok(()) } else { Err(log) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_of_ones_own_is_run_from_where_the_worker_was_started() {
    let machine = shop().await;
    let tools = machine.path().join("tools");
    std::fs::create_dir(&tools).unwrap();
    let script = |name: &str, text: &str| {
        std::fs::write(tools.join(name), text).unwrap();
        std::fs::set_permissions(tools.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    script("agent.sh", "#!/bin/sh\necho '{\"ok\": 1}'\n");
    let plan = submit(&machine, json!([simple("own", 1)])).await;
    let own = ["worker", "--as", "ada", "--once", "--", "./agent.sh"];
    let ran = machine.run_in("tools", &own).await;
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(task(&machine, &plan, "own").await["line"]["phase"], "validated");
    // What it runs in turn is opened by --read alone.
    script("other.sh", "#!/bin/sh\n\"$1/agent.sh\"\n");
    let place = tools.display().to_string();
    let plan = submit(&machine, json!([simple("closed", 1), simple("open", 1)])).await;
    let first = ["worker", "--as", "ada", "--once", "--keep", "never", "--", "tools/other.sh", &place];
    let ran = machine.run(&first).await;
    let shown = task(&machine, &plan, "closed").await;
    if !ran.out.contains("cooperative") {
        let reason = shown["task"]["past"][0]["reason"].as_str().unwrap();
        assert!(ran.code == 13 && reason.contains("--read DIR"), "{ran:?}: {reason}");
    }
    let opened = ["worker", "--as", "ada", "--once", "--read", &place, "--", "tools/other.sh", &place];
    let ran = machine.run(&opened).await;
    assert_eq!(ran.code, 0, "{ran:?}");
}
