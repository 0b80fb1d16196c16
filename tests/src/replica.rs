//! A registry in a process of its own, which a test may kill.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use selvedge_contracts::role::Service;

use crate::Bus;

/// Variable with the servers' addresses.
pub const URL: &str = "SELVEDGE_TEST_URL";
/// Variable with the path of the credential.
pub const CREDS: &str = "SELVEDGE_TEST_CREDS";
/// Variable with the path of the signers' folder.
pub const SIGNERS: &str = "SELVEDGE_TEST_SIGNERS";
/// Line that it writes once it serves.
pub const READY: &str = "ready";

/// The process; killed when it is dropped.
#[derive(Debug)]
pub struct Replica(Child);

impl Replica {
    /// Starts `binary` (`env!("CARGO_BIN_EXE_replica")`) against `url` and waits until it serves.
    pub fn start(binary: &str, bus: &Bus, url: &str, instance: &str) -> Self {
        let creds = bus.path().join(format!("{instance}.creds"));
        bus.service_credential(Service::Registry, instance).write(&creds).expect("its credential");
        let mut child = Command::new(Path::new(binary))
            .env(URL, url)
            .env(CREDS, &creds)
            .env(SIGNERS, bus.kluster().registry_folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the replica starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("its output");
        assert_eq!(line.trim(), READY, "the replica ended early");
        Self(child)
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
