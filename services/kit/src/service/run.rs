//! Starting a service and ending it in order.

use std::sync::Arc;

use futures::stream::SelectAll;
use selvedge_contracts::{id::ScopeId, role::Service, subject::requests_to};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{info, warn};

use super::{Routes, discovery, runtime::Runtime, unheard::Unheard};
use crate::{
    audit::Audit, bus::BusError, clock::Deadline, identity::Directory, ledger::Ledger, metrics::Metrics,
    view::Feed,
};

/// What a service runs with.
pub struct Setup<S> {
    /// Which service.
    pub service: Service,
    /// Name of this instance and no other, if its replicas pass requests on to each other.
    pub instance: Option<ScopeId>,
    /// What its handlers share.
    pub state: Arc<S>,
    /// Which handler serves which call.
    pub routes: Routes<S>,
    /// The ledger, over the service's own connection.
    pub ledger: Ledger,
    /// Keeps up the views that the handlers read, the directory's among them.
    pub feed: Feed,
    /// Who the callers are.
    pub directory: Directory,
    /// Public key of the account, which signatures must name.
    pub account: String,
    /// Bounds.
    pub limits: Limits,
    /// Where its work is counted.
    pub metrics: Metrics,
}

/// Bounds of a service.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most calls that wait at once; one more is refused as `busy`.
    pub concurrency: usize,
    /// Most bytes of attachments held at once; a call that would bring more is refused as `busy`.
    pub attached_bytes: usize,
    /// Most attempts of one write.
    pub write_attempts: u32,
    /// Longest wait for calls in flight when the service stops, in milliseconds.
    pub drain_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { concurrency: 1_024, attached_bytes: 32 << 20, write_attempts: 16, drain_ms: 10_000 }
    }
}

/// Why a service did not start.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The bus refused a subscription.
    #[error("cannot subscribe")]
    Bus(#[from] BusError),
    /// The views could not be built.
    #[error("cannot build the views")]
    Feed(#[from] crate::view::FeedError),
    /// A schema does not compile.
    #[error("the schema of {call} is broken: {reason}")]
    Schema {
        /// The call.
        call: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The table of routes and the table of calls differ.
    #[error("{service} does not serve exactly its calls: {calls}")]
    Routes {
        /// The service.
        service: Service,
        /// Calls without a route, or routes without a call.
        calls: String,
    },
}

/// A service that runs.
pub struct Running {
    name: &'static str,
    stop: CancellationToken,
    tasks: TaskTracker,
    drain_ms: u64,
    health: Health,
    received: CancellationToken,
}

/// How a running service stands; lives on when it is drained.
#[derive(Clone)]
pub struct Health {
    ledger: Ledger,
    feed: Feed,
}

impl Health {
    /// Whether the connection stands.
    pub fn is_connected(&self) -> bool {
        self.ledger.bus().is_connected()
    }

    /// Whether the views are kept up with the ledger.
    pub fn is_current(&self) -> bool {
        self.feed.is_current()
    }
}

/// Starts a service: its views are built before it answers its first call.
///
/// # Errors
/// [`ServiceError`] if its tables disagree or the bus refuses it.
pub async fn start<S: Send + Sync + 'static>(
    setup: Setup<S>,
    tasks: TaskTracker,
    stop: CancellationToken,
) -> Result<Running, ServiceError> {
    let bus = setup.ledger.bus().clone();
    let (name, drain_ms) = (setup.service.name(), setup.limits.drain_ms);
    let health = Health { ledger: setup.ledger.clone(), feed: setup.feed.clone() };
    setup.feed.start(&tasks, stop.clone()).await?;
    let audit = Audit::start(bus.clone(), setup.service, setup.metrics.clone(), &tasks, stop.clone());
    let unheard = Unheard::start(&bus, &tasks, stop.clone()).await?;
    let runtime = Arc::new(Runtime::new(setup, audit, unheard)?);
    let mut questions = SelectAll::new();
    for verb in discovery::VERBS {
        for subject in discovery::subjects(verb, name, &runtime.introduction.instance) {
            questions.push(bus.subscribe(&subject, None).await?);
        }
    }
    if let Some(forwards) = runtime.forwards() {
        let forwards = bus.subscribe(&forwards, None).await?;
        tasks.spawn(Arc::clone(&runtime).receive_forwarded(forwards, tasks.clone(), stop.clone()));
    }
    let requests = bus.subscribe(&requests_to(runtime.setup.service), Some(name)).await?;
    bus.flush(Deadline::in_ms(READY_MS)).await;
    let received = CancellationToken::new();
    tasks.spawn(Arc::clone(&runtime).discover(questions, stop.clone()));
    tasks.spawn(runtime.receive(requests, tasks.clone(), stop.clone(), received.clone()));
    info!(service = name, "serving");
    Ok(Running { name, stop, tasks, drain_ms, health, received })
}

/// Longest wait for the server to know our subscriptions, in milliseconds.
const READY_MS: u64 = 5_000;

impl Running {
    /// The service's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// How it stands, for probes.
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Stops taking requests, waits for those in flight, and sends their replies.
    pub async fn drain(self) {
        self.stop.cancel();
        let deadline = Deadline::in_ms(self.drain_ms);
        // The receiver must have unsubscribed before the tasks it starts are all known.
        let _ = tokio::time::timeout(deadline.remaining(), self.received.cancelled()).await;
        self.tasks.close();
        if tokio::time::timeout(deadline.remaining(), self.tasks.wait()).await.is_err() {
            warn!(service = self.name, "stopped with calls in flight");
        }
        self.health.ledger.bus().flush(deadline.at_most_ms(self.drain_ms)).await;
        info!(service = self.name, "stopped");
    }
}
