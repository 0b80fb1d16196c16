//! What the handlers share: the views of the registry's entities, presence, timers and the signing keys
//! of the roles it may sign for.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use selvedge_contracts::{
    fact::EntityName,
    fault::Fault,
    id::{AgentId, Caller, EntityId, Mission, PublicKey, ScopeId},
    payload::{
        agent::{Credential, Key},
        contract::Contract,
        invite::Invite,
        mission::Mission as NamedMission,
        request::UserRequest,
    },
    role::{Role, Scope, Service},
    stream::PRESENCE,
    subject::{Entity, inbox_prefix},
};
use selvedge_kit::{
    authority::{
        RoleSigner,
        jwt::{Life, Tags},
    },
    bucket::Bucket,
    bus::Bus,
    identity::Directory,
    timer::Timers,
    view::{Apply, View},
};

use selvedge_kit::document::Checkers;

/// What the registry runs with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Folder with the account's public key and the signing keys of the roles it may sign for.
    pub signers: PathBuf,
}

/// Why the registry cannot start.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The signing keys cannot be loaded.
    #[error("cannot load the signing keys")]
    Signers(#[from] selvedge_kit::authority::Error),
    /// The service cannot start.
    #[error("cannot serve")]
    Service(#[from] selvedge_kit::service::ServiceError),
    /// The folder names no account.
    #[error("{0} holds no signing key: run `selvedge up` or `selvedge init` first")]
    NoSigner(PathBuf),
}

/// How long a `door` credential lasts, in milliseconds: 90 days. Every start of a session answers
/// with a fresh one.
const DOOR_LIFE_MS: u64 = 90 * 86_400_000;

/// What the handlers share.
pub(crate) struct Registry {
    pub(crate) directory: Directory,
    pub(crate) keys: Arc<View<Key>>,
    pub(crate) invites: Arc<View<Invite>>,
    pub(crate) missions: Arc<View<NamedMission>>,
    pub(crate) requests: Arc<View<UserRequest>>,
    pub(crate) contracts: Arc<View<Contract>>,
    pub(crate) presence: Bucket,
    pub(crate) timers: Timers,
    pub(crate) checkers: Checkers,
    signers: BTreeMap<Role, RoleSigner>,
    pub(crate) account: String,
}

impl Registry {
    /// Loads the signing keys.
    pub(crate) fn new(bus: &Bus, config: &Config) -> Result<Self, RegistryError> {
        let signers = RoleSigner::load_folder(&config.signers)?;
        let account = signers
            .first()
            .ok_or_else(|| RegistryError::NoSigner(config.signers.clone()))?
            .account()
            .to_owned();
        Ok(Self {
            directory: Directory::default(),
            keys: Arc::default(),
            invites: Arc::default(),
            missions: Arc::default(),
            requests: Arc::default(),
            contracts: Arc::default(),
            presence: Bucket::new(bus.clone(), PRESENCE),
            timers: Timers::new(bus.clone(), Service::Registry),
            checkers: Checkers::default(),
            signers: signers.into_iter().map(|signer| (signer.role(), signer)).collect(),
            account,
        })
    }

    /// Every view, for the feed.
    pub(crate) fn views(&self) -> Vec<Arc<dyn Apply>> {
        vec![
            Arc::clone(&self.directory.sessions) as Arc<dyn Apply>,
            Arc::clone(&self.directory.agents) as Arc<dyn Apply>,
            Arc::clone(&self.keys) as Arc<dyn Apply>,
            Arc::clone(&self.invites) as Arc<dyn Apply>,
            Arc::clone(&self.missions) as Arc<dyn Apply>,
            Arc::clone(&self.requests) as Arc<dyn Apply>,
            Arc::clone(&self.contracts) as Arc<dyn Apply>,
        ]
    }

    /// A credential for `key`, if the registry may sign for `role`.
    pub(crate) fn credential(
        &self,
        role: Role,
        mission: &Mission,
        agent: &AgentId,
        scope: &ScopeId,
        key: &PublicKey,
        life: Life,
    ) -> Result<Credential, Fault> {
        let agent = Caller::new(agent.as_str()).map_err(|error| Fault::internal(error.to_string()))?;
        let prefix = inbox_prefix(&agent, &Scope { role, id: scope.clone() });
        let tags = Tags { mission: mission.clone(), agent, scope: scope.clone() };
        let jwt = self.signers.get(&role).map(|signer| signer.mint(&tags, key, life)).transpose();
        let jwt = jwt.map_err(|error| Fault::internal(format!("cannot sign the credential: {error}")))?;
        Ok(Credential { jwt, expires_at_ms: life.expires_at_ms, inbox_prefix: prefix })
    }

    /// The `door` credential of an agent's identity key in one mission.
    pub(crate) fn door(
        &self,
        mission: &Mission,
        agent: &AgentId,
        key: &PublicKey,
        now_ms: u64,
    ) -> Result<Credential, Fault> {
        let scope = ScopeId::new("key").map_err(|error| Fault::internal(error.to_string()))?;
        let life = Life { now_ms, expires_at_ms: now_ms.saturating_add(DOOR_LIFE_MS) };
        self.credential(Role::Door, mission, agent, &scope, key, life)
    }
}

/// An entity of the kluster's own mission.
pub(crate) fn in_kluster(name: EntityName, id: EntityId) -> Entity {
    Entity { mission: Mission::kluster(), name, id }
}

/// An agent's entity.
pub(crate) fn agent_entity(id: &AgentId) -> Entity {
    in_kluster(EntityName::Agent, EntityId::from(id))
}

/// A session's entity.
pub(crate) fn session_entity(mission: &Mission, id: &ScopeId) -> Entity {
    Entity { mission: mission.clone(), name: EntityName::Session, id: EntityId::from(id) }
}

/// The presence key of a session.
pub(crate) fn presence_key(mission: &Mission, agent: &AgentId, session: &ScopeId) -> String {
    format!("{mission}.{agent}.{session}")
}
