//! Taking tasks, as many at once as are wanted, until somebody says stop.

use std::{
    ffi::OsString,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::ValueEnum;
use futures::{FutureExt as _, future::BoxFuture};
use selvedge_contracts::{
    call,
    fault::Fault,
    id::{Caller, KlusterName, Mission, QueueName},
    payload::task::{Claimed, Task, TaskClaim},
};
use selvedge_kit::{authority::UserKey, client::Client};
use tokio_util::sync::CancellationToken;

use super::{
    Collect, Prompt,
    attempt::{Again, Attempt, Outcome, give_back, release},
};
use crate::{
    bounds::Held,
    events::Events,
    exit::{Done, Ending, Failure},
    rooms::Rooms,
    taking::{Pace, Takes, take_all},
};

/// How long one request waits for a task, in milliseconds: a worker that is stopped waits for its answer, so that no
/// task goes to one that is not there.
const POLL_MS: u64 = 2_000;

/// Why a task that came to a stopped worker goes back.
const UNBEGUN: &str = "the worker was stopped before it began";

/// Which folders of attempts are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Keep {
    /// Of those that came to nothing; the newest twenty.
    #[default]
    Failed,
    /// Of all; the newest twenty.
    Always,
    /// Of none.
    Never,
}

/// What a worker works with.
pub(crate) struct Setup {
    pub(crate) client: Client,
    pub(crate) me: Caller,
    pub(crate) mission: Mission,
    pub(crate) kluster: KlusterName,
    pub(crate) url: String,
    /// That of the url.
    pub(crate) port: Option<u16>,
    pub(crate) queue: QueueName,
    pub(crate) ttl_ms: u64,
    /// Most tasks at once.
    pub(crate) cap: usize,
    /// One task, and no more.
    pub(crate) once: bool,
    /// Time without a task after which it ends by itself.
    pub(crate) idle_exit: Option<Duration>,
    pub(crate) command: Vec<OsString>,
    pub(crate) prompt: Prompt,
    pub(crate) collect: Collect,
    /// What is collected, if files are.
    pub(crate) files: Vec<PathBuf>,
    pub(crate) keep: Keep,
    pub(crate) grace_ms: u64,
    pub(crate) held: Held,
    pub(crate) rooms: Rooms,
    pub(crate) events: Events,
    /// No more tasks; commands are told to end.
    pub(crate) stop: CancellationToken,
    /// Commands are killed.
    pub(crate) kill: CancellationToken,
}

/// Works until it is stopped, has nothing to do for long enough, or is refused for good.
///
/// # Errors
/// Why it is refused; that its one task came to nothing.
pub(crate) async fn work(setup: Arc<Setup>) -> Done {
    match take_all(&setup).await? {
        Some(Outcome::Nothing) if setup.once => {
            Err(Ending::Failed.failure("the attempt came to nothing", &[]))
        }
        _ => Ok(()),
    }
}

/// Gives back what was asked for before the worker was stopped: nothing of it has begun, and others may have it at once.
async fn return_unbegun(setup: &Setup, task: &Task) {
    setup.events.tell_of(task, "returned", UNBEGUN);
    let Some(claim) = &task.claim else { return };
    release(setup, task, claim, UNBEGUN.to_owned(), Again::Later).await;
}

/// A task, as it was claimed.
pub(crate) struct Taken {
    claimed: Claimed,
    /// For the credential that came with it.
    key: UserKey,
    /// When it was asked for.
    since: Instant,
}

impl Takes for Setup {
    type Taken = Taken;
    type Outcome = Outcome;

    fn pace(&self) -> Pace {
        Pace { cap: self.cap, once: self.once, idle_exit: self.idle_exit, poll_ms: POLL_MS }
    }

    fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    fn events(&self) -> Events {
        self.events
    }

    /// Not cut off when the worker is stopped: a task that came would wait for its claim to end.
    async fn ask(&self, wait_ms: u64) -> Result<Option<Taken>, Fault> {
        let (key, since) = (UserKey::generate(), Instant::now());
        let claim = TaskClaim {
            queue: Some(self.queue.clone()),
            wait_ms: Some(wait_ms),
            ttl_ms: Some(self.ttl_ms),
            credential_key: key.public().ok(),
        };
        let asking = self.client.call::<call::TaskClaim>(&claim);
        let Some(answered) = self.kill.run_until_cancelled(asking).await else { return Ok(None) };
        let Some(claimed) = answered?.reply.claimed else { return Ok(None) };
        if self.stop.is_cancelled() {
            return_unbegun(self, &claimed.task).await;
            return Ok(None);
        }
        Ok(Some(Taken { claimed, key, since }))
    }

    async fn begin(
        self: &Arc<Self>,
        Taken { claimed, key, since }: Taken,
    ) -> Result<BoxFuture<'static, Outcome>, Failure> {
        self.events.tell_of(&claimed.task, "claimed", &claimed.spec.title);
        match Attempt::begin(self, &claimed, since) {
            Ok(attempt) => Ok(attempt.make(key).boxed()),
            // Somebody else may have room for it.
            Err(failure) => {
                give_back(self, &claimed.task, failure.chain(), Again::Wanted).await;
                Err(failure)
            }
        }
    }
}
