//! A machine that the binary runs on: a folder of its own, and the bus it reaches.

use std::{
    fs::File,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use selvedge_tests::{fabric::Fabric, nats_server_binary, wait};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, Command},
};

/// A folder and where to connect.
pub(crate) struct Machine {
    // Before the folder: it ends before its files go.
    up: Option<Child>,
    folder: TempDir,
    url: Option<String>,
}

/// How a run of the binary ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// What it printed, if it ended well.
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    /// The same as JSON.
    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.ok()).unwrap()
    }
}

impl Machine {
    /// The operator's: with the fabric's keys and the operator's credential.
    pub(crate) fn of_operator(fabric: &Fabric) -> Self {
        let machine = Self::empty(fabric);
        let creds = machine.home().join("creds/main");
        std::fs::create_dir_all(&creds).unwrap();
        fabric.operator_credential.write(&creds.join("operator.creds")).unwrap();
        symlink(fabric.bus.authority_path(), machine.home().join("authority")).unwrap();
        machine
    }

    /// One that knows nothing but where the bus is.
    pub(crate) fn empty(fabric: &Fabric) -> Self {
        let folder = TempDir::with_prefix("selvedge-cli-").unwrap();
        std::fs::create_dir(folder.path().join(".selvedge")).unwrap();
        Self { up: None, folder, url: Some(fabric.bus.url()) }
    }

    /// One on which `selvedge up` runs, with all services and a mission `demo`.
    pub(crate) async fn of_up() -> Self {
        // What looks alike is told by tests of its own.
        let off = [
            ("SELVEDGE_GOVERNANCE__OVERLAP", "off"),
            ("SELVEDGE_ARTIFACTS__OVERLAP", "off"),
            ("SELVEDGE_DISPATCHER__OVERLAP", "off"),
        ];
        Self::of_up_with(&off).await
    }

    /// The same under these settings.
    pub(crate) async fn of_up_with(settings: &[(&str, &str)]) -> Self {
        let folder = TempDir::with_prefix("selvedge-cli-").unwrap();
        let mut machine = Self { up: None, folder, url: None };
        let mut up = machine.command(&["up", "--port", "0", "-o", "jsonl"]);
        up.env("SELVEDGE_NATS_SERVER", nats_server_binary()).env("USER", "opal");
        up.envs(settings.iter().copied());
        let log = File::create(machine.path().join("up.log")).unwrap();
        let mut up = up.stderr(log).spawn().unwrap();
        let mut ready = BufReader::new(up.stdout.take().unwrap()).lines();
        let line =
            tokio::time::timeout(wait::PATIENCE, ready.next_line()).await.expect("it is ready in time");
        let log = || std::fs::read_to_string(machine.path().join("up.log")).unwrap();
        assert!(line.unwrap().is_some(), "it ended: {}", log());
        machine.up = Some(up);
        machine.run(&["mission", "create", "demo"]).await.ok();
        machine
    }

    /// Registers an agent in `demo` for whom somebody else than the operator answers.
    pub(crate) async fn agent(&self, name: &str, role: &str) {
        let owner = format!("person:{name}");
        let register = ["agent", "register", name, "--role", role, "--mission", "demo", "--owner", &owner];
        self.run(&register).await.ok();
    }

    /// The fabric's folder on it.
    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join(".selvedge")
    }

    /// Its working folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The binary with these arguments, ready to run.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_selvedge"));
        command.args(arguments).current_dir(self.path()).env_clear();
        command.envs(self.url.iter().map(|url| ("NATS_URL", url)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// The same in a folder below its working folder.
    pub(crate) fn command_in(&self, folder: &str, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        command.current_dir(self.path().join(folder));
        command
    }

    /// Runs the binary in a folder below its working folder.
    pub(crate) async fn run_in(&self, folder: &str, arguments: &[&str]) -> Ran {
        ran(self.command_in(folder, arguments).output().await.unwrap())
    }

    /// Runs git in a folder below its working folder, away from the machine's own settings, as an agent.
    pub(crate) async fn git(&self, folder: &str, agent: &str, arguments: &[&str]) -> Ran {
        ran(self.git_command(folder, agent, arguments).output().await.unwrap())
    }

    /// The same, ready to run.
    pub(crate) fn git_command(&self, folder: &str, agent: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command.args(arguments).current_dir(self.path().join(folder)).env_clear();
        command.envs([("PATH", "/usr/bin:/bin"), ("SELVEDGE_AGENT", agent)]);
        command.envs(self.url.iter().map(|url| ("NATS_URL", url)));
        command.envs([("GIT_CONFIG_NOSYSTEM", "1"), ("GIT_CONFIG_GLOBAL", "/dev/null")]);
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), agent).env(format!("GIT_{role}_EMAIL"), "a@example.org");
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// A repository in a folder below its working folder, with one commit.
    pub(crate) async fn repository(&self, folder: &str) {
        std::fs::create_dir_all(self.path().join(folder)).unwrap();
        self.git(folder, "ada", &["init", "-q", "-b", "main"]).await.ok();
        self.git(folder, "ada", &["commit", "-q", "--allow-empty", "-m", "first"]).await.ok();
    }

    /// Runs the binary to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ran {
        ran(self.command(arguments).output().await.unwrap())
    }

    /// The same, with a text on standard input.
    pub(crate) async fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(input.as_bytes()).await.unwrap();
        drop(stdin);
        ran(child.wait_with_output().await.unwrap())
    }

    /// Registers a worker in `demo`; gives what was printed.
    pub(crate) async fn worker(&self, name: &str) -> Value {
        let register = ["agent", "register", name, "--role", "worker", "--mission", "demo", "-o", "json"];
        self.run(&register).await.json()
    }
}

pub(crate) fn ran(output: Output) -> Ran {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}
