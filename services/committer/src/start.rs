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

use crate::{CommitterError, Config, carry, handlers, run, state::Committer};

/// Starts the service over its own connection. It answers once its views are built.
///
/// # Errors
/// [`CommitterError`] if its files cannot be used, the ledger not read, or the bus refuses it.
pub async fn start(
    bus: Bus,
    config: &Config,
    limits: Limits,
    metrics: &Metrics,
) -> Result<Running, CommitterError> {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let state = Arc::new(Committer::new(&bus, config, metrics)?);
    let setup = Setup {
        instance: None,
        service: Service::Committer,
        routes: handlers::routes(),
        ledger: Ledger::new(bus),
        feed: state.feed.clone(),
        directory: state.directory.clone(),
        account: config.account.clone(),
        limits,
        metrics: metrics.clone(),
        state: Arc::clone(&state),
    };
    let running = service::start(setup, tasks.clone(), stop.clone()).await?;
    for end in carry::ENDS {
        metrics.effects(end); // so that a first one shows as a rise
    }
    run::start(&state, &tasks, &stop);
    Ok(running)
}
