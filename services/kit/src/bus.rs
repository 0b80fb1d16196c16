//! The connection to NATS: who we are on it, requests under a deadline, and the server's refusals told
//! to whoever waits.
//!
//! A publish that the server denies is silent on the wire (the client would only time out), so the
//! connection's error events are matched with the requests that wait.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_nats::{
    Client, ConnectErrorKind, ConnectOptions, Event, HeaderMap, Message, Request, RequestErrorKind,
    ServerError, Subscriber,
};
use bytes::Bytes;
use selvedge_contracts::envelope::MAX_ATTACHMENT_BYTES;
use tokio::sync::watch;
use tracing::{debug, warn};

use crate::{
    authority::Identity,
    clock::{Deadline, now_ms},
    credential::Login,
};

/// How the connection is made.
#[derive(Debug, Clone)]
pub struct Options {
    /// Servers, as `nats://host:port`, several separated by commas.
    pub url: String,
    /// Name that the server lists the connection under.
    pub name: String,
    /// Longest wait for a connection, in milliseconds.
    pub connect_timeout_ms: u64,
}

/// A connection whose credential says who we are.
#[derive(Clone)]
pub struct Bus(Arc<Shared>);

struct Shared {
    client: Client,
    me: Identity,
    signals: Signals,
}

/// What the connection tells besides messages.
#[derive(Clone)]
struct Signals {
    denials: Arc<Mutex<VecDeque<(u64, String)>>>,
    happened: watch::Sender<Happened>,
    connects: watch::Sender<u64>,
    connected_at_ms: Arc<AtomicU64>,
}

/// Counts of what happened on the connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Happened {
    denials: u64,
    connects: u64,
}

/// Why a request on the bus got no answer.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The server refuses this credential that subject.
    #[error("the credential may not publish to {subject}")]
    Denied {
        /// The subject.
        subject: String,
    },
    /// Nobody serves the subject.
    #[error("nobody answers on {subject}")]
    NoResponders {
        /// The subject.
        subject: String,
    },
    /// No answer within the deadline; the outcome is unknown.
    #[error("no answer on {subject} within the deadline")]
    TimedOut {
        /// The subject.
        subject: String,
    },
    /// The body is larger than the server takes.
    #[error("the message to {subject} is larger than the server accepts")]
    TooLarge {
        /// The subject.
        subject: String,
    },
    /// The connection failed.
    #[error("the connection failed on {subject}: {reason}")]
    Failed {
        /// The subject.
        subject: String,
        /// What the client said.
        reason: String,
    },
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The credential cannot be used.
    #[error("cannot use the credential")]
    Credential(#[from] crate::authority::Error),
    /// The server does not take the credential: it is expired, revoked or none of its accounts'.
    #[error("nats-server at {url} refuses the credential: it is expired, revoked or of another fabric")]
    Denied {
        /// Where.
        url: String,
    },
    /// The server cannot be reached.
    #[error("cannot connect to {url}: {reason}")]
    Refused {
        /// Where.
        url: String,
        /// What the client said.
        reason: String,
    },
}

/// Denials kept for those who wait; older ones are nobody's any more.
const KEPT_DENIALS: usize = 256;
/// How long after a reconnection an answer to an earlier request is still waited for, in milliseconds.
const RECONNECT_GRACE_MS: u64 = 100;
/// Messages that one subscription may hold before the server's next ones are dropped.
const SUBSCRIPTION_CAPACITY: usize = 65_536;
/// How long the client waits between attempts to reconnect, at most, in milliseconds.
const MAX_RECONNECT_DELAY_MS: u64 = 500;

impl Bus {
    /// Connects with the credential `login`.
    ///
    /// # Errors
    /// [`ConnectError`] if the credential is unusable or the server cannot be reached within the timeout.
    pub async fn connect(options: &Options, login: Login) -> Result<Self, ConnectError> {
        let me = login.identity()?;
        let signals = Signals::new();
        let heard = signals.clone();
        let client = ConnectOptions::with_auth_callback(move |nonce| {
            let login = login.clone();
            async move { login.answer(&nonce).map_err(async_nats::AuthError::new) }
        })
        .name(&options.name)
        .custom_inbox_prefix(me.inbox_prefix())
        .connection_timeout(Duration::from_millis(options.connect_timeout_ms))
        .request_timeout(None)
        .subscription_capacity(SUBSCRIPTION_CAPACITY)
        .reconnect_delay_callback(|attempts| {
            Duration::from_millis((attempts as u64 * 20).min(MAX_RECONNECT_DELAY_MS))
        })
        .max_reconnects(None)
        .event_callback(move |event| {
            let heard = heard.clone();
            async move { heard.hear(&event) }
        })
        .connect(options.url.split(',').map(str::trim).collect::<Vec<_>>())
        .await
        .map_err(|error| refused(&options.url, &error))?;
        let bus = Self(Arc::new(Shared { client, me, signals }));
        // The first connection is told late; requests would take it for a new one and be sent again.
        let mut connects = bus.connects();
        let first = connects.wait_for(|count| *count > 0);
        let _ = tokio::time::timeout(Duration::from_millis(options.connect_timeout_ms), first).await;
        Ok(bus)
    }

    /// Who we are.
    pub fn me(&self) -> &Identity {
        &self.0.me
    }

    /// The client underneath, for the rest of the kit.
    pub(crate) fn client(&self) -> &Client {
        &self.0.client
    }

    /// JetStream over this connection, for durable consumers.
    pub(crate) fn jetstream(&self) -> async_nats::jetstream::Context {
        const TIMEOUT: Duration = Duration::from_secs(5);
        async_nats::jetstream::context::ContextBuilder::new().timeout(TIMEOUT).build(self.0.client.clone())
    }

    /// Counts connections made, so that whoever missed messages in between can catch up.
    pub fn connects(&self) -> watch::Receiver<u64> {
        self.0.signals.connects.subscribe()
    }

    /// How long the present connection has stood, in milliseconds.
    pub fn connected_for_ms(&self) -> u64 {
        now_ms().saturating_sub(self.0.signals.connected_at_ms.load(Ordering::Relaxed))
    }

    /// Most bytes that a message of this server carries beside its payload: a power of two.
    pub fn max_attachment_bytes(&self) -> usize {
        attachment_in(self.0.client.server_info().max_payload)
    }

    /// Whether the connection is up.
    pub fn is_connected(&self) -> bool {
        self.0.client.connection_state() == async_nats::connection::State::Connected
    }

    /// Reconnects with a fresh answer of the credential, as after a renewal. Requests in flight go on.
    pub async fn reconnect(&self) {
        if let Err(error) = self.0.client.force_reconnect().await {
            warn!(%error, "cannot reconnect");
        }
    }

    /// Sends everything that waits and says when it is on its way.
    pub async fn flush(&self, deadline: Deadline) {
        // A connection that is down has nothing to flush to; the deadline ends the wait.
        let _ = tokio::time::timeout(deadline.remaining(), self.0.client.flush()).await;
    }

    /// Subscribes to `subject`, in the queue group if one is named.
    ///
    /// # Errors
    /// [`BusError::Failed`] if the connection is closed.
    pub async fn subscribe(&self, subject: &str, group: Option<&str>) -> Result<Subscriber, BusError> {
        let subscribed = match group {
            Some(group) => self.0.client.queue_subscribe(subject.to_owned(), group.to_owned()).await,
            None => self.0.client.subscribe(subject.to_owned()).await,
        };
        subscribed
            .map_err(|error| BusError::Failed { subject: subject.to_owned(), reason: error.to_string() })
    }

    /// Publishes without waiting for anything.
    ///
    /// # Errors
    /// [`BusError::Failed`] if the connection is closed or the message too large.
    pub async fn publish(&self, subject: String, headers: HeaderMap, body: Bytes) -> Result<(), BusError> {
        self.0
            .client
            .publish_with_headers(subject.clone(), headers, body)
            .await
            .map_err(|error| BusError::Failed { subject, reason: error.to_string() })
    }

    /// Publishes without waiting for anything. If nobody listens, the server says so on `told`.
    ///
    /// # Errors
    /// As [`Bus::publish`].
    pub(crate) async fn publish_with_reply(
        &self,
        subject: &str,
        told: String,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<(), BusError> {
        let published =
            self.0.client.publish_with_reply_and_headers(subject.to_owned(), told, headers, body).await;
        published.map_err(|error| BusError::Failed { subject: subject.to_owned(), reason: error.to_string() })
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// [`BusError`] says why there is none. After [`BusError::TimedOut`] and [`BusError::Failed`] the
    /// outcome is unknown.
    pub async fn request(
        &self,
        subject: &str,
        headers: HeaderMap,
        body: Bytes,
        deadline: Deadline,
    ) -> Result<Message, BusError> {
        let mut happened = self.0.signals.happened.subscribe();
        let since = *happened.borrow_and_update();
        let request = Request::new().headers(headers).payload(body).timeout(None);
        let answer = self.0.client.send_request(subject.to_owned(), request);
        tokio::pin!(answer);
        let timer = tokio::time::sleep(deadline.remaining());
        tokio::pin!(timer);
        loop {
            tokio::select! {
                answer = &mut answer => return answer.map_err(|error| failed(subject, &error)),
                Ok(()) = happened.changed() => {
                    if self.0.signals.was_denied(subject, since.denials) {
                        return Err(BusError::Denied { subject: subject.to_owned() });
                    }
                    if happened.borrow_and_update().connects != since.connects {
                        // What was sent before may have been lost with the connection, or its answer.
                        let grace = deadline.at_most_ms(RECONNECT_GRACE_MS).remaining();
                        timer.as_mut().reset(tokio::time::Instant::now() + grace);
                    }
                }
                () = &mut timer => return Err(BusError::TimedOut { subject: subject.to_owned() }),
            }
        }
    }
}

fn refused(url: &str, error: &async_nats::ConnectError) -> ConnectError {
    let url = url.to_owned();
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation => ConnectError::Denied { url },
        _ => ConnectError::Refused { url, reason: error_chain(error) },
    }
}

fn failed(subject: &str, error: &async_nats::RequestError) -> BusError {
    let subject = subject.to_owned();
    match error.kind() {
        RequestErrorKind::NoResponders => BusError::NoResponders { subject },
        RequestErrorKind::TimedOut => BusError::TimedOut { subject },
        RequestErrorKind::MaxPayloadExceeded => BusError::TooLarge { subject },
        _ => BusError::Failed { subject, reason: error.to_string() },
    }
}

impl Signals {
    fn new() -> Self {
        Self {
            denials: Arc::default(),
            happened: watch::Sender::default(),
            connects: watch::Sender::new(0),
            connected_at_ms: Arc::default(),
        }
    }

    fn hear(&self, event: &Event) {
        match event {
            Event::Connected => {
                self.connected_at_ms.store(now_ms(), Ordering::Relaxed);
                self.happened.send_modify(|happened| happened.connects += 1);
                self.connects.send_modify(|count| *count += 1);
            }
            Event::ServerError(ServerError::Other(text)) => match denied_subject(text) {
                Some(subject) => {
                    warn!(subject, "the server denied a publish");
                    self.deny(subject);
                }
                None => warn!(error = text, "server error"),
            },
            Event::Disconnected | Event::SlowConsumer(_) | Event::ServerError(_) => {
                warn!(%event, "connection")
            }
            _ => debug!(%event, "connection"),
        }
    }

    fn deny(&self, subject: &str) {
        self.happened.send_modify(|happened| {
            happened.denials += 1;
            let mut denials = self.denials.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if denials.len() == KEPT_DENIALS {
                denials.pop_front();
            }
            denials.push_back((happened.denials, subject.to_owned()));
        });
    }

    fn was_denied(&self, subject: &str, since: u64) -> bool {
        let denials = self.denials.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        denials.iter().any(|(count, denied)| *count > since && denied == subject)
    }
}

/// The largest power of two that a message holds, with room for the rest of it, and not more than any
/// service takes.
fn attachment_in(max_message_bytes: usize) -> usize {
    const REST_BYTES: usize = 64 << 10;
    const LEAST_BYTES: usize = 32 << 10;
    let room = max_message_bytes.saturating_sub(REST_BYTES).clamp(LEAST_BYTES, MAX_ATTACHMENT_BYTES);
    1 << room.ilog2()
}

/// The subject in `Permissions Violation for Publish to "<subject>"`, as nats-server writes it.
fn denied_subject(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("for Publish to \"").or_else(|| text.split_once("for publish to \""))?;
    rest.split_once('"').map(|(subject, _)| subject)
}

/// An error and its sources, in one line.
pub fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_denied_publish_is_read_from_the_servers_words() {
        let text = "Permissions Violation for Publish to \"sv.req.a.b\"";
        assert_eq!(denied_subject(text), Some("sv.req.a.b"));
        assert_eq!(denied_subject("permissions violation for publish to \"a\""), Some("a"));
        assert_eq!(denied_subject("stale connection"), None);
    }

    #[test]
    fn an_attachment_fits_into_whatever_message_the_server_takes() {
        assert_eq!(attachment_in(2 << 20), 1 << 20);
        assert_eq!(attachment_in(1 << 20), 512 << 10);
        assert_eq!(attachment_in(64 << 10), 32 << 10);
    }

    #[test]
    fn only_denials_after_the_request_count() {
        let signals = Signals::new();
        signals.deny("a");
        let since = signals.happened.borrow().denials;
        assert!(!signals.was_denied("a", since));
        signals.deny("a");
        assert!(signals.was_denied("a", since));
        assert!(!signals.was_denied("b", since));
    }
}
