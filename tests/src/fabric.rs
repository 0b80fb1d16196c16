//! A whole fabric under test: the bus, the registry, an operator; and agents that join it.

use nkeys::KeyPair;
use selvedge_contracts::{
    call,
    fault::Fault,
    id::{AgentId, AgentName, InviteId, KlusterName, Mission, Owner, PublicKey},
    payload::{
        agent::{About, Agent as AgentRecord, Join},
        invite::InviteCreate,
        mission::MissionCreate,
        session::{Session, SessionStart},
    },
    role::{Role, Service},
};
use selvedge_kit::{
    bus,
    client::Client,
    credential::Login,
    metrics::Metrics,
    service::{Limits, Running},
    signature::Signer,
};
use selvedge_leases as leases;
use selvedge_registry as registry;

use crate::{Bus, Credential, Kluster, Options, now_ms};

/// A bus with a running registry and an operator.
pub struct Fabric {
    /// The bus.
    pub bus: Bus,
    /// The registry; drained when it is taken.
    pub registry: Option<Running>,
    /// Asks as the operator.
    pub operator: Client,
    /// The operator's credential.
    pub operator_credential: Credential,
}

/// An agent that has joined.
pub struct Agent {
    /// Its record.
    pub record: AgentRecord,
    /// Its identity key.
    pub key: KeyPair,
    /// Its mission.
    pub mission: Mission,
    /// Asks through its `door` credential, signing.
    pub door: Client,
    /// The `door` credential.
    pub door_credential: Credential,
}

/// An agent in a session.
pub struct Member {
    /// The agent.
    pub agent: Agent,
    /// Its session.
    pub working: Working,
}

impl Member {
    /// Asks under its session.
    pub fn client(&self) -> &Client {
        &self.working.client
    }
}

/// An agent's session.
pub struct Working {
    /// The session.
    pub session: Session,
    /// Its credential.
    pub credential: Credential,
    /// Its login, which a renewal replaces.
    pub login: Login,
    /// Asks under it, signing where that is wanted.
    pub client: Client,
}

impl Fabric {
    /// A lazily syncing bus of one server, with the mission `demo`.
    pub async fn start() -> Self {
        Self::start_with(Options::LAZY).await
    }

    /// The same on a bus as asked for.
    pub async fn start_with(options: Options) -> Self {
        let bus = Bus::start_with(options).await;
        let kluster = bus.kluster().name().clone();
        let registry = start_registry(&bus, &kluster, "r1").await;
        let (operator, operator_credential) = operator(&bus, bus.kluster(), "person:olga").await;
        let fabric = Self { bus, registry: Some(registry), operator, operator_credential };
        fabric.mission("demo").await;
        fabric
    }

    /// Makes a mission.
    pub async fn mission(&self, name: &str) {
        let create = MissionCreate { mission: Mission::new(name).unwrap(), title: String::new() };
        self.operator.call::<call::MissionCreate>(&create).await.expect("a mission");
    }

    /// One more replica of the registry.
    pub async fn registry_replica(&self, instance: &str) -> Running {
        start_registry(&self.bus, self.bus.kluster().name(), instance).await
    }

    /// One more replica, whose connection goes by way of `url`.
    pub async fn registry_replica_at(&self, url: &str, instance: &str) -> Running {
        start_registry_at(&self.bus, url, self.bus.kluster().name(), instance).await
    }

    /// A replica of the service `leases`.
    pub async fn leases_replica(&self, instance: &str) -> Running {
        self.leases_replica_at(&self.bus.url(), instance).await
    }

    /// A replica of the service `leases`, whose connection goes by way of `url`.
    pub async fn leases_replica_at(&self, url: &str, instance: &str) -> Running {
        self.leases_with(url, instance, leases::SpaceLimits::default(), &Metrics::default()).await
    }

    /// A replica of the service `leases` under these bounds, which counts there.
    pub async fn leases_with(
        &self,
        url: &str,
        instance: &str,
        spaces: leases::SpaceLimits,
        metrics: &Metrics,
    ) -> Running {
        let login = Login::held(self.bus.service_credential(Service::Leases, instance));
        let connection = connect_url(url, login).await;
        let config = leases::Config { account: self.bus.kluster().account(), spaces };
        leases::start(connection, &config, Limits::default(), metrics)
            .await
            .expect("the service leases starts")
    }

    /// Connects under a credential.
    pub async fn connect(&self, credential: &Credential) -> Client {
        connect(&self.bus, Login::held(credential.clone())).await
    }

    /// Invites somebody to `demo`, and answers with the invite's credential.
    pub async fn invite(&self, role: Role, owner: &str) -> Credential {
        self.invite_to("demo", role, owner).await
    }

    /// Invites somebody to a mission, and answers with the invite's credential.
    pub async fn invite_to(&self, mission: &str, role: Role, owner: &str) -> Credential {
        let id = InviteId::new(&format!("invite_{}", random_hex())).unwrap();
        let create = InviteCreate {
            id: id.clone(),
            mission: Mission::new(mission).unwrap(),
            role,
            owner: Owner::new(owner).unwrap(),
            ttl_ms: 60_000,
        };
        self.operator.call::<call::InviteCreate>(&create).await.expect("an invite");
        self.bus.credential(Role::Join, mission, id.as_str(), id.as_str())
    }

    /// Redeems an invite for an identity key.
    ///
    /// # Errors
    /// The registry's refusal.
    pub async fn join(&self, invite: &Credential, name: &str, key: &KeyPair) -> Result<Agent, Fault> {
        let signed = || Signer::new(copy(key), self.bus.kluster().account(), None);
        let client = self.connect(invite).await.signing(signed());
        let join = Join { name: AgentName::new(name).unwrap(), about: About::default() };
        let reply = client.call::<call::Join>(&join).await?.reply;
        let door_credential = Credential::new(reply.door.jwt.expect("a door"), key).unwrap();
        let door = self.connect(&door_credential).await.signing(signed());
        Ok(Agent { record: reply.agent, key: copy(key), mission: reply.mission, door, door_credential })
    }

    /// An agent of `person:olga` that has joined `demo`.
    pub async fn agent(&self, name: &str, role: Role) -> Agent {
        let invite = self.invite(role, "person:olga").await;
        self.join(&invite, name, &KeyPair::new_user()).await.expect("joined")
    }

    /// A session of the agent, as asked for; its credential's key is filled in.
    ///
    /// # Errors
    /// The registry's refusal.
    pub async fn session(&self, agent: &Agent, wanted: SessionStart) -> Result<Working, Fault> {
        let key = KeyPair::new_user();
        let wanted = SessionStart { credential_key: public(&key), ..wanted };
        let reply = agent.door.call::<call::SessionStart>(&wanted).await?.reply;
        let jwt = reply.credential.jwt.unwrap_or_else(|| self.mint(&reply.session, &key));
        let credential = Credential::new(jwt, &key).unwrap();
        let login = Login::held(credential.clone());
        let signer = Signer::new(copy(&agent.key), self.bus.kluster().account(), None);
        let client = connect(&self.bus, login.clone()).await.signing(signer);
        Ok(Working { session: reply.session, credential, login, client })
    }

    /// What the operator's command does for roles that the registry may not sign for.
    fn mint(&self, session: &Session, key: &KeyPair) -> String {
        use selvedge_kit::authority::jwt::{Life, Tags};
        let tags = Tags {
            mission: session.mission.clone(),
            agent: selvedge_contracts::id::Caller::new(session.agent.as_str()).unwrap(),
            scope: session.id.clone(),
        };
        let life = Life { now_ms: now_ms(), expires_at_ms: session.expires_at_ms };
        self.bus.kluster().signer(session.role).unwrap().mint(&tags, &public(key), life).unwrap()
    }

    /// An agent of somebody, in a session of `demo` that lasts.
    pub async fn member(&self, name: &str, role: Role, owner: &str) -> Member {
        self.member_of("demo", name, role, owner).await
    }

    /// An agent of somebody, in a session of a mission that lasts.
    pub async fn member_of(&self, mission: &str, name: &str, role: Role, owner: &str) -> Member {
        let invite = self.invite_to(mission, role, owner).await;
        let agent = self.join(&invite, name, &KeyPair::new_user()).await.expect("joined");
        let working = self.session(&agent, lasting_session()).await.expect("a session");
        Member { agent, working }
    }

    /// A worker with an open session.
    pub async fn worker(&self, name: &str) -> (Agent, Working) {
        let agent = self.agent(name, Role::Worker).await;
        let session = self.session(&agent, plain_session()).await.expect("a session");
        (agent, session)
    }
}

/// A session with every default.
pub fn plain_session() -> SessionStart {
    SessionStart {
        credential_key: public(&KeyPair::new_user()),
        ttl_ms: None,
        presence_ttl_ms: None,
        request: None,
        calls: None,
    }
}

/// A session that lasts an hour without a heartbeat.
pub fn lasting_session() -> SessionStart {
    SessionStart { presence_ttl_ms: Some(3_600_000), ..plain_session() }
}

/// A registry of one kluster, over a connection of its own.
pub async fn start_registry(bus: &Bus, kluster: &KlusterName, instance: &str) -> Running {
    start_registry_at(bus, &bus.url(), kluster, instance).await
}

async fn start_registry_at(bus: &Bus, url: &str, kluster: &KlusterName, instance: &str) -> Running {
    let kluster = bus.keyring().kluster(kluster).expect("the kluster");
    let instance = selvedge_contracts::id::ScopeId::new(instance).unwrap();
    let credential = kluster.service_credential(Service::Registry, instance, now_ms()).expect("a credential");
    let connection = connect_url(url, Login::held(credential)).await;
    let config = registry::Config { signers: kluster.registry_folder() };
    registry::start(connection, &config, Limits::default(), &Metrics::default())
        .await
        .expect("the registry starts")
}

/// An operator of a kluster, known to its registry.
pub async fn operator(bus: &Bus, kluster: &Kluster, owner: &str) -> (Client, Credential) {
    let credential = kluster.operator_credential(now_ms()).expect("a credential");
    let identity = credential.identity().unwrap();
    let operator = registry::Operator {
        agent: AgentId::new(identity.agent.as_str()).unwrap(),
        session: identity.scope.id.clone(),
        key: credential.public_key().unwrap(),
        owner: Owner::new(owner).unwrap(),
        expires_at_ms: credential.claims().unwrap().expires_at_ms().unwrap(),
    };
    let life = crate::Life { now_ms: now_ms(), expires_at_ms: now_ms() + 60_000 };
    let root = connect_bus(bus, Login::held(kluster.provision_credential(life).unwrap())).await;
    registry::install_operator(root, &operator, now_ms()).await.expect("the operator is installed");
    (connect(bus, Login::held(credential.clone())).await, credential)
}

async fn connect(bus: &Bus, login: Login) -> Client {
    Client::new(connect_bus(bus, login).await)
}

/// Connects as the kit does.
pub async fn connect_bus(bus: &Bus, login: Login) -> bus::Bus {
    connect_url(&bus.url(), login).await
}

/// Connects as the kit does, to servers at `url`.
pub async fn connect_url(url: &str, login: Login) -> bus::Bus {
    let options = bus::Options { url: url.to_owned(), name: "test".to_owned(), connect_timeout_ms: 5_000 };
    bus::Bus::connect(&options, login).await.expect("a connection")
}

/// The public half of a key.
pub fn public(key: &KeyPair) -> PublicKey {
    PublicKey::new(&key.public_key()).unwrap()
}

/// The same key pair once more.
pub fn copy(key: &KeyPair) -> KeyPair {
    KeyPair::from_seed(&key.seed().unwrap()).unwrap()
}

fn random_hex() -> String {
    let key = KeyPair::new_user().public_key();
    key.to_lowercase().chars().skip(1).take(16).collect()
}
