//! A fabric with governance, and the agents that ask it.

use nkeys::KeyPair;
use selvedge_contracts::role::Role;
use selvedge_kit::{client::Client, ledger::Ledger, service::Running};
use selvedge_tests::{
    fabric::{Agent, Fabric, Working, lasting_session},
    governance,
    raw::ledger,
};

/// A fabric with one replica of the service and a worker of `person:olga`.
pub(crate) struct Scene {
    pub(crate) fabric: Fabric,
    pub(crate) replicas: Vec<Running>,
    pub(crate) ledger: Ledger,
    pub(crate) ada: Member,
    pub(crate) committer: Client,
}

/// An agent in a session.
pub(crate) struct Member {
    pub(crate) agent: Agent,
    pub(crate) working: Working,
}

impl Scene {
    pub(crate) async fn start() -> Self {
        Self::start_with(1).await
    }

    pub(crate) async fn start_with(replicas: usize) -> Self {
        let fabric = Fabric::start().await;
        let mut running = Vec::new();
        for index in 0..replicas {
            running.push(governance::start(&fabric.bus, &format!("g{index}")).await);
        }
        let ada = member(&fabric, "ada", Role::Worker, "person:olga").await;
        let committer = governance::committer(&fabric.bus, "c1").await;
        let ledger = ledger(&fabric.bus).await;
        Self { fabric, replicas: running, ledger, ada, committer }
    }

    /// An agent of somebody, in a session in `demo`.
    pub(crate) async fn member(&self, name: &str, role: Role, owner: &str) -> Member {
        member(&self.fabric, name, role, owner).await
    }

    /// An approver of `person:paul`.
    pub(crate) async fn approver(&self) -> Member {
        self.member("paula", Role::Approver, "person:paul").await
    }
}

async fn member(fabric: &Fabric, name: &str, role: Role, owner: &str) -> Member {
    let invite = fabric.invite(role, owner).await;
    let agent = fabric.join(&invite, name, &KeyPair::new_user()).await.expect("joined");
    let working = fabric.session(&agent, lasting_session()).await.expect("a session");
    Member { agent, working }
}

impl Member {
    pub(crate) fn client(&self) -> &Client {
        &self.working.client
    }
}
