//! The manuals' commands, run as they are written, on a running `up`.

use std::{fs, path::Path};

use crate::machine::{Machine, ran};

/// What a manual's block names and its reader has seen printed before.
const PRINTED: [&str; 3] = ["PLAN", "INTENT", "HANDOFF"];

/// The blocks of commands of a page.
fn blocks(page: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page);
    let page = fs::read_to_string(path).unwrap();
    let blocks = page.split("```sh\n").skip(1);
    blocks.map(|block| block.split_once("```").unwrap().0.to_owned()).collect()
}

/// A line with the ids that were printed last in the place of what stands for them.
fn filled(line: &str) -> String {
    let word = |word: &str| {
        let (name, rest) = word.split_at(word.find('/').unwrap_or(word.len()));
        if PRINTED.contains(&name) {
            format!("$(last {}){rest}", name.to_lowercase())
        } else {
            word.to_owned()
        }
    };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// A script of these lines that ends where one of them fails, but those that say `refused`.
fn script(block: &str) -> String {
    let mut script = String::from(
        "set -e; exec >log 2>&1; log=$PWD/log
         last() { grep -oE \"$1_[0-9a-f]{12}\" $log | tail -1 | cut -d_ -f2; }\n",
    );
    let mut document: Option<&str> = None;
    for line in block.lines() {
        if let Some(end) = document {
            script.push_str(&format!("{line}\n"));
            document = document.filter(|_| line != end);
            continue;
        }
        document = line.split_once("<<'").and_then(|(_, rest)| rest.split_once('\'')).map(|(end, _)| end);
        let is_refused = line.contains("# refused") || line.contains("17 if alike");
        let line = filled(line);
        script.push_str(&if is_refused { format!("! {line}\n") } else { format!("{line}\n") });
    }
    script.push_str("wait\n");
    script
}

async fn runs(machine: &Machine, folder: &str, block: &str) {
    let folder = machine.path().join(folder);
    fs::create_dir_all(&folder).unwrap();
    let git = machine.git_command("", "x", &[]);
    let environment = git.as_std().get_envs().filter_map(|(name, value)| Some((name, value?)));
    let binaries = Path::new(env!("CARGO_BIN_EXE_selvedge")).parent().unwrap();
    let mut run = tokio::process::Command::new("bash");
    run.arg("-c").arg(script(&block.replace("/tmp/fabric", &machine.path().to_string_lossy())));
    run.current_dir(&folder).env_clear().envs(environment).env_remove("SELVEDGE_AGENT");
    run.env("SELVEDGE_MISSION", "demo").env("PATH", format!("{}:/usr/bin:/bin", binaries.display()));
    let ran = ran(run.output().await.unwrap());
    let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
    assert_eq!(ran.code, 0, "{block}\n---\n{log}\n{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn intents_run_as_typed() {
    let machine = Machine::of_up().await;
    runs(&machine, "intents", &blocks("intents.md")[0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn overlap_runs_as_typed() {
    let machine = Machine::of_up().await;
    runs(&machine, "overlap", &blocks("overlap.md")[0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plans_workers_and_handoffs_run_as_typed() {
    let machine = Machine::of_up().await;
    for block in blocks("plans.md") {
        runs(&machine, "plans", &block).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_run_as_typed() {
    let machine = Machine::of_up().await;
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").canonicalize().unwrap();
    fs::create_dir_all(machine.path().join("checkout")).unwrap();
    std::os::unix::fs::symlink(deploy, machine.path().join("checkout/deploy")).unwrap();
    runs(&machine, "checkout", &blocks("policies.md")[0]).await;
}
