//! A fabric with governance, and the agents that ask it.

use selvedge_contracts::{
    call,
    envelope::Envelope,
    fact::{EntityName, FactKind},
    id::Mission,
    payload::{
        Nothing, Recorded,
        intent::Intent,
        policy::{PolicyActivate, PolicyConfirm, PolicyDraft},
    },
    role::Role,
    subject::Entity,
};
use selvedge_governance::IntentLimits;
use selvedge_kit::{
    client::Client,
    clock::Deadline,
    creation::Asking,
    credential::Login,
    ledger::{Ledger, NewFact},
    service::Running,
};
use selvedge_tests::{
    fabric::{Fabric, connect_bus},
    governance,
    raw::{count, ledger},
};

pub(crate) use selvedge_tests::{fabric::Member, refused};

/// A fabric with one replica of the service and a worker of `person:olga`.
pub(crate) struct Scene {
    pub(crate) fabric: Fabric,
    pub(crate) replicas: Vec<Running>,
    pub(crate) ledger: Ledger,
    pub(crate) ada: Member,
    pub(crate) committer: Client,
}

impl Scene {
    pub(crate) async fn start() -> Self {
        Self::start_with(1).await
    }

    pub(crate) async fn start_with(replicas: usize) -> Self {
        Self::start_under(replicas, IntentLimits::default(), Asking::Off).await
    }

    pub(crate) async fn start_under(replicas: usize, intents: IntentLimits, overlap: Asking) -> Self {
        let fabric = Fabric::start().await;
        let mut running = Vec::new();
        for index in 0..replicas {
            running.push(governance::start_with(&fabric.bus, &format!("g{index}"), intents, overlap).await);
        }
        let ada = fabric.member("ada", Role::Worker, "person:olga").await;
        let committer = governance::committer(&fabric.bus, "c1").await;
        let ledger = ledger(&fabric.bus).await;
        Self { fabric, replicas: running, ledger, ada, committer }
    }

    /// An agent of somebody, in a session in `demo`.
    pub(crate) async fn member(&self, name: &str, role: Role, owner: &str) -> Member {
        self.fabric.member(name, role, owner).await
    }

    /// Puts a policy in force, by two principals.
    pub(crate) async fn enact(&self, text: &str) {
        let operator = self.fabric.operator.clone().in_mission(Mission::new("demo").unwrap());
        let draft = PolicyDraft { text: text.to_owned(), note: String::new() };
        let drafted = operator.call::<call::PolicyDraft>(&draft).await.unwrap().reply.policy;
        let activate = PolicyActivate { version: drafted.version, reason: "a test".to_owned() };
        operator.call::<call::PolicyActivate>(&activate).await.unwrap();
        let second =
            self.member(&format!("second{}", drafted.version), Role::Approver, "person:second").await;
        let confirm = PolicyConfirm { version: drafted.version, digest: drafted.digest };
        second.client().call::<call::PolicyConfirm>(&confirm).await.unwrap();
    }

    /// Records a fact about an intent as a service would, and answers with its revision.
    pub(crate) async fn record(&self, fact: FactKind, state: &Intent, expected: u64) -> u64 {
        let login = Login::held(self.fabric.bus.service_credential(fact.service, "stand-in"));
        let ledger = Ledger::new(connect_bus(&self.fabric.bus, login).await);
        let entity =
            Entity { mission: state.mission.clone(), name: EntityName::Intent, id: (&state.id).into() };
        let payload = serde_json::to_vec(&Recorded { change: &Nothing {}, state }).unwrap();
        let envelope = Envelope {
            id: format!("{}-{}-{expected}", state.id, fact.name),
            kind: fact.kind().to_string(),
            mission: state.mission.to_string(),
            sender: fact.service.name().to_owned(),
            session: "stand-in".to_owned(),
            payload,
            ..Envelope::default()
        };
        let fact = NewFact { entity, fact, envelope, request: None, traceparent: None };
        ledger.append(&fact, expected, Deadline::in_ms(5_000)).await.unwrap()
    }

    /// How often this happened to any intent of the mission.
    pub(crate) async fn count(&self, happened: &str) -> usize {
        count(&self.ledger, &format!("demo.intent.*.{happened}")).await
    }

    /// An approver of `person:paul`.
    pub(crate) async fn approver(&self) -> Member {
        self.member("paula", Role::Approver, "person:paul").await
    }
}
