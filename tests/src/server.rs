//! One nats-server as a child.

use std::{
    fs::{self, File},
    net::SocketAddr,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use selvedge_kit::authority::{
    Keyring,
    server_config::{Listen, ServerConfig},
};
use serde::Deserialize;

use crate::{guard::Guard, wait};

/// The binary: `SELVEDGE_NATS_SERVER`, else the one that `make nats` fetched, else the one on PATH.
pub fn nats_server_binary() -> PathBuf {
    if let Some(named) = std::env::var_os("SELVEDGE_NATS_SERVER") {
        return named.into();
    }
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/nats-server");
    let versions = fs::read_dir(fetched).into_iter().flatten().flatten();
    let mut fetched: Vec<PathBuf> =
        versions.map(|version| version.path().join("nats-server")).filter(|path| path.is_file()).collect();
    fetched.sort();
    fetched.pop().unwrap_or_else(|| "nats-server".into())
}

/// A nats-server that dies with this value.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) config: ServerConfig,
    child: Option<Child>,
    guard: Option<Guard>,
    url: Option<String>,
}

impl Server {
    pub(crate) fn new(config: ServerConfig) -> Self {
        Self { config, child: None, guard: None, url: None }
    }

    /// Starts it; from the second time on, where it listened the first time.
    pub(crate) fn spawn(&mut self, keyring: &Keyring) {
        assert!(self.child.is_none(), "{} runs already", self.config.name);
        let folder = &self.config.folder;
        fs::create_dir_all(self.config.ports_folder()).unwrap();
        let config = folder.join("nats.conf");
        fs::write(&config, self.config.text(keyring).unwrap()).unwrap();
        let log = File::options().create(true).append(true).open(self.log_path()).unwrap();
        // A group of its own, so that Ctrl-C at the terminal reaches the test first, which then drops us.
        let child = Command::new(nats_server_binary())
            .args(["--config".as_ref(), config.as_os_str()])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn();
        let child = child.expect("nats-server starts; is it there? `make nats` fetches it");
        self.guard = Some(Guard::of(child.id()));
        self.child = Some(child);
    }

    /// Waits until it takes connections.
    pub(crate) async fn ready(&mut self) {
        let ports = self.config.ports_folder().join(self.ports_file());
        let mut child = self.child.take();
        let url = wait::until("nats-server to listen", async || {
            let ended = child.as_mut().and_then(|child| child.try_wait().unwrap());
            assert!(ended.is_none(), "nats-server ended: {ended:?}\n{}", self.log());
            let ports: Ports = serde_json::from_slice(&fs::read(&ports).map_err(|e| e.to_string())?)
                .map_err(|e| e.to_string())?;
            ports.nats.into_iter().next().ok_or_else(|| "no port".to_owned())
        })
        .await;
        self.child = child;
        let address: SocketAddr = url.trim_start_matches("nats://").parse().unwrap();
        self.config.listen = Listen::At(address);
        self.url = Some(url);
    }

    fn ports_file(&self) -> String {
        let binary = nats_server_binary();
        let name = binary.file_name().unwrap().to_string_lossy().into_owned();
        format!("{name}_{}.ports", self.pid().expect("it runs"))
    }

    pub(crate) fn url(&self) -> &str {
        self.url.as_deref().expect("it was ready once")
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    pub(crate) fn log_path(&self) -> PathBuf {
        self.config.folder.join("nats.log")
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn kill9(&mut self) {
        self.guard = None; // before the process id can be another's
        if let Some(mut child) = self.child.take() {
            let _ = child.kill(); // it may have ended by itself
            let _ = child.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill9();
    }
}

#[derive(Deserialize)]
struct Ports {
    #[serde(default)]
    nats: Vec<String>,
}

/// Ports that were free a moment ago.
pub(crate) fn free_addresses(count: usize) -> Vec<SocketAddr> {
    let listeners: Vec<_> = (0..count).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap()).collect()
}

/// How long provisioning may take: a cluster elects its leaders first.
pub(crate) const PROVISION_TIMEOUT: Duration = Duration::from_secs(30);
