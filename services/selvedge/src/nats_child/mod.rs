//! nats-server as a child of `selvedge up`.
//!
//! Owns the process: finds the binary, stops a left-over of the same folder, starts, watches, stops.
//! On Linux the child dies with this process however that ends, kill -9 too. Never restarts it: that is
//! the caller's decision.
//!
//! ```text
//! <folder>/nats.conf    written at every start
//! <folder>/nats.log     what it says; nats.log.1 is what it said before
//! <folder>/nats.pid     process id
//! <folder>/ports/       where it listens, written by itself
//! ```

mod binary;
mod denial;
mod error;
mod launch;
mod leftover;
mod log;
mod ready;

use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{ChildStderr, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use selvedge_kit::authority::{Keyring, files, server_config::ServerConfig};
use tokio::sync::{mpsc, oneshot, watch};

pub use binary::{Found, find, pinned};
pub use denial::{Denial, What};
pub use error::Error;
pub use launch::{SUBCOMMAND, become_nats_server};
pub use log::tail as log_tail;

/// After SIGTERM, how long until SIGKILL.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// Denials that wait for the caller; more are dropped, since a denied client can make any number.
const DENIALS: usize = 256;

/// How the child is started.
#[derive(Debug, Clone)]
pub struct Setup {
    /// nats-server.
    pub binary: PathBuf,
    /// The program whose hidden subcommand becomes nats-server: this one, outside tests.
    pub launcher: PathBuf,
    /// Its configuration; its folder is where all files go.
    pub config: ServerConfig,
}

/// A running nats-server. Dropping it kills it; [`NatsChild::stop`] lets it finish.
#[derive(Debug)]
pub struct NatsChild {
    pid: Pid,
    url: String,
    folder: PathBuf,
    ended: watch::Receiver<Option<ExitStatus>>,
}

impl NatsChild {
    /// Stops a left-over of the same folder, starts nats-server and waits until it takes connections.
    /// Also gives what it denies its clients from then on.
    ///
    /// # Errors
    /// [`Error`] names the step; [`Error::Ended`] shows the end of the log.
    pub async fn start(setup: &Setup, keyring: &Keyring) -> Result<(Self, mpsc::Receiver<Denial>), Error> {
        let (folder, config) = prepare(setup, keyring)?;
        leftover::stop(&folder, &config, STOP_TIMEOUT).await?;
        let Spawned { pid, stderr, ended } = spawn(command(setup, &config)).await?;
        let (denials, denied) = mpsc::channel(DENIALS);
        log::keep(stderr, folder.join("nats.log"), denials)?;
        leftover::remember(&folder, pid)?;
        let mut child = Self { pid, url: String::new(), folder, ended };
        child.url = ready::wait(&setup.config.ports_folder(), pid, &child.folder, &mut child.ended).await?;
        Ok((child, denied))
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_pid().unsigned_abs()
    }

    /// Waits until it has ended by itself, and says how.
    pub async fn ended(&mut self) -> Option<ExitStatus> {
        wait_ended(&mut self.ended).await
    }

    /// The same, to be waited for beside other work.
    pub fn end(&self) -> impl Future<Output = Option<ExitStatus>> + Send + use<> {
        let mut ended = self.ended.clone();
        async move { wait_ended(&mut ended).await }
    }

    /// Asks it to finish; kills it if that takes longer than five seconds.
    pub async fn stop(mut self) {
        self.signal(Signal::TERM);
        if tokio::time::timeout(STOP_TIMEOUT, wait_ended(&mut self.ended)).await.is_err() {
            self.signal(Signal::KILL);
            wait_ended(&mut self.ended).await;
        }
        leftover::forget(&self.folder);
    }

    /// Only to a process that was not seen to end: its id may be another's by then.
    fn signal(&self, signal: Signal) {
        if self.ended.borrow().is_none() {
            let _ = kill_process(self.pid, signal); // it may have ended this very moment
        }
    }
}

impl Drop for NatsChild {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

async fn wait_ended(ended: &mut watch::Receiver<Option<ExitStatus>>) -> Option<ExitStatus> {
    // The sender is gone only after it has said how the child ended, or could not find out.
    ended.wait_for(Option::is_some).await.ok().and_then(|status| *status)
}

/// Makes the folders and the configuration file; gives their absolute paths.
fn prepare(setup: &Setup, keyring: &Keyring) -> Result<(PathBuf, PathBuf), Error> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::File { path, source }
    };
    let ports = setup.config.ports_folder();
    if ports.exists() {
        fs::remove_dir_all(&ports).map_err(failed(&ports))?;
    }
    fs::create_dir_all(&ports).map_err(failed(&ports))?;
    let folder = fs::canonicalize(&setup.config.folder).map_err(failed(&setup.config.folder))?;
    let config = folder.join("nats.conf");
    files::write(&config, &setup.config.text(keyring)?)?;
    Ok((folder, config))
}

fn command(setup: &Setup, config: &Path) -> Command {
    let mut command = Command::new(&setup.launcher);
    command
        .arg(SUBCOMMAND)
        .arg(std::process::id().to_string())
        .arg(&setup.binary)
        .arg("--config")
        .arg(config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        // A group of its own: Ctrl-C is for us, who then stop it in order.
        .process_group(0);
    command
}

struct Spawned {
    pid: Pid,
    stderr: ChildStderr,
    ended: watch::Receiver<Option<ExitStatus>>,
}

/// Starts the child from a thread that lives as long as it: on Linux the child dies with the *thread*
/// that started it, and those of a runtime come and go.
async fn spawn(command: Command) -> Result<Spawned, Error> {
    let (tell, told) = oneshot::channel();
    let (end, ended) = watch::channel(None);
    let watching =
        thread::Builder::new().name("nats-server".to_owned()).spawn(move || watch(command, tell, &end));
    watching.map_err(Error::Spawn)?;
    let (pid, stderr) = told.await.map_err(|_| Error::Spawn(std::io::ErrorKind::BrokenPipe.into()))??;
    Ok(Spawned { pid, stderr, ended })
}

type Started = Result<(Pid, ChildStderr), Error>;

fn watch(mut command: Command, tell: oneshot::Sender<Started>, end: &watch::Sender<Option<ExitStatus>>) {
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return drop(tell.send(Err(Error::Spawn(error)))), // nobody waits any more
    };
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let started =
        pid.zip(child.stderr.take()).ok_or_else(|| Error::Spawn(std::io::ErrorKind::InvalidData.into()));
    if tell.send(started).is_err() {
        let _ = child.kill(); // the caller gave up
    }
    if let Ok(status) = child.wait() {
        end.send_replace(Some(status));
    }
}
