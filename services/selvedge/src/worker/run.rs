//! Taking tasks, as many at once as are wanted, until somebody says stop.

use std::{
    ffi::OsString,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::ValueEnum;
use selvedge_contracts::{
    call,
    fault::Fault,
    id::{Caller, KlusterName, Mission, QueueName},
    payload::task::{Claimed, Task, TaskClaim},
};
use selvedge_kit::{authority::UserKey, client::Client};
use tokio::{sync::Semaphore, task::JoinSet};
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
};

/// How long one request waits for a task, in milliseconds: a worker that is stopped waits for its answer, so that no
/// task goes to one that is not there.
const POLL_MS: u64 = 2_000;
/// First and longest pause after a request that nobody answered.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

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
    let room = Arc::new(Semaphore::new(if setup.once { 1 } else { setup.cap }));
    let mut attempts = JoinSet::new();
    let taken = take(&setup, &room, &mut attempts).await;
    let mut last = None;
    while let Some(ended) = attempts.join_next().await {
        last = ended.ok();
    }
    taken?;
    match last {
        Some(Outcome::Nothing) if setup.once => {
            Err(Ending::Failed.failure("the attempt came to nothing", &[]))
        }
        _ => Ok(()),
    }
}

async fn take(setup: &Arc<Setup>, room: &Arc<Semaphore>, attempts: &mut JoinSet<Outcome>) -> Done {
    let (mut idle_since, mut pause) = (Instant::now(), FIRST_PAUSE);
    while !setup.stop.is_cancelled() {
        let place = setup.stop.run_until_cancelled(Arc::clone(room).acquire_owned());
        let Some(Ok(place)) = place.await else { return Ok(()) };
        while attempts.try_join_next().is_some() {
            idle_since = Instant::now();
        }
        let (key, since) = (UserKey::generate(), Instant::now());
        match asked(setup, &key, idle_since).await {
            Ok(Some(claimed)) if setup.stop.is_cancelled() => {
                return_unbegun(setup, &claimed.task).await;
            }
            Ok(Some(claimed)) => {
                (idle_since, pause) = (Instant::now(), FIRST_PAUSE);
                setup.events.tell_of(&claimed.task, "claimed", &claimed.spec.title);
                let attempt = match Attempt::begin(setup, &claimed, since) {
                    Ok(attempt) => attempt,
                    // Somebody else may have room for it.
                    Err(failure) => {
                        give_back(setup, &claimed.task, failure.chain(), Again::Wanted).await;
                        return Err(failure);
                    }
                };
                attempts.spawn(async move {
                    let outcome = attempt.make(key).await;
                    drop(place);
                    outcome
                });
                if setup.once {
                    return Ok(());
                }
            }
            Ok(None) => {
                pause = FIRST_PAUSE;
                let is_long = setup.idle_exit.is_some_and(|longest| idle_since.elapsed() >= longest);
                if is_long && attempts.is_empty() {
                    setup.events.tell("idle", "nothing to do");
                    return Ok(());
                }
            }
            Err(fault) if fault.is_retryable() => {
                setup.events.tell("away", &fault.to_string());
                let _ = setup.stop.run_until_cancelled(tokio::time::sleep(pause)).await; // or it is stopped
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(fault) => return Err(Failure::from(fault)),
        }
    }
    Ok(())
}

/// Gives back what was asked for before the worker was stopped: nothing of it has begun, and others may have it at once.
async fn return_unbegun(setup: &Setup, task: &Task) {
    setup.events.tell_of(task, "returned", UNBEGUN);
    let Some(claim) = &task.claim else { return };
    release(setup, task, claim, UNBEGUN.to_owned(), Again::Wanted).await;
}

/// Asks for a task. Not cut off when the worker is stopped: a task that came would wait for its claim to end.
async fn asked(setup: &Setup, key: &UserKey, idle_since: Instant) -> Result<Option<Claimed>, Fault> {
    let idle = setup.idle_exit.map(|longest| longest.saturating_sub(idle_since.elapsed()));
    let idle_ms = idle.map_or(POLL_MS, |left| u64::try_from(left.as_millis()).unwrap_or(POLL_MS).max(1));
    let claim = TaskClaim {
        queue: Some(setup.queue.clone()),
        wait_ms: Some(POLL_MS.min(idle_ms)),
        ttl_ms: Some(setup.ttl_ms),
        credential_key: key.public().ok(),
    };
    let asking = setup.client.call::<call::TaskClaim>(&claim);
    match setup.kill.run_until_cancelled(asking).await {
        Some(answered) => Ok(answered?.reply.claimed),
        None => Ok(None),
    }
}
