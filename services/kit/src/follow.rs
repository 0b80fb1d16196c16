//! Durable followers: work that follows from a fact, an expired key or a due timer, done by one replica
//! of its service at a time, at least once, and resumed where it stopped.
//!
//! A message is acknowledged after its work is done, so a crash in between repeats the work: its facts
//! carry a digest of the message, by which the repetition finds them. Consumers are made by `up` and
//! `init`; a follower only fetches, and waits while its consumer is missing.
//!
//! What cannot be worked on at all is left behind, so that the rest goes on: first a record of it is
//! stored in the audit stream, where `doctor` and `tap` find it, then it is given up.

use std::{future::Future, sync::Arc, time::Duration};

use async_nats::{
    HeaderMap,
    jetstream::{
        self, AckKind,
        consumer::{Consumer, pull},
    },
};
use bytes::Bytes;
use futures::StreamExt as _;
use selvedge_contracts::{
    envelope::{Envelope, header},
    fault::Fault,
    id::Mission,
    role::Service,
    stream::Follower,
    subject::{self, Fact},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, warn};

use crate::{
    bus::{Bus, error_chain},
    clock::{Deadline, now_ms},
    jetstream::{AppendError, publish},
    ledger::{FactRecord, Ledger, Unreadable},
    service::{Writer, cut},
    tap::{LeftBehind, Refusal},
    timer::entity_of,
    view::Feed,
};

/// One message of a follower.
pub struct Delivery {
    /// Its subject.
    pub subject: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
    /// Its place in its stream.
    pub sequence: u64,
    /// How often it has been delivered, this time included.
    pub attempt: i64,
    follower: Follower,
    service: Service,
    ledger: Ledger,
    feed: Feed,
}

/// Messages that one replica works on at once.
const CONCURRENCY: usize = 16;
/// Messages fetched ahead.
const FETCHED: usize = 64;
/// Longest work on one message in milliseconds: less than the consumer's patience (30 s).
const WORK_MS: u64 = 20_000;
/// First and longest wait before a message that failed comes again.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));
/// Longest wait for the audit stream, in milliseconds.
const RECORD_MS: u64 = 5_000;
/// Longest reason and longest subject in an audit record, in bytes.
const MAX_REASON_BYTES: usize = 1_024;
/// Wait before a missing consumer is looked for again, in milliseconds.
const MISSING_MS: u64 = 1_000;

impl Delivery {
    /// The fact in it.
    ///
    /// # Errors
    /// [`Unreadable`] if it is none.
    pub fn fact(&self) -> Result<FactRecord, Unreadable> {
        FactRecord::of(&self.subject, self.sequence, None, &self.headers, &self.body)
    }

    /// Whether the server made it because a key's time ran out.
    pub fn is_expiry(&self) -> bool {
        self.headers.get("Nats-Marker-Reason").is_some_and(|reason| reason.as_str() == "MaxAge")
    }

    /// How long this service has been connected, in milliseconds: what expired before could not be
    /// prevented.
    pub fn connected_for_ms(&self) -> u64 {
        self.ledger.bus().connected_for_ms()
    }

    /// Waits until the views hold everything up to this fact: they hear of it on another way than we.
    ///
    /// # Errors
    /// `unavailable` if that takes too long; it will come again.
    pub async fn is_in_view(&self) -> Result<(), Fault> {
        if self.feed.reaches(self.sequence, Deadline::in_ms(WORK_MS / 2)).await {
            return Ok(());
        }
        Err(Fault::unavailable(format!("the views are behind revision {}", self.sequence)))
    }

    /// Records what follows from it, as the service itself; `cause` is the message that led here.
    pub fn writer(&self, mission: &Mission, cause: &str, root: &str) -> Writer {
        let origin = Envelope {
            mission: mission.to_string(),
            sender: self.service.name().to_owned(),
            session: self.ledger.bus().me().scope.id.to_string(),
            cause: cause.to_owned(),
            root: root.to_owned(),
            ..Envelope::default()
        };
        let key = format!("{}:{}:{}", self.follower.consumer(), self.subject, self.sequence);
        Writer::own(self.ledger.clone(), self.feed.clone(), Deadline::in_ms(WORK_MS), origin, &key)
    }
}

/// Runs a follower in a task of its own until `stop`.
pub fn start<F, W>(
    follower: Follower,
    ledger: Ledger,
    feed: Feed,
    tasks: &TaskTracker,
    stop: CancellationToken,
    work: F,
) where
    F: Fn(Arc<Delivery>) -> W + Send + Sync + 'static,
    W: Future<Output = Result<(), Fault>> + Send,
{
    tasks.spawn(async move {
        while !stop.is_cancelled() {
            let bus = ledger.bus().clone();
            if let Err(error) = follow(follower, &bus, &ledger, &feed, &stop, &work).await {
                warn!(consumer = follower.consumer(), error, "follower waits");
                let _ = stop.run_until_cancelled(tokio::time::sleep(Duration::from_millis(MISSING_MS))).await;
            }
        }
    });
}

/// Works on messages until `stop` or until the consumer fails.
async fn follow<F, W>(
    follower: Follower,
    bus: &Bus,
    ledger: &Ledger,
    feed: &Feed,
    stop: &CancellationToken,
    work: &F,
) -> Result<(), String>
where
    F: Fn(Arc<Delivery>) -> W + Send + Sync,
    W: Future<Output = Result<(), Fault>> + Send,
{
    let consumer: Consumer<pull::Config> = bus
        .jetstream()
        .get_consumer_from_stream(follower.consumer(), follower.stream())
        .await
        .map_err(|error| error_chain(&error))?;
    let messages = consumer
        .stream()
        .max_messages_per_batch(FETCHED)
        .messages()
        .await
        .map_err(|error| error_chain(&error))?;
    let stopped = messages.take_until(stop.cancelled());
    let handled = stopped.map(|message| async {
        let message = message.map_err(|error| error_chain(&error))?;
        handle(follower, ledger, feed, work, message).await;
        Ok::<(), String>(())
    });
    let mut working = std::pin::pin!(handled.buffer_unordered(CONCURRENCY));
    while let Some(done) = working.next().await {
        done?;
    }
    Ok(())
}

async fn handle<F, W>(follower: Follower, ledger: &Ledger, feed: &Feed, work: &F, message: jetstream::Message)
where
    F: Fn(Arc<Delivery>) -> W + Send + Sync,
    W: Future<Output = Result<(), Fault>> + Send,
{
    let (sequence, attempt) = message.info().map_or((0, 1), |info| (info.stream_sequence, info.delivered));
    let delivery = Arc::new(Delivery {
        subject: message.subject.to_string(),
        headers: message.headers.clone().unwrap_or_default(),
        body: message.payload.clone(),
        sequence,
        attempt,
        follower,
        service: follower.service,
        ledger: ledger.clone(),
        feed: feed.clone(),
    });
    let done = tokio::time::timeout(Duration::from_millis(WORK_MS), work(Arc::clone(&delivery))).await;
    let answer = match done.unwrap_or_else(|_| Err(Fault::unavailable("took too long"))) {
        Ok(()) => AckKind::Ack,
        Err(fault) if fault.is_retryable() => {
            warn!(consumer = follower.consumer(), sequence, error = %fault, "will try again");
            AckKind::Nak(Some(retry_in(attempt)))
        }
        Err(fault) => match leave_behind(follower, &delivery, &fault).await {
            Ok(()) => {
                error!(consumer = follower.consumer(), sequence, error = %fault, "cannot be worked on, left behind");
                AckKind::Term
            }
            Err(error) => {
                let error = error_chain(&error);
                warn!(consumer = follower.consumer(), sequence, error, fault = %fault, "cannot be worked on, nor left behind");
                AckKind::Nak(Some(retry_in(attempt)))
            }
        },
    };
    if let Err(error) = message.ack_with(answer).await {
        warn!(consumer = follower.consumer(), sequence, %error, "not acknowledged, will come again");
    }
}

/// Stores the record of a message that cannot be worked on. Stored once, also if this process dies before
/// the message is given up and the next one finds it within the stream's memory of message ids.
async fn leave_behind(follower: Follower, delivery: &Delivery, fault: &Fault) -> Result<(), AppendError> {
    let mission = Fact::parse(&delivery.subject).map(|fact| fact.entity.mission).ok();
    let mission = mission.or_else(|| entity_of(&delivery.subject).map(|entity| entity.mission));
    let (consumer, stream, sequence) = (follower.consumer(), follower.stream(), delivery.sequence);
    let mut headers = HeaderMap::new();
    headers.insert(header::MESSAGE_ID, format!("{stream}:{consumer}:{sequence}").as_str());
    let reason = cut(&fault.message, MAX_REASON_BYTES);
    let record = Refusal {
        at_ms: now_ms(),
        code: fault.code.to_string(),
        message: format!("{consumer} left message {sequence} of {stream} behind: {reason}"),
        subject: cut(&delivery.subject, MAX_REASON_BYTES),
        left_behind: Some(LeftBehind { consumer, stream, sequence, attempts: delivery.attempt }),
    };
    let subject = subject::dead_letter(&follower, mission.as_ref());
    let body = serde_json::to_vec(&record).unwrap_or_default(); // of texts and numbers alone
    let deadline = Deadline::in_ms(RECORD_MS);
    publish(delivery.ledger.bus(), &subject, headers, body.into(), deadline).await.map(drop)
}

fn retry_in(attempt: i64) -> Duration {
    let doublings = u32::try_from(attempt.clamp(1, 16) - 1).unwrap_or(0);
    (RETRY.0 * 2_u32.pow(doublings)).min(RETRY.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_wait_longer_and_longer_up_to_a_bound() {
        assert_eq!(retry_in(1), RETRY.0);
        assert_eq!(retry_in(2), RETRY.0 * 2);
        assert_eq!(retry_in(1_000), RETRY.1);
    }
}
