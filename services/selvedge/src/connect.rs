//! How a command reaches the fabric: which server, which kluster, as whom.

mod starting;

use std::path::PathBuf;

use anyhow::Context as _;
use selvedge_contracts::{
    fault::Fault,
    id::{KlusterName, Mission},
};
use selvedge_kit::{
    authority::{Keyring, Kluster, UserKey, files},
    bus::{Bus, ConnectError, Options},
    client::Client,
    config::{Config, Environment, Origin},
    credential::Login,
    signature::Signer,
};
use serde::{Deserialize, Serialize};

use crate::{agent_folder::AgentFolder, exit::Failure, home::Home, lock::Lock};

/// What every command knows.
#[derive(Clone)]
pub struct Context {
    /// The fabric's folder.
    pub home: Home,
    /// The settings.
    pub config: Config,
    /// The process's environment.
    pub environment: Environment,
    /// The kluster meant.
    pub kluster: KlusterName,
    /// The same, if it was named.
    pub named_kluster: Option<KlusterName>,
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
    pub fn write(&self, home: &Home) -> anyhow::Result<()> {
        Ok(files::write(&home.up_state(), &serde_json::to_string_pretty(self)?)?)
    }
}

impl Context {
    /// The `up` that runs on this folder, if one does and is ready.
    pub fn running_up(&self) -> Option<UpState> {
        Lock::is_held(&self.home).then(|| UpState::read(&self.home)).flatten()
    }

    /// Where to connect: the running `up` of this folder, unless settings or environment name a server.
    ///
    /// # Errors
    /// [`Failure`] if the settings name a context that cannot be read.
    pub fn url(&self) -> Result<String, Failure> {
        self.url_or(None)
    }

    /// The same; `known` is what an agent remembers.
    ///
    /// # Errors
    /// As [`Context::url`].
    pub(crate) fn url_known(&self, known: &str) -> Result<String, Failure> {
        self.url_or(Some(known))
    }

    /// The same; `known` is what an agent or a token remembers, and comes before defaults.
    fn url_or(&self, known: Option<&str>) -> Result<String, Failure> {
        let target =
            self.config.nats.target(&self.environment).context("cannot tell which server is meant")?;
        if matches!(target.origin, Origin::Setting | Origin::Variable) {
            return Ok(target.url);
        }
        let known = known.map(str::to_owned);
        Ok(UpState::read(&self.home).map(|up| up.url).or(known).unwrap_or(target.url))
    }

    /// Whether settings or environment name a server.
    fn is_told_where(&self) -> Result<bool, Failure> {
        let target =
            self.config.nats.target(&self.environment).context("cannot tell which server is meant")?;
        Ok(matches!(target.origin, Origin::Setting | Origin::Variable))
    }

    /// Connects with a credential.
    ///
    /// # Errors
    /// [`Failure`] if it cannot be used or the server cannot be reached.
    pub async fn connect(&self, login: Login) -> Result<Client, Failure> {
        self.connect_at(None, login).await
    }

    /// Connects with a credential, to `known` if nothing else names a server.
    ///
    /// # Errors
    /// `denied` if the server refuses the credential, `unavailable` if it cannot be reached.
    pub async fn connect_at(&self, known: Option<&str>, login: Login) -> Result<Client, Failure> {
        let is_of_up = !self.is_told_where()? && self.home.operator_creds(&self.kluster).exists();
        match self.connect_once(known, login.clone()).await {
            Err(failure) if failure.is_retryable() && is_of_up && self.until_up().await => {
                self.connect_once(known, login).await
            }
            connected => connected,
        }
    }

    async fn connect_once(&self, known: Option<&str>, login: Login) -> Result<Client, Failure> {
        let url = self.url_or(known)?;
        let options = Options {
            url: url.clone(),
            name: format!("selvedge {}", env!("CARGO_PKG_VERSION")),
            connect_timeout_ms: self.config.nats.connect_timeout_ms,
        };
        match Bus::connect(&options, login).await {
            Ok(bus) => Ok(Client::new(bus)),
            Err(error @ ConnectError::Denied { .. }) => Err(Fault::denied(error.to_string()).into()),
            Err(ConnectError::Refused { reason, .. }) => Err(Fault::unavailable(format!(
                "cannot reach the fabric at {url}: {reason}; is `selvedge up` running in this folder or one above?"
            ))
            .into()),
            Err(ConnectError::Credential(error)) => {
                Err(anyhow::Error::new(error).context("cannot use the credential").into())
            }
        }
    }

    /// Connects with a credential and signs with a key what must be signed.
    ///
    /// # Errors
    /// As [`Context::connect_at`].
    pub(crate) async fn connect_signing(
        &self,
        known: &str,
        login: Login,
        key: &UserKey,
    ) -> Result<Client, Failure> {
        let claims = login.credential()?.claims()?;
        let signer = key.signer(claims.account())?;
        Ok(self.connect_at(Some(known), login).await?.signing(signer))
    }

    /// The credential that a worker gave to the command that this is a part of, if it did: `SELVEDGE_CREDS`.
    pub(crate) fn given(&self) -> Option<Login> {
        self.environment.get("SELVEDGE_CREDS").map(|path| Login::File(path.into()))
    }

    /// Connects as the operator of the kluster meant, and signs with the credential's own key what must be
    /// signed.
    ///
    /// # Errors
    /// [`Failure`] if there is no operator credential here, or as [`Context::connect`].
    pub async fn operator(&self) -> Result<Client, Failure> {
        if !self.home.operator_creds(&self.kluster).exists() {
            self.until_up().await;
        }
        let login = Login::File(self.operator_creds()?);
        let credential = login.credential()?;
        let account = credential.claims()?.account().to_owned();
        let signer = Signer::new(credential.key()?, account, None);
        Ok(self.connect(login).await?.signing(signer))
    }

    /// Connects as the operator, asking in a mission.
    ///
    /// # Errors
    /// As [`Context::operator`].
    pub async fn operator_in(&self, mission: &Mission) -> Result<Client, Failure> {
        Ok(self.operator().await?.in_mission(mission.clone()))
    }

    pub(crate) fn operator_creds(&self) -> Result<PathBuf, Failure> {
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

    /// The operator's keys, and those of the kluster meant.
    ///
    /// # Errors
    /// [`Failure::Usage`] if they are not in this folder.
    pub fn keys(&self) -> Result<(Keyring, Kluster), Failure> {
        let folder = self.home.authority();
        if !folder.exists() {
            return Err(Failure::usage(format!(
                "this needs the operator's keys, and {} holds none; run it in the folder of `selvedge up` or `selvedge init`",
                self.home.path().display()
            )));
        }
        let keyring = Keyring::open(&folder)?;
        let kluster = keyring.kluster(&self.kluster)?;
        Ok((keyring, kluster))
    }

    /// Whether any agent was registered from here.
    pub(crate) fn has_agents(&self) -> Result<bool, Failure> {
        Ok(!AgentFolder::all(&self.home, &self.kluster)?.is_empty())
    }

    /// The agent registered from here that `text` means: its id or its name.
    ///
    /// # Errors
    /// [`Failure::Usage`] if there is none or more than one.
    pub(crate) fn agent(&self, text: &str) -> Result<AgentFolder, Failure> {
        AgentFolder::find(&self.home, &self.kluster, text)
    }

    /// The klusters to look at: the one named, else all of this folder.
    ///
    /// # Errors
    /// `not_found` if the one named is not one of this folder.
    pub(crate) fn klusters(&self) -> Result<Vec<KlusterName>, Failure> {
        let known = self.home.klusters();
        match &self.named_kluster {
            Some(named) if known.contains(named) => Ok(vec![named.clone()]),
            Some(named) if !known.is_empty() => {
                let names: Vec<&str> = known.iter().map(KlusterName::as_str).collect();
                let message = format!("there is no kluster {named} here; there are: {}", names.join(", "));
                Err(Fault::not_found(message).into())
            }
            _ => Ok(known),
        }
    }

    /// The same in another kluster.
    #[must_use]
    pub fn in_kluster(&self, kluster: &KlusterName) -> Self {
        Self { kluster: kluster.clone(), ..self.clone() }
    }
}
