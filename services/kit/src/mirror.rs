//! A mirror of a bucket: every key's newest value in memory, in every replica, kept up by what the stream
//! republishes, and told to whoever owns the keys.
//!
//! It counts sequences. Where one is missing it reads the whole bucket anew from the stream, since what
//! was removed meanwhile left a hole there and nothing else: so the mirror is exact again, but cannot say
//! what happened in between. Values are bytes; nobody reads them before they are wanted.

mod scan;

use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_nats::{HeaderMap, Message, Subscriber};
use bytes::Bytes;
use futures::StreamExt as _;
use selvedge_contracts::stream::{bucket_stream, bucket_subject};
use tokio::sync::{Notify, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, info, warn};

use crate::{
    bus::{Bus, BusError},
    clock::Deadline,
    ledger::sequence,
};
use scan::Stored;

/// A mirror of one bucket.
#[derive(Clone)]
pub struct Mirror(Arc<Shared>);

struct Shared {
    bus: Bus,
    bucket: &'static str,
    /// First tokens, with the last dot, of the subjects on which the stream republishes its keys.
    republished: String,
    keys: Mutex<BTreeMap<Box<str>, Value>>,
    watermark: watch::Sender<u64>,
    doubted: Notify,
}

/// A key's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// Sequence of the message in the bucket's stream.
    pub revision: u64,
    /// The bytes put.
    pub bytes: Bytes,
}

/// What became of the bucket; the mirror holds it already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// A key has a value.
    Put(&'a str, u64),
    /// A key was removed by whoever owns it.
    Removed(&'a str, u64),
    /// A key's time ran out: the server's marker stands at this sequence.
    Expired(&'a str, u64),
    /// Events were missed; the mirror was read anew.
    Rebuilt,
}

/// Why there is no mirror.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// The bus refused the subscription.
    #[error("cannot hear the bucket")]
    Subscribe(#[from] BusError),
    /// The stream did not answer.
    #[error("cannot read the bucket: {0}")]
    Read(String),
}

/// How often the mirror asks the leader whether it missed something, in milliseconds.
const RECHECK_MS: u64 = 2_000;
/// Longest wait for the first reading and for one made anew, in milliseconds.
const READ_MS: u64 = 30_000;
/// Longest wait for one answer, in milliseconds.
const STEP_MS: u64 = 2_000;

impl Mirror {
    /// A mirror of `bucket`, whose keys the stream republishes under `prefix` (`sv.lease`).
    pub fn new(bus: Bus, bucket: &'static str, prefix: &str) -> Self {
        Self(Arc::new(Shared {
            bus,
            bucket,
            republished: format!("{prefix}."),
            keys: Mutex::default(),
            watermark: watch::Sender::new(0),
            doubted: Notify::new(),
        }))
    }

    /// Reads the bucket, then keeps the mirror up in a task of its own until `stop`, and tells `listener`
    /// of each event, in order.
    ///
    /// # Errors
    /// [`MirrorError`] if the bucket cannot be heard or read.
    pub async fn start(
        &self,
        tasks: &TaskTracker,
        stop: CancellationToken,
        listener: impl Fn(Event<'_>) + Send + Sync + 'static,
    ) -> Result<(), MirrorError> {
        let live = self.0.bus.subscribe(&format!("{}>", self.0.republished), None).await?;
        // The subscription must stand before the bucket is read, or what happens in between is missed.
        self.0.bus.flush(Deadline::in_ms(READ_MS)).await;
        self.rebuild(Deadline::in_ms(READ_MS)).await?;
        let mirror = self.clone();
        tasks.spawn(async move { mirror.run(live, stop, listener).await });
        Ok(())
    }

    /// Sequence up to which the mirror holds everything.
    pub fn watermark(&self) -> u64 {
        *self.0.watermark.borrow()
    }

    /// Waits until the mirror holds everything up to `sequence`. Answers false if the deadline passes
    /// first.
    pub async fn reaches(&self, sequence: u64, deadline: Deadline) -> bool {
        let mut watermark = self.0.watermark.subscribe();
        let reached = watermark.wait_for(|at| *at >= sequence);
        tokio::time::timeout(deadline.remaining(), reached).await.is_ok_and(|reached| reached.is_ok())
    }

    /// Has the bucket read anew: what the mirror holds is not what the stream does. Until that is done it
    /// reaches no sequence.
    pub fn doubt(&self) {
        self.0.watermark.send_replace(0);
        self.0.doubted.notify_one();
    }

    /// The key's value, if it has one.
    pub fn get(&self, key: &str) -> Option<Value> {
        self.keys().get(key).cloned()
    }

    /// The keys that begin with `prefix` and their values, in order of the keys.
    pub fn under(&self, prefix: &str) -> Vec<(String, Value)> {
        self.page(prefix, None, usize::MAX)
    }

    /// At most `count` of the keys that begin with `prefix`, and their values, in order of the keys, from
    /// after `after`.
    pub fn page(&self, prefix: &str, after: Option<&str>, count: usize) -> Vec<(String, Value)> {
        let keys = self.keys();
        let from = after.filter(|after| *after >= prefix).map_or(Bound::Included(prefix), Bound::Excluded);
        keys.range::<str, _>((from, Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .take(count)
            .map(|(key, value)| (key.to_string(), value.clone()))
            .collect()
    }

    fn keys(&self) -> std::sync::MutexGuard<'_, BTreeMap<Box<str>, Value>> {
        self.0.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(self, mut live: Subscriber, stop: CancellationToken, listener: impl Fn(Event<'_>)) {
        let mut connects = self.0.bus.connects();
        let mut recheck = tokio::time::interval(Duration::from_millis(RECHECK_MS));
        recheck.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut behind_at = None;
        loop {
            let suspicion = tokio::select! {
                () = stop.cancelled() => return,
                message = live.next() => match message {
                    Some(message) => self.hear(&message, &listener),
                    None => return,
                },
                () = self.0.doubted.notified() => true,
                Ok(()) = connects.changed() => { recheck.reset_immediately(); false }
                _ = recheck.tick() => {
                    let asked = stop.run_until_cancelled(self.is_stuck(&mut behind_at)).await;
                    asked.unwrap_or_default()
                }
            };
            if suspicion {
                behind_at = None;
                let _ = stop.run_until_cancelled(self.rebuild_and_tell(&listener)).await;
            }
        }
    }

    /// Whether the leader has more than the mirror although nothing has come since that was seen last:
    /// a stream that changes its leader may store a message and not republish it. Or whether it has less:
    /// an older copy of the stream was put in its place.
    async fn is_stuck(&self, behind_at: &mut Option<u64>) -> bool {
        let Ok(last) = self.last_sequence(Deadline::in_ms(STEP_MS)).await else {
            return false; // asked again soon
        };
        let at = self.watermark();
        if last < at {
            warn!(last, at, bucket = self.0.bucket, "the stream is older than the mirror; it is read anew");
            return true;
        }
        let was_behind_at = behind_at.take();
        if last > at {
            *behind_at = Some(at);
        }
        last > at && was_behind_at == Some(at)
    }

    /// Takes in one republished message. Says whether one before it is missing.
    fn hear(&self, message: &Message, listener: &impl Fn(Event<'_>)) -> bool {
        let (Some(key), Some(headers)) =
            (message.subject.strip_prefix(self.0.republished.as_str()), message.headers.as_ref())
        else {
            return false;
        };
        let Some(revision) = sequence(headers) else {
            return false;
        };
        let known = self.watermark();
        if revision <= known {
            return false;
        }
        if revision - known > 1 {
            debug!(known, revision, "missed messages of the bucket");
            return true;
        }
        let event = self.apply(key, revision, headers, &message.payload);
        self.0.watermark.send_replace(revision);
        if let Some(event) = event {
            listener(event);
        }
        false
    }

    /// Takes one message in; nothing if a newer one of that key is there already.
    fn apply<'a>(&self, key: &'a str, revision: u64, headers: &HeaderMap, body: &Bytes) -> Option<Event<'a>> {
        let mut keys = self.keys();
        if keys.get(key).is_some_and(|value| value.revision > revision) {
            return None;
        }
        if headers.get("Nats-Marker-Reason").is_some() {
            keys.remove(key);
            return Some(Event::Expired(key, revision));
        }
        if headers.get("KV-Operation").is_some() {
            keys.remove(key);
            return Some(Event::Removed(key, revision));
        }
        // A copy: the body would keep alive all that was read from the connection at once.
        let value = Value { revision, bytes: Bytes::copy_from_slice(body) };
        match keys.get_mut(key) {
            Some(kept) => *kept = value,
            None => drop(keys.insert(key.into(), value)),
        }
        Some(Event::Put(key, revision))
    }

    async fn rebuild_and_tell(&self, listener: &impl Fn(Event<'_>)) {
        let mut attempt = 0;
        loop {
            match self.rebuild(Deadline::in_ms(READ_MS)).await {
                Ok(()) => break,
                Err(error) => warn!(error = crate::bus::error_chain(&error), "the mirror is behind"),
            }
            Deadline::in_ms(STEP_MS).back_off(attempt).await;
            attempt += 1;
        }
        listener(Event::Rebuilt);
    }

    /// Reads the whole bucket: everything that the leader had when it was asked, and perhaps more.
    async fn rebuild(&self, deadline: Deadline) -> Result<(), MirrorError> {
        let mut attempt = 0;
        loop {
            match self.read(deadline).await {
                Ok((keys, last)) => {
                    info!(keys = keys.len(), bucket = self.0.bucket, "read the bucket");
                    *self.keys() = keys;
                    self.0.watermark.send_replace(last);
                    return Ok(());
                }
                Err(reason) if deadline.has_passed() => return Err(MirrorError::Read(reason)),
                Err(reason) => debug!(reason, "reading the bucket again"),
            }
            deadline.back_off(attempt).await;
            attempt += 1;
        }
    }

    async fn read(&self, deadline: Deadline) -> Result<(BTreeMap<Box<str>, Value>, u64), String> {
        let stream = bucket_stream(self.0.bucket);
        let filter = bucket_subject(self.0.bucket, ">");
        let last = self.last_sequence(deadline.at_most_ms(STEP_MS)).await?;
        let newest = scan::newest(&self.0.bus, &stream, &filter, deadline.at_most_ms(STEP_MS)).await?;
        let mut keys = BTreeMap::new();
        let prefix = bucket_subject(self.0.bucket, "");
        let mut take = |stored: Stored| {
            let Some(key) = stored.subject.strip_prefix(&prefix) else { return };
            let is_gone = ["Nats-Marker-Reason", "KV-Operation"];
            if is_gone.iter().any(|name| stored.headers.get(*name).is_some()) {
                keys.remove(key);
            } else {
                let value = Value { revision: stored.sequence, bytes: Bytes::copy_from_slice(&stored.body) };
                keys.insert(key.into(), value);
            }
        };
        let reached = scan::all(&self.0.bus, &stream, &filter, deadline, &mut take).await?;
        if reached < newest.min(last) {
            // A replica answered that lags behind the leader, or the newest one is gone by now.
            return Err("read less than the leader has".to_owned());
        }
        Ok((keys, last))
    }

    async fn last_sequence(&self, deadline: Deadline) -> Result<u64, String> {
        scan::last_sequence(&self.0.bus, &bucket_stream(self.0.bucket), deadline).await
    }
}
