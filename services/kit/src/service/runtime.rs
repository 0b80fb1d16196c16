//! The loop of a service: receive, judge, hand to the route, reply.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use async_nats::{HeaderMap, Message, Subscriber};
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, stream::SelectAll};
use selvedge_contracts::{
    call::{Attachment, CALLS, Call as CallRow},
    envelope::{Form, MAX_ATTACHMENT_BYTES, header},
    fault::{Code, Fault},
    subject::{self, Request},
};
use serde_json::Value;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{Instrument as _, Span, debug, debug_span, warn};

use super::{
    Call, ServiceError, Setup, answer,
    call::Names,
    discovery::Introduction,
    judge,
    route::{Handler, Reply},
    slots::{Slot, Slots, Wanted},
    unheard::Unheard,
};
use crate::{audit::Audit, bus::error_chain, clock::now_ms, metrics::CallMetrics, telemetry::trace_context};

/// A service at work: its tables, compiled, and what they share.
pub(super) struct Runtime<S> {
    pub(super) setup: Setup<S>,
    pub(super) schemas: Vec<jsonschema::Validator>,
    stats: Vec<CallMetrics>,
    index: HashMap<&'static str, usize>,
    pub(super) rows: Vec<(&'static CallRow, Arc<Names>)>,
    slots: Slots,
    audit: Audit,
    unheard: Arc<Unheard>,
    pub(super) introduction: Introduction,
}

/// A message on its way through the service.
pub(super) struct Work {
    pub(super) message: Message,
    pub(super) subject: Request,
    pub(super) reply: String,
    pub(super) route: usize,
    pub(super) started: Instant,
    pub(super) is_forwarded: bool,
}

impl<S: Send + Sync + 'static> Runtime<S> {
    pub(super) fn new(setup: Setup<S>, audit: Audit, unheard: Arc<Unheard>) -> Result<Self, ServiceError> {
        let rows: Vec<_> = CALLS.iter().filter(|call| call.service == setup.service).collect();
        let index: HashMap<_, _> =
            setup.routes.iter().enumerate().map(|(i, route)| (route.row.name, i)).collect();
        let unserved: Vec<_> =
            rows.iter().filter(|row| !index.contains_key(row.name)).map(ToString::to_string).collect();
        if !unserved.is_empty() || index.len() != rows.len() || setup.routes.len() != rows.len() {
            return Err(ServiceError::Routes { service: setup.service, calls: unserved.join(", ") });
        }
        // One order for routes, rows and schemas: that of the routes.
        let find = |name| CALLS.iter().find(|row| row.service == setup.service && row.name == name);
        let named = |row: &'static CallRow| (row, Arc::new(Names::of(row)));
        let rows = setup.routes.iter().filter_map(|route| find(route.row.name)).map(named).collect();
        let schemas = setup.routes.iter().map(|route| compile(&route.row)).collect::<Result<_, _>>()?;
        let introduction = Introduction {
            name: setup.service.name(),
            // Replicas may share a credential, never an id.
            instance: format!("{}-{:08x}", setup.ledger.bus().me().scope.id, rand::random::<u32>()),
            started: crate::clock::rfc3339(now_ms()),
        };
        Ok(Self {
            stats: setup
                .routes
                .iter()
                .map(|route| setup.metrics.call(setup.service, route.row.name))
                .collect(),
            slots: Slots::new(setup.limits.concurrency, setup.limits.attached_bytes),
            schemas,
            index,
            rows,
            audit,
            unheard,
            introduction,
            setup,
        })
    }

    pub(super) async fn receive(
        self: Arc<Self>,
        mut requests: Subscriber,
        tasks: TaskTracker,
        stop: CancellationToken,
        received: CancellationToken,
    ) {
        loop {
            tokio::select! {
                message = requests.next() => match message {
                    Some(message) => self.take(message, &tasks, false).await,
                    None => break,
                },
                () = stop.cancelled() => break,
            }
        }
        // What the server sent before it knew that we leave is still ours to answer.
        if requests.drain().await.is_ok() {
            while let Ok(Some(message)) =
                tokio::time::timeout(Duration::from_millis(self.setup.limits.drain_ms), requests.next()).await
            {
                self.take(message, &tasks, false).await;
            }
        }
        received.cancel();
    }

    /// Judges one message. Reads are answered here and now; what waits gets a task and one of the slots.
    pub(super) async fn take(self: &Arc<Self>, message: Message, tasks: &TaskTracker, is_forwarded: bool) {
        let started = Instant::now();
        let Some((subject, reply)) = self.addressed(&message, is_forwarded).await else {
            return;
        };
        let Some(&route) = self.index.get(subject.call.as_str()) else {
            let fault = Fault::not_found(format!("{} has no call {:?}", subject.service, subject.call));
            return self.refuse(&reply, &fault).await;
        };
        let work = Work { message, subject, reply, route, started, is_forwarded };
        match self.prepare(&work, None) {
            Ok(judge::Prepared::Ready { call, payload, form }) => match &self.handler(route) {
                Some(Handler::Read(handler)) => {
                    let span = span_of(&work, call.traceparent.as_deref());
                    let answer = || span.in_scope(|| handler(&self.setup.state, &call, payload));
                    let answer = unbroken(std::panic::catch_unwind(AssertUnwindSafe(answer)));
                    self.finish(&work, &call, form, answer).await;
                }
                _ => self.spawn(tasks, work, Some((call, payload, form))).await,
            },
            Ok(judge::Prepared::MustWait) => self.spawn(tasks, work, None).await,
            Err(fault) => self.fail(&work, &fault).await,
        }
    }

    fn handler(&self, route: usize) -> Option<&Handler<S>> {
        self.setup.routes.get(route).map(|route| &route.handler)
    }

    /// The subject, and the reply subject if it is the sender's own.
    async fn addressed(&self, message: &Message, is_forwarded: bool) -> Option<(Request, String)> {
        let subject =
            Request::parse(&message.subject).map_err(|error| debug!(%error, "foreign subject")).ok()?;
        let reply = message.reply.as_ref()?;
        let inbox =
            if is_forwarded { format!("_INBOX.{}.", self.setup.service) } else { subject.inbox_prefix() };
        if !subject::is_reply_of(reply, &inbox) {
            let fault = Fault::denied(format!("the reply subject {reply} lies outside the sender's inbox"));
            self.audit.record(&subject, &fault);
            return None;
        }
        Some((subject, reply.to_string()))
    }

    async fn spawn(
        self: &Arc<Self>,
        tasks: &TaskTracker,
        work: Work,
        ready: Option<(Arc<Call>, Value, Form)>,
    ) {
        let wanted = Wanted {
            caller: &work.subject.caller,
            mission: &work.subject.mission,
            bytes: self.weight(&work),
            body_bytes: work.message.payload.len(),
        };
        let slot = match self.slots.take(&wanted) {
            Ok(slot) => slot,
            Err(fault) => return self.fail(&work, &fault).await,
        };
        let runtime = Arc::clone(self);
        let traceparent = work.message.headers.as_ref().and_then(|headers| headers.get(header::TRACEPARENT));
        let span = span_of(&work, traceparent.map(|value| value.as_str()));
        tasks.spawn(async move { runtime.work(work, ready, slot).await }.instrument(span));
    }

    /// Bytes that a call holds in memory while it is worked on, beyond what every call may: those it came
    /// with, or those it answers with, read and written.
    fn weight(&self, work: &Work) -> usize {
        match self.rows.get(work.route).map(|(row, _)| row.attachment) {
            Some(Attachment::Request) => work.message.payload.len(),
            Some(Attachment::Reply) => 2 * MAX_ATTACHMENT_BYTES,
            _ => 0,
        }
    }

    async fn work(&self, work: Work, ready: Option<(Arc<Call>, Value, Form)>, slot: Slot) {
        let slot = Arc::new(slot);
        let prepared = match ready {
            Some(ready) => Ok(ready),
            None => self.prepare_slowly(&work).await,
        };
        let (call, payload, form) = match prepared {
            Ok(prepared) => prepared,
            Err(fault) => return self.fail(&work, &fault).await,
        };
        let _ = call.place.set(Arc::clone(&slot)); // nobody else does
        let deadline = call.deadline();
        let answer = match self.handler(work.route) {
            Some(Handler::Read(handler)) => unbroken(std::panic::catch_unwind(AssertUnwindSafe(|| {
                handler(&self.setup.state, &call, payload)
            }))),
            Some(Handler::Wait(handler)) => {
                let pending = handler(Arc::clone(&self.setup.state), Arc::clone(&call), payload);
                let pending = AssertUnwindSafe(pending).catch_unwind().map(unbroken);
                tokio::time::timeout(deadline.remaining(), pending).await.unwrap_or_else(|_| {
                    Err(Fault::unavailable(
                        "the deadline passed; the outcome is unknown: send the same request again",
                    ))
                })
            }
            None => Err(Fault::internal("no handler")),
        };
        self.finish(&work, &call, form, answer).await;
    }

    async fn finish(&self, work: &Work, call: &Call, form: Form, answer: Result<Reply, Fault>) {
        let seen = call.writer.revision.load(Ordering::Relaxed);
        let as_of = if seen == 0 { self.setup.feed.watermark() } else { seen };
        match answer.and_then(|reply| answer::reply(call, form, reply, as_of)) {
            Ok((headers, body)) => {
                self.count(work, None);
                let undo = call.undo.lock().unwrap_or_else(PoisonError::into_inner).take();
                match undo {
                    Some(undo) => {
                        self.send_watched(&work.reply, headers, body, self.unheard.watch(undo)).await
                    }
                    None => self.send(&work.reply, headers, body).await,
                }
            }
            Err(fault) => self.fail(work, &fault).await,
        }
    }

    async fn fail(&self, work: &Work, fault: &Fault) {
        if fault.code == Code::Denied && !work.is_forwarded {
            self.audit.record(&work.subject, fault);
        }
        if answer::is_ours(fault.code) {
            warn!(call = %work.subject.call, caller = %work.subject.caller, error = %fault, "call failed");
        }
        self.count(work, Some(fault));
        self.refuse(&work.reply, fault).await;
    }

    fn count(&self, work: &Work, fault: Option<&Fault>) {
        if let Some(stats) = self.stats.get(work.route) {
            stats.record(fault.map_or(Ok(()), Err), work.started.elapsed());
        }
    }

    pub(super) async fn refuse(&self, reply: &str, fault: &Fault) {
        let (headers, body) = answer::refusal(fault);
        self.send(reply, headers, body).await;
    }

    pub(super) async fn send(&self, reply: &str, headers: HeaderMap, body: Bytes) {
        if let Err(error) = self.setup.ledger.bus().publish(reply.to_owned(), headers, body).await {
            warn!(error = error_chain(&error), "reply lost");
        }
    }

    /// Sends an answer that nats-server is to say of, on `told`, if nobody is there to hear it.
    async fn send_watched(&self, reply: &str, headers: HeaderMap, body: Bytes, told: String) {
        if let Err(error) = self.setup.ledger.bus().publish_with_reply(reply, told, headers, body).await {
            warn!(error = error_chain(&error), "reply lost");
        }
    }

    pub(super) async fn discover(
        self: Arc<Self>,
        mut questions: SelectAll<Subscriber>,
        stop: CancellationToken,
    ) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                question = questions.next() => {
                    let Some(question) = question else { return };
                    let verb = question.subject.split('.').nth(1).unwrap_or_default().to_owned();
                    let answer = self.introduction.answer(&verb, &self.setup.routes, &self.stats, self.setup.feed.skipped());
                    if let Some(reply) = question.reply {
                        self.send(&reply, HeaderMap::new(), answer.to_string().into()).await;
                    }
                }
            }
        }
    }
}

/// A handler's answer, also if it broke off: a bug must not leave its caller waiting.
fn unbroken<T>(answer: std::thread::Result<Result<T, Fault>>) -> Result<T, Fault> {
    answer.unwrap_or_else(|_| Err(Fault::internal("the handler broke off; this is a bug of the service")))
}

/// The span of one call, under the caller's trace if it sent one. Spans are made only where a trace is
/// collected or the log asks for them.
fn span_of(work: &Work, traceparent: Option<&str>) -> Span {
    let span = debug_span!("call", call = %work.subject.call, caller = %work.subject.caller, mission = %work.subject.mission);
    if let (Some(traceparent), false) = (traceparent, span.is_disabled())
        && let Err(error) = trace_context::set_parent(&span, traceparent)
    {
        debug!(%error, "foreign traceparent");
    }
    span
}

fn compile(row: &CallRow) -> Result<jsonschema::Validator, ServiceError> {
    jsonschema::validator_for(&(row.request_schema)().to_value())
        .map_err(|error| ServiceError::Schema { call: row.to_string(), reason: error.to_string() })
}
