//! `selvedge up`: one process with every service of every kluster, and a child nats-server.
//!
//! Owns the order of things: lock, keys, nats-server, streams, operator, services, ready; and at the end
//! services, nats-server, lock. Supervision stands in [`supervise`].

mod denials;
mod keys;
mod ready;
mod server;
mod supervise;
mod warden;

use std::time::Instant;

use anyhow::Context as _;
use selvedge_contracts::{id::Mission, role::Service};
use selvedge_kit::metrics::Metrics;
use tokio::task::JoinSet;

use crate::{
    connect::Context,
    exit::Failure,
    fleet::Fleet,
    lock::Lock,
    services::{BUILT, Place},
    signals::Signals,
    watch::Watch,
};

/// What `up` was asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// Port for clients, if not that of the settings.
    pub(crate) port: Option<u16>,
    /// Missions to be there; `demo` on the first start if none is named.
    pub(crate) missions: Vec<Mission>,
    /// Services that other processes run.
    pub(crate) without: Vec<Service>,
}

/// Runs until it is told to stop, or nats-server cannot be kept running.
///
/// # Errors
/// A conflict if the folder is in use; else what is in the way, and what to do about it.
pub(crate) async fn run(context: Context, wanted: Wanted) -> Result<(), Failure> {
    let started = Instant::now();
    let lock = Lock::take(&context.home).await?;
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let look_again = crate::signals::look_again().context("cannot listen for signals")?;
    let mut up = tokio::select! {
        up = Up::start(context, wanted, started) => up?,
        () = signals.stop() => return Ok(()),
    };
    let kept = tokio::select! {
        () = signals.stop() => Ok(()),
        error = up.keep_running(look_again) => Err(error),
    };
    let drained = tokio::select! {
        () = up.end(kept.is_ok()) => Ok(()),
        () = signals.stop_again() => Err(anyhow::anyhow!("stopped before the services were drained").into()),
    };
    drop(lock);
    kept.and(drained)
}

/// A fabric that is up.
struct Up {
    context: Context,
    keys: keys::Keys,
    server: server::Server,
    place: Place,
    /// The services that run here.
    services: Vec<Service>,
    fleet: Fleet,
    watch: Watch,
    /// One warden for each kluster; they end with it.
    wardens: JoinSet<()>,
}

impl Up {
    async fn start(context: Context, wanted: Wanted, started: Instant) -> Result<Self, Failure> {
        let mut steps = ready::Steps::since(started);
        let keys = keys::open(&context)?;
        steps.done("keys");
        let server = server::Server::start(&context, &keys.keyring, wanted.port).await?;
        steps.done("nats_server");
        let metrics = Metrics::default();
        let place = Place::new(server.url().to_owned(), &context, metrics.clone());
        let watch = Watch::start(&context.config.telemetry, &metrics).await?;
        watch.server_runs(true);
        let services = BUILT.iter().copied().filter(|service| !wanted.without.contains(service)).collect();
        let (fleet, wardens) = (Fleet::default(), JoinSet::new());
        let mut up = Self { context, keys, server, place, services, fleet, watch, wardens };
        let end = up.server.end();
        tokio::select! {
            scanned = up.rescan() => scanned?,
            _ = end => return Err(anyhow::anyhow!("nats-server ended at once; the end of its log:\n{}", up.server.log_tail()).into()),
        }
        steps.done("klusters");
        let missions = up.missions(wanted.missions).await?;
        steps.done("missions");
        up.announce(missions, &steps)?;
        Ok(up)
    }

    /// Ends in order. What cannot reach nats-server any more is not waited for.
    async fn end(self, is_orderly: bool) {
        drop(self.wardens);
        if is_orderly {
            self.fleet.drain().await;
        }
        self.watch.stop().await;
        self.server.stop().await;
        // A stale one is known by its process id.
        let _ = std::fs::remove_file(self.context.home.up_state());
    }
}
