//! Pipelined writes into a bucket, all under one guard: many are in flight at once, they are stored in
//! the order in which they were given, and each is settled in that order too.
//!
//! The guard is one key at one revision (its owner's), so a writer that has been superseded cannot write
//! anything any more. The first write that fails or whose outcome stays unknown breaks the lane: it and
//! all later ones are settled as lost, whatever became of them, and whoever owns the lane must read what
//! is stored before it goes on.
//!
//! nats-server lets any number of writes under one guard be in flight on one replica, but only one on
//! three; there, what gathers meanwhile goes out as one atomic batch.

mod lane;

pub use lane::{Lane, Lost, Operation, Write};

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_nats::{Message, Subscriber};
use futures::StreamExt as _;
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::debug;

use crate::{
    bus::{Bus, BusError},
    clock::Deadline,
    jetstream::{AppendError, read_ack},
};
use lane::Acknowledged;

/// How many writes of one lane may be in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flight {
    /// Many, each by itself: for a stream with one replica.
    Many,
    /// One, or one atomic batch: for a stream with several.
    One,
}

impl Flight {
    /// For a stream with so many replicas.
    pub fn of(replicas: usize) -> Self {
        if replicas > 1 { Self::One } else { Self::Many }
    }
}

/// Sends the writes of all lanes over one connection and hears their acknowledgements on one inbox, until
/// it is dropped: a service that stops still answers what is in flight.
#[derive(Clone)]
pub struct Publisher {
    bus: Bus,
    inbox: String,
    lanes: Arc<Lanes>,
    next_lane: Arc<AtomicU64>,
    _hearing: Arc<DropGuard>,
}

#[derive(Default)]
struct Lanes(Mutex<HashMap<u64, Weak<dyn Acknowledged>>>);

/// Longest wait for an acknowledgement, in milliseconds. After that the outcome is unknown.
const PATIENCE_MS: u64 = 5_000;
/// How long after a new connection an acknowledgement of an earlier write is still waited for.
const RECONNECT_GRACE: Duration = Duration::from_millis(200);
/// How often the wait for acknowledgements is held against its bounds.
const TICK: Duration = Duration::from_millis(100);
/// Longest wait for the server to know the inbox, in milliseconds.
const READY_MS: u64 = 5_000;

impl Publisher {
    /// Hears acknowledgements in a task of its own.
    ///
    /// # Errors
    /// [`BusError`] if the connection is closed.
    pub async fn start(bus: Bus) -> Result<Self, BusError> {
        let inbox = bus.client().new_inbox();
        let answers = bus.subscribe(&format!("{inbox}.*.*"), None).await?;
        bus.flush(Deadline::in_ms(READY_MS)).await;
        let (lanes, stop) = (Arc::<Lanes>::default(), CancellationToken::new());
        let (hearing, over, heard) = (Arc::clone(&lanes), bus.clone(), stop.clone());
        tokio::spawn(async move { hearing.hear(over, answers, heard).await });
        let hearing = Arc::new(stop.drop_guard());
        Ok(Self { bus, inbox, lanes, next_lane: Arc::default(), _hearing: hearing })
    }

    /// A lane of writes into the bucket `bucket`, guarded by the key `guard` at `revision`. Each write's
    /// tag comes back through `settle`, in order, with the revision that was stored or the loss.
    pub fn lane<T: Send + 'static>(
        &self,
        flight: Flight,
        bucket: &str,
        (guard, revision): (&str, u64),
        settle: impl Fn(T, Result<u64, Lost>) + Send + Sync + 'static,
    ) -> Lane<T> {
        let number = self.next_lane.fetch_add(1, Ordering::Relaxed);
        let reply = format!("{}.{number}", self.inbox);
        let lane = Lane::new(self.bus.clone(), flight, bucket, (guard, revision), reply, Box::new(settle));
        lock(&self.lanes.0).insert(number, lane.acknowledged());
        lane.start();
        lane
    }
}

impl Lanes {
    async fn hear(&self, bus: Bus, mut answers: Subscriber, stop: CancellationToken) {
        let mut connects = bus.connects();
        let mut tick = tokio::time::interval(TICK);
        let mut connected = None;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                answer = answers.next() => match answer {
                    Some(answer) => self.settle(&answer),
                    None => return,
                },
                Ok(()) = connects.changed() => connected = Some(Instant::now()),
                _ = tick.tick() => self.look_for_lost(&mut connected),
            }
        }
    }

    fn settle(&self, answer: &Message) {
        let mut tokens = answer.subject.rsplit('.');
        let numbers = (number(tokens.next()), number(tokens.next()));
        let (Some(write), Some(lane)) = numbers else {
            return debug!(subject = %answer.subject, "foreign acknowledgement");
        };
        let found = lock(&self.0).get(&lane).and_then(Weak::upgrade);
        let Some(lane) = found else {
            return; // given up
        };
        let outcome = match answer.status {
            Some(status) if status.as_u16() == 503 => {
                Err(AppendError::Unavailable(BusError::NoResponders { subject: answer.subject.to_string() }))
            }
            _ => read_ack(&answer.payload),
        };
        lane.acknowledge(write, outcome);
    }

    /// Gives up what was sent too long ago, or over a connection that is no more.
    fn look_for_lost(&self, connected: &mut Option<Instant>) {
        let mut oldest = Instant::now().checked_sub(Duration::from_millis(PATIENCE_MS));
        if let Some(at) = connected.take_if(|at| at.elapsed() >= RECONNECT_GRACE) {
            oldest = oldest.max(Some(at));
        }
        let lanes: Vec<_> = {
            let mut lanes = lock(&self.0);
            lanes.retain(|_, lane| lane.strong_count() > 0);
            lanes.values().filter_map(Weak::upgrade).collect()
        };
        if let Some(oldest) = oldest {
            lanes.iter().for_each(|lane| lane.give_up_before(oldest));
        }
    }
}

fn number(token: Option<&str>) -> Option<u64> {
    token?.parse().ok()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
