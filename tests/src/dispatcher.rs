//! The service dispatcher under test, and what planners and workers ask of it.

use selvedge_contracts::{
    call,
    fault::Fault,
    id::{PlanId, TaskId},
    payload::{
        plan::{PlanReply, PlanShow, PlanSpec, PlanSubmit, TaskSpec},
        task::{Claimed, TaskClaim, TaskReply, TaskShow, TaskShown, TaskSubmit},
    },
    role::Service,
};
use selvedge_dispatcher::Config;
use selvedge_kit::{
    client::Client,
    creation::Asking,
    credential::Login,
    metrics::Metrics,
    service::{Limits, Running},
};
use serde_json::{Value, json};

use crate::{
    Bus,
    fabric::{Member, connect_bus},
    wait,
};

/// A replica of the service, which does not ask `overlap`.
pub async fn start(bus: &Bus, instance: &str) -> Running {
    start_with(bus, instance, Asking::Off).await
}

/// A replica of the service, which asks `overlap` or does not.
pub async fn start_with(bus: &Bus, instance: &str, overlap: Asking) -> Running {
    start_within(bus, instance, overlap, Limits::default()).await
}

/// The same within bounds of its own.
pub async fn start_within(bus: &Bus, instance: &str, overlap: Asking, limits: Limits) -> Running {
    let login = Login::held(bus.service_credential(Service::Dispatcher, instance));
    let connection = connect_bus(bus, login).await;
    let config = Config { account: bus.kluster().account(), overlap };
    selvedge_dispatcher::start(connection, &config, limits, &Metrics::default())
        .await
        .expect("the service dispatcher starts")
}

/// A plan of tasks, each with its needs; an output passes if it has a field `ok`.
pub fn plan(title: &str, tasks: &[(&str, &[&str])]) -> PlanSpec {
    let tasks: Vec<_> = tasks
        .iter()
        .map(|(id, needs)| {
            json!({ "id": id, "title": id, "needs": needs, "backoff_ms": 0,
                "checks": [{ "kind": "pointer", "at": "/ok", "equals": true }] })
        })
        .collect();
    serde_json::from_value(json!({ "title": title, "tasks": tasks })).expect("a plan")
}

/// Submits a plan.
///
/// # Errors
/// The service's refusal.
pub async fn submit_plan(client: &Client, plan: &PlanSpec) -> Result<PlanReply, Fault> {
    let submit = PlanSubmit { plan: plan.clone() };
    client.call::<call::PlanSubmit>(&submit).await.map(|answered| answered.reply)
}

/// A plan as it stands.
pub async fn show_plan(client: &Client, plan: &PlanId) -> PlanReply {
    client
        .call::<call::PlanShow>(&PlanShow { plan: plan.clone(), after: None })
        .await
        .expect("the plan")
        .reply
}

/// Takes the next task of the default queue; waits up to two seconds for one.
///
/// # Errors
/// The service's refusal.
pub async fn claim(client: &Client) -> Result<Option<Claimed>, Fault> {
    let claim = TaskClaim { queue: None, wait_ms: Some(2_000), ttl_ms: None, credential_key: None };
    client.call::<call::TaskClaim>(&claim).await.map(|answered| answered.reply.claimed)
}

/// A task of a plan, as it is written in JSON.
pub fn task_spec(spec: Value) -> TaskSpec {
    serde_json::from_value(spec).expect("a task")
}

/// A task as it stands.
pub async fn show_task(client: &Client, task: &TaskId) -> TaskShown {
    client.call::<call::TaskShow>(&TaskShow { task: task.clone() }).await.expect("the task").reply
}

/// Hands something in.
///
/// # Errors
/// The service's refusal.
pub async fn submit(client: &Client, claimed: &Claimed, output: Value) -> Result<TaskReply, Fault> {
    let token = claimed.task.claim.as_ref().expect("a claim").token.clone();
    let submit = TaskSubmit { task: claimed.task.id.clone(), token, output, effects: Vec::new() };
    client.call::<call::TaskSubmit>(&submit).await.map(|answered| answered.reply)
}

/// Does tasks until none comes for a while; answers with the names of those that passed.
pub async fn work(client: &Client) -> Vec<String> {
    let mut done = Vec::new();
    while let Some(claimed) = claim(client).await.expect("a claim") {
        submit(client, &claimed, json!({ "ok": true })).await.expect("handed in");
        done.push(claimed.spec.id.to_string());
    }
    done
}

impl Member {
    /// Takes a task that is ready, under a claim that lasts so long; none if none comes.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn claim_for(&self, ttl_ms: u64) -> Option<Claimed> {
        let claim =
            TaskClaim { queue: None, wait_ms: Some(2_000), ttl_ms: Some(ttl_ms), credential_key: None };
        self.client().call::<call::TaskClaim>(&claim).await.expect("a claim").reply.claimed
    }

    /// Takes a task; one has to come.
    ///
    /// # Panics
    /// If it is refused, or none comes.
    pub async fn claim(&self) -> Claimed {
        wait::until("a task", async || claim(self.client()).await.unwrap().ok_or("none")).await
    }
}
