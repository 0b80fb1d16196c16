//! `selvedge serve`: some services of one kluster, against a nats-server that somebody else runs. As many
//! replicas as wanted, anywhere: they share a queue group.

use std::path::PathBuf;

use anyhow::Context as _;
use futures::future::try_join_all;
use selvedge_contracts::role::Service;
use selvedge_kit::{authority::Keyring, clock::now_ms, credential::Login, metrics::Metrics};
use serde::Serialize;
use tracing::info;

use crate::{
    connect::Context,
    exit::Failure,
    fleet::Fleet,
    services::{BUILT, Place, fresh_instance},
    signals::Signals,
    watch::Watch,
};

/// What `serve` was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// The services.
    pub(crate) services: Vec<Service>,
    /// Servers, if not those of the settings.
    pub(crate) url: Option<String>,
    /// The service's credential, if not that of the folder.
    pub(crate) creds: Option<PathBuf>,
    /// What the registry signs with, if not that of the folder.
    pub(crate) signers: Option<PathBuf>,
}

#[derive(Serialize)]
struct Ready {
    ready: bool,
    pid: u32,
    url: String,
    kluster: String,
    services: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    probe_url: Option<String>,
}

/// Serves until it is told to stop.
///
/// # Errors
/// A credential is missing, the server cannot be reached, or a service cannot start.
pub(crate) async fn run(context: Context, wanted: Wanted) -> Result<(), Failure> {
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let (fleet, watch) = tokio::select! {
        started = start(&context, &wanted) => started?,
        () = signals.stop() => return Ok(()),
    };
    signals.stop().await;
    info!("draining");
    tokio::select! {
        () = async { fleet.drain().await; watch.stop().await } => {}
        () = signals.stop_again() => return Err(anyhow::anyhow!("stopped before the services were drained").into()),
    }
    Ok(())
}

async fn start(context: &Context, wanted: &Wanted) -> Result<(Fleet, Watch), Failure> {
    let logins = wanted.services.iter().map(|service| Ok((*service, login(context, wanted, *service)?)));
    let logins = logins.collect::<Result<Vec<_>, Failure>>()?;
    let url = wanted.url.clone().map_or_else(|| context.url(), Ok)?;
    let metrics = Metrics::default();
    let place = Place::new(url, context, metrics.clone());
    let watch = Watch::start(&context.config.telemetry, &metrics).await?;
    let signers = wanted.signers.clone().unwrap_or_else(|| context.home.signers(&context.kluster));
    let running = try_join_all(
        logins
            .into_iter()
            .map(|(service, login)| place.start(service, &context.kluster, login, signers.clone())),
    )
    .await?;
    let ready = Ready {
        ready: true,
        pid: std::process::id(),
        url: place.url.clone(),
        kluster: context.kluster.to_string(),
        services: running.iter().map(selvedge_kit::service::Running::name).collect(),
        probe_url: watch.probe_url().map(str::to_owned),
    };
    let mut fleet = Fleet::default();
    fleet.add(context.kluster.clone(), running, &watch);
    context.output.print(&ready, human).context("cannot say that it serves")?;
    Ok((fleet, watch))
}

/// The credential named, else the folder's, else a fresh one if the folder holds the keys.
fn login(context: &Context, wanted: &Wanted, service: Service) -> Result<Login, Failure> {
    if !BUILT.contains(&service) {
        let built: Vec<_> = BUILT.iter().map(|service| service.name()).collect();
        return Err(Failure::Usage(format!(
            "this build has no service {service}; it has {}",
            built.join(", ")
        )));
    }
    if let Some(path) = &wanted.creds {
        return Ok(Login::File(path.clone()));
    }
    let path = context.home.service_creds(&context.kluster, service.name());
    if path.exists() {
        return Ok(Login::File(path));
    }
    let Ok(keyring) = Keyring::open(&context.home.authority()) else {
        return Err(Failure::Usage(format!(
            "there is no credential of {service} at {}: copy it from where `selvedge init --provision` ran, or name it with --creds",
            path.display()
        )));
    };
    let kluster = keyring.kluster(&context.kluster).context("cannot open the kluster's keys")?;
    let credential = kluster.service_credential(service, fresh_instance()?, now_ms());
    Ok(Login::held(credential.context("cannot make the service's credential")?))
}

fn human(ready: &Ready) -> String {
    let mut line = format!(
        "serving {} of kluster {} at {} (process {})",
        ready.services.join(", "),
        ready.kluster,
        ready.url,
        ready.pid
    );
    if let Some(probe) = &ready.probe_url {
        line += &format!("\n  probe  {probe}/readyz, {probe}/metrics");
    }
    line
}
