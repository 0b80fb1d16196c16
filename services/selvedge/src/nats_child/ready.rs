//! When the child takes connections, and where.

use std::{fs, path::Path, process::ExitStatus, time::Duration};

use rustix::process::Pid;
use serde::Deserialize;
use tokio::{net::TcpStream, sync::watch, time::Instant};

use super::{Error, log::tail};

/// A long log takes a while: a million facts about three seconds.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(5);

#[derive(Deserialize)]
struct Ports {
    #[serde(default)]
    nats: Vec<String>,
}

/// Waits until the ports file names an address that takes a connection; gives its URL.
pub(super) async fn wait(
    ports: &Path,
    pid: Pid,
    folder: &Path,
    ended: &mut watch::Receiver<Option<ExitStatus>>,
) -> Result<String, Error> {
    let deadline = Instant::now() + READY_TIMEOUT;
    loop {
        if let Some(url) = listening(ports, pid)
            && connects(&url).await
        {
            return Ok(url);
        }
        if Instant::now() >= deadline {
            return Err(Error::NotReady { waited: READY_TIMEOUT, log: tail(folder) });
        }
        if let Ok(status) = tokio::time::timeout(PAUSE, super::wait_ended(ended)).await {
            return Err(Error::Ended { status, log: tail(folder) });
        }
    }
}

/// The URL in the file `<binary>_<pid>.ports`, once it is there and whole.
fn listening(ports: &Path, pid: Pid) -> Option<String> {
    let ending = format!("_{}.ports", pid.as_raw_pid());
    let mut files = fs::read_dir(ports).ok()?.flatten().map(|entry| entry.path());
    let file = files.find(|path| path.to_string_lossy().ends_with(&ending))?;
    let ports: Ports = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    ports.nats.into_iter().next()
}

async fn connects(url: &str) -> bool {
    TcpStream::connect(url.trim_start_matches("nats://")).await.is_ok()
}
