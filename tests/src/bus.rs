//! The bus under test: keys, one kluster, one nats-server or three, and the streams.

use std::path::{Path, PathBuf};

use selvedge_contracts::{
    id::{Caller, KlusterName, Mission, ScopeId},
    role::{Role, Service},
};
use selvedge_kit::{
    authority::{
        Credential, Keyring, Kluster,
        jwt::{Life, Tags},
        push,
        server_config::{Cluster, Listen, ServerConfig, Sync},
    },
    provision::{self, Report},
};
use tempfile::TempDir;

use crate::{
    now_ms,
    server::{PROVISION_TIMEOUT, Server, free_addresses},
    wait::PATIENCE,
};

/// How many nats-servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nodes {
    /// One; streams have one copy.
    One,
    /// Three in a cluster; streams have three copies.
    Three,
}

impl Nodes {
    const fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::Three => 3,
        }
    }
}

/// What differs between one bus and another.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// When nats-server syncs.
    pub sync: Sync,
    /// How many there are.
    pub nodes: Nodes,
}

impl Options {
    /// Syncs every two minutes: tests that do not cut the power need no more, and run faster.
    pub const LAZY: Self = Self { sync: Sync::EveryMs(120_000), nodes: Nodes::One };
    /// Syncs before every acknowledgement.
    pub const DURABLE: Self = Self { sync: Sync::Always, nodes: Nodes::One };
    /// Three servers.
    pub const CLUSTER: Self = Self { sync: Sync::EveryMs(120_000), nodes: Nodes::Three };
}

/// How long the credentials that a test asks for are good.
const CREDENTIAL_LIFE_MS: u64 = 60 * 60 * 1_000;

/// A bus that ends, with all its files, when it is dropped.
#[derive(Debug)]
pub struct Bus {
    servers: Vec<Server>, // before the folder, so that they are gone when it is removed
    keyring: Keyring,
    kluster: Kluster,
    options: Options,
    folder: TempDir,
}

impl Bus {
    /// One server, syncing lazily, with the kluster `main` and its streams.
    pub async fn start() -> Self {
        Self::start_with(Options::LAZY).await
    }

    /// As asked for, with the kluster `main` and its streams.
    pub async fn start_with(options: Options) -> Self {
        let bus = Self::start_bare(options).await;
        bus.provision(&bus.kluster).await.expect("provisioning");
        bus
    }

    /// As asked for, with the kluster `main` but without streams.
    pub async fn start_bare(options: Options) -> Self {
        let folder = TempDir::with_prefix("selvedge-").expect("a temporary folder");
        let keyring = Keyring::open_or_create(&folder.path().join("authority"), now_ms()).expect("keys");
        let kluster = keyring.create_kluster(&name("main"), now_ms()).expect("a kluster");
        let servers = servers(folder.path(), options);
        let mut bus = Self { servers, keyring, kluster, options, folder };
        for server in &mut bus.servers {
            server.spawn(&bus.keyring);
        }
        for server in &mut bus.servers {
            server.ready().await;
        }
        bus
    }

    /// Where all servers listen, joined by commas.
    pub fn url(&self) -> String {
        self.servers.iter().map(Server::url).collect::<Vec<_>>().join(",")
    }

    /// Where one server listens.
    pub fn url_of(&self, node: usize) -> &str {
        self.servers[node].url()
    }

    /// The key folder.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// The kluster `main`.
    pub fn kluster(&self) -> &Kluster {
        &self.kluster
    }

    /// The bus's folder, removed at the end.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The key folder's path.
    pub fn authority_path(&self) -> PathBuf {
        self.folder.path().join("authority")
    }

    /// What a server logged so far.
    pub fn log(&self, node: usize) -> String {
        self.servers[node].log()
    }

    /// Process id of a server, if it runs.
    pub fn server_pid(&self, node: usize) -> Option<u32> {
        self.servers[node].pid()
    }

    /// Makes one more kluster, known to the servers, with its streams.
    pub async fn create_kluster(&self, kluster: &str) -> Kluster {
        let kluster = self.keyring.create_kluster(&name(kluster), now_ms()).expect("a kluster");
        self.push(&kluster.jwt().expect("its token")).await;
        self.provision(&kluster).await.expect("provisioning");
        kluster
    }

    /// Tells the servers of an account's token; gives the names of those that took it, in order.
    pub async fn push(&self, token: &str) -> Vec<String> {
        let system = self.keyring.system_credential(hour()).expect("a system credential");
        let taken = push::account(&self.url(), &system, token, PATIENCE).await;
        let mut taken = taken.expect("the servers take the token");
        taken.sort();
        taken
    }

    /// Makes the streams of a kluster that are missing.
    pub async fn provision(&self, kluster: &Kluster) -> Result<Report, provision::Error> {
        let credential = kluster.provision_credential(hour()).expect("a provisioning credential");
        let options = provision::Options { replicas: self.options.nodes.count(), timeout: PROVISION_TIMEOUT };
        provision::provision(&self.url(), &credential, options).await
    }

    /// A credential of any role, good for an hour.
    pub fn credential(&self, role: Role, mission: &str, agent: &str, scope: &str) -> Credential {
        self.credential_for(role, mission, agent, scope, hour())
    }

    /// A credential of any role.
    pub fn credential_for(
        &self,
        role: Role,
        mission: &str,
        agent: &str,
        scope: &str,
        life: Life,
    ) -> Credential {
        let signer = self.kluster.signer(role).expect("a signing key");
        signer.credential(&tags(mission, agent, scope), life).expect("a credential")
    }

    /// A credential of one instance of a service.
    pub fn service_credential(&self, service: Service, instance: &str) -> Credential {
        let instance = ScopeId::new(instance).expect("an instance's name");
        self.kluster.service_credential(service, instance, now_ms()).expect("a credential")
    }

    /// Connects under a fresh credential of that role.
    pub async fn connect(&self, role: Role, mission: &str, agent: &str, scope: &str) -> async_nats::Client {
        self.connect_as(&self.credential(role, mission, agent, scope)).await
    }

    /// Connects under this credential.
    pub async fn connect_as(&self, credential: &Credential) -> async_nats::Client {
        self.try_connect_as(credential).await.expect("a connection")
    }

    /// Tries to connect under this credential.
    ///
    /// # Errors
    /// As nats-server says.
    pub async fn try_connect_as(
        &self,
        credential: &Credential,
    ) -> Result<async_nats::Client, async_nats::ConnectError> {
        let options = push::connect_options(credential).expect("a usable credential");
        options.connect(self.addresses()).await
    }

    /// Connects as the one who may do everything in the kluster `main`.
    pub async fn connect_as_root(&self) -> async_nats::Client {
        self.connect_as(&self.kluster.provision_credential(hour()).expect("a credential")).await
    }

    /// Addresses of all servers, as `async_nats` takes them.
    pub fn addresses(&self) -> Vec<String> {
        self.servers.iter().map(|server| server.url().to_owned()).collect()
    }

    /// Kills a server with SIGKILL and waits until it is gone.
    pub fn kill9_server(&mut self, node: usize) {
        self.servers[node].kill9();
    }

    /// Starts a killed server where it listened before and waits until it takes connections.
    pub async fn restart_server(&mut self, node: usize) {
        self.servers[node].spawn(&self.keyring);
        self.servers[node].ready().await;
    }
}

fn servers(folder: &Path, options: Options) -> Vec<Server> {
    let count = options.nodes.count();
    let routes = if count > 1 { free_addresses(count) } else { Vec::new() };
    let server = |node: usize| ServerConfig {
        name: format!("n{node}"),
        listen: Listen::AnyPort,
        monitoring: None,
        folder: folder.join(format!("n{node}")),
        sync: options.sync,
        max_store_bytes: None,
        cluster: routes.get(node).map(|listen| Cluster {
            name: "selvedge".to_owned(),
            listen: *listen,
            routes: routes.clone(),
        }),
    };
    (0..count).map(|node| Server::new(server(node))).collect()
}

fn tags(mission: &str, agent: &str, scope: &str) -> Tags {
    Tags {
        mission: Mission::new(mission).expect("a mission"),
        agent: Caller::new(agent).expect("an agent"),
        scope: ScopeId::new(scope).expect("a scope"),
    }
}

fn name(kluster: &str) -> KlusterName {
    KlusterName::new(kluster).expect("a kluster's name")
}

fn hour() -> Life {
    let now_ms = now_ms();
    Life { now_ms, expires_at_ms: now_ms + CREDENTIAL_LIFE_MS }
}
