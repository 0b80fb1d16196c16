//! The settings: what they are, and from which layers they come.
//!
//! Owns the sections of `deploy/selvedge.toml`, which is compiled in as the bottom layer, and the
//! order of the layers above it: a file, then variables `SELVEDGE_<SECTION>__<KEY>`. Never reads the
//! environment itself (it is an argument, see [`Environment`]) and never writes a file.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroU64,
    path::{Path, PathBuf},
};

use serde::Deserialize;

mod environment;
mod error;
mod layer;
mod nats_context;
mod setting;
mod target;

pub use environment::Environment;
pub use error::Error;
pub use setting::{LogFormat, SyncInterval};
pub use target::{Origin, Target};

use crate::creation::Asking;

/// The commented file with every setting and its default, as `selvedge init` may print it.
pub const DEFAULTS: &str = include_str!("../../../deploy/selvedge.toml");

/// Every setting. What each is for stands in `deploy/selvedge.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How to reach nats-server.
    pub nats: Nats,
    /// The nats-server that `selvedge up` starts.
    pub server: Server,
    /// Bounds of every service.
    pub service: Service,
    /// Where artifacts are kept.
    pub artifacts: Artifacts,
    /// Policies, intents and approvals.
    pub governance: Governance,
    /// Effects.
    pub committer: Committer,
    /// Plans.
    pub dispatcher: Dispatcher,
    /// Bounds of the service `leases`.
    pub leases: Leases,
    /// What already exists that looks like what is to be created.
    pub overlap: Overlap,
    /// Logs, metrics, probes.
    pub telemetry: Telemetry,
}

/// How to reach nats-server. [`Nats::target`] says where that is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nats {
    /// Servers, separated by commas, if set here.
    #[serde(deserialize_with = "setting::text_or_none")]
    pub url: Option<String>,
    /// A `.creds` file, if set here.
    #[serde(deserialize_with = "setting::path_or_none")]
    pub creds: Option<PathBuf>,
    /// Bound on one attempt to connect.
    #[serde(deserialize_with = "setting::at_least_1")]
    pub connect_timeout_ms: u64,
    /// Bound on one answer of nats-server.
    #[serde(deserialize_with = "setting::at_least_1")]
    pub request_timeout_ms: u64,
}

/// The child nats-server of `selvedge up`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Address to listen on.
    #[serde(deserialize_with = "setting::ip_address")]
    pub host: IpAddr,
    /// Port for clients; 0 takes a free one.
    pub port: u16,
    /// Port of the HTTP monitoring; 0 is off.
    pub monitor_port: u16,
    /// When a write is flushed to disk.
    #[serde(deserialize_with = "setting::sync_interval")]
    pub sync_interval: SyncInterval,
    /// Copies of every stream: 1 or 3.
    #[serde(deserialize_with = "setting::one_or_three")]
    pub replicas: u8,
    /// Bound on the disk space of all streams, if there is one.
    #[serde(deserialize_with = "setting::positive_or_none")]
    pub max_store_bytes: Option<NonZeroU64>,
    /// Most revoked keys that a kluster's token holds for ended sessions.
    #[serde(deserialize_with = "setting::revoked_keys")]
    pub max_revoked_keys: usize,
}

/// Bounds of every service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Most requests handled at once.
    #[serde(deserialize_with = "setting::at_least_1")]
    pub max_in_flight: usize,
    /// Longest wait for requests in flight at a stop.
    pub drain_ms: u64,
    /// Most times a write is decided anew after a conflict.
    #[serde(deserialize_with = "setting::at_least_1")]
    pub write_attempts: u32,
}

/// Where artifacts are kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifacts {
    /// A folder or a URL, if set here.
    #[serde(deserialize_with = "setting::text_or_none")]
    pub url: Option<String>,
    /// How long content stays without a name.
    #[serde(deserialize_with = "setting::at_least_1")]
    pub grace_ms: u64,
    /// Most bytes that the unfinished uploads of one caller may take.
    #[serde(deserialize_with = "setting::at_least_1")]
    pub max_staged_bytes: u64,
    /// Whether what looks like a new name is asked about first.
    pub overlap: Asking,
}

/// Policies, intents and approvals.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Governance {
    /// Folder with the keys of approvals, if set here.
    #[serde(deserialize_with = "setting::path_or_none")]
    pub keys: Option<PathBuf>,
    /// Most intents of one owner in a mission that are not over.
    #[serde(deserialize_with = "setting::at_least_1")]
    pub open_intents_per_owner: usize,
    /// Most intents in a mission that are not over.
    #[serde(deserialize_with = "setting::at_least_1")]
    pub open_intents_per_mission: usize,
    /// Most intents of one owner in a mission that came to nothing within an hour.
    #[serde(deserialize_with = "setting::at_least_1")]
    pub vain_intents_per_owner: usize,
    /// Whether what looks like a new intent is asked about first.
    pub overlap: Asking,
}

/// Effects.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Committer {
    /// File with the secrets that effects may name, if there is one.
    #[serde(deserialize_with = "setting::path_or_none")]
    pub secrets: Option<PathBuf>,
    /// Folder for copies of remote repositories, if set here.
    #[serde(deserialize_with = "setting::path_or_none")]
    pub copies: Option<PathBuf>,
    /// Ranges of addresses that are no public ones and may be asked by HTTP all the same.
    #[serde(deserialize_with = "setting::texts")]
    pub allowed_networks: Vec<String>,
    /// Most bytes of contents that are held at once.
    #[serde(deserialize_with = "setting::at_least_1")]
    pub memory_bytes: u64,
    /// How long an instance has for one effect before another may take it over, in milliseconds.
    #[serde(deserialize_with = "setting::at_least_1")]
    pub takeover_ms: u64,
}

/// Plans.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dispatcher {
    /// Whether what looks like a new plan is asked about first.
    pub overlap: Asking,
}

/// Bounds of the service `leases`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leases {
    /// Most spaces of one mission at once.
    #[serde(deserialize_with = "setting::at_least_1")]
    pub spaces_per_mission: usize,
    /// How long an empty space is kept after its last use.
    #[serde(deserialize_with = "setting::at_least_1")]
    pub idle_space_ms: u64,
    /// Most leases in one space.
    #[serde(deserialize_with = "setting::at_least_1")]
    pub leases_per_space: usize,
    /// Most leases of one holder in a space.
    #[serde(deserialize_with = "setting::at_least_1")]
    pub leases_per_holder: usize,
    /// Most requests that wait in a space.
    #[serde(deserialize_with = "setting::at_least_1")]
    pub waiters_per_space: usize,
    /// Most of them of one holder.
    #[serde(deserialize_with = "setting::at_least_1")]
    pub waiters_per_holder: usize,
    /// Most pools of a space.
    #[serde(deserialize_with = "setting::at_least_1")]
    pub pools_per_space: usize,
}

/// What already exists that looks like what is to be created.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Overlap {
    /// Longest wait until everything before a proposal has been taken in, in milliseconds.
    #[serde(deserialize_with = "setting::at_least_1")]
    pub barrier_ms: u64,
    /// Most creations of one owner in a mission that are on their way.
    #[serde(deserialize_with = "setting::at_least_1")]
    pub open_per_owner: u64,
    /// Most things of kinds of their own, of one owner in a mission.
    #[serde(deserialize_with = "setting::at_least_1")]
    pub own_per_owner: u64,
    /// How long a creation waits for an answer, or for its thing, in milliseconds.
    #[serde(deserialize_with = "setting::at_least_1")]
    pub pending_ttl_ms: u64,
    /// After how long a check that nobody recorded is completed, in milliseconds.
    #[serde(deserialize_with = "setting::at_least_1")]
    pub complete_ms: u64,
    /// Folder or URL for snapshots of the index, if set here.
    #[serde(deserialize_with = "setting::text_or_none")]
    pub snapshots: Option<String>,
    /// Facts after which a snapshot is written.
    #[serde(deserialize_with = "setting::at_least_1")]
    pub snapshot_facts: u64,
    /// URL or folder of a second model, if set.
    #[serde(deserialize_with = "setting::text_or_none")]
    pub second_model: Option<String>,
    /// Its name.
    #[serde(deserialize_with = "setting::text_or_none")]
    pub second_model_name: Option<String>,
    /// File with the key of its server.
    #[serde(deserialize_with = "setting::path_or_none")]
    pub second_model_key_file: Option<PathBuf>,
    /// Longest wait for it, in milliseconds.
    #[serde(deserialize_with = "setting::at_least_1")]
    pub second_model_ms: u64,
}

/// Logs, metrics, probes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// What is logged, in the directives of `tracing_subscriber::EnvFilter`.
    pub log: String,
    /// How it is logged.
    pub log_format: LogFormat,
    /// Address for `/metrics`, `/livez` and `/readyz`, if they are on.
    #[serde(deserialize_with = "setting::socket_address_or_none")]
    pub listen: Option<SocketAddr>,
}

impl Config {
    /// The settings: the defaults, below `file` (or else the first of `./selvedge.toml` and
    /// `./.selvedge/selvedge.toml` in `directory` that exists), below the variables of `environment`.
    ///
    /// # Errors
    /// A file that cannot be read, or a setting that does not exist or is no value of its type; the
    /// error names the key and the file or variable.
    pub fn load(file: Option<&Path>, directory: &Path, environment: &Environment) -> Result<Self, Error> {
        let file = match file {
            Some(path) => Some(path.to_path_buf()),
            None => layer::file_in(directory),
        };
        layer::extract(file.as_deref(), environment)
    }
}

#[cfg(test)]
mod tests;
