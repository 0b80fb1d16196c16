//! Starting the service.

use std::sync::Arc;

use selvedge_contracts::role::Service;
use selvedge_kit::{
    bus::Bus,
    ledger::Ledger,
    metrics::Metrics,
    service::{self, Limits, Running, Setup},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{Config, GovernanceError, follow, handlers, state::Governance};

/// Starts the service over its own connection. It answers once its views are built.
///
/// # Errors
/// [`GovernanceError`] if its keys cannot be used, the ledger not read, or the bus refuses it.
pub async fn start(
    bus: Bus,
    config: &Config,
    limits: Limits,
    metrics: &Metrics,
) -> Result<Running, GovernanceError> {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let state = Arc::new(Governance::new(&bus, config, metrics)?);
    let ledger = Ledger::new(bus);
    let setup = Setup {
        instance: None,
        service: Service::Governance,
        routes: handlers::routes(),
        ledger: ledger.clone(),
        feed: state.feed.clone(),
        directory: state.directory.clone(),
        account: config.account.clone(),
        limits,
        metrics: metrics.clone(),
        state: Arc::clone(&state),
    };
    let running = service::start(setup, tasks.clone(), stop.clone()).await?;
    follow::start(&state, &ledger, &tasks, &stop);
    Ok(running)
}
