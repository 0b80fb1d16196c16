//! Ends a process when this one ends, however that ends: nextest kills tests that take too long with
//! SIGKILL, after which nobody drops anything.
//!
//! A shell waits for the end of a pipe that only we hold open, and then kills.

use std::{
    os::unix::process::CommandExt as _,
    process::{Child, Command, Stdio},
};

/// Watches over one process; dropping it ends the watch and nothing else.
#[derive(Debug)]
pub(crate) struct Guard(Child);

impl Guard {
    pub(crate) fn of(pid: u32) -> Self {
        let shell = Command::new("sh")
            .args(["-c", "read -r end; kill -9 \"$0\"", &pid.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn();
        Self(shell.expect("sh starts"))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have ended by itself
        let _ = self.0.wait();
    }
}
