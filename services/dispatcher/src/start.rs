//! Starting the service.

use std::sync::Arc;

use selvedge_contracts::role::Service;
use selvedge_kit::{
    bus::Bus,
    metrics::Metrics,
    service::{self, Limits, Running, Setup},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{Config, DispatcherError, handlers, state::Dispatcher, upkeep};

/// Starts the service over its own connection. It answers once its views are built.
///
/// # Errors
/// [`DispatcherError`] if the ledger cannot be read or the bus refuses it.
pub async fn start(
    bus: Bus,
    config: &Config,
    limits: Limits,
    metrics: &Metrics,
) -> Result<Running, DispatcherError> {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let state = Arc::new(Dispatcher::new(&bus, config, metrics, tasks.clone(), stop.clone()));
    let setup = Setup {
        instance: None,
        service: Service::Dispatcher,
        routes: handlers::routes(),
        ledger: state.ledger.clone(),
        feed: state.feed.clone(),
        directory: state.directory.clone(),
        account: config.account.clone(),
        limits,
        metrics: metrics.clone(),
        state: Arc::clone(&state),
    };
    let running = service::start(setup, tasks, stop).await?;
    upkeep::start(&state);
    Ok(running)
}
