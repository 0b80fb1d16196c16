//! The signals that are passed on to the command.

use std::io;

use nix::sys::signal::Signal;
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// What was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// To be passed on.
    Pass(Signal),
    /// Something became of the command.
    Child,
}

/// Listens to signals.
pub(super) struct Signals {
    interrupt: Stream,
    terminate: Stream,
    hangup: Stream,
    quit: Stream,
    child: Stream,
}

impl Signals {
    /// From now on.
    ///
    /// # Errors
    /// As the system says.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            quit: signal(SignalKind::quit())?,
            child: signal(SignalKind::child())?,
        })
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) -> Heard {
        tokio::select! {
            _ = self.interrupt.recv() => Heard::Pass(Signal::SIGINT),
            _ = self.terminate.recv() => Heard::Pass(Signal::SIGTERM),
            _ = self.hangup.recv() => Heard::Pass(Signal::SIGHUP),
            _ = self.quit.recv() => Heard::Pass(Signal::SIGQUIT),
            _ = self.child.recv() => Heard::Child,
        }
    }
}
