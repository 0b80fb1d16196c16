//! A service in a process of its own, which a test may kill or stop for a while.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use selvedge_artifacts::Config;
use selvedge_contracts::role::Service;

use crate::Bus;

/// Variable with the servers' addresses.
pub const URL: &str = "SELVEDGE_TEST_URL";
/// Variable with the path of the credential.
pub const CREDS: &str = "SELVEDGE_TEST_CREDS";
/// Variable with the name of the service.
pub const SERVICE: &str = "SELVEDGE_TEST_SERVICE";
/// Variable with the path of the signers' folder.
pub const SIGNERS: &str = "SELVEDGE_TEST_SIGNERS";
/// Variable with the URL of the store, if it is to serve artifacts and not the registry.
pub const STORE: &str = "SELVEDGE_TEST_STORE";
/// Variable with the folder for a service's own files.
pub const FOLDER: &str = "SELVEDGE_TEST_FOLDER";
/// Variable with the committer's time before another instance takes an effect over, in milliseconds.
pub const TAKEOVER: &str = "SELVEDGE_TEST_TAKEOVER_MS";
/// Variable with the step at which a committer kills itself.
pub const CRASH: &str = "SELVEDGE_TEST_CRASH_AT";
/// Variable with the step at which a committer stops itself, as SIGSTOP does, the first time it gets there.
pub const STOP: &str = "SELVEDGE_TEST_STOP_AT";
/// Line that it writes once it serves.
pub const READY: &str = "ready";

/// The process; killed when it is dropped.
#[derive(Debug)]
pub struct Replica(Child);

impl Replica {
    /// Starts a registry: `binary` (`env!("CARGO_BIN_EXE_replica")`) against `url`; waits until it serves.
    pub fn start(binary: &str, bus: &Bus, url: &str, instance: &str) -> Self {
        Self::start_service(Service::Registry, binary, bus, url, instance)
    }

    /// Starts a service that needs no store, and waits until it serves.
    pub fn start_service(service: Service, binary: &str, bus: &Bus, url: &str, instance: &str) -> Self {
        Self::spawn(&mut Self::command(binary, bus, url, service, instance))
    }

    /// Starts a service that kills itself at a step, and waits until it serves.
    pub fn dying_service(service: Service, binary: &str, bus: &Bus, instance: &str, step: &str) -> Self {
        Self::spawn(Self::command(binary, bus, &bus.url(), service, instance).env(CRASH, step))
    }

    /// Starts a service of artifacts, and waits until it serves.
    pub fn artifacts(binary: &str, bus: &Bus, url: &str, instance: &str, config: &Config) -> Self {
        let mut command = Self::command(binary, bus, url, Service::Artifacts, instance);
        command.env(STORE, &config.url);
        Self::spawn(&mut command)
    }

    /// Starts a committer that kills itself at a step, if one is named, and waits until it serves.
    pub fn committer(
        binary: &str,
        bus: &Bus,
        url: &str,
        instance: &str,
        takeover_ms: u64,
        crash_at: Option<&str>,
    ) -> Self {
        let mut command = Self::command(binary, bus, url, Service::Committer, instance);
        command.env(TAKEOVER, takeover_ms.to_string());
        match crash_at {
            // It may be dead before it says that it serves: what it finds at its start is enough.
            Some(step) => Self::spawn_until(command.env(CRASH, step), &[READY, ""]),
            None => Self::spawn(&mut command),
        }
    }

    /// Starts a committer that stops itself at a step, and waits until it serves.
    pub fn stopping_committer(binary: &str, bus: &Bus, instance: &str, takeover_ms: u64, step: &str) -> Self {
        let mut command = Self::command(binary, bus, &bus.url(), Service::Committer, instance);
        Self::spawn(command.env(TAKEOVER, takeover_ms.to_string()).env(STOP, step))
    }

    /// Whether the process has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.0.try_wait().is_ok_and(|status| status.is_some())
    }

    /// Whether the process is stopped.
    pub fn is_stopped(&self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap_or_default();
        // The state follows the name, which stands in brackets.
        status.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
    }

    /// Waits until the process has ended by itself.
    pub fn wait(mut self) {
        let _ = self.0.wait();
    }

    fn command(binary: &str, bus: &Bus, url: &str, service: Service, instance: &str) -> Command {
        let creds = bus.path().join(format!("{instance}.creds"));
        bus.service_credential(service, instance).write(&creds).expect("its credential");
        let mut command = Command::new(Path::new(binary));
        command
            .env(SERVICE, service.name())
            .env(URL, url)
            .env(FOLDER, bus.path())
            .env(TAKEOVER, "10000")
            .env(CREDS, &creds)
            .env(SIGNERS, bus.kluster().registry_folder());
        command
    }

    fn spawn(command: &mut Command) -> Self {
        Self::spawn_until(command, &[READY])
    }

    /// Starts it and waits for one of these lines, or its end if one of them is empty.
    fn spawn_until(command: &mut Command, lines: &[&str]) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the replica starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("its output");
        assert!(lines.contains(&line.trim()), "the replica ended early");
        Self(child)
    }

    /// SIGSTOP: from then on it does nothing, and its connection stands.
    pub fn pause(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).expect("a process id"));
        kill(pid, signal).expect("it runs");
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill9(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.0.kill(); // it may have ended by itself
        let _ = self.0.wait();
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.end();
    }
}
