//! What one endpoint has done since its start, as `$SRV.STATS` tells it (NATS ADR-32).

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use selvedge_contracts::fault::Fault;
use serde_json::{Value, json};

/// Counters of one endpoint.
#[derive(Default)]
pub(super) struct Stats {
    requests: AtomicU64,
    errors: AtomicU64,
    processing_ns: AtomicU64,
    last_error: Mutex<String>,
}

impl Stats {
    /// Counts one request.
    pub(super) fn count(&self, elapsed: Duration, fault: Option<&Fault>) {
        self.requests.fetch_add(1, Relaxed);
        self.processing_ns.fetch_add(u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX), Relaxed);
        if let Some(fault) = fault {
            self.errors.fetch_add(1, Relaxed);
            let text = format!("{}:{}", fault.code.number(), fault.message);
            *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = text;
        }
    }

    /// The counters, under the protocol's names; times in nanoseconds.
    pub(super) fn numbers(&self) -> Value {
        let (requests, processing_ns) = (self.requests.load(Relaxed), self.processing_ns.load(Relaxed));
        json!({
            "num_requests": requests,
            "num_errors": self.errors.load(Relaxed),
            "processing_time": processing_ns,
            "average_processing_time": processing_ns.checked_div(requests).unwrap_or(0),
            "last_error": *self.last_error.lock().unwrap_or_else(PoisonError::into_inner),
        })
    }
}
