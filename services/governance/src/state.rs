//! What the handlers share.

use std::{path::PathBuf, sync::Arc};

use selvedge_contracts::{
    fact::EntityName,
    fault::Fault,
    id::{IntentId, Mission},
    payload::{
        intent::{Intent, Saga},
        policy::{Activation, Policy},
    },
    role::Service,
    subject::Entity,
};
use selvedge_kit::{
    bus::Bus,
    client::Client,
    creation::Asking,
    identity::Directory,
    ledger::Ledger,
    metrics::Metrics,
    timer::Timers,
    view::{Apply, Feed, View, Watch},
};

use crate::{GovernanceError, IntentLimits, keys::Keys, policy::Policies, tally::Tally};

/// What the service runs with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Public key of the kluster's account.
    pub account: String,
    /// File with the keys that approvals are sealed with; made if it is not there. Replicas on several
    /// machines need the same.
    pub keys: PathBuf,
    /// How many intents there may be.
    pub intents: IntentLimits,
    /// Whether it asks what looks like an intent before there is one.
    pub overlap: Asking,
}

/// What the handlers share.
pub(crate) struct Governance {
    pub(crate) directory: Directory,
    pub(crate) policies: Policies,
    pub(crate) intents: Arc<View<Intent>>,
    pub(crate) sagas: Arc<View<Saga>>,
    /// Whether it asks what looks like an intent before there is one.
    pub(crate) overlap: Asking,
    /// How many intents there are.
    pub(crate) tally: Arc<Tally>,
    pub(crate) keys: Keys,
    pub(crate) timers: Timers,
    pub(crate) feed: Feed,
    /// Asks the other services, as this one.
    pub(crate) client: Client,
}

impl Governance {
    pub(crate) fn new(bus: &Bus, config: &Config, metrics: &Metrics) -> Result<Self, GovernanceError> {
        let directory = Directory::default();
        let policies = Policies::new(Arc::<View<Policy>>::default(), Arc::<View<Activation>>::default());
        let tally = Arc::new(Tally::new(config.intents));
        let intents = Arc::new(View::watched(Arc::clone(&tally) as Arc<dyn Watch<Intent>>));
        let sagas = Arc::<View<Saga>>::default();
        let views = vec![
            Arc::clone(&directory.sessions) as Arc<dyn Apply>,
            Arc::clone(&directory.agents) as Arc<dyn Apply>,
            Arc::clone(&policies.versions) as Arc<dyn Apply>,
            Arc::clone(&policies.activations) as Arc<dyn Apply>,
            Arc::clone(&intents) as Arc<dyn Apply>,
            Arc::clone(&sagas) as Arc<dyn Apply>,
        ];
        Ok(Self {
            directory,
            policies,
            intents,
            sagas,
            overlap: config.overlap,
            tally,
            keys: Keys::open(&config.keys)?,
            timers: Timers::new(bus.clone(), Service::Governance),
            feed: Feed::new(Ledger::new(bus.clone()), views, metrics),
            client: Client::new(bus.clone()),
        })
    }
}

/// The entity of an intent.
pub(crate) fn entity(mission: &Mission, id: &IntentId) -> Entity {
    Entity { mission: mission.clone(), name: EntityName::Intent, id: id.into() }
}

/// The keys of approvals cannot be used now: whoever asked may try again once they are mended.
pub(crate) fn unsealed(error: GovernanceError) -> Fault {
    tracing::warn!(error = &error as &dyn std::error::Error, "the keys of approvals cannot be used");
    Fault::unavailable("the keys of approvals cannot be used; an operator finds the reason in the log")
}
