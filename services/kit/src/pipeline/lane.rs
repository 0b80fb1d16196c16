//! One lane: writes under one guard, in order.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, Weak},
    task::{Context, Poll},
    time::Instant,
};

use async_nats::{Client, HeaderMap, message::OutboundMessage};
use bytes::Bytes;
use futures::{Sink as _, SinkExt as _, task::noop_waker_ref};
use selvedge_contracts::stream::bucket_subject;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{Flight, lock};
use crate::{
    bus::{Bus, BusError, error_chain},
    jetstream::{AppendError, guard},
    ledger::MAX_BATCH,
};

/// What is done to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// It gets this value; it dies that many milliseconds from then (whole seconds on the bus, rounded
    /// up, at least one), or never.
    Put(Bytes, Option<u64>),
    /// It is no more.
    Remove,
}

/// One write.
#[derive(Debug, Clone)]
pub struct Write<T> {
    /// The key.
    pub key: String,
    /// What is done to it.
    pub operation: Operation,
    /// Comes back when the write is settled.
    pub tag: T,
}

/// The write failed, its outcome is unknown, or one before it was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the write was lost, or one before it")]
pub struct Lost;

/// Writes in flight on one lane; more wait.
const MAX_IN_FLIGHT: usize = 1_024;

/// A lane; closed when it is dropped.
pub struct Lane<T: Send + 'static> {
    inner: Arc<Inner<T>>,
    closed: CancellationToken,
}

type Settle<T> = Box<dyn Fn(T, Result<u64, Lost>) + Send + Sync>;

struct Inner<T> {
    flight: Flight,
    bucket: String,
    guard: HeaderMap,
    reply: String,
    settle: Settle<T>,
    state: Mutex<State<T>>,
    more: Notify,
}

struct State<T> {
    client: Client,
    queue: VecDeque<Write<T>>,
    flying: VecDeque<Flying<T>>,
    /// Number of the first one that flies.
    first: u64,
    /// Whether what waited is being sent: nothing may overtake it.
    is_sending: bool,
    is_broken: bool,
}

struct Flying<T> {
    tag: T,
    sent: Instant,
    outcome: Option<Result<u64, AppendError>>,
}

/// A lane, whatever its tags are.
pub(super) trait Acknowledged: Send + Sync {
    /// Takes in the acknowledgement of one write.
    fn acknowledge(&self, number: u64, outcome: Result<u64, AppendError>);
    /// Gives up waiting for what was sent before.
    fn give_up_before(&self, oldest: Instant);
}

impl<T: Send + 'static> Lane<T> {
    pub(super) fn new(
        bus: Bus,
        flight: Flight,
        bucket: &str,
        (key, revision): (&str, u64),
        reply: String,
        settle: Settle<T>,
    ) -> Self {
        let state = State {
            client: bus.client().clone(),
            queue: VecDeque::new(),
            flying: VecDeque::new(),
            first: 0,
            is_sending: false,
            is_broken: false,
        };
        let inner = Inner {
            flight,
            bucket: bucket.to_owned(),
            guard: guard(&bucket_subject(bucket, key), revision),
            reply,
            settle,
            state: Mutex::new(state),
            more: Notify::new(),
        };
        Self { inner: Arc::new(inner), closed: CancellationToken::new() }
    }

    pub(super) fn acknowledged(&self) -> Weak<dyn Acknowledged> {
        let inner: Weak<Inner<T>> = Arc::downgrade(&self.inner);
        inner
    }

    pub(super) fn start(&self) {
        let (inner, closed) = (Arc::clone(&self.inner), self.closed.clone());
        tokio::spawn(async move {
            let _ = closed.run_until_cancelled(inner.send_what_waits()).await;
        });
    }

    /// How many writes may be in flight.
    pub fn flight(&self) -> Flight {
        self.inner.flight
    }

    /// Sends writes, in order. They are settled in that order, later, on another task; whoever holds a
    /// lock that `settle` takes may hold it here.
    ///
    /// # Errors
    /// [`Lost`] if the lane is broken; none of them is sent, and none will be settled.
    pub fn send(&self, writes: impl IntoIterator<Item = Write<T>>) -> Result<(), Lost> {
        let mut state = lock(&self.inner.state);
        if state.is_broken {
            return Err(Lost);
        }
        for write in writes {
            if let Some(waits) = self.inner.send_now(&mut state, write) {
                state.queue.push_back(waits);
            }
        }
        if !state.queue.is_empty() {
            self.inner.more.notify_one();
        }
        Ok(())
    }
}

impl<T: Send + 'static> Lane<T> {
    /// Gives `look` the tag of the newest write that is not settled; nothing if all are.
    pub fn with_newest<R>(&self, look: impl FnOnce(&mut T) -> R) -> Option<R> {
        let mut state = lock(&self.inner.state);
        let State { queue, flying, .. } = &mut *state;
        let newest = queue.back_mut().map(|write| &mut write.tag);
        newest.or_else(|| flying.back_mut().map(|flying| &mut flying.tag)).map(look)
    }
}

impl<T: Send + 'static> Drop for Lane<T> {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}

impl<T: Send + 'static> Inner<T> {
    /// Sends a write without waiting, if the connection takes it at once and nothing waits before it.
    fn send_now(&self, state: &mut State<T>, write: Write<T>) -> Option<Write<T>> {
        let waits = state.is_sending || !state.queue.is_empty() || state.flying.len() >= MAX_IN_FLIGHT;
        if waits || self.flight == Flight::One {
            return Some(write);
        }
        let mut context = Context::from_waker(noop_waker_ref());
        if !matches!(Pin::new(&mut state.client).poll_ready(&mut context), Poll::Ready(Ok(()))) {
            return Some(write);
        }
        let message = self.message(state.next_number(), &write, HeaderMap::clone(&self.guard));
        // What the client refuses is never acknowledged: it is given up in time.
        if let Err(error) = Pin::new(&mut state.client).start_send(message) {
            warn!(error = error_chain(&error), key = write.key, "write not sent");
        }
        state.flying.push_back(Flying { tag: write.tag, sent: Instant::now(), outcome: None });
        None
    }

    fn message(&self, number: u64, write: &Write<T>, mut headers: HeaderMap) -> OutboundMessage {
        let payload = match &write.operation {
            Operation::Put(body, ttl_ms) => {
                if let Some(ttl_ms) = ttl_ms {
                    headers.insert("Nats-TTL", format!("{}s", ttl_ms.div_ceil(1_000).max(1)).as_str());
                }
                body.clone()
            }
            Operation::Remove => {
                // A purge counts as a marker: unlike a delete, it leaves none of its own when it expires.
                headers.insert("KV-Operation", "PURGE");
                headers.insert("Nats-TTL", "1s");
                Bytes::new()
            }
        };
        OutboundMessage {
            subject: bucket_subject(&self.bucket, &write.key).into(),
            reply: Some(format!("{}.{number}", self.reply).into()),
            headers: Some(headers),
            payload,
        }
    }

    /// Sends what could not be sent at once, until the lane is closed.
    async fn send_what_waits(&self) {
        loop {
            self.more.notified().await;
            while let Some((client, messages)) = self.next_messages() {
                if let Err(error) = send(client, messages).await {
                    debug!(error, "writes not sent; they are given up in time");
                }
            }
        }
    }

    /// What may be sent now, if anything may.
    fn next_messages(&self) -> Option<(Client, Vec<OutboundMessage>)> {
        let mut state = lock(&self.state);
        state.is_sending = false;
        if state.is_broken || state.queue.is_empty() {
            return None;
        }
        let room = match self.flight {
            Flight::Many => MAX_IN_FLIGHT.saturating_sub(state.flying.len()),
            Flight::One if state.flying.is_empty() => MAX_BATCH,
            Flight::One => 0,
        };
        let count = room.min(state.queue.len());
        let writes: Vec<_> = state.queue.drain(..count).collect();
        if writes.is_empty() {
            return None;
        }
        let batch =
            (self.flight == Flight::One && count > 1).then(|| uuid::Uuid::now_v7().simple().to_string());
        let mut messages = Vec::with_capacity(count);
        for (index, write) in writes.into_iter().enumerate() {
            let mut headers = self.guard.clone();
            if let Some(batch) = &batch {
                headers.insert("Nats-Batch-Id", batch.as_str());
                headers.insert("Nats-Batch-Sequence", (index + 1).to_string().as_str());
                if index + 1 == count {
                    headers.insert("Nats-Batch-Commit", "1");
                }
            }
            let mut message = self.message(state.next_number(), &write, headers);
            if batch.is_some() && index + 1 < count {
                message.reply = None;
            }
            messages.push(message);
            state.flying.push_back(Flying { tag: write.tag, sent: Instant::now(), outcome: None });
        }
        state.is_sending = true;
        Some((state.client.clone(), messages))
    }

    /// Takes off what is settled, in order; all of it once one is lost.
    fn settled(&self, state: &mut State<T>) -> Vec<(T, Result<u64, Lost>)> {
        let mut settled = Vec::new();
        while let Some(Flying { outcome: Some(outcome), .. }) = state.flying.front() {
            if let Err(error) = outcome {
                debug!(error = error_chain(error), "write lost");
                state.is_broken = true;
                break;
            }
            state.first += 1;
            let Some(Flying { tag, outcome: Some(Ok(revision)), .. }) = state.flying.pop_front() else {
                break;
            };
            settled.push((tag, Ok(revision)));
        }
        if state.is_broken {
            settled.extend(state.flying.drain(..).map(|flying| (flying.tag, Err(Lost))));
            settled.extend(state.queue.drain(..).map(|write| (write.tag, Err(Lost))));
        } else if !state.queue.is_empty() {
            self.more.notify_one();
        }
        settled
    }

    fn tell(&self, settled: Vec<(T, Result<u64, Lost>)>) {
        for (tag, outcome) in settled {
            (self.settle)(tag, outcome);
        }
    }
}

impl<T: Send + 'static> Acknowledged for Inner<T> {
    fn acknowledge(&self, number: u64, outcome: Result<u64, AppendError>) {
        let mut state = lock(&self.state);
        let Some(index) = number.checked_sub(state.first).and_then(|index| usize::try_from(index).ok())
        else {
            return;
        };
        match (self.flight, outcome) {
            // One acknowledgement for the whole batch: its last message's.
            (Flight::One, Ok(last)) if index + 1 == state.flying.len() => {
                let first = last.saturating_sub(index as u64);
                for (flying, revision) in state.flying.iter_mut().zip(first..) {
                    flying.outcome = Some(Ok(revision));
                }
            }
            (_, outcome) => {
                if let Some(flying) = state.flying.get_mut(index) {
                    flying.outcome = Some(outcome);
                }
            }
        }
        // A batch is refused by its last message, whose place is behind others that stay unanswered.
        if self.flight == Flight::One
            && state.flying.iter().any(|flying| matches!(flying.outcome, Some(Err(_))))
        {
            state.is_broken = true;
        }
        let settled = self.settled(&mut state);
        drop(state);
        self.tell(settled);
    }

    fn give_up_before(&self, oldest: Instant) {
        let mut state = lock(&self.state);
        let Some(flying) = state.flying.iter_mut().find(|flying| flying.outcome.is_none()) else {
            return;
        };
        if flying.sent >= oldest {
            return;
        }
        let subject = self.reply.clone();
        flying.outcome = Some(Err(AppendError::Unavailable(BusError::TimedOut { subject })));
        state.is_broken = true;
        let settled = self.settled(&mut state);
        drop(state);
        self.tell(settled);
    }
}

impl<T> State<T> {
    fn next_number(&self) -> u64 {
        self.first + self.flying.len() as u64
    }
}

async fn send(mut client: Client, messages: Vec<OutboundMessage>) -> Result<(), String> {
    for message in messages {
        client.feed(message).await.map_err(|error| error.to_string())?;
    }
    Ok(())
}
