//! A fabric with a dispatcher, a planner, and workers.

use selvedge_contracts::{
    id::PlanId,
    payload::plan::{PlanReply, PlanState},
    role::Role,
};
use selvedge_kit::{creation::Asking, ledger::Ledger, service::Running};
use selvedge_tests::{
    Options, dispatcher,
    fabric::Fabric,
    raw::{count, ledger},
    wait,
};

pub(crate) use selvedge_tests::{fabric::Member, refused};

pub(crate) struct Scene {
    pub(crate) fabric: Fabric,
    pub(crate) replicas: Vec<Running>,
    pub(crate) ledger: Ledger,
    /// The planner, of `person:pia`.
    pub(crate) pia: Member,
    /// A worker, of `person:olga`.
    pub(crate) ada: Member,
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
        let pia = fabric.member("pia", Role::Planner, "person:pia").await;
        let ada = fabric.member("ada", Role::Worker, "person:olga").await;
        let ledger = ledger(&fabric.bus).await;
        Self { fabric, replicas: running, ledger, pia, ada }
    }

    pub(crate) async fn member(&self, name: &str, role: Role, owner: &str) -> Member {
        self.fabric.member(name, role, owner).await
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
