//! A registry, or a service of artifacts, in a process of its own, which a test may kill.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use selvedge_artifacts::Config;
use selvedge_contracts::role::Service;

use crate::Bus;

/// Variable with the servers' addresses.
pub const URL: &str = "SELVEDGE_TEST_URL";
/// Variable with the path of the credential.
pub const CREDS: &str = "SELVEDGE_TEST_CREDS";
/// Variable with the path of the signers' folder.
pub const SIGNERS: &str = "SELVEDGE_TEST_SIGNERS";
/// Variable with the URL of the store, if it is to serve artifacts and not the registry.
pub const STORE: &str = "SELVEDGE_TEST_STORE";
/// Line that it writes once it serves.
pub const READY: &str = "ready";

/// The process; killed when it is dropped.
#[derive(Debug)]
pub struct Replica(Child);

impl Replica {
    /// Starts `binary` (`env!("CARGO_BIN_EXE_replica")`) against `url` and waits until it serves.
    pub fn start(binary: &str, bus: &Bus, url: &str, instance: &str) -> Self {
        let mut command = Self::command(binary, bus, url, Service::Registry, instance);
        command.env(SIGNERS, bus.kluster().registry_folder());
        Self::spawn(&mut command)
    }

    /// The same for artifacts.
    pub fn artifacts(binary: &str, bus: &Bus, url: &str, instance: &str, config: &Config) -> Self {
        let mut command = Self::command(binary, bus, url, Service::Artifacts, instance);
        command.env(STORE, &config.url);
        Self::spawn(&mut command)
    }

    fn command(binary: &str, bus: &Bus, url: &str, service: Service, instance: &str) -> Command {
        let creds = bus.path().join(format!("{instance}.creds"));
        bus.service_credential(service, instance).write(&creds).expect("its credential");
        let mut command = Command::new(Path::new(binary));
        command.env(URL, url).env(CREDS, &creds);
        command
    }

    fn spawn(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the replica starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("its output");
        assert_eq!(line.trim(), READY, "the replica ended early");
        Self(child)
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
