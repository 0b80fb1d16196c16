//! Starting the service: the mirror of the bucket, its views, its routes.

use std::sync::Arc;

use selvedge_contracts::{id::ScopeId, role::Service, subject::LEASE_PREFIX};
use selvedge_kit::{
    bucket::Bucket,
    bus::Bus,
    ledger::{Ledger, RequestDigest},
    metrics::Metrics,
    mirror::Mirror,
    pipeline::Publisher,
    service::{self, Limits, Running, Setup},
    view::Feed,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    error::LeasesError,
    follow, handlers,
    limits::Limits as SpaceLimits,
    state::{BUCKET, Leases},
    sweep,
};

/// What the service runs with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Public key of the account, which signatures must name.
    pub account: String,
    /// Bounds of spaces.
    pub spaces: SpaceLimits,
}

/// Starts the service over its own connection. It answers once its views and its mirror are built.
///
/// # Errors
/// [`LeasesError`] if it cannot read the ledger or the bucket, or subscribe.
pub async fn start(
    bus: Bus,
    config: &Config,
    limits: Limits,
    metrics: &Metrics,
) -> Result<Running, LeasesError> {
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let ledger = Ledger::new(bus.clone());
    let bucket = Bucket::new(bus.clone(), BUCKET);
    let publisher = Publisher::start(bus.clone()).await?;
    let mirror = Mirror::new(bus, BUCKET, LEASE_PREFIX);
    // Processes may share a credential, never a name: who owns a space is known by it.
    let instance = ScopeId::new(&format!("i{}", RequestDigest::random().id_hex()))?;
    let state = Arc::new(Leases::new(
        instance.clone(),
        ledger.clone(),
        (bucket, mirror.clone(), publisher),
        (config.spaces, metrics.leases()),
        (tasks.clone(), stop.clone()),
    ));
    let heard = Arc::downgrade(&state);
    let listener = move |event: selvedge_kit::mirror::Event<'_>| {
        if let Some(state) = heard.upgrade() {
            state.hear(&event);
        }
    };
    mirror.start(&tasks, stop.clone(), listener).await?;
    tasks.spawn(sweep::run(Arc::clone(&state), stop.clone()));
    let feed = Feed::new(ledger.clone(), follow::views(&state), metrics);
    state.feed.get_or_init(|| feed.clone());
    let setup = Setup {
        service: Service::Leases,
        instance: Some(instance),
        directory: state.directory.clone(),
        state,
        routes: handlers::routes(),
        ledger,
        feed,
        account: config.account.clone(),
        limits,
        metrics: metrics.clone(),
    };
    Ok(service::start(setup, tasks, stop).await?)
}
