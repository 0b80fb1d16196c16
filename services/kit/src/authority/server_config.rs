//! The text of a nats-server configuration that knows our operator, our accounts and nothing else.
//!
//! Accounts ride along as a preload; a token that nats-server was told later is kept, since it keeps
//! the one signed last.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroU64,
    path::{Path, PathBuf},
};

use super::{Error, Keyring};
use crate::config::SyncInterval;

/// Largest message nats-server takes, headers included, in bytes.
pub const MAX_PAYLOAD_BYTES: u32 = 2 << 20;
/// Longest a write to a slow client may block before it is dropped.
const WRITE_DEADLINE: &str = "10s";

/// How often a server asks the others for tokens it has missed: until then, one that was away takes
/// credentials that were revoked meanwhile.
const RESOLVER_INTERVAL: &str = "10s";

/// When nats-server writes to the disk what it acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// Before it acknowledges.
    Always,
    /// Every so many milliseconds: a power cut loses what came since.
    EveryMs(u64),
}

impl From<SyncInterval> for Sync {
    fn from(setting: SyncInterval) -> Self {
        match setting {
            SyncInterval::Always => Self::Always,
            SyncInterval::Every { interval_ms } => Self::EveryMs(interval_ms.get()),
        }
    }
}

/// Where nats-server listens: a fixed port, or any that is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// This address; port 0 is any that is free, which the ports file will name.
    At(SocketAddr),
    /// 127.0.0.1, on a port that the ports file will name.
    AnyPort,
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // nats-server's word for "any" is -1, and 0 its word for 4222.
            Self::At(address) if address.port() == 0 => match address.ip() {
                IpAddr::V4(ip) => write!(f, "{ip}:-1"),
                IpAddr::V6(ip) => write!(f, "[{ip}]:-1"),
            },
            Self::At(address) => address.fmt(f),
            Self::AnyPort => f.write_str("127.0.0.1:-1"),
        }
    }
}

/// One of several servers.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// The cluster's name, the same on all.
    pub name: String,
    /// Where this server listens for the others.
    pub listen: SocketAddr,
    /// Where all listen, this one among them.
    pub routes: Vec<SocketAddr>,
}

/// What differs between one nats-server and another.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Its name, unlike those of the others in its cluster.
    pub name: String,
    /// Where clients connect.
    pub listen: Listen,
    /// Where the HTTP monitoring listens, if anywhere. It shows everything to everyone who reaches it.
    pub monitoring: Option<SocketAddr>,
    /// Folder for `jetstream/`, `accounts/` and `ports/`.
    pub folder: PathBuf,
    /// When it syncs.
    pub sync: Sync,
    /// Bound on the disk space of all streams, if there is one.
    pub max_store_bytes: Option<NonZeroU64>,
    /// The cluster it is part of.
    pub cluster: Option<Cluster>,
}

impl ServerConfig {
    /// Folder in which `nats-server_<pid>.ports` tells where it listens.
    pub fn ports_folder(&self) -> PathBuf {
        self.folder.join("ports")
    }

    /// The configuration file's text.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::Key`] if the key folder cannot be read.
    pub fn text(&self, keyring: &Keyring) -> Result<String, Error> {
        let mut lines = self.listeners();
        lines.extend(authority(keyring, &self.folder.join("accounts"))?);
        Ok(lines.join("\n") + "\n")
    }

    fn listeners(&self) -> Vec<String> {
        let sync = match self.sync {
            Sync::Always => "always".to_owned(),
            Sync::EveryMs(ms) => format!("\"{ms}ms\""),
        };
        let bound =
            self.max_store_bytes.map_or_else(String::new, |bytes| format!(", max_file_store: {bytes}"));
        let mut lines = vec![
            "# Written anew at every start.".to_owned(),
            format!("server_name: {}", quoted(&self.name)),
            format!("listen: \"{}\"", self.listen),
            format!("max_payload: {MAX_PAYLOAD_BYTES}"),
            format!("write_deadline: \"{WRITE_DEADLINE}\""),
            format!("ports_file_dir: {}", path(&self.ports_folder())),
            format!("jetstream: {{ store_dir: {}, sync_interval: {sync}{bound} }}", path(&self.folder)),
        ];
        lines.extend(self.monitoring.map(|address| format!("http: \"{address}\"")));
        lines.extend(self.cluster.as_ref().map(cluster));
        lines
    }
}

/// The part of a configuration that says whom nats-server believes: operator, system account, and the
/// accounts there are, with `accounts` as the folder for those it is told later.
///
/// # Errors
/// [`Error::File`] or [`Error::Key`] if the key folder cannot be read.
pub fn authority(keyring: &Keyring, accounts: &Path) -> Result<Vec<String>, Error> {
    let mut lines = vec![
        format!("operator: {}", keyring.operator_jwt()?),
        format!("system_account: {}", keyring.system_account()),
        format!(
            "resolver: {{ type: full, dir: {}, allow_delete: false, interval: \"{RESOLVER_INTERVAL}\" }}",
            path(accounts)
        ),
        "resolver_preload: {".to_owned(),
    ];
    lines.extend(keyring.accounts()?.into_iter().map(|(key, token)| format!("  {key}: {token}")));
    lines.push("}".to_owned());
    Ok(lines)
}

fn cluster(cluster: &Cluster) -> String {
    let routes: Vec<String> =
        cluster.routes.iter().map(|address| format!("\"nats-route://{address}\"")).collect();
    let (name, routes) = (quoted(&cluster.name), routes.join(", "));
    format!("cluster: {{ name: {name}, listen: \"{}\", routes: [{routes}] }}", cluster.listen)
}

fn path(path: &Path) -> String {
    quoted(&path.to_string_lossy())
}

fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use selvedge_contracts::id::KlusterName;

    use super::*;

    #[test]
    fn a_configuration_names_operator_accounts_and_durability() {
        let folder = tempfile::tempdir().unwrap();
        let keyring = Keyring::open_or_create(folder.path(), 1_000).unwrap();
        let kluster = keyring.create_kluster(&KlusterName::new("main").unwrap(), 1_000).unwrap();
        let config = ServerConfig {
            name: "one \"quoted\"".to_owned(),
            listen: Listen::AnyPort,
            monitoring: None,
            folder: PathBuf::from("/data"),
            sync: Sync::Always,
            max_store_bytes: None,
            cluster: None,
        };
        let text = config.text(&keyring).unwrap();
        for wanted in [
            "listen: \"127.0.0.1:-1\"",
            "server_name: \"one \\\"quoted\\\"\"",
            "store_dir: \"/data\", sync_interval: always",
            &format!("system_account: {}", keyring.system_account()),
            &format!("  {}: ey", kluster.account()),
        ] {
            assert!(text.contains(wanted), "{wanted} is not in\n{text}");
        }
        assert!(!text.contains("http:") && !text.contains("cluster:"), "{text}");
    }

    #[test]
    fn any_port_is_written_as_nats_server_means_it() {
        for (address, wanted) in
            [("0.0.0.0:0", "0.0.0.0:-1"), ("[::1]:0", "[::1]:-1"), ("127.0.0.1:4222", "127.0.0.1:4222")]
        {
            assert_eq!(Listen::At(address.parse().unwrap()).to_string(), wanted);
        }
    }
}
