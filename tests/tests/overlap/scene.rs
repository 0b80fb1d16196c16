//! A fabric with overlap, and those who ask it.

use selvedge_contracts::{
    call,
    id::CreationId,
    payload::overlap::{Check, Checked, CreationState, Propose, ProposeReply},
    role::Role,
};
use selvedge_kit::{client::Client, ledger::Ledger, service::Running};
use selvedge_overlap::service::Config;
use selvedge_tests::{
    fabric::Fabric,
    overlap,
    raw::{count, ledger},
    wait::until,
};

pub(crate) use selvedge_tests::{fabric::Member, refused};

/// A fabric with replicas of the service, a worker of `person:olga`, and a dispatcher.
pub(crate) struct Scene {
    pub(crate) fabric: Fabric,
    pub(crate) replicas: Vec<Running>,
    pub(crate) ledger: Ledger,
    pub(crate) ada: Member,
    pub(crate) dispatcher: Client,
}

impl Scene {
    pub(crate) async fn start() -> Self {
        Self::start_with(1, |config| config).await
    }

    pub(crate) async fn start_with(replicas: usize, change: impl Fn(Config) -> Config) -> Self {
        let fabric = Fabric::start().await;
        let mut running = Vec::new();
        for index in 0..replicas {
            let (bus, instance) = (&fabric.bus, format!("o{index}"));
            running.push(overlap::replica_with(bus, &bus.url(), &instance, &change).await);
        }
        let ada = fabric.member("ada", Role::Worker, "person:olga").await;
        let dispatcher = overlap::dispatcher(&fabric.bus, "d1").await;
        let ledger = ledger(&fabric.bus).await;
        Self { fabric, replicas: running, ledger, ada, dispatcher }
    }

    pub(crate) async fn member(&self, mission: &str, name: &str, role: Role, owner: &str) -> Member {
        self.fabric.member_of(mission, name, role, owner).await
    }

    /// Who proposes names of artifacts.
    pub(crate) async fn artifacts(&self) -> Client {
        overlap::artifacts(&self.fabric.bus, "a1").await
    }

    /// Proposes a task for an agent.
    pub(crate) async fn task(&self, agent: &str, id: &str, title: &str) -> ProposeReply {
        overlap::propose(&self.dispatcher, &overlap::task(agent, id, title)).await.unwrap()
    }

    pub(crate) async fn state_of(&self, creation: &CreationId) -> CreationState {
        overlap::show(self.ada.client(), creation).await.unwrap().state
    }

    pub(crate) async fn comes_to(&self, creation: &CreationId, wanted: CreationState) {
        until(&format!("{creation} to be {wanted}"), async || {
            let state = self.state_of(creation).await;
            if state == wanted { Ok(()) } else { Err(state) }
        })
        .await;
    }

    /// How often this happened to any creation.
    pub(crate) async fn count(&self, happened: &str) -> usize {
        count(&self.ledger, &format!("*.creation.*.{happened}")).await
    }
}

/// What already exists that looks like a title.
pub(crate) async fn check(client: &Client, title: &str) -> Checked {
    let check = Check { title: title.to_owned(), ..Check::default() };
    client.call::<call::OverlapCheck>(&check).await.unwrap().reply
}

/// The creations of the candidates.
pub(crate) fn found(checked: &Checked) -> Vec<&CreationId> {
    checked.candidates.iter().map(|candidate| &candidate.creation).collect()
}

/// The same proposal for a thing of another id.
pub(crate) fn called(wanted: &Propose, id: &str) -> Propose {
    Propose { id: id.to_owned(), ..wanted.clone() }
}
