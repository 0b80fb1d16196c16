//! Committers under test: processes that die or stop at a step, and the intents that they are to carry out.

use std::collections::BTreeMap;

use selvedge_committer::Network;
use selvedge_contracts::{
    fact::EntityName,
    id::{IntentId, Mission},
    payload::intent::{Effect, Intent, IntentReply, IntentState, Propose},
    role::{Role, Service},
    subject::Entity,
};
use selvedge_kit::{
    client::Client,
    clock::Deadline,
    credential::Login,
    ledger::{FactRecord, Ledger},
    metrics::Metrics,
    service::{Limits, Running},
};

use crate::{
    Bus, artifacts,
    fabric::{Fabric, Member, connect_bus},
    governance,
    raw::ledger,
    replica::Replica,
    wait::until,
};

/// How long an instance has for an effect before another one takes it over, in milliseconds.
pub const TAKEOVER_MS: u64 = 400;

/// A fabric with governance and artifacts, a worker who proposes and an approver of another principal.
pub struct Scene {
    /// The fabric.
    pub fabric: Fabric,
    /// All facts.
    pub ledger: Ledger,
    /// Proposes.
    pub ada: Member,
    /// Approves.
    pub paula: Member,
    /// Asks as the operator, in `demo`.
    pub operator: Client,
    services: Vec<Running>,
    binary: &'static str,
}

impl Scene {
    /// Starts all but a committer, which `binary` is.
    pub async fn start(binary: &'static str) -> Self {
        let fabric = Fabric::start().await;
        let services = vec![
            governance::start(&fabric.bus, "g1").await,
            artifacts::start(&fabric.bus, &artifacts::in_folder(&fabric.bus), "a1").await,
        ];
        let ada = fabric.member("ada", Role::Worker, "person:ada").await;
        let paula = fabric.member("paula", Role::Approver, "person:paul").await;
        let ledger = ledger(&fabric.bus).await;
        let operator = fabric.operator.clone().in_mission(demo());
        Self { fabric, ledger, ada, paula, operator, services, binary }
    }

    /// Stops governance and artifacts.
    pub async fn stop_services(&mut self) {
        for service in self.services.drain(..) {
            service.drain().await;
        }
    }

    /// A committer in a process of its own.
    pub fn committer(&self, instance: &str) -> Replica {
        self.dying_committer(instance, None)
    }

    /// A committer that kills itself at a step.
    pub fn dying_committer(&self, instance: &str, step: Option<&str>) -> Replica {
        let bus = &self.fabric.bus;
        Replica::committer(self.binary, bus, &bus.url(), instance, TAKEOVER_MS, step)
    }

    /// A committer that stops at a step.
    pub fn stopping_committer(&self, instance: &str, step: &str) -> Replica {
        Replica::stopping_committer(self.binary, &self.fabric.bus, instance, TAKEOVER_MS, step)
    }

    /// Proposes an effect and has it approved if it needs that.
    pub async fn approved(&self, wanted: &Propose) -> IntentReply {
        let proposed = governance::propose(self.ada.client(), wanted).await.expect("it is proposed");
        self.approve(&proposed).await
    }

    /// Approves an intent if it needs that.
    pub async fn approve(&self, proposed: &IntentReply) -> IntentReply {
        assert_eq!(proposed.intent.state, IntentState::Verified, "{:?}", proposed.intent.reasons);
        if proposed.intent.is_ready() {
            return proposed.clone();
        }
        governance::approve(&self.paula.agent, &self.paula.working, &proposed.intent).await.expect("approved")
    }

    /// The intent as it stands.
    pub async fn intent(&self, id: &IntentId) -> Intent {
        governance::show(self.ada.client(), id).await.expect("an intent").intent
    }

    /// Waits until the intent is in one of these states, and answers with it.
    pub async fn reaches(&self, id: &IntentId, states: &[IntentState]) -> Intent {
        until(&format!("{id} to be one of {states:?}"), async || {
            let intent = self.intent(id).await;
            if states.contains(&intent.state) { Ok(intent) } else { Err((intent.state, intent.execution)) }
        })
        .await
    }

    /// Waits until the committer has died, or has nothing left at which it could: the intent has an end.
    pub async fn dies_or_ends(&self, committer: &mut Replica, id: &IntentId) {
        until("the committer to die or end it", async || {
            let state = self.intent(id).await.state;
            if committer.has_ended() || state.is_settled() { Ok(()) } else { Err(state) }
        })
        .await;
    }

    /// Waits until the committer has died, or there is nothing left at which it could.
    pub async fn dies_or(&self, committer: &mut Replica, is_over: impl AsyncFn() -> bool) {
        until("the committer to die", async || {
            if committer.has_ended() || is_over().await { Ok(()) } else { Err("it lives") }
        })
        .await;
    }

    /// All facts of an intent, in order.
    pub async fn facts(&self, id: &IntentId) -> Vec<FactRecord> {
        let about = Entity { mission: demo(), name: EntityName::Intent, id: id.into() };
        let deadline = Deadline::in_ms(10_000);
        self.ledger.history(&about, 0, usize::MAX, deadline).await.expect("its history")
    }

    /// How often each kind of fact of an intent is on record.
    pub async fn counts(&self, id: &IntentId) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for fact in self.facts(id).await {
            *counts.entry(fact.fact.kind).or_default() += 1;
        }
        counts
    }
}

/// Where the targets of tests are.
pub fn loopback() -> Vec<Network> {
    vec!["127.0.0.1".parse().expect("an address")]
}

/// Bytes of contents that a committer holds at once: as few as there may be.
pub const MEMORY_BYTES: u64 = 64 << 20;

/// A committer in this process, which has as long for an effect as one of a fabric.
pub async fn start(bus: &Bus, instance: &str) -> Running {
    start_reaching(bus, instance, loopback()).await
}

/// The same, which may ask these addresses beside public ones.
pub async fn start_reaching(bus: &Bus, instance: &str, allowed_networks: Vec<Network>) -> Running {
    let login = Login::held(bus.service_credential(Service::Committer, instance));
    let config = selvedge_committer::Config {
        account: bus.kluster().account(),
        secrets: None,
        copies: bus.path().join("copies"),
        allowed_networks,
        memory_bytes: MEMORY_BYTES,
        takeover_ms: 10_000,
        steps: selvedge_kit::steps::Steps::default(),
    };
    let connection = connect_bus(bus, login).await;
    selvedge_committer::start(connection, &config, Limits::default(), &Metrics::default())
        .await
        .expect("the committer starts")
}

/// A proposal that no other is equal to.
pub fn once(effect: Effect, occurrence: &str) -> Propose {
    Propose { occurrence: Some(occurrence.to_owned()), ..governance::wanting(effect) }
}

/// The mission of all tests.
pub fn demo() -> Mission {
    Mission::new("demo").expect("a mission")
}
