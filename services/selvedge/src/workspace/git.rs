//! Asking git, in a way that nothing of what was checked out decides.

use std::{path::Path, process::Stdio, time::Duration};

use anyhow::Context as _;
use tokio::{io::AsyncWriteExt as _, process::Command};

use crate::exit::Failure;

/// Longest time for one of git's commands.
const LONGEST: Duration = Duration::from_secs(600);
/// Protocols that git may speak: none of them runs a program that the URL names.
const PROTOCOLS: &str = "file:https:ssh";
/// Nothing of a repository's settings may run or ask anything, and nothing that others borrow is thrown away.
const QUIETLY: [&str; 8] = [
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "gc.auto=0",
    "-c",
    "maintenance.auto=false",
];

/// Git in a folder, ready to run.
pub(super) fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(directory).args(QUIETLY).args(arguments);
    command.env("LC_ALL", "C").env("GIT_TERMINAL_PROMPT", "0").env("GIT_ALLOW_PROTOCOL", PROTOCOLS);
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"] {
        command.env_remove(variable);
    }
    // What is written is no person's, and the same whenever it is written.
    for role in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{role}_NAME"), "selvedge")
            .env(format!("GIT_{role}_EMAIL"), "selvedge@localhost");
        command.env(format!("GIT_{role}_DATE"), "@0 +0000");
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

/// What git prints, without the newline at its end.
///
/// # Errors
/// What git says that is wrong.
pub(super) async fn git(directory: &Path, arguments: &[&str]) -> Result<String, Failure> {
    run(command(directory, arguments), &[]).await
}

/// Runs it to its end, with this on its standard input.
///
/// # Errors
/// As [`git`].
pub(super) async fn run(mut command: Command, input: &[u8]) -> Result<String, Failure> {
    if !input.is_empty() {
        command.stdin(Stdio::piped());
    }
    let mut child = command.spawn().context("cannot run git")?;
    let stdin = child.stdin.take();
    let writing = async {
        if let Some(mut stdin) = stdin {
            // Whether git read it all is seen in how it ends.
            let _ = stdin.write_all(input).await;
        }
    };
    let running = async { tokio::join!(writing, child.wait_with_output()).1 };
    let output = tokio::time::timeout(LONGEST, running).await;
    let output = output.map_err(|_| anyhow::anyhow!("git takes longer than {} s", LONGEST.as_secs()))?;
    let output = output.context("cannot run git")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        // One that a signal ended, as Ctrl-C does, says nothing.
        let ended = output.status.to_string();
        let said = if said.trim().is_empty() { ended.into() } else { said };
        return Err(anyhow::anyhow!("{}", said.trim()).context("git fails").into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned())
}
