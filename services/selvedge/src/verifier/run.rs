//! Taking what waits for a verdict, as much at once as is wanted, until somebody says stop.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::{FutureExt as _, future::BoxFuture};
use selvedge_contracts::{
    call,
    fault::Fault,
    id::{QueueName, TaskId},
    payload::task::{HandedIn, MAX_EXCEPT, TaskInspect},
};
use selvedge_kit::client::Client;
use tokio_util::sync::CancellationToken;

use super::inspection::Inspection;
use crate::{
    bounds::Held,
    events::Events,
    exit::{Done, Failure},
    rooms::Rooms,
    taking::{Pace, Takes, take_all},
};

/// How long one request waits for a task, in milliseconds.
const POLL_MS: u64 = 4_000;
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
    take_all(&setup).await.map(drop)
}

impl Takes for Setup {
    type Taken = HandedIn;
    type Outcome = ();

    fn pace(&self) -> Pace {
        Pace { cap: self.cap, once: self.once, idle_exit: self.idle_exit, poll_ms: POLL_MS }
    }

    fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    fn events(&self) -> Events {
        self.events
    }

    async fn ask(&self, wait_ms: u64) -> Result<Option<HandedIn>, Fault> {
        let (except, again_ms) = self.left_alone();
        let wait_ms = wait_ms.min(again_ms.unwrap_or(wait_ms));
        let inspect = TaskInspect { queue: self.queue.clone(), wait_ms: Some(wait_ms), task: None, except };
        let asking = self.client.call::<call::TaskInspect>(&inspect);
        match self.stop.run_until_cancelled(asking).await {
            Some(answered) => Ok(answered?.reply.handed_in),
            None => Ok(None),
        }
    }

    async fn begin(self: &Arc<Self>, handed_in: HandedIn) -> Result<BoxFuture<'static, ()>, Failure> {
        let setup = Arc::clone(self);
        Ok(async move { look(&setup, handed_in).await }.boxed())
    }
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
