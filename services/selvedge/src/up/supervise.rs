//! Keeping it up: nats-server restarted when it dies, klusters taken in when they are made.

use std::process::ExitStatus;

use futures::future::try_join_all;
use selvedge_contracts::{
    call,
    fault::{Code, Fault},
    id::Mission,
    payload::{Nothing, mission::MissionCreate},
};
use selvedge_kit::{
    authority::{Credential, Kluster},
    client::Client,
    credential::Login,
    service::Running,
};
use tokio::signal::unix::Signal;
use tracing::{info, warn};

use super::{Up, denials, keys, warden};
use crate::{exit::Failure, fleet, foundation, operator};

/// The mission of a first start, if none is named.
const FIRST_MISSION: &str = "demo";

impl Up {
    /// Runs on until nats-server cannot be kept running.
    pub(super) async fn keep_running(&mut self, mut look_again: Signal) -> Failure {
        self.listen_for_denials();
        loop {
            let end = self.server.end();
            tokio::select! {
                status = end => {
                    self.watch.server_runs(false);
                    if let Err(failure) = self.restart(status).await {
                        return failure;
                    }
                    self.watch.server_runs(true);
                }
                _ = look_again.recv() => self.rescan_or_warn().await,
            }
        }
    }

    /// Starts nats-server again. What its store may have lost is made anew; the services reconnect by
    /// themselves.
    async fn restart(&mut self, mut status: Option<ExitStatus>) -> Result<(), Failure> {
        loop {
            self.server.restart(&self.keys.keyring, status).await?;
            self.listen_for_denials();
            self.write_state()?;
            let end = self.server.end();
            status = tokio::select! {
                provisioned = self.provision_again() => return provisioned,
                status = end => status,
            };
        }
    }

    async fn provision_again(&self) -> Result<(), Failure> {
        let replicas = self.context.config.server.replicas;
        for kluster in keys::klusters(&self.keys.keyring)? {
            if let Err(failure) = foundation::provision(&self.place, &kluster, replicas).await {
                warn!(kluster = %kluster.name(), error = failure.chain(), "streams not made anew");
            }
        }
        Ok(())
    }

    /// What a dying nats-server leaves half done is done by the next signal, or the next `up`.
    async fn rescan_or_warn(&mut self) {
        let end = self.server.end();
        let outcome = tokio::select! {
            outcome = self.rescan() => outcome,
            _ = end => Err(anyhow::anyhow!("nats-server died").into()),
        };
        if let Err(failure) = outcome {
            warn!(error = failure.chain(), "cannot start a new kluster");
        }
    }

    fn listen_for_denials(&mut self) {
        if let Some(denials) = self.server.denials() {
            let (authority, kluster) = (self.context.home.authority(), self.context.kluster.clone());
            // It ends with the child whose log it hears.
            tokio::spawn(denials::record(self.place.clone(), authority, kluster, denials));
        }
    }

    /// Starts the services of klusters that have none yet.
    pub(super) async fn rescan(&mut self) -> Result<(), Failure> {
        let klusters = keys::klusters(&self.keys.keyring)?;
        let new: Vec<Kluster> =
            klusters.into_iter().filter(|kluster| !self.fleet.has(kluster.name())).collect();
        let started = try_join_all(new.iter().map(|kluster| self.take_in(kluster))).await?;
        for (kluster, services) in new.iter().zip(started) {
            info!(kluster = %kluster.name(), services = services.len(), "serving a kluster");
            self.fleet.add(kluster.name().clone(), services, &self.watch);
            self.wardens.spawn(warden::watch(self.context.in_kluster(kluster.name()), self.place.clone()));
        }
        Ok(())
    }

    async fn take_in(&self, kluster: &Kluster) -> Result<Vec<Running>, Failure> {
        let laid =
            foundation::lay(&self.context, &self.place, kluster, self.context.config.server.replicas).await?;
        if !laid.report.is_empty() {
            info!(kluster = %kluster.name(), created = ?laid.report.created, updated = ?laid.report.updated, "streams made");
        }
        let services = fleet::start(&self.place, kluster, &self.services).await?;
        if laid.operator == operator::Outcome::Kept {
            self.verify_operator(kluster).await?;
        }
        Ok(services)
    }

    /// The ledger may be younger than the credential: somebody took the store away.
    async fn verify_operator(&self, kluster: &Kluster) -> Result<(), Failure> {
        let path = self.context.home.operator_creds(kluster.name());
        let client = Client::new(self.place.connect("operator", Login::File(path.clone())).await?);
        match client.call::<call::Whoami>(&Nothing {}).await {
            Err(fault) if fault.code == Code::Denied => {
                warn!(kluster = %kluster.name(), "the ledger does not know the operator: installing it again");
                let owner = operator::owner(&self.context.environment)?;
                let credential = Credential::read(&path).map_err(anyhow::Error::new)?;
                operator::install(&self.place, kluster, &credential, &owner).await
            }
            answer => Ok(answer.map(drop)?),
        }
    }

    /// Sees to it that the missions are there; gives those asked for.
    pub(super) async fn missions(&self, mut wanted: Vec<Mission>) -> Result<Vec<Mission>, Failure> {
        if wanted.is_empty() && self.keys.is_fresh {
            wanted.extend(Mission::new(FIRST_MISSION));
        }
        if wanted.is_empty() {
            return Ok(wanted);
        }
        let path = self.context.home.operator_creds(&self.context.kluster);
        let client = Client::new(self.place.connect("operator", Login::File(path)).await?);
        for mission in &wanted {
            let create = MissionCreate { mission: mission.clone(), title: String::new() };
            match client.call::<call::MissionCreate>(&create).await {
                // It is there under a title that somebody gave it.
                Err(Fault { code: Code::Conflict, .. }) | Ok(_) => {}
                Err(fault) => return Err(fault.into()),
            }
        }
        Ok(wanted)
    }
}
