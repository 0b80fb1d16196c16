//! What the handlers share.

use std::{path::PathBuf, sync::Arc};

use selvedge_contracts::{
    envelope::Envelope,
    fact::EntityName,
    fault::Fault,
    id::{AgentId, EntityId, IntentId, Mission, Owner, PublicKey},
    payload::{
        agent::Key,
        intent::{Intent, Saga},
        memory::Record,
        repository::Repository,
    },
    role::Service,
    stream::SCRATCH,
    subject::Entity,
};
use selvedge_kit::{
    bucket::Bucket,
    bus::{Bus, error_chain},
    client::Client,
    clock::Deadline,
    identity::Directory,
    ledger::{Ledger, RequestDigest},
    metrics::Metrics,
    service::Writer,
    steps::Steps,
    telemetry,
    view::{Apply, Feed, View, Watch},
};

use crate::{
    CommitterError, Network, approvals::Approvers, due::Due, effects, memory::Memory, network::Reach,
};

/// What the service runs with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Public key of the kluster's account.
    pub account: String,
    /// File with the secrets that effects may name (TOML, `name = "value"`, mode 0600); none if absent.
    pub secrets: Option<PathBuf>,
    /// Folder for its copies of remote repositories.
    pub copies: PathBuf,
    /// Ranges of addresses that are no public ones and may be asked by HTTP all the same.
    pub allowed_networks: Vec<Network>,
    /// Most bytes of contents that are held at once.
    pub memory_bytes: u64,
    /// How long an instance has for an effect before another one may take it over, in milliseconds.
    pub takeover_ms: u64,
    /// What is told of every step.
    pub steps: Steps,
}

/// What the handlers share.
pub(crate) struct Committer {
    pub(crate) config: Config,
    pub(crate) directory: Directory,
    pub(crate) keys: Arc<View<Key>>,
    pub(crate) intents: Arc<View<Intent>>,
    /// When each of them is to be looked after next.
    pub(crate) due: Arc<Due>,
    pub(crate) sagas: Arc<View<Saga>>,
    pub(crate) records: Arc<View<Record>>,
    pub(crate) repositories: Arc<View<Repository>>,
    pub(crate) scratch: Bucket,
    /// Memory for contents.
    pub(crate) memory: Memory,
    /// Commits that wait for their branch.
    pub(crate) git: Arc<effects::git::Queues>,
    pub(crate) feed: Feed,
    /// Asks the other services, as this one.
    pub(crate) client: Client,
    pub(crate) ledger: Ledger,
    /// Asks the world; why it cannot, if it cannot.
    pub(crate) http: Result<reqwest::Client, String>,
    /// Which addresses may be asked.
    pub(crate) reach: Reach,
    pub(crate) metrics: Metrics,
    /// Tells this process from every other, also from its former self and from a replica that shares its
    /// credential: what one of them has recorded is no repetition of what another records.
    process: RequestDigest,
}

impl Committer {
    pub(crate) fn new(bus: &Bus, config: &Config, metrics: &Metrics) -> Result<Self, CommitterError> {
        if let Some(path) = &config.secrets {
            effects::check_secrets(path)
                .map_err(|reason| CommitterError::Secrets { path: path.clone(), reason })?;
        }
        let (directory, keys) = (Directory::default(), Arc::<View<Key>>::default());
        let due = Arc::new(Due::new(config.takeover_ms));
        let intents = Arc::new(View::watched(Arc::clone(&due) as Arc<dyn Watch<Intent>>));
        let sagas = Arc::<View<Saga>>::default();
        let (records, repositories) = (Arc::<View<Record>>::default(), Arc::<View<Repository>>::default());
        let views = vec![
            Arc::clone(&directory.sessions) as Arc<dyn Apply>,
            Arc::clone(&directory.agents) as Arc<dyn Apply>,
            Arc::clone(&keys) as Arc<dyn Apply>,
            Arc::clone(&intents) as Arc<dyn Apply>,
            Arc::clone(&sagas) as Arc<dyn Apply>,
            Arc::clone(&records) as Arc<dyn Apply>,
            Arc::clone(&repositories) as Arc<dyn Apply>,
        ];
        let reach = Reach(config.allowed_networks.clone());
        Ok(Self {
            config: config.clone(),
            directory,
            keys,
            intents,
            due,
            sagas,
            records,
            repositories,
            git: Arc::new(effects::git::Queues::new(config.copies.clone(), config.steps.clone())),
            memory: Memory::new(config.memory_bytes),
            scratch: Bucket::new(bus.clone(), SCRATCH),
            feed: Feed::new(Ledger::new(bus.clone()), views, metrics),
            client: Client::new(bus.clone()),
            ledger: Ledger::new(bus.clone()),
            http: http_client(reach.clone()),
            reach,
            metrics: metrics.clone(),
            process: RequestDigest::random(),
        })
    }

    /// Records what follows from an intent, as the service itself; `purpose` and where the intent stands name
    /// the work.
    pub(crate) fn writer(&self, intent: &Intent, purpose: &str, deadline: Deadline) -> Writer {
        let origin = Envelope {
            mission: intent.mission.to_string(),
            sender: Service::Committer.name().to_owned(),
            session: self.ledger.bus().me().scope.id.to_string(),
            task: intent.task.as_ref().map(ToString::to_string).unwrap_or_default(),
            cause: intent.id.to_string(),
            root: intent.request.as_ref().map(ToString::to_string).unwrap_or_default(),
            ..Envelope::default()
        };
        let attempt = intent.execution.as_ref().map_or(0, |execution| execution.attempt);
        let about = format!("{}:{}", intent.round, attempt);
        let key = format!("{}:{}:{about}:{}:{purpose}", self.process, intent.id, intent.state.name());
        Writer::own(self.ledger.clone(), self.feed.clone(), deadline, origin, &key)
    }
}

impl Approvers for Committer {
    fn holder(&self, key: &PublicKey) -> Option<AgentId> {
        self.keys.state(&Mission::kluster(), &EntityId::from(key)).map(|bound| bound.agent.clone())
    }

    fn owner(&self, agent: &AgentId) -> Option<Owner> {
        self.directory.agent(agent).map(|entry| entry.state.owner.clone())
    }

    async fn refresh(&self, about: Entity) -> Result<(), Fault> {
        const STEP_MS: u64 = 10_000;
        let refreshed = self.feed.refresh(&about, Deadline::in_ms(STEP_MS)).await;
        refreshed.map_err(|error| Fault::unavailable(error_chain(&error)))
    }
}

/// The entity of an intent.
pub(crate) fn entity(mission: &Mission, id: &IntentId) -> Entity {
    Entity { mission: mission.clone(), name: EntityName::Intent, id: id.into() }
}

/// A client that does what it is told and nothing else: no addresses but those in reach, no redirects, no proxies of its surroundings, no
/// connection that may have gone stale, no sending again.
fn http_client(reach: Reach) -> Result<reqwest::Client, String> {
    const CONNECT: std::time::Duration = std::time::Duration::from_secs(5);
    telemetry::use_ring();
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .dns_resolver(Arc::new(reach))
        .pool_max_idle_per_host(0)
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(CONNECT)
        .user_agent(concat!("selvedge/", env!("CARGO_PKG_VERSION")));
    client.build().map_err(|error| error_chain(&error))
}
