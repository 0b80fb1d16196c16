//! Starting the registry: its views, its routes, and what follows from its facts.

use std::sync::Arc;

use selvedge_contracts::role::Service;
use selvedge_kit::{
    bus::Bus,
    ledger::Ledger,
    metrics::Metrics,
    service::{self, Limits, Running, Setup},
    view::Feed,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{Config, RegistryError, follow, handlers, state::Registry};

/// Starts the registry over its own connection. It answers once its views are built.
///
/// # Errors
/// [`RegistryError`] if it cannot load its keys, read the ledger or subscribe.
pub async fn start(
    bus: Bus,
    config: &Config,
    limits: Limits,
    metrics: &Metrics,
) -> Result<Running, RegistryError> {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let ledger = Ledger::new(bus.clone());
    let state = Arc::new(Registry::new(&bus, config)?);
    let feed = Feed::new(ledger.clone(), state.views(), metrics);
    let setup = Setup {
        service: Service::Registry,
        instance: None,
        state: Arc::clone(&state),
        routes: handlers::routes(),
        ledger: ledger.clone(),
        feed: feed.clone(),
        directory: state.directory.clone(),
        account: state.account.clone(),
        limits,
        metrics: metrics.clone(),
    };
    let running = service::start(setup, tasks.clone(), stop.clone()).await?;
    follow::mark_open_sessions(&state).await;
    follow::start(&state, &ledger, &feed, &tasks, &stop);
    Ok(running)
}
