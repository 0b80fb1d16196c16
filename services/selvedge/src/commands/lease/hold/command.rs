//! The command, in a process group of its own.

use std::{
    ffi::{OsStr, OsString},
    io,
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::ExitStatus,
    time::Duration,
};

use anyhow::Context as _;
use nix::{
    sys::{
        signal::{Signal, killpg},
        wait::{Id, WaitPidFlag, WaitStatus, waitid},
    },
    unistd::Pid,
};
use tokio::{
    process::{Child, Command},
    time::Instant,
};

use super::terminal::Terminal;
use crate::{exit::Failure, held, output::hint};

/// Added to the number of the signal that ended a command.
const SIGNALLED: u8 = 128;
/// How often it is looked whether the group has ended.
const LOOK: Duration = Duration::from_millis(20);

/// With which code a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ended(pub(super) u8);

impl From<ExitStatus> for Ended {
    fn from(status: ExitStatus) -> Self {
        let code = |code: i32| u8::try_from(code).unwrap_or(u8::MAX);
        match status.signal() {
            Some(signal) => Self(SIGNALLED.saturating_add(code(signal))),
            None => Self(status.code().map_or(u8::MAX, code)),
        }
    }
}

/// This binary; on Linux also if another one lies in its place by now.
fn own_binary() -> io::Result<PathBuf> {
    let running = PathBuf::from("/proc/self/exe");
    if running.exists() { Ok(running) } else { std::env::current_exe() }
}

/// A running command.
pub(super) struct Running {
    child: Child,
    group: Pid,
    terminal: Option<Terminal>,
}

impl Running {
    /// Starts it; if a terminal is ours, the command gets it. One that cannot be run ends with 126 or 127.
    ///
    /// # Errors
    /// The system starts no process.
    pub(super) fn start(command: &[OsString], environment: &[(&str, OsString)]) -> Result<Self, Failure> {
        let terminal = Terminal::ours();
        let child = Command::new(own_binary()?)
            .arg(held::SUBCOMMAND)
            .arg(std::process::id().to_string())
            .args(command)
            .envs(environment.iter().map(|(name, value)| (OsStr::new(name), value)))
            .process_group(0)
            .spawn()
            .context("cannot start the command")?;
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        let group = Pid::from_raw(id.context("the command has no process id")?);
        let running = Self { child, group, terminal };
        running.hand_over();
        Ok(running)
    }

    /// Waits for its end.
    pub(super) async fn ended(&mut self) -> Result<Ended, Failure> {
        let status = self.child.wait().await.context("cannot wait for the command")?;
        self.take_back();
        Ok(status.into())
    }

    /// Passes a signal on to the whole group.
    pub(super) fn signal(&self, signal: Signal) {
        // It may have ended this moment.
        let _ = killpg(self.group, signal);
    }

    /// Stops the whole group: SIGTERM, and SIGKILL for what is left of it after `grace`.
    pub(super) async fn stop(&mut self, grace: Duration) -> Result<(), Failure> {
        let until = Instant::now() + grace;
        self.signal(Signal::SIGTERM);
        // A stopped process takes no other signal in.
        self.signal(Signal::SIGCONT);
        while self.is_there()? {
            if Instant::now() >= until {
                hint("the command does not end: it is killed");
                self.signal(Signal::SIGKILL);
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        self.ended().await.map(drop)
    }

    /// Whether anybody of the group is left.
    fn is_there(&mut self) -> Result<bool, Failure> {
        // Reaped, or it would be there for ever.
        self.child.try_wait().context("cannot look at the command")?;
        Ok(killpg(self.group, None).is_ok())
    }

    /// Ctrl-Z stops the command's group: ours stops with it, and both go on together. Nothing is renewed
    /// meanwhile; whether the lease stood that long is seen afterwards.
    pub(super) fn look_at_suspension(&self) {
        let flags = WaitPidFlag::WSTOPPED | WaitPidFlag::WNOHANG;
        let Ok(WaitStatus::Stopped(_, signal)) = waitid(Id::Pid(self.group), flags) else { return };
        if self.terminal.is_none() {
            return;
        }
        if signal == Signal::SIGTSTP || signal == Signal::SIGSTOP {
            self.take_back();
            // The shell sees its job stopped, and wakes it with fg.
            let _ = killpg(nix::unistd::getpgrp(), Signal::SIGSTOP);
        }
        self.hand_over();
    }

    fn hand_over(&self) {
        if let Some(terminal) = &self.terminal {
            terminal.give_to(self.group);
            // It may have been stopped for reading before the terminal was its own.
            self.signal(Signal::SIGCONT);
        }
    }

    fn take_back(&self) {
        if let Some(terminal) = &self.terminal {
            terminal.give_to(nix::unistd::getpgrp());
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.take_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_ends_with_its_code_or_with_that_of_its_signal() {
        assert_eq!(Ended::from(ExitStatus::from_raw(0)), Ended(0));
        assert_eq!(Ended::from(ExitStatus::from_raw(7 << 8)), Ended(7));
        assert_eq!(Ended::from(ExitStatus::from_raw(15)), Ended(143));
    }
}
