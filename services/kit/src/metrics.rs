//! What the process counts, for Prometheus.
//!
//! Owns every metric's name and labels. Never looks a label up while a request runs: handles are made
//! once, at start, by [`Metrics::call`] and [`Metrics::entity`], and what they do is a few atomic
//! additions. Labels are only words of the tables of contracts, so their number is bounded.

use std::sync::Arc;

use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use selvedge_contracts::{fact::EntityName, role::Service};

mod call;
mod entity;
mod lease;
mod overlap;

pub use call::{CallMetrics, InFlight, Snapshot};
pub use entity::{Append, EntityMetrics};
pub use lease::{LeaseEnd, LeaseMetrics, LeaseRefusal};
pub use overlap::OverlapMetrics;

/// The media type of [`Metrics::text`].
pub const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the buckets of request times: a read takes fractions of a millisecond, the longest
/// deadline of a call is a minute.
const REQUEST_BUCKETS: [f64; 18] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    30.0, 60.0,
];

type Labels<const N: usize> = [(&'static str, &'static str); N];

/// All metrics of the process. A clone is the same metrics.
#[derive(Clone, Debug)]
pub struct Metrics {
    families: Families,
    audit_dropped: Counter,
    keys_not_revoked: Gauge,
    registry: Arc<Registry>,
}

#[derive(Clone, Debug)]
struct Families {
    requests: Family<Labels<3>, Counter>,
    request_seconds: Family<Labels<2>, Histogram>,
    in_flight: Family<Labels<2>, Gauge>,
    ledger_appends: Family<Labels<2>, Counter>,
    conflicts: Family<Labels<1>, Counter>,
    view_revision: Family<Labels<1>, Gauge>,
    view_lag: Family<Labels<1>, Gauge>,
    lease_grants: Counter,
    lease_refusals: Family<Labels<1>, Counter>,
    lease_ends: Family<Labels<1>, Counter>,
    space_takeovers: Counter,
    leases: Gauge,
    lease_waiters: Gauge,
    spaces_owned: Gauge,
    effects: Family<Labels<1>, Counter>,
    overlap_verdicts: Family<Labels<1>, Counter>,
    overlap_items: Gauge,
    overlap_sequence: Gauge,
}

impl Default for Families {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(|| Histogram::new(REQUEST_BUCKETS)),
            in_flight: Family::default(),
            ledger_appends: Family::default(),
            conflicts: Family::default(),
            view_revision: Family::default(),
            view_lag: Family::default(),
            lease_grants: Counter::default(),
            lease_refusals: Family::default(),
            lease_ends: Family::default(),
            space_takeovers: Counter::default(),
            leases: Gauge::default(),
            lease_waiters: Gauge::default(),
            spaces_owned: Gauge::default(),
            effects: Family::default(),
            overlap_verdicts: Family::default(),
            overlap_items: Gauge::default(),
            overlap_sequence: Gauge::default(),
        }
    }
}

impl Families {
    #[rustfmt::skip]
    fn register(&self, registry: &mut Registry) {
        registry.register("requests", "Requests answered, by the code of the answer", self.requests.clone());
        registry.register_with_unit("request", "Time from taking a request up to its answer", Unit::Seconds, self.request_seconds.clone());
        registry.register("requests_in_flight", "Requests being handled", self.in_flight.clone());
        registry.register("ledger_appends", "Appends to the ledger that came to an end, by outcome", self.ledger_appends.clone());
        registry.register("conflicts", "Appends refused because another writer was first", self.conflicts.clone());
        registry.register("view_revision", "Ledger sequence up to which the view has followed", self.view_revision.clone());
        registry.register("view_lag", "Ledger sequences the view is behind", self.view_lag.clone());
        registry.register("lease_grants", "Leases granted and stored", self.lease_grants.clone());
        registry.register("lease_refusals", "Acquisitions refused, by reason", self.lease_refusals.clone());
        registry.register("lease_ends", "Leases and waiting requests that ended, by how", self.lease_ends.clone());
        registry.register("space_takeovers", "Spaces of leases taken over", self.space_takeovers.clone());
        registry.register("leases", "Leases in the spaces owned here, held and waiting", self.leases.clone());
        registry.register("lease_waiters", "Requests that wait for a lease in the spaces owned here", self.lease_waiters.clone());
        registry.register("spaces_owned", "Spaces of leases owned here", self.spaces_owned.clone());
        registry.register("effects", "Effects that came to an end, by what became of the intent", self.effects.clone());
        registry.register("overlap_verdicts", "Proposals answered, by verdict", self.overlap_verdicts.clone());
        registry.register("overlap_items", "Things in the index of what exists and is on its way", self.overlap_items.clone());
        registry.register("overlap_sequence", "Ledger sequence up to which that index has followed", self.overlap_sequence.clone());
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let families = Families::default();
        let audit_dropped = Counter::default();
        let mut registry = Registry::with_prefix("selvedge");
        families.register(&mut registry);
        let help = "Entries that did not fit the queue to the audit stream";
        registry.register("audit_dropped", help, audit_dropped.clone());
        let keys_not_revoked = Gauge::default();
        let help = "Keys of ended sessions that the accounts' tokens had no room for, at the last look";
        registry.register("keys_not_revoked", help, keys_not_revoked.clone());
        Self { families, audit_dropped, keys_not_revoked, registry: Arc::new(registry) }
    }
}

impl Metrics {
    /// The handle for the call `name` of `service`. All its series exist from then on, at zero, so
    /// that a first fault shows as a rise. Two handles for one call count into the same series, but
    /// have each their own [`CallMetrics::snapshot`].
    pub fn call(&self, service: Service, name: &'static str) -> CallMetrics {
        CallMetrics::new(&self.families, service.name(), name)
    }

    /// The handle for the ledger's and the view's part in one sort of entity.
    pub fn entity(&self, name: EntityName) -> EntityMetrics {
        EntityMetrics::new(&self.families, name.name())
    }

    /// The handle for leases.
    pub fn leases(&self) -> LeaseMetrics {
        LeaseMetrics::new(&self.families)
    }

    /// The handle for overlap.
    pub fn overlap(&self) -> OverlapMetrics {
        OverlapMetrics::new(&self.families)
    }

    /// The counter of the effects that came to this end, such as `stuck`: one word of few. It exists from
    /// then on, at zero, so that a first one shows as a rise.
    pub fn effects(&self, end: &'static str) -> Counter {
        self.families.effects.get_or_create(&[("end", end)]).clone()
    }

    /// Counts an audit entry that had to be dropped.
    pub fn audit_dropped(&self) {
        self.audit_dropped.inc();
    }

    /// Counts keys of ended sessions that could not be revoked, in one kluster: as many as `now`, where
    /// they were `before`.
    pub fn keys_not_revoked(&self, before: usize, now: usize) {
        let number = |keys| i64::try_from(keys).unwrap_or(i64::MAX);
        self.keys_not_revoked.inc_by(number(now).saturating_sub(number(before)));
    }

    /// All metrics as OpenMetrics text, which Prometheus reads.
    pub fn text(&self) -> String {
        let mut page = String::new();
        // Writing to a String does not fail.
        let _ = text::encode(&mut page, &self.registry);
        page
    }
}

#[cfg(test)]
mod tests;
