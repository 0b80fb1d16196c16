//! Everything that the collision suite runs against, in this process.

use selvedge_eval::Deployment;
use selvedge_kit::{creation::Asking, credential::Login, service::Running};

use crate::{artifacts, committer, dispatcher, fabric::Fabric, governance, overlap};

/// A fabric with every service.
pub struct Whole {
    /// The fabric.
    pub fabric: Fabric,
    services: Vec<Running>,
}

impl Whole {
    /// One replica of each service.
    pub async fn start() -> Self {
        let fabric = Fabric::start().await;
        let bus = &fabric.bus;
        let services = vec![
            fabric.leases_replica("l1").await,
            artifacts::start(bus, &artifacts::in_folder(bus), "a1").await,
            overlap::replica(bus, "o1").await,
            governance::start_with(bus, "g1", Default::default(), Asking::Required).await,
            committer::start(bus, "c1").await,
            dispatcher::start_with(bus, "d1", Asking::Required).await,
        ];
        Self { fabric, services }
    }

    /// What the suite is told about it.
    pub fn deployment(&self) -> Deployment {
        let bus = &self.fabric.bus;
        let kluster = bus.keyring().kluster(bus.kluster().name()).expect("the kluster");
        Deployment {
            url: bus.url(),
            connect_timeout_ms: 5_000,
            kluster,
            operator: Login::held(self.fabric.operator_credential.clone()),
            tells_denials: false,
        }
    }

    /// Stops the services.
    pub async fn stop(self) {
        for service in self.services {
            service.drain().await;
        }
    }
}
