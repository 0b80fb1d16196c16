//! What the handlers share.

use std::sync::Arc;

use selvedge_contracts::{
    fact::EntityName,
    fault::Fault,
    id::{ArtifactName, Mission},
    payload::contract::Contract,
    subject::Entity,
};
use selvedge_kit::{
    bus::Bus,
    client::Client,
    creation::Asking,
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
    pins::{Life, Pins},
    store::Store,
    tasks::Tasks,
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
    /// How much longer than that a pin lives, in milliseconds: [`Config::PIN_MARGIN_MS`], or less in a test
    /// that waits for pins to die.
    pub pin_margin_ms: u64,
    /// Most bytes that the unfinished uploads of one caller may take.
    pub max_staged_bytes: u64,
    /// Whether it asks what looks like a name before there is one.
    pub overlap: Asking,
}

impl Config {
    /// Longer than any call that relies on a pin: a minute.
    pub const PIN_MARGIN_MS: u64 = 60_000;
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
    pub(crate) handed_in: Arc<Tasks>,
    pub(crate) contracts: Arc<View<Contract>>,
    pub(crate) checkers: Checkers,
    pub(crate) store: Store,
    pub(crate) pins: Arc<Pins>,
    pub(crate) uploads: Uploads,
    pub(crate) feed: Feed,
    pub(crate) grace_ms: u64,
    /// Whether it asks what looks like a name before there is one.
    pub(crate) overlap: Asking,
    /// Asks the other services, as this one.
    pub(crate) client: Client,
    /// Most bytes that the unfinished uploads of one caller may take.
    pub(crate) max_staged_bytes: u64,
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
        let intents = Arc::new(Intents::new(config.grace_ms));
        let handed_in = Arc::<Tasks>::default();
        let views = vec![
            Arc::clone(&directory.sessions) as Arc<dyn Apply>,
            Arc::clone(&directory.agents) as Arc<dyn Apply>,
            Arc::clone(&contracts) as Arc<dyn Apply>,
            Arc::clone(&versions) as Arc<dyn Apply>,
            Arc::clone(&intents) as Arc<dyn Apply>,
            Arc::clone(&handed_in) as Arc<dyn Apply>,
        ];
        let pins =
            Arc::new(Pins::new(bus, Life { grace_ms: config.grace_ms, margin_ms: config.pin_margin_ms }));
        Self {
            directory,
            versions,
            intents,
            handed_in,
            contracts,
            checkers: Checkers::default(),
            uploads: Uploads::new(store.clone(), Arc::clone(&pins), tasks.clone()),
            store,
            pins,
            feed: Feed::new(Ledger::new(bus.clone()), views, metrics),
            grace_ms: config.grace_ms,
            overlap: config.overlap,
            client: Client::new(bus.clone()),
            max_staged_bytes: config.max_staged_bytes,
            chunk_bytes: u32::try_from(bus.max_attachment_bytes()).unwrap_or(u32::MAX),
        }
    }

    /// All that may name content.
    pub(crate) fn names(&self) -> [&dyn Names; 3] {
        [self.versions.as_ref(), self.intents.as_ref(), self.handed_in.as_ref()]
    }
}

impl Artifacts {
    /// The revision that a write to the name is guarded with now.
    pub(crate) fn guard_of(&self, entity: &Entity) -> u64 {
        self.versions.newest().get(&entity.mission, &entity.id).map_or(0, |entry| entry.revision)
    }

    /// Makes sure that the versions of a name tell all that its newest state, and so the guard of a write,
    /// rests on. What this process records is in the newest state before its call has put it among the
    /// versions; up to the feed's watermark they have everything.
    ///
    /// # Errors
    /// `busy` if they may not yet.
    pub(crate) fn holds_all_of(&self, entity: &Entity) -> Result<(), Fault> {
        if self.guard_of(entity) <= self.feed.watermark() {
            return Ok(());
        }
        Err(Fault::busy(format!("{} is being written; try again", entity.id)))
    }
}

/// The entity of a name.
pub(crate) fn entity(mission: &Mission, name: &ArtifactName) -> Entity {
    Entity { mission: mission.clone(), name: EntityName::Artifact, id: name.entity_id() }
}
