//! Streams, buckets and consumers: their names and who reads them. `up` and `init` create them; no
//! service ever does.

use crate::{
    fact::{
        AGENT_JOINED, AGENT_RETIRED, AGENT_ROTATED, CREATION_DECIDED, CREATION_EXPIRED, FactKind,
        INTENT_APPROVED, INTENT_CANCELLED, INTENT_COMMITTED, INTENT_COMPENSATED, INTENT_EXPIRED,
        INTENT_FAILED, INTENT_PROPOSED, INTENT_REJECTED, INTENT_STUCK, INTENT_UNKNOWN, INTENT_VERIFIED,
        INVITE_CREATED, PLAN_CANCELLED, PLAN_FAILED,
    },
    role::Service,
    subject,
};

/// The one log: every fact.
pub const LEDGER: &str = "LEDGER";
/// Refused requests and denied publishes; bounded.
pub const AUDIT: &str = "AUDIT";
/// Bucket of live sessions: keys `<mission>.<agent>.<session>` with a TTL.
pub const PRESENCE: &str = "presence";
/// Bucket of leases: keys `<mission>.<space>.<lease id>` with a TTL, `<mission>.<space>._owner` and
/// `<mission>.<space>._pool_<name>` without one. Republished on `sv.lease.<key>` once stored.
pub const LEASES: &str = "leases";
/// Bucket of content that was put and has no name yet: keys `<digest>.<mission>.<agent>` with a TTL.
pub const PINS: &str = "pins";

/// Bucket of scratchpads: keys `<mission>.<agent>.<record key with : for />` with a TTL.
pub const SCRATCH: &str = "scratch";

/// Bucket of renewed claims: keys `<mission>.<task id>.<attempt>` with a TTL; the value is the Unix time until
/// which the claim lasts, in milliseconds, as text.
pub const CLAIMS: &str = "claims";

/// Name of the stream under a bucket.
pub fn bucket_stream(bucket: &str) -> String {
    format!("KV_{bucket}")
}

/// Subject of a key of a bucket.
pub fn bucket_subject(bucket: &str, key: &str) -> String {
    format!("$KV.{bucket}.{key}")
}

/// Name of a service's stream of timers.
pub fn timers(service: Service) -> String {
    format!("TIMERS_{service}")
}

/// What a durable consumer reads.
#[derive(Debug, Clone, Copy)]
pub enum Source {
    /// Facts of these kinds.
    Facts(&'static [FactKind]),
    /// The expiry of keys of this bucket.
    Bucket(&'static str),
    /// The service's own due timers.
    Due,
}

/// A durable pull consumer, shared by the replicas of the service that owns it.
#[derive(Debug, Clone, Copy)]
pub struct Follower {
    /// The service that may fetch from it.
    pub service: Service,
    /// Its name within the service.
    pub name: &'static str,
    /// What it reads.
    pub source: Source,
}

impl Follower {
    /// Name of the consumer on the bus.
    pub fn consumer(&self) -> String {
        format!("{}_{}", self.service, self.name)
    }

    /// Stream it reads.
    pub fn stream(&self) -> String {
        match self.source {
            Source::Facts(_) => LEDGER.to_owned(),
            Source::Bucket(bucket) => bucket_stream(bucket),
            Source::Due => timers(self.service),
        }
    }

    /// Subjects it reads of that stream.
    pub fn filters(&self) -> Vec<String> {
        match self.source {
            Source::Facts(kinds) => kinds
                .iter()
                .map(|kind| format!("{}.*.{}.*.{}", subject::FACT_PREFIX, kind.entity, kind.name))
                .collect(),
            Source::Bucket(bucket) => vec![bucket_subject(bucket, ">")],
            Source::Due => vec![format!("sv.due.{}.>", self.service)],
        }
    }
}

/// Ends the sessions of an agent that was retired, or whose key or role was replaced.
pub const REGISTRY_ENDS: Follower = Follower {
    service: Service::Registry,
    name: "ends",
    source: Source::Facts(&[AGENT_JOINED.kind, AGENT_RETIRED.kind, AGENT_ROTATED.kind]),
};
/// Arms the timers of invites.
pub const REGISTRY_TIMERS: Follower =
    Follower { service: Service::Registry, name: "timers", source: Source::Facts(&[INVITE_CREATED.kind]) };
/// Records invites whose timer is due as expired.
pub const REGISTRY_DUE: Follower = Follower { service: Service::Registry, name: "due", source: Source::Due };
/// Records sessions whose presence ran out as lost.
pub const REGISTRY_PRESENCE: Follower =
    Follower { service: Service::Registry, name: "presence", source: Source::Bucket(PRESENCE) };

/// Finishes what governance began: verifies what was proposed, arms the timers of intents, ends the rest of a
/// saga that failed.
pub const GOVERNANCE_INTENTS: Follower = Follower {
    service: Service::Governance,
    name: "intents",
    source: Source::Facts(&[
        INTENT_PROPOSED.kind,
        INTENT_VERIFIED.kind,
        INTENT_REJECTED.kind,
        INTENT_EXPIRED.kind,
        INTENT_CANCELLED.kind,
        INTENT_FAILED.kind,
    ]),
};
/// Records intents whose timer is due as expired.
pub const GOVERNANCE_DUE: Follower =
    Follower { service: Service::Governance, name: "due", source: Source::Due };
/// Carries out what may be done, and takes back what a failed saga did.
pub const COMMITTER_INTENTS: Follower = Follower {
    service: Service::Committer,
    name: "intents",
    source: Source::Facts(&[
        INTENT_VERIFIED.kind,
        INTENT_APPROVED.kind,
        INTENT_COMMITTED.kind,
        INTENT_FAILED.kind,
        INTENT_UNKNOWN.kind,
        INTENT_REJECTED.kind,
        INTENT_EXPIRED.kind,
        INTENT_CANCELLED.kind,
        INTENT_COMPENSATED.kind,
        INTENT_STUCK.kind,
    ]),
};

/// Reopens what was merged into something that is gone.
pub const OVERLAP_REOPENS: Follower = Follower {
    service: Service::Overlap,
    name: "reopens",
    source: Source::Facts(&[
        CREATION_DECIDED.kind,
        CREATION_EXPIRED.kind,
        INTENT_REJECTED.kind,
        INTENT_EXPIRED.kind,
        INTENT_CANCELLED.kind,
        INTENT_FAILED.kind,
        INTENT_COMPENSATED.kind,
        PLAN_CANCELLED.kind,
        PLAN_FAILED.kind,
    ]),
};

/// Every durable consumer.
pub const FOLLOWERS: &[Follower] = &[
    REGISTRY_ENDS,
    REGISTRY_TIMERS,
    REGISTRY_DUE,
    REGISTRY_PRESENCE,
    GOVERNANCE_INTENTS,
    GOVERNANCE_DUE,
    COMMITTER_INTENTS,
    OVERLAP_REOPENS,
];

/// Services that keep timers.
pub const TIMED: &[Service] = &[Service::Registry, Service::Governance];

/// Buckets that a service may write.
pub fn buckets(service: Service) -> &'static [&'static str] {
    match service {
        Service::Registry => &[PRESENCE],
        Service::Leases => &[LEASES],
        Service::Artifacts => &[PINS],
        Service::Governance | Service::Overlap => &[],
        Service::Committer => &[SCRATCH],
        Service::Dispatcher => &[CLAIMS],
    }
}

/// Services whose replicas pass a request on to the one that owns what it is about.
pub const FORWARDING: &[Service] = &[Service::Leases];
