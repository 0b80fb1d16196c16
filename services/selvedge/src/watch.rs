//! Readiness of the process, and the probe that tells of it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use selvedge_kit::{
    config::Telemetry,
    metrics::Metrics,
    probe::{Probe, Readiness},
    service::Health,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::exit::Failure;

/// How old what the probe says may be.
const EVERY: Duration = Duration::from_millis(250);
const BUS: &str = "bus";
const VIEWS: &str = "views";
const SERVER: &str = "nats_server";

/// Watches the services of this process.
pub(crate) struct Watch {
    readiness: Readiness,
    healths: Arc<Mutex<Vec<Health>>>,
    probe_url: Option<String>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Watch {
    /// Answers `/metrics`, `/livez` and `/readyz` if the settings say where.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub(crate) async fn start(settings: &Telemetry, metrics: &Metrics) -> Result<Self, Failure> {
        let mut watch = Self {
            readiness: Readiness::default(),
            healths: Arc::default(),
            probe_url: None,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        watch.readiness.register(BUS, "nats-server cannot be reached: look at its log and at nats.url");
        watch.readiness.register(VIEWS, "the services read what they missed of the ledger: wait");
        if let Some(address) = settings.listen {
            let probe = Probe::bind(address, metrics.clone(), watch.readiness.clone())
                .await
                .context("cannot start the probe")?;
            watch.probe_url = Some(format!("http://{}", probe.address()));
            watch.tasks.spawn(probe.run(watch.stop.clone()));
            watch.tasks.spawn(look(watch.readiness.clone(), Arc::clone(&watch.healths), watch.stop.clone()));
        }
        Ok(watch)
    }

    /// Where the probe answers, if it does.
    pub(crate) fn probe_url(&self) -> Option<&str> {
        self.probe_url.as_deref()
    }

    /// Watches one more service.
    pub(crate) fn add(&self, health: Health) {
        self.healths.lock().unwrap_or_else(PoisonError::into_inner).push(health);
    }

    /// Says whether the child nats-server runs.
    pub(crate) fn server_runs(&self, runs: bool) {
        self.readiness.set(SERVER, runs);
    }

    /// Stops answering.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn look(readiness: Readiness, healths: Arc<Mutex<Vec<Health>>>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let healths = healths.lock().unwrap_or_else(PoisonError::into_inner);
        readiness.set(BUS, !healths.is_empty() && healths.iter().all(Health::is_connected));
        readiness.set(VIEWS, !healths.is_empty() && healths.iter().all(Health::is_current));
    }
}
