//! The metrics of one call: for Prometheus, and as `$SRV.STATS` wants them (NATS ADR-32).

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use prometheus_client::metrics::{counter::Counter, gauge::Gauge, histogram::Histogram};
use selvedge_contracts::fault::{Code, Fault};

use super::Families;

/// Every code a fault can have.
const CODES: [Code; 7] = [
    Code::Invalid,
    Code::NotFound,
    Code::Conflict,
    Code::Denied,
    Code::Busy,
    Code::Unavailable,
    Code::Internal,
];

/// A message may hold what a caller sent, so what is kept of it for [`Snapshot::last_error`] is bounded.
const LAST_ERROR_MAX_CHARS: usize = 256;

/// Counts one call's requests. Cheap to clone; a clone counts into the same numbers.
#[derive(Clone, Debug)]
pub struct CallMetrics(Arc<Handles>);

#[derive(Debug)]
struct Handles {
    ok: Counter,
    faults: [(Code, Counter); CODES.len()],
    seconds: Histogram,
    in_flight: Gauge,
    processing_ns: AtomicU64,
    last_error: Mutex<String>,
}

/// Counts a request as in flight for as long as it lives, also when its task is aborted.
#[derive(Debug)]
#[must_use = "the request is in flight only as long as it lives"]
pub struct InFlight(CallMetrics);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.0.in_flight.dec();
    }
}

/// What became of one call's requests since the start, as `$SRV.STATS` reports it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Requests answered.
    pub requests: u64,
    /// Those answered by a fault.
    pub errors: u64,
    /// Time spent on all of them, in nanoseconds.
    pub processing_ns: u64,
    /// The last fault as `code:message`, shortened; empty if there was none.
    pub last_error: String,
}

impl Snapshot {
    /// Mean time of a request, in nanoseconds; 0 before the first.
    pub fn average_processing_ns(&self) -> u64 {
        self.processing_ns.checked_div(self.requests).unwrap_or(0)
    }
}

impl CallMetrics {
    pub(super) fn new(families: &Families, service: &'static str, call: &'static str) -> Self {
        let labels = [("service", service), ("call", call)];
        let counter = |code| {
            let labels = [("service", service), ("call", call), ("code", code)];
            families.requests.get_or_create_owned(&labels)
        };
        Self(Arc::new(Handles {
            ok: counter("ok"),
            faults: CODES.map(|code| (code, counter(code.name()))),
            seconds: families.request_seconds.get_or_create_owned(&labels),
            in_flight: families.in_flight.get_or_create_owned(&labels),
            processing_ns: AtomicU64::new(0),
            last_error: Mutex::default(),
        }))
    }

    /// Counts a request as in flight until the answer is dropped.
    pub fn begin(&self) -> InFlight {
        self.0.in_flight.inc();
        InFlight(self.clone())
    }

    /// Counts a request that was answered: how, and how long that took.
    pub fn record(&self, answer: Result<(), &Fault>, elapsed: Duration) {
        let ns = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        self.0.processing_ns.fetch_add(ns, Relaxed);
        self.0.seconds.observe(elapsed.as_secs_f64());
        match answer {
            Ok(()) => _ = self.0.ok.inc(),
            Err(fault) => self.record_fault(fault),
        }
    }

    fn record_fault(&self, fault: &Fault) {
        if let Some((_, counter)) = self.0.faults.iter().find(|(code, _)| *code == fault.code) {
            counter.inc();
        }
        let message = fault.message.chars().take(LAST_ERROR_MAX_CHARS).collect::<String>();
        let error = format!("{}:{message}", fault.code.number());
        *self.0.last_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }

    /// The numbers since the start. Read one by one, so a request that ends meanwhile may be in some
    /// of them only.
    pub fn snapshot(&self) -> Snapshot {
        let errors = self.0.faults.iter().map(|(_, counter)| counter.get()).sum();
        Snapshot {
            requests: self.0.ok.get() + errors,
            errors,
            processing_ns: self.0.processing_ns.load(Relaxed),
            last_error: self.0.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_counted() {
        for code in CODES {
            // A new code fails to compile here: add it to CODES too.
            match code {
                Code::Invalid | Code::NotFound | Code::Conflict | Code::Denied => {}
                Code::Busy | Code::Unavailable | Code::Internal => {}
            }
        }
        let names: std::collections::BTreeSet<_> = CODES.iter().map(|code| code.name()).collect();
        assert_eq!(names.len(), 7);
    }
}
