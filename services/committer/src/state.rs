//! What the handlers share.

use std::{path::PathBuf, sync::Arc};

use selvedge_contracts::{
    payload::{
        intent::{Intent, Saga},
        memory::Record,
        repository::Repository,
    },
    stream::SCRATCH,
};
use selvedge_kit::{
    bucket::Bucket,
    bus::Bus,
    client::Client,
    identity::Directory,
    ledger::Ledger,
    metrics::Metrics,
    view::{Apply, Feed, View},
};

use crate::{CommitterError, Steps};

/// What the service runs with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Public key of the kluster's account.
    pub account: String,
    /// File with the secrets that effects may name (TOML, `name = "value"`, mode 0600); none if absent.
    pub secrets: Option<PathBuf>,
    /// Folder for its copies of remote repositories.
    pub copies: PathBuf,
    /// How long an instance has for an effect before another one may take it over, in milliseconds.
    pub takeover_ms: u64,
    /// What is told of every step.
    pub steps: Steps,
}

/// What the handlers share.
pub(crate) struct Committer {
    pub(crate) config: Config,
    pub(crate) directory: Directory,
    pub(crate) intents: Arc<View<Intent>>,
    pub(crate) sagas: Arc<View<Saga>>,
    pub(crate) records: Arc<View<Record>>,
    pub(crate) repositories: Arc<View<Repository>>,
    pub(crate) scratch: Bucket,
    pub(crate) feed: Feed,
    /// Asks the other services, as this one.
    pub(crate) client: Client,
}

impl Committer {
    pub(crate) fn new(bus: &Bus, config: &Config, metrics: &Metrics) -> Result<Self, CommitterError> {
        let directory = Directory::default();
        let (intents, sagas) = (Arc::<View<Intent>>::default(), Arc::<View<Saga>>::default());
        let (records, repositories) = (Arc::<View<Record>>::default(), Arc::<View<Repository>>::default());
        let views = vec![
            Arc::clone(&directory.sessions) as Arc<dyn Apply>,
            Arc::clone(&directory.agents) as Arc<dyn Apply>,
            Arc::clone(&intents) as Arc<dyn Apply>,
            Arc::clone(&sagas) as Arc<dyn Apply>,
            Arc::clone(&records) as Arc<dyn Apply>,
            Arc::clone(&repositories) as Arc<dyn Apply>,
        ];
        Ok(Self {
            config: config.clone(),
            directory,
            intents,
            sagas,
            records,
            repositories,
            scratch: Bucket::new(bus.clone(), SCRATCH),
            feed: Feed::new(Ledger::new(bus.clone()), views, metrics),
            client: Client::new(bus.clone()),
        })
    }
}
