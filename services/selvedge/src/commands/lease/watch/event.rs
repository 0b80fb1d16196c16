//! One event of a lease, read from what the bucket's stream republishes.

use std::collections::HashMap;

use selvedge_contracts::{
    id::{LeaseId, SpaceId},
    payload::lease::{Lease, LeaseState},
    subject::LEASE_PREFIX,
};
use selvedge_kit::clock::now_ms;
use serde::Serialize;

use crate::{
    commands::lease::left,
    output::{instant_ms, name},
};

/// What happened to a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::commands::lease) enum Happened {
    /// It is held from now on.
    Granted,
    /// Its deadline was put off.
    Renewed,
    /// It entered the queue.
    Waiting,
    /// It is gone before its time: given back, taken, withdrawn, or over with its session.
    Released,
    /// Its time ran out.
    Expired,
}

/// An event.
#[derive(Debug, Clone, Serialize)]
pub(in crate::commands::lease) struct Event {
    /// Unix time at which it was seen, in milliseconds.
    pub(in crate::commands::lease) at_ms: u64,
    /// What happened.
    pub(in crate::commands::lease) event: Happened,
    /// Its space.
    pub(in crate::commands::lease) space: SpaceId,
    /// The lease.
    pub(in crate::commands::lease) lease: LeaseId,
    /// Sequence of the event in the stream of leases.
    pub(in crate::commands::lease) sequence: u64,
    /// The lease as it stands, or as it was known last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::commands::lease) record: Option<Lease>,
}

impl Event {
    /// A line for people.
    pub(in crate::commands::lease) fn human(&self) -> String {
        let Self { at_ms, event, space, lease, .. } = self;
        let rest = self.record.as_ref().map_or_else(String::new, |record| {
            let claims: Vec<String> = record.claims.iter().map(ToString::to_string).collect();
            let purpose =
                if record.purpose.is_empty() { String::new() } else { format!(": {}", record.purpose) };
            let is_over = matches!(event, Happened::Released | Happened::Expired);
            let left =
                if is_over { String::new() } else { format!("  {} left", left(record.remaining_ms(*at_ms))) };
            format!("  {}  {}{left}{purpose}", record.holder, claims.join(", "))
        });
        format!("{}  {:8}  {space}  {lease}{rest}", instant_ms(*at_ms), name(event))
    }
}

/// What was heard, before it is known what it changes.
#[derive(Debug)]
pub(super) struct Heard {
    space: SpaceId,
    lease: LeaseId,
    sequence: u64,
    what: What,
}

#[derive(Debug)]
enum What {
    Put(Box<Lease>),
    Removed,
    Expired,
}

/// Reads a republished message; nothing if it is no lease's.
pub(super) fn read(subject: &str, body: &[u8], header: impl Fn(&str) -> Option<String>) -> Option<Heard> {
    let mut tokens = subject.strip_prefix(LEASE_PREFIX)?.strip_prefix('.')?.split('.');
    let (_mission, space, lease) = (tokens.next()?, tokens.next()?, tokens.next()?);
    let (space, lease) = (SpaceId::new(space).ok()?, LeaseId::new(lease).ok()?);
    let sequence = header("Nats-Sequence")?.parse().ok()?;
    let what = if header("Nats-Marker-Reason").is_some() {
        What::Expired
    } else if header("KV-Operation").is_some() {
        What::Removed
    } else {
        What::Put(Box::new(serde_json::from_slice(body).ok()?))
    };
    Some(Heard { space, lease, sequence, what })
}

/// The leases that are there, by id.
#[derive(Debug, Default)]
pub(super) struct Known(HashMap<LeaseId, Lease>);

impl Known {
    pub(super) fn new(leases: Vec<Lease>) -> Self {
        Self(leases.into_iter().map(|lease| (lease.id.clone(), lease)).collect())
    }

    /// Takes in what was heard, and says what happened.
    pub(super) fn take_in(&mut self, heard: Heard) -> Event {
        let Heard { space, lease, sequence, what } = heard;
        let (event, record) = match what {
            What::Expired => (Happened::Expired, self.0.remove(&lease)),
            What::Removed => (Happened::Released, self.0.remove(&lease)),
            What::Put(mut record) => {
                let event = match (record.state, record.token) {
                    (LeaseState::Waiting, _) => Happened::Waiting,
                    (LeaseState::Held, None) => Happened::Granted,
                    (LeaseState::Held, Some(_)) => Happened::Renewed,
                };
                record.token = record.token_at(sequence);
                self.0.insert(lease.clone(), record.as_ref().clone());
                (event, Some(*record))
            }
        };
        Event { at_ms: now_ms(), event, space, lease, sequence, record }
    }
}

#[cfg(test)]
mod tests {
    use selvedge_contracts::{
        id::{Caller, Mission, ScopeId},
        payload::claim::Claim,
    };

    use super::*;

    fn lease(state: LeaseState, token: Option<u64>) -> Lease {
        Lease {
            id: LeaseId::new("lease_01").unwrap(),
            mission: Mission::new("demo").unwrap(),
            space: SpaceId::new("shop").unwrap(),
            holder: Caller::new("ada-1a2b3c4d").unwrap(),
            session: ScopeId::new("session_01").unwrap(),
            task: None,
            purpose: "the login page".to_owned(),
            claims: vec![Claim::path("src")],
            state,
            token,
            token_offset: 100,
            order: 1,
            since_ms: 0,
            ttl_ms: 1_000,
            expires_at_ms: u64::MAX,
        }
    }

    fn heard(key: &str, body: &[u8], headers: &[(&str, &str)]) -> Option<Heard> {
        let header = |name: &str| {
            headers.iter().find(|(found, _)| *found == name).map(|(_, value)| (*value).to_owned())
        };
        read(&format!("sv.lease.demo.{key}"), body, header)
    }

    #[test]
    fn the_life_of_a_lease_is_told_with_whose_it_was() {
        let mut known = Known::default();
        let at = |sequence| ("Nats-Sequence", sequence);
        let body = |state, token| serde_json::to_vec(&lease(state, token)).unwrap();
        let put = |state, token, sequence| heard("shop.lease_01", &body(state, token), &[at(sequence)]);
        let purge = ("KV-Operation", "PURGE");
        let marker = ("Nats-Marker-Reason", "MaxAge");
        let steps = [
            (put(LeaseState::Waiting, None, "1"), Happened::Waiting),
            (put(LeaseState::Held, None, "2"), Happened::Granted),
            (put(LeaseState::Held, Some(102), "3"), Happened::Renewed),
            (heard("shop.lease_01", b"", &[at("4"), purge]), Happened::Released),
            (put(LeaseState::Held, None, "5"), Happened::Granted),
            (heard("shop.lease_01", b"", &[at("6"), marker]), Happened::Expired),
        ];
        for (heard, happened) in steps {
            let event = known.take_in(heard.unwrap());
            assert_eq!(event.event, happened);
            assert_eq!(event.record.as_ref().unwrap().holder.as_str(), "ada-1a2b3c4d", "{event:?}");
            assert!(event.human().contains("the login page"), "{}", event.human());
            if event.event == Happened::Granted {
                assert_eq!(event.record.unwrap().token, Some(event.sequence + 100));
            }
        }
        assert!(known.0.is_empty());
    }

    #[test]
    fn what_is_no_lease_is_passed_over() {
        for key in ["shop._owner", "shop._pool_gpu", "shop", "SHOP.lease_01"] {
            assert!(heard(key, b"{}", &[("Nats-Sequence", "1")]).is_none(), "{key}");
        }
        assert!(heard("shop.lease_01", b"{}", &[("Nats-Sequence", "1")]).is_none(), "no record");
        assert!(heard("shop.lease_01", b"", &[]).is_none(), "no sequence");
    }
}
