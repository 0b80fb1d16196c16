//! Waiting for an `up` of this folder that is still starting: what a script says right after `selvedge up &` must
//! not fail because it came first.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Context, UpState};
use crate::lock::Lock;

/// Longest wait for an `up` that has the folder to be ready: nats-server may have much to read.
const READY: Duration = Duration::from_secs(60);
/// Longest wait for an `up` to show itself where there is none: it and whoever waits were started together.
const SHOWN: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(50);

/// How an `up` of a folder stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Absent,
    Starting,
    Ready,
}

impl Context {
    /// Waits while an `up` of this folder is starting; at once if there is none, or it is ready.
    pub(crate) async fn until_started(&self) {
        self.while_it_is(Standing::Starting, READY).await;
    }

    /// The same, and before that for an `up` to show itself; whether there is one that was not there before.
    pub(crate) async fn until_up(&self) -> bool {
        if self.standing() != Standing::Absent {
            return false;
        }
        self.while_it_is(Standing::Absent, SHOWN).await;
        self.until_started().await;
        self.standing() == Standing::Ready
    }

    async fn while_it_is(&self, standing: Standing, longest: Duration) {
        let end = Instant::now() + longest;
        while self.standing() == standing && Instant::now() < end {
            sleep(PAUSE).await;
        }
    }

    fn standing(&self) -> Standing {
        match (Lock::holder(&self.home), UpState::read(&self.home)) {
            (None, _) => Standing::Absent,
            (Some(holder), Some(state)) if state.pid == holder => Standing::Ready,
            (Some(_), _) => Standing::Starting,
        }
    }
}
