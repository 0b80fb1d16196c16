//! The services of every kluster that this process runs.

use std::collections::BTreeMap;

use anyhow::Context as _;
use futures::future::{join_all, try_join_all};
use selvedge_contracts::{id::KlusterName, role::Service};
use selvedge_kit::{authority::Kluster, clock::now_ms, credential::Login, service::Running};

use crate::{
    exit::Failure,
    services::{Place, fresh_instance},
    watch::Watch,
};

/// The services that run, by kluster.
#[derive(Default)]
pub(crate) struct Fleet {
    running: BTreeMap<KlusterName, Vec<Running>>,
}

impl Fleet {
    /// Whether the kluster's services run.
    pub(crate) fn has(&self, kluster: &KlusterName) -> bool {
        self.running.contains_key(kluster)
    }

    /// The klusters whose services run.
    pub(crate) fn klusters(&self) -> Vec<KlusterName> {
        self.running.keys().cloned().collect()
    }

    /// Takes over a kluster's services.
    pub(crate) fn add(&mut self, kluster: KlusterName, services: Vec<Running>, watch: &Watch) {
        services.iter().for_each(|service| watch.add(service.health()));
        self.running.insert(kluster, services);
    }

    /// Stops taking requests, waits for those in flight, and sends their replies.
    pub(crate) async fn drain(self) {
        join_all(self.running.into_values().flatten().map(Running::drain)).await;
    }
}

/// Starts services of a kluster, each over its own connection and under its own credential.
///
/// # Errors
/// The first that cannot start.
pub(crate) async fn start(
    place: &Place,
    kluster: &Kluster,
    services: &[Service],
) -> Result<Vec<Running>, Failure> {
    try_join_all(services.iter().map(|service| start_one(place, kluster, *service))).await
}

async fn start_one(place: &Place, kluster: &Kluster, service: Service) -> Result<Running, Failure> {
    let credential = kluster.service_credential(service, fresh_instance()?, now_ms());
    let credential = credential.with_context(|| format!("cannot make the credential of {service}"))?;
    place.start(service, kluster.name(), Login::held(credential), kluster.registry_folder()).await
}
