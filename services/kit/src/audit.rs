//! The audit stream: refused requests, so that attempts to escalate are visible. Bounded twice: the
//! queue here drops what it cannot hold (and counts it), the stream discards its oldest. Each caller has
//! a pace of its own, so that nobody can flood out what others were refused.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

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

/// Records of one caller that are taken at once.
const BURST: u64 = 20;
/// Time after which one more is taken, in milliseconds.
const REFILL_MS: u64 = 1_000;
/// Callers whose pace is known. What is over it shares one pace.
const MOST_CALLERS: usize = 4_096;

/// Writes to the audit stream, for one service.
#[derive(Clone)]
pub struct Audit {
    service: Service,
    queue: mpsc::Sender<(String, String)>,
    metrics: Metrics,
    paces: Arc<Mutex<Paces>>,
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
        Self { service, queue, metrics, paces: Arc::default() }
    }

    /// Records that `request` was refused. The next record of a caller who was refused too often says
    /// how many are missing: `suppressed`.
    pub fn record(&self, request: &Request, fault: &Fault) {
        let mut paces = self.paces.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = paces.take(request.caller.as_str(), now_ms());
        drop(paces);
        let Some(suppressed) = taken else {
            return self.metrics.audit_dropped();
        };
        let subject = subject::audit(self.service, &request.mission, &request.caller, &request.call);
        let mut body = json!({
            "at_ms": now_ms(),
            "code": fault.code,
            "message": fault.message,
            "subject": request.to_string(),
        });
        if suppressed > 0 {
            body.as_object_mut().map(|body| body.insert("suppressed".to_owned(), suppressed.into()));
        }
        if self.queue.try_send((subject, body.to_string())).is_err() {
            self.metrics.audit_dropped();
        }
    }
}

/// The pace of every caller.
#[derive(Default)]
struct Paces(HashMap<String, Pace>);

/// A token bucket, kept as the time at which it is full again.
#[derive(Default)]
struct Pace {
    full_at_ms: u64,
    suppressed: u64,
}

impl Paces {
    /// Whether one more record of the caller is taken; if so, how many were not since the last one.
    fn take(&mut self, caller: &str, now_ms: u64) -> Option<u64> {
        if !self.0.contains_key(caller) && self.0.len() >= MOST_CALLERS {
            self.0.retain(|_, pace| pace.full_at_ms > now_ms);
        }
        let is_known = self.0.contains_key(caller) || self.0.len() < MOST_CALLERS;
        let pace = self.0.entry(if is_known { caller } else { "" }.to_owned()).or_default();
        let full_at_ms = pace.full_at_ms.max(now_ms).saturating_add(REFILL_MS);
        if full_at_ms - now_ms > BURST * REFILL_MS {
            pace.suppressed += 1;
            return None;
        }
        pace.full_at_ms = full_at_ms;
        Some(std::mem::take(&mut pace.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_refused_too_often_is_recorded_at_a_pace_and_what_is_missing_counted() {
        let mut paces = Paces::default();
        let taken = (0..50).filter(|_| paces.take("eve", 1_000).is_some()).count();
        assert_eq!(taken, 20);
        assert_eq!(paces.take("ada", 1_000), Some(0), "others are not held back");
        assert_eq!(paces.take("eve", 1_999), None);
        assert_eq!(paces.take("eve", 2_000), Some(31));
        assert_eq!(paces.take("eve", 2_000), None);
        assert_eq!(paces.take("eve", 60_000), Some(1));
    }

    #[test]
    fn the_callers_are_bounded() {
        let mut paces = Paces::default();
        for caller in 0..2 * MOST_CALLERS {
            paces.take(&caller.to_string(), 0);
        }
        assert_eq!(paces.0.len(), MOST_CALLERS + 1, "the rest shares one");
        assert_eq!(paces.take("late", REFILL_MS * BURST), Some(0));
        assert!(paces.0.len() <= 2, "those who were quiet are forgotten");
    }
}
