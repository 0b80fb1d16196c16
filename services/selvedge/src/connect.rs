//! How a command reaches the fabric: which server, which kluster, as whom.

use std::path::PathBuf;

use anyhow::Context as _;
use selvedge_contracts::id::KlusterName;
use selvedge_kit::{
    bus::{Bus, Options},
    client::Client,
    config::{Config, Environment},
    credential::Login,
};
use serde::{Deserialize, Serialize};

use crate::{exit::Failure, home::Home, lock::Lock};

/// What every command knows.
pub struct Context {
    /// The fabric's folder.
    pub home: Home,
    /// The settings.
    pub config: Config,
    /// The process's environment.
    pub environment: Environment,
    /// The kluster meant.
    pub kluster: KlusterName,
    /// How results are shown.
    pub output: crate::output::Format,
}

/// Where the running `up` listens, as it writes it for the other commands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpState {
    /// Its process.
    pub pid: u32,
    /// The child nats-server's process.
    pub nats_pid: u32,
    /// Where clients connect.
    pub url: String,
    /// Where metrics and probes are served, if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_url: Option<String>,
}

impl UpState {
    /// What the `up` of this folder wrote last; it may have ended since.
    pub fn read(home: &Home) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(home.up_state()).ok()?).ok()
    }

    /// Writes it for the other commands, whole or not at all.
    ///
    /// # Errors
    /// As writing the file.
    pub fn write(&self, home: &Home) -> std::io::Result<()> {
        let scratch = home.up_state().with_extension("json.new");
        std::fs::write(&scratch, serde_json::to_vec_pretty(self)?)?;
        std::fs::rename(scratch, home.up_state())
    }
}

impl Context {
    /// The `up` that runs on this folder, if one does and is ready.
    pub fn running_up(&self) -> Option<UpState> {
        Lock::is_held(&self.home)
            .then(|| UpState::read(&self.home))
            .flatten()
    }

    /// Where to connect: the running `up` of this folder, unless settings or environment name a server.
    ///
    /// # Errors
    /// [`Failure`] if the settings name a context that cannot be read.
    pub fn url(&self) -> Result<String, Failure> {
        let target = self
            .config
            .nats
            .target(&self.environment)
            .context("cannot tell which server is meant")?;
        let is_named = !matches!(target.origin, selvedge_kit::config::Origin::Default);
        let up = UpState::read(&self.home);
        Ok(match up {
            Some(up) if !is_named => up.url,
            _ => target.url,
        })
    }

    /// Connects with a credential.
    ///
    /// # Errors
    /// [`Failure`] if it cannot be used or the server cannot be reached.
    pub async fn connect(&self, login: Login) -> Result<Client, Failure> {
        let url = self.url()?;
        let options = Options {
            url: url.clone(),
            name: format!("selvedge {}", env!("CARGO_PKG_VERSION")),
            connect_timeout_ms: self.config.nats.connect_timeout_ms,
        };
        let hint = || {
            format!(
                "cannot reach the fabric at {url}; is `selvedge up` running in this folder or one above?"
            )
        };
        Ok(Client::new(
            Bus::connect(&options, login).await.with_context(hint)?,
        ))
    }

    /// Connects as the operator of the kluster meant.
    ///
    /// # Errors
    /// [`Failure`] if there is no operator credential here, or as [`Context::connect`].
    pub async fn operator(&self) -> Result<Client, Failure> {
        let path = self.operator_creds()?;
        self.connect(Login::File(path)).await
    }

    fn operator_creds(&self) -> Result<PathBuf, Failure> {
        let path = self.home.operator_creds(&self.kluster);
        if path.exists() {
            return Ok(path);
        }
        let message = format!(
            "there is no operator credential of kluster {} in {}; run `selvedge up` there first, or name the folder with --home",
            self.kluster,
            self.home.path().display()
        );
        Err(Failure::Usage(message))
    }
}
