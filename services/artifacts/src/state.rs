//! What the handlers share.

use std::sync::Arc;

use selvedge_contracts::{
    fact::EntityName,
    id::{ArtifactName, Mission},
    payload::contract::Contract,
    subject::Entity,
};
use selvedge_kit::{
    bus::Bus,
    document::Checkers,
    identity::Directory,
    ledger::Ledger,
    metrics::Metrics,
    view::{Apply, Feed, View},
};
use tokio_util::task::TaskTracker;

use crate::{
    intents::Intents,
    names::{Names, Versions},
    pins::Pins,
    store::Store,
    upload::Uploads,
};

/// What the service runs with.
#[derive(Clone)]
pub struct Config {
    /// Where content lies: a folder, `file://`, `memory://`, `s3://`, `gs://` or `az://`. Below it, every
    /// kluster has a folder of its own.
    pub url: String,
    /// Options of the object store, as the environment gives them (`AWS_ACCESS_KEY_ID`, …): secrets among
    /// them.
    pub options: Vec<(String, String)>,
    /// How long content stays without a name, in milliseconds.
    pub grace_ms: u64,
}

/// Without the options: they hold secrets.
impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { url, grace_ms, .. } = self;
        f.debug_struct("Config").field("url", url).field("grace_ms", grace_ms).finish_non_exhaustive()
    }
}

/// What the handlers share.
pub(crate) struct Artifacts {
    pub(crate) directory: Directory,
    pub(crate) versions: Arc<Versions>,
    pub(crate) intents: Arc<Intents>,
    pub(crate) contracts: Arc<View<Contract>>,
    pub(crate) checkers: Checkers,
    pub(crate) store: Store,
    pub(crate) pins: Arc<Pins>,
    pub(crate) uploads: Uploads,
    pub(crate) feed: Feed,
    pub(crate) grace_ms: u64,
    /// Size of the pieces of an upload that is begun now, in bytes.
    pub(crate) chunk_bytes: u32,
}

impl Artifacts {
    pub(crate) fn new(
        bus: &Bus,
        config: &Config,
        store: Store,
        tasks: &TaskTracker,
        metrics: &Metrics,
    ) -> Self {
        let (directory, versions) = (Directory::default(), Arc::<Versions>::default());
        let contracts = Arc::<View<Contract>>::default();
        let intents = Arc::<Intents>::default();
        let views = vec![
            Arc::clone(&directory.sessions) as Arc<dyn Apply>,
            Arc::clone(&directory.agents) as Arc<dyn Apply>,
            Arc::clone(&contracts) as Arc<dyn Apply>,
            Arc::clone(&versions) as Arc<dyn Apply>,
            Arc::clone(&intents) as Arc<dyn Apply>,
        ];
        let pins = Arc::new(Pins::new(bus, config.grace_ms));
        Self {
            directory,
            versions,
            intents,
            contracts,
            checkers: Checkers::default(),
            uploads: Uploads::new(store.clone(), Arc::clone(&pins), tasks.clone()),
            store,
            pins,
            feed: Feed::new(Ledger::new(bus.clone()), views, metrics),
            grace_ms: config.grace_ms,
            chunk_bytes: u32::try_from(bus.max_attachment_bytes()).unwrap_or(u32::MAX),
        }
    }

    /// All that may name content.
    pub(crate) fn names(&self) -> [&dyn Names; 2] {
        [self.versions.as_ref(), self.intents.as_ref()]
    }
}

/// The entity of a name.
pub(crate) fn entity(mission: &Mission, name: &ArtifactName) -> Entity {
    Entity { mission: mission.clone(), name: EntityName::Artifact, id: name.entity_id() }
}
