//! Taking what waits for a verdict, as much at once as is wanted, until somebody says stop.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use selvedge_contracts::{
    call,
    fault::Fault,
    id::{QueueName, TaskId},
    payload::task::{HandedIn, MAX_EXCEPT, TaskInspect},
};
use selvedge_kit::client::Client;
use tokio::{sync::Semaphore, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::inspection::Inspection;
use crate::{
    bounds::Held,
    events::Events,
    exit::{Done, Failure},
    rooms::Rooms,
};

/// How long one request waits for a task, in milliseconds.
const POLL_MS: u64 = 4_000;
/// First and longest pause after a request that nobody answered.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How often the workspace of one attempt is tried.
const TRIES: u32 = 3;
/// Pause before the second try; it doubles.
const BETWEEN_TRIES: Duration = Duration::from_secs(5);

/// What a verifier works with.
pub(crate) struct Setup {
    pub(crate) client: Client,
    pub(crate) queue: Option<QueueName>,
    /// Most tasks at once.
    pub(crate) cap: usize,
    /// One task, and no more.
    pub(crate) once: bool,
    /// Time without a task after which it ends by itself.
    pub(crate) idle_exit: Option<Duration>,
    pub(crate) held: Held,
    pub(crate) rooms: Rooms,
    pub(crate) events: Events,
    /// Nothing more; commands are stopped, and what they were run for is left to others.
    pub(crate) stop: CancellationToken,
    /// What could not be looked at.
    pub(crate) left: Mutex<VecDeque<LeftAlone>>,
}

/// A task that could not be looked at.
pub(crate) struct LeftAlone {
    task: TaskId,
    attempt: u32,
    tries: u32,
    again_at: Option<Instant>,
}

/// Looks at what is handed in until it is stopped, has nothing to do for long enough, or is refused for good.
///
/// # Errors
/// Why it is refused.
pub(crate) async fn verify(setup: Arc<Setup>) -> Done {
    let room = Arc::new(Semaphore::new(if setup.once { 1 } else { setup.cap }));
    let mut under_way = JoinSet::new();
    let taken = take(&setup, &room, &mut under_way).await;
    while under_way.join_next().await.is_some() {}
    taken
}

async fn take(setup: &Arc<Setup>, room: &Arc<Semaphore>, under_way: &mut JoinSet<()>) -> Done {
    let (mut idle_since, mut pause) = (Instant::now(), FIRST_PAUSE);
    while !setup.stop.is_cancelled() {
        let place = setup.stop.run_until_cancelled(Arc::clone(room).acquire_owned()).await;
        let Some(Ok(place)) = place else { return Ok(()) };
        while under_way.try_join_next().is_some() {
            idle_since = Instant::now();
        }
        let Some(asked) = setup.stop.run_until_cancelled(asked(setup, idle_since)).await else {
            return Ok(());
        };
        match asked {
            Ok(Some(handed_in)) => {
                (idle_since, pause) = (Instant::now(), FIRST_PAUSE);
                let setup = Arc::clone(setup);
                let once = setup.once;
                under_way.spawn(async move {
                    look(&setup, handed_in).await;
                    drop(place);
                });
                if once {
                    return Ok(());
                }
            }
            Ok(None) => {
                pause = FIRST_PAUSE;
                let is_long = setup.idle_exit.is_some_and(|longest| idle_since.elapsed() >= longest);
                if is_long && under_way.is_empty() {
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

async fn asked(setup: &Setup, idle_since: Instant) -> Result<Option<HandedIn>, Fault> {
    let idle = setup.idle_exit.map(|longest| longest.saturating_sub(idle_since.elapsed()));
    let idle_ms = idle.map_or(POLL_MS, |left| u64::try_from(left.as_millis()).unwrap_or(POLL_MS).max(1));
    let (except, again_ms) = setup.left_alone();
    let wait_ms = POLL_MS.min(idle_ms).min(again_ms.unwrap_or(POLL_MS));
    let inspect = TaskInspect { queue: setup.queue.clone(), wait_ms: Some(wait_ms), task: None, except };
    Ok(setup.client.call::<call::TaskInspect>(&inspect).await?.reply.handed_in)
}

async fn look(setup: &Arc<Setup>, handed_in: HandedIn) {
    let task = handed_in.task.clone();
    setup.events.tell_of(&task, "inspecting", &handed_in.spec.title);
    match Inspection::of(Arc::clone(setup), handed_in).made().await {
        Ok((passed, said)) => {
            setup.events.tell_of(&task, if passed { "passed" } else { "refused" }, &said);
        }
        Err(why) => {
            let again = setup.leave(&task.id, task.attempt);
            setup.events.tell_of(&task, "left", &format!("{why}; {again}"));
        }
    }
}

impl Setup {
    /// Tasks that are not asked for now, and in how many milliseconds one of them is again.
    fn left_alone(&self) -> (Vec<TaskId>, Option<u64>) {
        let now = Instant::now();
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = left.iter().filter(|left| left.again_at.is_none_or(|at| at > now));
        let next = waiting.clone().filter_map(|left| left.again_at).min();
        let next_ms = next.map(|at| u64::try_from((at - now).as_millis()).unwrap_or(u64::MAX).max(1));
        (waiting.map(|left| left.task.clone()).collect(), next_ms)
    }

    /// Leaves an attempt alone for a while, or for good; says for how long.
    fn leave(&self, task: &TaskId, attempt: u32) -> String {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let before = left.iter().position(|left| left.task == *task).and_then(|at| left.remove(at));
        let tries = before.filter(|before| before.attempt == attempt).map_or(0, |before| before.tries) + 1;
        let pause = (tries < TRIES).then(|| BETWEEN_TRIES * (1 << (tries - 1)));
        if left.len() >= MAX_EXCEPT {
            left.pop_front();
        }
        let again_at = pause.map(|pause| Instant::now() + pause);
        left.push_back(LeftAlone { task: task.clone(), attempt, tries, again_at });
        match pause {
            Some(pause) => format!("another try in {} s", pause.as_secs()),
            None => format!("it is left to others after {tries} tries"),
        }
    }
}
