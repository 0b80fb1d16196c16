//! The service overlap under test, and what agents and services ask of it.

use std::path::Path;

use selvedge_contracts::{
    call,
    fault::Fault,
    id::{AgentId, CreationId, KindName, KlusterName, Mission, Owner, ScopeId},
    payload::Nothing,
    payload::overlap::{Answer, CreationReply, CreationShow, Decide, OnBehalf, Propose, ProposeReply, Stats},
    role::{Role, Service},
};
use selvedge_kit::{
    client::Client,
    credential::Login,
    metrics::Metrics,
    service::{Limits, Running},
};
use selvedge_overlap::service::{Config, start};

use crate::{Bus, fabric::connect_url};

/// What a replica runs with: nothing expires or is completed by itself within a test, unless it says so.
pub fn config(account: String, snapshots: &Path) -> Config {
    Config {
        account,
        kluster: KlusterName::new("main").expect("a name"),
        snapshots: snapshots.display().to_string(),
        options: Vec::new(),
        snapshot_facts: u64::MAX,
        barrier_ms: 2_000,
        open_per_owner: 100_000,
        own_per_owner: 100_000,
        pending_ttl_ms: 600_000,
        complete_ms: 600_000,
        second: None,
        steps: selvedge_kit::steps::Steps::default(),
    }
}

/// A replica of the service.
pub async fn replica(bus: &Bus, instance: &str) -> Running {
    replica_with(bus, &bus.url(), instance, |config| config).await
}

/// A replica that runs with something else, whose connection goes by way of `url`.
pub async fn replica_with(
    bus: &Bus,
    url: &str,
    instance: &str,
    change: impl FnOnce(Config) -> Config,
) -> Running {
    let login = Login::held(bus.service_credential(Service::Overlap, instance));
    let connection = connect_url(url, login).await;
    let config = change(config(bus.kluster().account(), &bus.path().join("overlap")));
    start(connection, &config, Limits::default(), &Metrics::default())
        .await
        .expect("the service overlap starts")
}

/// Asks as the dispatcher, which proposes tasks for agents, in the mission `demo`.
pub async fn dispatcher(bus: &Bus, instance: &str) -> Client {
    let credential = bus.credential(Role::Dispatcher, "demo", "dispatcher", instance);
    let connection = connect_url(&bus.url(), Login::held(credential)).await;
    Client::new(connection).in_mission(Mission::new("demo").expect("a mission"))
}

/// Asks as the service artifacts, which proposes names for agents, in the mission `demo`.
pub async fn artifacts(bus: &Bus, instance: &str) -> Client {
    let credential = bus.credential(Role::Artifacts, "demo", "artifacts", instance);
    let connection = connect_url(&bus.url(), Login::held(credential)).await;
    Client::new(connection).in_mission(Mission::new("demo").expect("a mission"))
}

/// For an agent that need not be registered.
pub fn behalf(agent: &str, owner: &str) -> OnBehalf {
    OnBehalf {
        agent: AgentId::new(agent).expect("an agent"),
        role: Role::Worker,
        owner: Owner::new(owner).expect("an owner"),
        session: ScopeId::new("session_1").expect("a session"),
        task: None,
        request: None,
    }
}

/// A thing of a mission's own kind.
pub fn note(id: &str, title: &str) -> Propose {
    Propose {
        what: KindName::new("note").expect("a kind"),
        id: id.to_owned(),
        title: title.to_owned(),
        description: String::new(),
        paths: Vec::new(),
        artifacts: Vec::new(),
        parts: Vec::new(),
        on_behalf: None,
    }
}

/// A task that an agent wants.
pub fn task(agent: &str, id: &str, title: &str) -> Propose {
    let on_behalf = Some(behalf(agent, "person:olga"));
    Propose { what: KindName::task(), on_behalf, ..note(id, title) }
}

/// Proposes.
///
/// # Errors
/// The service's refusal.
pub async fn propose(client: &Client, wanted: &Propose) -> Result<ProposeReply, Fault> {
    client.call::<call::OverlapPropose>(wanted).await.map(|answered| answered.reply)
}

/// Says what is to become of a creation.
///
/// # Errors
/// The service's refusal.
pub async fn decide(client: &Client, creation: &CreationId, answer: Answer) -> Result<CreationReply, Fault> {
    let decide = Decide { creation: creation.clone(), answer, reason: None };
    client.call::<call::OverlapDecide>(&decide).await.map(|answered| answered.reply)
}

/// A creation as it stands.
///
/// # Errors
/// The service's refusal.
pub async fn show(client: &Client, creation: &CreationId) -> Result<CreationReply, Fault> {
    let show = CreationShow { creation: creation.clone() };
    client.call::<call::OverlapShow>(&show).await.map(|answered| answered.reply)
}

/// How large the index of the replica is that answers.
///
/// # Errors
/// The service's refusal.
pub async fn stats(client: &Client) -> Result<Stats, Fault> {
    client.call::<call::OverlapStats>(&Nothing {}).await.map(|answered| answered.reply)
}
