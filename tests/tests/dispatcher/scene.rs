//! A fabric with a dispatcher, a planner, and workers.

use nkeys::KeyPair;
use selvedge_contracts::{
    call,
    fault::{Code, Fault},
    id::PlanId,
    payload::{
        plan::{PlanReply, PlanState},
        task::{Claimed, TaskClaim},
    },
    role::Role,
};
use selvedge_kit::{client::Client, creation::Asking, ledger::Ledger, service::Running};
use selvedge_tests::{
    Options, dispatcher,
    fabric::{Agent, Fabric, Working, lasting_session},
    raw::{count, ledger},
    wait,
};

pub(crate) struct Scene {
    pub(crate) fabric: Fabric,
    pub(crate) replicas: Vec<Running>,
    pub(crate) ledger: Ledger,
    /// The planner, of `person:pia`.
    pub(crate) pia: Member,
    /// A worker, of `person:olga`.
    pub(crate) ada: Member,
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
        Self::start_on(Options::LAZY, replicas).await
    }

    pub(crate) async fn start_on(options: Options, replicas: usize) -> Self {
        Self::start_asking(options, replicas, Asking::Off).await
    }

    /// With replicas that ask `overlap`, which is not started, or do not.
    pub(crate) async fn start_asking(options: Options, replicas: usize, overlap: Asking) -> Self {
        let fabric = Fabric::start_with(options).await;
        let mut running = Vec::new();
        for index in 0..replicas {
            running.push(dispatcher::start_with(&fabric.bus, &format!("d{index}"), overlap).await);
        }
        let pia = member(&fabric, "pia", Role::Planner, "person:pia").await;
        let ada = member(&fabric, "ada", Role::Worker, "person:olga").await;
        let ledger = ledger(&fabric.bus).await;
        Self { fabric, replicas: running, ledger, pia, ada }
    }

    pub(crate) async fn member(&self, name: &str, role: Role, owner: &str) -> Member {
        member(&self.fabric, name, role, owner).await
    }

    /// How often this happened to any entity of this sort.
    pub(crate) async fn count(&self, happened: &str) -> usize {
        count(&self.ledger, &format!("demo.{happened}")).await
    }

    /// Waits until a plan stands so.
    pub(crate) async fn becomes(&self, plan: &PlanId, wanted: PlanState) -> PlanReply {
        wait::until("the plan's end", async || {
            let found = dispatcher::show_plan(self.pia.client(), plan).await;
            if found.plan.state == wanted { Ok(found) } else { Err(found) }
        })
        .await
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

    /// Takes a task that is ready, under a claim that lasts so long.
    pub(crate) async fn claim_for(&self, ttl_ms: u64) -> Option<Claimed> {
        let claim =
            TaskClaim { queue: None, wait_ms: Some(2_000), ttl_ms: Some(ttl_ms), credential_key: None };
        self.client().call::<call::TaskClaim>(&claim).await.expect("a claim").reply.claimed
    }

    /// Takes a task; one has to come.
    pub(crate) async fn claim(&self) -> Claimed {
        wait::until("a task", async || dispatcher::claim(self.client()).await.unwrap().ok_or("none")).await
    }
}

/// The refusal, and that it has this code and says this somewhere.
pub(crate) fn refused<T: std::fmt::Debug>(outcome: Result<T, Fault>, code: Code, says: &str) -> Fault {
    let fault = outcome.unwrap_err();
    let told =
        fault.message.contains(says) || fault.details.iter().any(|detail| detail.message.contains(says));
    assert!(fault.code == code && told, "expected {code} with {says:?}: {fault:?}");
    fault
}
