//! The service governance under test, and what agents ask of it.

use std::path::PathBuf;

use selvedge_contracts::{
    call,
    fault::Fault,
    id::{EffectorName, IntentId, Mission, RecordKey},
    payload::intent::{
        Approve, Deny, Effect, ExternalEffect, Intent, IntentReply, IntentShow, MemoryEffect, Propose,
        Redeem, Redeemed, Repeat, approval_text,
    },
    role::Service,
};
use selvedge_governance::{Config, IntentLimits};
use selvedge_kit::{
    client::Client,
    creation::Asking,
    credential::Login,
    metrics::Metrics,
    service::{Limits, Running},
    signature::encode_base64url,
};
use serde_json::{Value, json};

use crate::{
    Bus,
    fabric::{Agent, Member, Working, connect_bus},
};

/// The file with the keys of approvals, shared by all replicas of a bus, those in other processes too.
pub fn keys(bus: &Bus) -> PathBuf {
    bus.path().join("approvals.keys")
}

/// A replica of the service.
pub async fn start(bus: &Bus, instance: &str) -> Running {
    start_with(bus, instance, IntentLimits::default(), Asking::Off).await
}

/// A replica of the service under these bounds, which asks `overlap` or does not.
pub async fn start_with(bus: &Bus, instance: &str, intents: IntentLimits, overlap: Asking) -> Running {
    let login = Login::held(bus.service_credential(Service::Governance, instance));
    let connection = connect_bus(bus, login).await;
    let config = Config { account: bus.kluster().account(), keys: keys(bus), intents, overlap };
    selvedge_governance::start(connection, &config, Limits::default(), &Metrics::default())
        .await
        .expect("the service governance starts")
}

/// Asks as a committer, in the mission `demo`.
pub async fn committer(bus: &Bus, instance: &str) -> Client {
    let login = Login::held(bus.service_credential(Service::Committer, instance));
    Client::new(connect_bus(bus, login).await).in_mission(Mission::new("demo").expect("a mission"))
}

/// A proposal with nothing but an effect.
pub fn wanting(effect: Effect) -> Propose {
    Propose {
        title: "a test".to_owned(),
        effect,
        undo: None,
        occurrence: None,
        inputs: Vec::new(),
        preconditions: Vec::new(),
        tokens: Vec::new(),
        expires_after_ms: None,
    }
}

/// The first value of a record: needs no approval where there is no policy.
pub fn memory(key: &str, value: Value) -> Effect {
    let key = RecordKey::new(key).expect("a key");
    Effect::Memory(MemoryEffect { key, value: Some(value), revision: 0, sources: Vec::new() })
}

/// What an effector would do: needs an approval where there is no policy.
pub fn external(operation: &str) -> Effect {
    Effect::External(ExternalEffect {
        effector: EffectorName::new("mailer").expect("a name"),
        operation: operation.to_owned(),
        arguments: json!({}),
        repeat: Repeat::Unsafe,
        timeout_ms: None,
    })
}

/// Proposes.
///
/// # Errors
/// The service's refusal.
pub async fn propose(client: &Client, wanted: &Propose) -> Result<IntentReply, Fault> {
    client.call::<call::IntentPropose>(wanted).await.map(|answered| answered.reply)
}

/// The intent as the service has it.
///
/// # Errors
/// The service's refusal.
pub async fn show(client: &Client, intent: &IntentId) -> Result<IntentReply, Fault> {
    let show = IntentShow { intent: intent.clone() };
    client.call::<call::IntentShow>(&show).await.map(|answered| answered.reply)
}

/// An approval of the intent as it stands, signed by the agent.
pub fn approval(agent: &Agent, intent: &Intent) -> Approve {
    let digest = intent.decision.as_ref().expect("a decision").approval_digest.clone();
    let text = approval_text(&agent.record.id, &intent.id, &digest);
    let signature = encode_base64url(&agent.key.sign(text.as_bytes()).expect("a signature"));
    Approve { intent: intent.id.clone(), digest, signature }
}

/// Approves the intent as it stands.
///
/// # Errors
/// The service's refusal.
pub async fn approve(agent: &Agent, working: &Working, intent: &Intent) -> Result<IntentReply, Fault> {
    let approve = approval(agent, intent);
    working.client.call::<call::IntentApprove>(&approve).await.map(|answered| answered.reply)
}

/// Denies the intent as it stands.
///
/// # Errors
/// The service's refusal.
pub async fn deny(working: &Working, intent: &Intent) -> Result<IntentReply, Fault> {
    let digest = intent.decision.as_ref().expect("a decision").approval_digest.clone();
    let deny = Deny { intent: intent.id.clone(), digest, reason: "not so".to_owned() };
    working.client.call::<call::IntentDeny>(&deny).await.map(|answered| answered.reply)
}

/// Redeems an intent as it stands.
///
/// # Errors
/// The service's refusal.
pub async fn redeem(committer: &Client, found: &IntentReply) -> Result<Redeemed, Fault> {
    let IntentReply { intent, revision } = found;
    let redeem = Redeem { intent: intent.id.clone(), revision: *revision, token: intent.token.clone() };
    committer.call::<call::IntentRedeem>(&redeem).await.map(|answered| answered.reply)
}

impl Member {
    /// Proposes what has to be taken.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn propose(&self, wanted: &Propose) -> IntentReply {
        propose(self.client(), wanted).await.unwrap()
    }

    /// Approves, signing.
    ///
    /// # Errors
    /// The refusal.
    pub async fn approve(&self, intent: &Intent) -> Result<IntentReply, Fault> {
        approve(&self.agent, &self.working, intent).await
    }
}
