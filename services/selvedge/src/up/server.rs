//! The child nats-server as `up` runs it: configured from the settings, restarted where it listened.

use std::{
    collections::VecDeque,
    net::{SocketAddr, TcpListener},
    process::ExitStatus,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow};
use selvedge_contracts::fault::Fault;
use selvedge_kit::authority::{
    Keyring,
    server_config::{Listen, ServerConfig},
};
use tokio::sync::mpsc;
use tracing::{error, info};

use crate::{
    connect::Context,
    exit::Failure,
    nats_child::{self, Denial, NatsChild, Setup},
};

/// More deaths than this within [`MINUTE`] and it is given up.
const MOST_DEATHS: usize = 5;
const MINUTE: Duration = Duration::from_secs(60);
/// First and longest wait before a start after a death.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// How long a port may stay taken: that of an `up` killed a moment ago is free at once or soon.
const PORT_PATIENCE: Duration = Duration::from_millis(500);
const PORT_PAUSE: Duration = Duration::from_millis(20);

/// The child, and how to start it again.
pub(super) struct Server {
    setup: Setup,
    version: String,
    child: NatsChild,
    denials: Option<mpsc::Receiver<Denial>>,
    deaths: VecDeque<Instant>,
}

impl Server {
    /// Starts nats-server on the folder's files and waits until it takes connections.
    pub(super) async fn start(
        context: &Context,
        keyring: &Keyring,
        port: Option<u16>,
    ) -> Result<Self, Failure> {
        let settings = &context.config.server;
        let address = SocketAddr::new(settings.host, port.unwrap_or(settings.port));
        let found = nats_child::find().context("cannot start nats-server")?;
        wait_for_port(address).await?;
        let mut setup = Setup {
            binary: found.path,
            launcher: std::env::current_exe().context("cannot tell where this program is")?,
            config: ServerConfig {
                name: "selvedge".to_owned(),
                listen: Listen::At(address),
                monitoring: (settings.monitor_port > 0)
                    .then(|| SocketAddr::new(settings.host, settings.monitor_port)),
                folder: context.home.nats(),
                sync: settings.sync_interval.into(),
                max_store_bytes: settings.max_store_bytes,
                cluster: None,
            },
        };
        let (child, denials) = NatsChild::start(&setup, keyring).await.context("cannot start nats-server")?;
        if let Some(address) = child.url().strip_prefix("nats://").and_then(|address| address.parse().ok()) {
            setup.config.listen = Listen::At(address);
        }
        Ok(Self { setup, version: found.version, child, denials: Some(denials), deaths: VecDeque::new() })
    }

    pub(super) fn url(&self) -> &str {
        self.child.url()
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.pid()
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// What the child denies its clients; to be taken once after each start.
    pub(super) fn denials(&mut self) -> Option<mpsc::Receiver<Denial>> {
        self.denials.take()
    }

    /// The end of the child by itself, to be waited for beside what needs it.
    pub(super) fn end(&self) -> impl Future<Output = Option<ExitStatus>> + Send + use<> {
        self.child.end()
    }

    /// The end of its log, for an error.
    pub(super) fn log_tail(&self) -> String {
        nats_child::log_tail(&self.setup.config.folder)
    }

    /// Starts a child that died again, waiting longer after each death.
    ///
    /// # Errors
    /// It died too often, with the end of its log.
    pub(super) async fn restart(
        &mut self,
        keyring: &Keyring,
        mut status: Option<ExitStatus>,
    ) -> Result<(), Failure> {
        loop {
            let ended = status.map_or_else(|| "unknown".to_owned(), |status| status.to_string());
            let pause = self.count_death().ok_or_else(|| self.given_up(&ended))?;
            error!(status = ended, pause_ms = pause.as_millis(), "nats-server died; starting it again");
            tokio::time::sleep(pause).await;
            match NatsChild::start(&self.setup, keyring).await {
                Ok((child, denials)) => {
                    info!(pid = child.pid(), "nats-server runs again");
                    (self.child, self.denials) = (child, Some(denials));
                    return Ok(());
                }
                Err(error) => error!(%error, "nats-server does not start"),
            }
            status = None;
        }
    }

    /// How long to wait after this death; nothing if there were too many.
    fn count_death(&mut self) -> Option<Duration> {
        let now = Instant::now();
        self.deaths.retain(|death| now.duration_since(*death) < MINUTE);
        self.deaths.push_back(now);
        let earlier = u32::try_from(self.deaths.len().saturating_sub(1)).unwrap_or(u32::MAX);
        (self.deaths.len() <= MOST_DEATHS)
            .then(|| BACK_OFF.0.saturating_mul(1 << earlier.min(16)).min(BACK_OFF.1))
    }

    fn given_up(&self, status: &str) -> Failure {
        let folder = &self.setup.config.folder;
        anyhow!(
            "nats-server died more than {MOST_DEATHS} times within a minute ({status}); the end of {}:\n{}",
            folder.join("nats.log").display(),
            self.log_tail()
        )
        .into()
    }

    /// Lets it finish.
    pub(super) async fn stop(self) {
        self.child.stop().await;
    }
}

/// Says that a port is taken before nats-server does, in words that help.
async fn wait_for_port(address: SocketAddr) -> Result<(), Failure> {
    let deadline = Instant::now() + PORT_PATIENCE;
    loop {
        match TcpListener::bind(address) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() != std::io::ErrorKind::AddrInUse => {
                return Err(anyhow!(error)
                    .context(format!("cannot listen on {address}; see server.host in selvedge.toml"))
                    .into());
            }
            Err(_) if Instant::now() < deadline => tokio::time::sleep(PORT_PAUSE).await,
            Err(_) => {
                let (ip, port) = (address.ip(), address.port());
                let message = format!(
                    "port {port} of {ip} is taken. Choose another with --port, or any that is free with --port 0; or stop what listens there"
                );
                return Err(Fault::conflict(message).into());
            }
        }
    }
}
