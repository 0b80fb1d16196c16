//! The audit stream: refused requests, so that attempts to escalate are visible. Bounded twice: the
//! queue here drops what it cannot hold (and counts it), the stream discards its oldest.

use async_nats::HeaderMap;
use selvedge_contracts::{
    fault::Fault,
    role::Service,
    subject::{self, Request},
};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::warn;

use crate::{
    bus::{Bus, error_chain},
    clock::now_ms,
    metrics::Metrics,
};

/// Records that wait to be sent.
const QUEUE: usize = 1_024;

/// Writes to the audit stream, for one service.
#[derive(Clone)]
pub struct Audit {
    service: Service,
    queue: mpsc::Sender<(String, String)>,
    metrics: Metrics,
}

impl Audit {
    /// Starts the task that writes, until `stop`.
    pub fn start(
        bus: Bus,
        service: Service,
        metrics: Metrics,
        tasks: &TaskTracker,
        stop: CancellationToken,
    ) -> Self {
        let (queue, mut records) = mpsc::channel::<(String, String)>(QUEUE);
        tasks.spawn(async move {
            loop {
                let record = tokio::select! {
                    () = stop.cancelled() => records.try_recv().ok(),
                    record = records.recv() => record,
                };
                let Some((subject, body)) = record else {
                    return;
                };
                if let Err(error) = bus.publish(subject, HeaderMap::new(), body.into()).await {
                    warn!(error = error_chain(&error), "audit record lost");
                }
            }
        });
        Self { service, queue, metrics }
    }

    /// Records that `request` was refused.
    pub fn record(&self, request: &Request, fault: &Fault) {
        let subject = subject::audit(self.service, &request.mission, &request.caller, &request.call);
        let body = json!({
            "at_ms": now_ms(),
            "code": fault.code,
            "message": fault.message,
            "subject": request.to_string(),
        });
        if self.queue.try_send((subject, body.to_string())).is_err() {
            self.metrics.audit_dropped();
        }
    }
}
