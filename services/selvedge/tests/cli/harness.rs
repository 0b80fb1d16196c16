//! How a worker's command is told what to do, and what is taken from what it leaves; and how it is killed.

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use selvedge_tests::wait::until;
use serde_json::{Value, json};
use tokio::process::Child;

use crate::{
    attempts::{STUBBORN, gone, is_running, simple, written},
    machine::Machine,
    working::{becomes, said, shop, start, submit, task, worker},
};

fn interrupt(child: &Child) {
    let Some(pid) = child.id() else { return };
    let _ = kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGINT); // it may have ended by now
}

async fn tells(machine: &Machine, log: &str, what: &str) {
    until(&format!("{what:?} in {log}"), async || {
        let said = said(machine, log);
        if said.contains(what) { Ok(()) } else { Err(said) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_interrupt_kills_what_the_first_one_waits_for() {
    let machine = shop().await;
    let plan = submit(&machine, json!([simple("stubborn", 1)])).await;
    let mut working = start(&machine, "ada.log", &worker(STUBBORN, &["--grace", "10m"]));
    let pids = written(&machine, "pids").await;
    interrupt(&working);
    tells(&machine, "ada.log", "once more kills").await;
    // What was told to end ignores that, and has ten minutes.
    assert_eq!(pids.split(' ').filter(|pid| is_running(pid)).count(), 3);
    assert!(working.try_wait().unwrap().is_none(), "it waits for it");
    // What comes within half a second is the same gesture: sent until one counts.
    until("it to hear of the second", async || {
        interrupt(&working);
        let said = said(&machine, "ada.log");
        if said.contains("killing") { Ok(()) } else { Err(said) }
    })
    .await;
    gone(&pids).await;
    let ended = working.wait().await.unwrap();
    assert!(ended.code().is_some(), "it ended in order: {ended:?}");
    let shown = task(&machine, &plan, "stubborn").await;
    let reason = shown["task"]["past"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("the worker was stopped"), "given back at once: {reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prompt_comes_as_an_argument_in_a_file_or_on_standard_input() {
    let machine = shop().await;
    let mut asks = simple("asks", 1);
    asks["description"] = json!("say {prompt} and \"quotes\" $HOME as they stand");
    let wanted = |n: usize| {
        let mut task = asks.clone();
        task["id"] = json!(format!("asks{n}"));
        json!([task])
    };
    // What stands on standard input, in the argument, and in the file that is named.
    let script = "printf '%s' \"$1\" > arg; cat > stdin; cp \"$SELVEDGE_PROMPT\" file
        if [ -n \"$2\" ]; then cmp \"$2\" \"$SELVEDGE_PROMPT\" || exit 3; fi
        printf '{\"ok\": 1, \"arg\": %s, \"stdin\": %s, \"file\": %s}' \\
            $(wc -c < arg) $(wc -c < stdin) $(wc -c < file)";
    let run = async |plan: &str, n: usize, how: &str, more: &[&str]| -> Value {
        let command =
            [&["worker", "--as", "ada", "--once", "--prompt", how, "--", "sh", "-c", script, "x"], more]
                .concat();
        machine.run(&command).await.ok();
        task(&machine, plan, &format!("asks{n}")).await["task"]["output"]["value"].clone()
    };
    let plan = submit(&machine, wanted(1)).await;
    let by_argument = run(&plan, 1, "arg", &["{prompt}"]).await;
    let whole = by_argument["file"].as_u64().unwrap();
    assert!(whole > 100, "{by_argument}");
    // A shell's `$( )` is not in the way: the argument is the text as it stands, but for its last line's end.
    assert_eq!((&by_argument["arg"], &by_argument["stdin"]), (&json!(whole), &json!(0)), "{by_argument}");
    let plan = submit(&machine, wanted(2)).await;
    let in_file = run(&plan, 2, "file", &["", "{prompt_file}"]).await;
    assert_eq!((&in_file["arg"], &in_file["stdin"]), (&json!(0), &json!(0)), "{in_file}");
    assert!(in_file["file"].as_u64().unwrap() > 100);
    let plan = submit(&machine, wanted(3)).await;
    let on_stdin = run(&plan, 3, "stdin", &[]).await;
    assert_eq!((&on_stdin["arg"], &on_stdin["stdin"]), (&json!(0), &on_stdin["file"]), "{on_stdin}");
    let nowhere =
        machine.run(&["worker", "--as", "ada", "--once", "--prompt", "arg", "--", "sh", "-c", "x"]).await;
    assert!(nowhere.code == 2 && nowhere.err.contains("{prompt}"), "{nowhere:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_stored_and_handed_in_by_their_digests_and_one_that_is_missing_is_told() {
    let machine = shop().await;
    let checked = |name: &str| {
        json!({ "id": name, "title": name, "attempts": 1, "checks": [
            { "kind": "artifact", "at": "/files/report.txt" }, { "kind": "artifact", "at": "/files/more~1data" },
        ] })
    };
    let plan = submit(&machine, json!([checked("both")])).await;
    let files = ["--once", "--collect", "files", "--file", "report.txt", "--file", "more/data"];
    let script = "mkdir more; printf found > report.txt; printf 0123 > more/data; echo not this";
    machine.run(&worker(script, &files)).await.ok();
    let shown = task(&machine, &plan, "both").await;
    assert_eq!(shown["line"]["phase"], "validated", "{shown}");
    let output = &shown["task"]["output"]["value"];
    assert_eq!(output.as_object().unwrap().len(), 1, "nothing else: {output}");
    for (path, content) in [("report.txt", "found"), ("more/data", "0123")] {
        let digest = output["files"][path].as_str().unwrap();
        let got = machine.path().join("got");
        let got = got.to_str().unwrap();
        machine.run(&["artifact", "get", digest, got, "--as", "ada"]).await.ok();
        assert_eq!(std::fs::read_to_string(got).unwrap(), content);
        std::fs::remove_file(got).unwrap();
    }
    let plan = submit(&machine, json!([checked("one")])).await;
    let missing = machine.run(&worker("printf found > report.txt", &files)).await;
    assert_eq!(missing.code, 13, "{missing:?}");
    let shown = task(&machine, &plan, "one").await;
    let reason = shown["task"]["past"][0]["reason"].as_str().unwrap();
    assert!(reason.contains("more/data was not made"), "{reason}");
    let none = machine.run(&worker("true", &["--once", "--collect", "files"])).await;
    assert!(none.code == 2 && none.err.contains("--file PATH"), "{none:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_arbitrator_notes_is_told_to_the_next_worker() {
    let machine = shop().await;
    machine.agent("judy", "arbitrator").await;
    let plan = submit(&machine, json!([simple("noted", 1)])).await;
    let script = "cat > prompt
        if grep -q 'mind the tabs' prompt && grep -q 'judy.* says' prompt && grep -q 'mind the tabs' $SELVEDGE_TASK_FILE
        then echo '{\"ok\": 1}'; else echo '{}'; fi";
    assert_eq!(machine.run(&worker(script, &["--once"])).await.code, 13, "nobody has said so yet");
    becomes(&machine, &plan, "noted", "failed").await;
    let found = machine.run(&["case", "next", "--wait", "10s", "--as", "judy", "-o", "json"]).await.json();
    let case: String = found["case"]["id"].as_str().unwrap().chars().skip(5).take(12).collect();
    let decide =
        ["case", "decide", &case, "retry", "--note", "mind the tabs", "--reason", "x", "--as", "judy"];
    machine.run(&decide).await.ok();
    machine.run(&worker(script, &["--once"])).await.ok();
    assert_eq!(task(&machine, &plan, "noted").await["line"]["phase"], "validated");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_writes_what_its_task_changes_outside_and_all_of_it_is_done() {
    let machine = shop().await;
    let mut changes = simple("changes", 1);
    let on = |key: &str| json!({ "kind": "memory", "key": key });
    changes["effects"] = json!([
        { "name": "first", "on": on("notes/a"), "undo": "required" }, { "name": "second", "on": on("notes/b") },
    ]);
    let plan = submit(&machine, json!([changes])).await;
    let effect =
        |key: &str, value: Value| json!({ "kind": "memory", "key": key, "value": value, "revision": 0 });
    let first = json!({ "title": "one", "effect": effect("notes/a", json!(1)), "undo": effect("notes/a", Value::Null) });
    let second = json!({ "title": "two", "effect": effect("notes/b", json!(2)) });
    let script = format!(
        "cat >/dev/null; echo '{first}' > $SELVEDGE_EFFECTS/first.json
         echo '{second}' > $SELVEDGE_EFFECTS/second.json; echo '{{\"ok\": 1}}'"
    );
    machine.run(&worker(&script, &["--once"])).await.ok();
    let shown = becomes(&machine, &plan, "changes", "validated").await;
    let receipts: Vec<&Value> =
        shown["task"]["effects"].as_array().unwrap().iter().map(|effect| &effect["receipt"]["key"]).collect();
    assert_eq!(receipts, [&json!("notes/a"), &json!("notes/b")]);
    let told = machine.run(&["task", "show", &format!("{plan}/changes")]).await.ok();
    assert!(told.contains("intent   first: intent_") && told.contains("intent   second: intent_"), "{told}");
}
