//! What the process is told from outside: stop, or look again.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that `up` and `serve` listen for.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// As the system says.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for SIGINT (Ctrl-C) or SIGTERM.
    pub(crate) async fn stop(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// SIGHUP: klusters were added.
///
/// # Errors
/// As the system says.
pub(crate) fn look_again() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}
