//! Starting the service.

use std::sync::Arc;

use selvedge_contracts::{id::KlusterName, role::Service};
use selvedge_kit::{
    bus::Bus,
    ledger::Ledger,
    metrics::Metrics,
    service::{self, Limits, Running, Setup},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{ArtifactsError, Config, handlers, state::Artifacts, store::Store};

/// Starts the service of one kluster over its own connection. It answers once its views are built.
/// `account` is the public key of the kluster's account, which signatures must name.
///
/// # Errors
/// [`ArtifactsError`] if the store cannot be opened, the ledger not read, or the bus refuses it.
pub async fn start(
    bus: Bus,
    config: &Config,
    kluster: &KlusterName,
    account: &str,
    limits: Limits,
    metrics: &Metrics,
) -> Result<Running, ArtifactsError> {
    let store = Store::open(config, kluster)?;
    let owner = store
        .owner(account)
        .await
        .map_err(|source| ArtifactsError::Unusable { url: config.url.clone(), source })?;
    if owner != account {
        return Err(ArtifactsError::Foreign { url: config.url.clone(), owner, account: account.to_owned() });
    }
    let tasks = TaskTracker::new();
    let state = Arc::new(Artifacts::new(&bus, config, store, &tasks, metrics));
    let setup = Setup {
        instance: None,
        service: Service::Artifacts,
        routes: handlers::routes(),
        ledger: Ledger::new(bus),
        feed: state.feed.clone(),
        directory: state.directory.clone(),
        account: account.to_owned(),
        limits,
        metrics: metrics.clone(),
        state,
    };
    Ok(service::start(setup, tasks, CancellationToken::new()).await?)
}
