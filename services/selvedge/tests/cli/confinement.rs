//! What commands may do, and what verifiers find.

use std::net::TcpListener;

use selvedge_tests::wait::until;
use serde_json::{Value, json};

use crate::{
    machine::Machine,
    working::{becomes, said, shop, start, stop, submit, task, worker},
};

/// Tries what `tries` says, each a name and a shell command; gives what succeeded.
fn trying(tries: &[(&str, String)]) -> String {
    let each: Vec<String> = tries
        .iter()
        .map(|(name, command)| {
            format!(
                "if ({command}) >/dev/null 2>&1; then r=true; else r=false; fi; printf '\"{name}\": %s, ' $r"
            )
        })
        .collect();
    format!("printf '{{'; {}; printf '\"ok\": true}}'", each.join("; "))
}

fn attempt(name: &str) -> Value {
    json!([{ "id": name, "title": name, "attempts": 1, "checks": [{ "kind": "pointer", "at": "/ok" }],
        "workspace": { "repository": "record", "branch": "main" } }])
}

/// What a command could do under these options; the first line of the log says by what it was isolated.
async fn could(machine: &Machine, tries: &[(&str, String)], more: &[&str]) -> (Value, String) {
    let plan = submit(machine, attempt("try")).await;
    let script = trying(tries);
    let arguments = worker(&script, &[&["--once"], more].concat());
    let ended = start(machine, "try.log", &arguments).wait().await.unwrap();
    let log = said(machine, "try.log");
    assert!(ended.success(), "{log}");
    (task(machine, &plan, "try").await["task"]["output"]["value"].clone(), log)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_reads_no_keys_writes_nothing_of_others_and_reaches_nobody() {
    let machine = shop().await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let home = machine.home().canonicalize().unwrap();
    let folder = machine.path().canonicalize().unwrap();
    let at = |path: &str| home.join(path).display().to_string();
    let tries = [
        ("operator_key", format!("cat {}", at("creds/main/operator.creds"))),
        ("authority", format!("ls {}", at("authority"))),
        ("session", format!("cat {}/*/demo.creds", at("agents/main"))),
        ("settings", format!("ls {}", home.display())),
        ("record", format!("echo x > {}/record.git/description", folder.display())),
        ("branch", format!("git -C {0}/record.git update-ref refs/heads/other main", folder.display())),
        ("beside", format!("echo x > {}/beside", folder.display())),
        ("copies", "echo x > $(cat .git/objects/info/alternates)/x".to_owned()),
        ("reach", format!("exec bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}'")),
        ("attendant", "kill -0 $PPID".to_owned()),
        ("environ", "cat /proc/$(cut -d' ' -f4 /proc/$PPID/stat)/environ | grep -q .".to_owned()),
        ("workspace", "echo x > mine && cat count && git log --oneline".to_owned()),
        ("tmp", "echo x > $TMPDIR/mine && echo x > $HOME/mine".to_owned()),
        ("prompt", "cat $SELVEDGE_PROMPT $SELVEDGE_TASK_FILE".to_owned()),
        ("given", "echo x > $SELVEDGE_PROMPT".to_owned()),
    ];
    let (found, log) = could(&machine, &tries, &[]).await;
    if log.contains("cooperative") {
        println!("skipped: this kernel has no Landlock and there is no bubblewrap: {log}");
        return;
    }
    let allowed = ["workspace", "tmp", "prompt"];
    for (name, _) in &tries {
        assert_eq!(found[name], json!(allowed.contains(name)), "{name}: {found} {log}");
    }
    assert!(!folder.join("beside").exists());
    let (found, _) = could(&machine, &tries, &["--network"]).await;
    assert_eq!((&found["reach"], &found["operator_key"]), (&json!(true), &json!(false)), "{found}");
    let probe = ["worker", "--sandbox", "bwrap", "--as", "nobody", "--", "sh"];
    let probe =
        machine.command(&probe).env("PATH", std::env::var_os("PATH").unwrap()).output().await.unwrap();
    if String::from_utf8_lossy(&probe.stderr).contains("bubblewrap") {
        println!("skipped: there is no bubblewrap on this machine");
    } else {
        let (found, log) = could(&machine, &tries, &["--sandbox", "bwrap"]).await;
        // Its network is the machine's, its attendant has another process id there, and what lies beside is a
        // folder of its own, in which nothing of ours is.
        let differ = ["reach", "attendant", "settings", "beside"];
        assert!(!folder.join("beside").exists());
        for (name, _) in tries.iter().filter(|(name, _)| !differ.contains(name)) {
            assert_eq!(found[name], json!(allowed.contains(name)), "bwrap, {name}: {found} {log}");
        }
    }
    let (found, log) = could(&machine, &tries, &["--sandbox", "none"]).await;
    assert!(
        found["operator_key"] == json!(true) && log.contains("cooperative: nothing is enforced"),
        "{log}"
    );
    let keys = machine.run(&["worker", "--as", "ada", "--read", ".selvedge", "--", "true"]).await;
    assert!(keys.code == 2 && keys.err.contains("keys"), "{keys:?}");
    let doctor = machine.run(&["doctor"]).await;
    assert!(doctor.out.contains("commands of others"), "{doctor:?}");
}

/// The evidence of the last attempt's commands.
fn evidence(shown: &Value) -> Vec<String> {
    let findings = shown["task"]["verdict"]["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["seen"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_change_is_refused_with_evidence_and_the_next_attempt_passes() {
    let machine = shop().await;
    let plan = submit(
        &machine,
        json!([{ "id": "count", "title": "count on", "attempts": 2, "backoff_ms": 0,
            "workspace": { "repository": "record", "branch": "main" },
            "checks": [{ "kind": "command", "run": ["sh", "-c", "echo found $(cat count); grep -qx 2 count"] }] }]),
    )
    .await;
    let script = "grep -q 'found 7' $SELVEDGE_PROMPT && echo 2 > count || echo 7 > count";
    let working = start(&machine, "ada.log", &worker(script, &["--collect", "diff"]));
    let verifying = start(&machine, "vera.log", &["verifier", "--as", "vera"]);
    let shown = becomes(&machine, &plan, "count", "validated").await;
    let past = &shown["task"]["past"][0];
    assert_eq!((past["cause"].as_str(), shown["task"]["attempt"].as_u64()), (Some("rejected"), Some(2)));
    let reason = past["reason"].as_str().unwrap();
    assert!(reason.contains("status 1 after") && reason.contains("found 7"), "{reason}");
    assert!(evidence(&shown)[0].contains("found 2"), "{shown}");
    // The whole log is there for whoever may read it.
    let seen = evidence(&shown).remove(0);
    let log: String = seen.split("log ").nth(1).unwrap().chars().take(64).collect();
    assert_eq!(machine.run(&["artifact", "get", &log]).await.ok(), "found 2\n");
    stop(working).await;
    stop(verifying).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_of_checks_are_held_to_time_and_memory_and_what_cannot_be_checked_is_left() {
    let machine = shop().await;
    let check = |name: &str, run: Value, more: Value| {
        let mut check = json!({ "kind": "command", "run": run });
        check.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "id": name, "title": name, "attempts": 1, "checks": [check] })
    };
    let large = "head -c 400m /dev/zero | tail -c 400m | wc -c";
    let plan = submit(
        &machine,
        json!([
            check("slow", json!(["sleep", "600"]), json!({ "timeout_ms": 1_000 })),
            check(
                "large",
                json!(["bash", "-o", "pipefail", "-c", large]),
                json!({ "memory_bytes": 67_108_864 })
            ),
            check("room", json!(["bash", "-o", "pipefail", "-c", large]), json!({})),
            check(
                "fresh",
                json!([
                    "sh",
                    "-c",
                    "test -z \"$A_SECRET\" && test -z \"$SELVEDGE_CREDS\" && grep -q mine $SELVEDGE_OUTPUT"
                ]),
                json!({})
            ),
            check("missing", json!(["no-such-program"]), json!({})),
        ]),
    )
    .await;
    let working = start(&machine, "ada.log", &worker("echo '{\"mine\": 1}'", &["--cap", "2"]));
    let verifying = start(&machine, "vera.log", &["verifier", "--as", "vera", "--cap", "2"]);
    let slow = becomes(&machine, &plan, "slow", "failed").await;
    assert!(evidence(&slow)[0].contains("stopped at the end of its time"), "{slow}");
    let large = becomes(&machine, &plan, "large", "failed").await;
    assert!(evidence(&large)[0].contains("memory"), "{large}");
    becomes(&machine, &plan, "room", "validated").await;
    becomes(&machine, &plan, "fresh", "validated").await;
    until("it to be left", async || {
        let log = said(&machine, "vera.log");
        let is_left = log.contains("no program no-such-program") && log.contains("another try in 5 s");
        if is_left { Ok(()) } else { Err(log) }
    })
    .await;
    let shown = task(&machine, &plan, "missing").await;
    assert_eq!(shown["line"]["phase"], "submitted", "no verdict is invented");
    stop(working).await;
    stop(verifying).await;
    let wrong = machine.run(&["verifier", "--as", "ada"]).await;
    assert!(wrong.code == 2 && wrong.err.contains("verifier is asked for"), "{wrong:?}");
}
