//! The binary as a process, in a folder of its own.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio},
    sync::mpsc,
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use selvedge_kit::{
    authority::Keyring,
    bus::{self, Bus},
    client::Client,
    credential::Login,
};
use selvedge_tests::{
    nats_server_binary,
    wait::{PATIENCE, until},
};
use serde_json::Value;
use tempfile::TempDir;

/// The binary with these arguments, on this folder and away from the machine's own settings.
pub(crate) fn selvedge(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_selvedge"));
    command.arg("--home").arg(home).args(arguments);
    for variable in ["NATS_URL", "NATS_CREDS", "NATS_CONTEXT", "SELVEDGE_HOME", "SELVEDGE_KLUSTER"] {
        command.env_remove(variable);
    }
    command
        .env("SELVEDGE_NATS_SERVER", nats_server_binary())
        .env("USER", "olga")
        .env("XDG_CONFIG_HOME", home.join("none"));
    command.stdin(Stdio::null());
    command
}

/// Runs the binary to its end.
pub(crate) fn run(home: &Path, arguments: &[&str]) -> Output {
    selvedge(home, arguments).output().unwrap()
}

/// What `doctor` says, where nothing fails but services that nobody serves.
pub(crate) fn doctor_of_a_registry(home: &Path) -> String {
    let said = text(&run(home, &["doctor"]).stdout);
    let failed: Vec<&str> = said.lines().filter(|line| line.starts_with("FAIL")).collect();
    assert!(failed.len() == 1 && failed[0].contains("nobody answers for leases"), "{said}");
    said
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A process of the binary that has said it is ready; killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    _output: BufReader<ChildStdout>,
    errors: PathBuf,
    pub(crate) ready: Value,
}

impl Process {
    /// Starts it and waits for its first line of JSON.
    pub(crate) fn start(home: &Path, log: &Path, arguments: &[&str]) -> Self {
        let mut command = selvedge(home, arguments);
        command.args(["--output", "jsonl"]).stdout(Stdio::piped()).stderr(File::create(log).unwrap());
        let mut child = command.spawn().unwrap();
        let (tell, told) = mpsc::channel();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = output.read_line(&mut line); // an empty line says as much
            let _ = tell.send((line, output)); // nobody waits any more
        });
        let (line, output) =
            told.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("not ready: {}", read(log)));
        let ready = serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("no ready line but {line:?}: {}", read(log)));
        Self { child, _output: output, errors: log.to_owned(), ready }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn errors(&self) -> String {
        read(&self.errors)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal);
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let child = &mut self.child;
        until("the process to end", async || child.try_wait().unwrap().ok_or("it runs")).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may have ended
        let _ = self.child.wait();
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

pub(crate) fn kill(pid: u32, signal: Signal) {
    kill_process(pid_of(pid), signal).unwrap();
}

fn pid_of(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
}

/// Waits until no such process runs; one that ended and was not reaped does not run.
pub(crate) async fn gone(pid: u32) {
    until("the process to be gone", async || {
        let command_line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if test_kill_process(pid_of(pid)).is_err() || command_line.is_empty() {
            Ok(())
        } else {
            Err(text(&command_line))
        }
    })
    .await;
}

/// `selvedge up` on a folder.
pub(crate) struct Up {
    pub(crate) process: Process,
    folder: TempDir,
}

impl Up {
    /// On a fresh folder.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// With more arguments.
    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        Self::start_in(TempDir::with_prefix("selvedge-").unwrap(), arguments)
    }

    /// With these settings of the fabric.
    pub(crate) fn start_set(settings: &str) -> Self {
        let folder = TempDir::with_prefix("selvedge-").unwrap();
        std::fs::create_dir(folder.path().join("home")).unwrap();
        std::fs::write(folder.path().join("home/selvedge.toml"), settings).unwrap();
        Self::start_in(folder, &[])
    }

    fn start_in(folder: TempDir, arguments: &[&str]) -> Self {
        let arguments = [&["up", "--port", "0"], arguments].concat();
        let process = Process::start(&folder.path().join("home"), &folder.path().join("up.err"), &arguments);
        Self { process, folder }
    }

    /// The same folder once more, after this process was killed with SIGKILL.
    pub(crate) fn kill9_and_start_again(self) -> Self {
        let Self { process, folder } = self;
        drop(process);
        Self::start_in(folder, &[])
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        run(&self.home(), arguments)
    }

    pub(crate) fn url(&self) -> String {
        self.process.ready["url"].as_str().unwrap().to_owned()
    }

    /// The child nats-server's process as it is now.
    pub(crate) fn nats_pid(&self) -> u32 {
        let state: Value =
            serde_json::from_slice(&std::fs::read(self.home().join("up.json")).unwrap()).unwrap();
        u32::try_from(state["nats_pid"].as_u64().unwrap()).unwrap()
    }

    pub(crate) fn keyring(&self) -> Keyring {
        Keyring::open(&self.home().join("authority")).unwrap()
    }

    /// Asks as the operator of a kluster.
    pub(crate) async fn operator(&self, kluster: &str) -> Client {
        let path = self.home().join("creds").join(kluster).join("operator.creds");
        connect(&self.url(), Login::File(path)).await
    }
}

/// Connects as the kit does.
pub(crate) async fn connect(url: &str, login: Login) -> Client {
    let options = bus::Options { url: url.to_owned(), name: "test".to_owned(), connect_timeout_ms: 5_000 };
    Client::new(Bus::connect(&options, login).await.unwrap())
}
