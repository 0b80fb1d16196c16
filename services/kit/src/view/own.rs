//! Facts that this process is recording just now. The stream republishes them to it like all others,
//! but what they say is at hand already: they need not be read again.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use selvedge_contracts::subject::{FACT_PREFIX, LIVE_PREFIX};

type Put = Box<dyn FnOnce(u64) + Send>;

/// The facts in flight, by the part of their subject that the stored and the republished one share.
#[derive(Default)]
pub(super) struct Own {
    in_flight: Mutex<HashMap<String, InFlight>>,
    next: AtomicU64,
}

struct InFlight {
    number: u64,
    body: Bytes,
    put: Put,
}

/// One fact in flight; forgotten when this is dropped.
pub(crate) struct Expected<'a> {
    own: &'a Own,
    subject: String,
    number: u64,
}

impl Own {
    /// Expects `body` on the fact's subject; `put` takes it into its view, told its revision.
    pub(super) fn expect(&self, fact_subject: &str, body: Bytes, put: Put) -> Expected<'_> {
        let subject = shared(fact_subject, FACT_PREFIX).to_owned();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        // Of two on one subject at most one is stored; the earlier one, if it is, is read as others are.
        self.lock().insert(subject.clone(), InFlight { number, body, put });
        Expected { own: self, subject, number }
    }

    /// Takes in a republished fact if it is, byte for byte, one of those in flight.
    pub(super) fn take(&self, live_subject: &str, body: &Bytes, revision: u64) -> bool {
        let mut in_flight = self.lock();
        let subject = shared(live_subject, LIVE_PREFIX);
        if in_flight.get(subject).is_none_or(|expected| expected.body != body) {
            return false;
        }
        let found = in_flight.remove(subject);
        drop(in_flight);
        found.is_some_and(|found| {
            (found.put)(revision);
            true
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, InFlight>> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Expected<'_> {
    fn drop(&mut self) {
        let mut in_flight = self.own.lock();
        if in_flight.get(&self.subject).is_some_and(|found| found.number == self.number) {
            in_flight.remove(&self.subject);
        }
    }
}

fn shared<'a>(subject: &'a str, prefix: &str) -> &'a str {
    subject.strip_prefix(prefix).unwrap_or(subject)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, atomic::AtomicU64};

    use super::*;

    const FACT: &str = "sv.fact.demo.request.request_1.opened";
    const LIVE: &str = "sv.live.demo.request.request_1.opened";

    fn noting() -> (Arc<AtomicU64>, Put) {
        let seen = Arc::new(AtomicU64::new(0));
        let put = Arc::clone(&seen);
        (seen, Box::new(move |revision| put.store(revision, Ordering::Relaxed)))
    }

    #[test]
    fn only_the_very_bytes_in_flight_are_taken_unread() {
        let own = Own::default();
        let (seen, put) = noting();
        let expected = own.expect(FACT, Bytes::from_static(b"{1}"), put);
        assert!(!own.take(LIVE, &Bytes::from_static(b"{2}"), 7), "somebody else's fact about the entity");
        assert!(!own.take("sv.live.demo.request.request_2.opened", &Bytes::from_static(b"{1}"), 7));
        assert!(own.take(LIVE, &Bytes::from_static(b"{1}"), 8));
        assert_eq!(seen.load(Ordering::Relaxed), 8);
        assert!(!own.take(LIVE, &Bytes::from_static(b"{1}"), 9), "once");
        drop(expected);
    }

    #[test]
    fn what_is_given_up_is_forgotten_and_leaves_its_successor_alone() {
        let own = Own::default();
        let first = own.expect(FACT, Bytes::from_static(b"{1}"), noting().1);
        let (seen, put) = noting();
        let second = own.expect(FACT, Bytes::from_static(b"{2}"), put);
        drop(first);
        assert!(own.take(LIVE, &Bytes::from_static(b"{2}"), 3));
        assert_eq!(seen.load(Ordering::Relaxed), 3);
        drop(second);
        drop(own.expect(FACT, Bytes::from_static(b"{3}"), noting().1));
        assert!(own.lock().is_empty());
    }
}
