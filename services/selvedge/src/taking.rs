//! Taking what is to be done, as much at once as is wanted, until somebody says stop: the loop of workers and
//! verifiers.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use selvedge_contracts::fault::Fault;
use tokio::{sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    events::Events,
    exit::{Done, Failure},
};

/// First and longest pause after a request that nobody answered.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How much is taken, and for how long.
pub(crate) struct Pace {
    /// Most at once.
    pub(crate) cap: usize,
    /// One, and no more.
    pub(crate) once: bool,
    /// Time without anything to do after which it ends by itself.
    pub(crate) idle_exit: Option<Duration>,
    /// How long one request waits for something to do, in milliseconds.
    pub(crate) poll_ms: u64,
}

/// Who takes something, and does it.
pub(crate) trait Takes: Send + Sync + 'static {
    /// What is taken.
    type Taken: Send;
    /// What comes of it.
    type Outcome: Send + 'static;

    fn pace(&self) -> Pace;

    /// Nothing more is taken.
    fn stop(&self) -> &CancellationToken;

    fn events(&self) -> Events;

    /// Asks for something, and waits up to `wait_ms` for it; nothing if none came.
    fn ask(&self, wait_ms: u64) -> impl Future<Output = Result<Option<Self::Taken>, Fault>> + Send;

    /// Begins what was taken; what it answers with does it.
    fn begin(
        self: &Arc<Self>,
        taken: Self::Taken,
    ) -> impl Future<Output = Result<BoxFuture<'static, Self::Outcome>, Failure>> + Send;
}

/// Takes and does until it is stopped, has nothing to do for long enough, or is refused for good; what is under way
/// then is waited for. Gives what came of the last.
///
/// # Errors
/// Why it is refused.
pub(crate) async fn take_all<T: Takes>(takes: &Arc<T>) -> Result<Option<T::Outcome>, Failure> {
    let mut under_way = JoinSet::new();
    let taken = take(takes, &mut under_way).await;
    let mut last = None;
    while let Some(ended) = under_way.join_next().await {
        last = ended.ok();
    }
    taken.map(|()| last)
}

async fn take<T: Takes>(takes: &Arc<T>, under_way: &mut JoinSet<T::Outcome>) -> Done {
    let (pace, stop) = (takes.pace(), takes.stop());
    let room = Arc::new(Semaphore::new(if pace.once { 1 } else { pace.cap }));
    let (mut idle_since, mut pause) = (Instant::now(), FIRST_PAUSE);
    while !stop.is_cancelled() {
        let place = stop.run_until_cancelled(Arc::clone(&room).acquire_owned()).await;
        let Some(Ok(place)) = place else { return Ok(()) };
        while under_way.try_join_next().is_some() {
            idle_since = Instant::now();
        }
        let since = Instant::now();
        match takes.ask(wait_ms(&pace, idle_since)).await {
            Ok(Some(taken)) => {
                (idle_since, pause) = (Instant::now(), FIRST_PAUSE);
                let doing = takes.begin(taken).await?;
                under_way.spawn(async move {
                    let outcome = doing.await;
                    drop(place);
                    outcome
                });
                if pace.once {
                    return Ok(());
                }
            }
            Ok(None) => {
                pause = FIRST_PAUSE;
                let is_long = pace.idle_exit.is_some_and(|longest| idle_since.elapsed() >= longest);
                if is_long && under_way.is_empty() {
                    takes.events().tell("idle", "nothing to do");
                    return Ok(());
                }
                // Where too many wait already, the answer comes at once.
                let early = FIRST_PAUSE.saturating_sub(since.elapsed());
                let _ = stop.run_until_cancelled(tokio::time::sleep(early)).await; // or it is stopped
            }
            Err(fault) if fault.is_retryable() => {
                takes.events().tell("away", &fault.to_string());
                let _ = stop.run_until_cancelled(tokio::time::sleep(pause)).await; // or it is stopped
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(fault) => return Err(Failure::from(fault)),
        }
    }
    Ok(())
}

/// How long to wait for something to do: no longer than until it ends by itself.
fn wait_ms(pace: &Pace, idle_since: Instant) -> u64 {
    let idle = pace.idle_exit.map(|longest| longest.saturating_sub(idle_since.elapsed()));
    let idle_ms = idle.map_or(pace.poll_ms, |left| u64::try_from(left.as_millis()).unwrap_or(pace.poll_ms));
    pace.poll_ms.min(idle_ms.max(1))
}
