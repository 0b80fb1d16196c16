//! A nats-server of an earlier run of the same folder: it holds the files, so it must be gone first.

use std::{fs, path::Path, time::Duration};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::time::{Instant, sleep};

use super::Error;

const PAUSE: Duration = Duration::from_millis(10);
const FILE: &str = "nats.pid";

pub(super) fn remember(folder: &Path, pid: Pid) -> Result<(), Error> {
    let path = folder.join(FILE);
    fs::write(&path, format!("{}\n", pid.as_raw_pid())).map_err(|source| Error::File { path, source })
}

pub(super) fn forget(folder: &Path) {
    let _ = fs::remove_file(folder.join(FILE)); // a stale one does no harm: the command line decides
}

/// Stops the process of the pid file, if it still is a nats-server with our configuration.
pub(super) async fn stop(folder: &Path, config: &Path, timeout: Duration) -> Result<(), Error> {
    let noted = fs::read_to_string(folder.join(FILE)).ok();
    let pid = noted.and_then(|text| text.trim().parse().ok()).and_then(Pid::from_raw);
    let Some(pid) = pid.filter(|pid| is_ours(*pid, config)) else {
        return Ok(());
    };
    tracing::warn!(pid = pid.as_raw_pid(), "stopping the nats-server of an earlier run");
    for signal in [Signal::TERM, Signal::KILL] {
        let _ = kill_process(pid, signal); // it may end this very moment
        if is_gone(pid, config, timeout).await {
            forget(folder);
            return Ok(());
        }
    }
    Err(Error::Leftover { pid: pid.as_raw_pid() })
}

async fn is_gone(pid: Pid, config: &Path, timeout: Duration) -> bool {
    let deadline = Instant::now() + timeout;
    while is_ours(pid, config) {
        if Instant::now() >= deadline {
            return false;
        }
        sleep(PAUSE).await;
    }
    true
}

/// Whether that process runs with our configuration. Process ids are used again, paths of ours are not.
/// One that ended but was not reaped has an empty command line.
fn is_ours(pid: Pid, config: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt as _;
    if test_kill_process(pid).is_err() {
        return false;
    }
    let command_line = fs::read(format!("/proc/{}/cmdline", pid.as_raw_pid())).unwrap_or_default();
    command_line.split(|byte| *byte == 0).any(|argument| argument == config.as_os_str().as_bytes())
}
