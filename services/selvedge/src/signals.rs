//! What the process is told from outside: stop, or look again.

use std::{io, time::Duration};

use futures::FutureExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that `up` and `serve` listen for.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

/// Signals within this time are one.
const ONE_GESTURE: Duration = Duration::from_millis(500);

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// As the system says.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for another one, after a first. What comes with the first (a terminal tells the whole group,
    /// and a wrapper passes on what it got) is the same gesture.
    pub(crate) async fn stop_again(&mut self) {
        tokio::time::sleep(ONE_GESTURE).await;
        while self.stop().now_or_never().is_some() {}
        self.stop().await;
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
