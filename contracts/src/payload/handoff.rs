//! Handoffs: one agent offers work to another, typed and signed. What is offered says what it comes with, on what
//! it rests, until when, and what is expected back; it is refused with every reason if it does not fit, and never
//! bent to.
//!
//! | state | by | may become |
//! |---|---|---|
//! | offered | `offered` | accepted, declined, withdrawn, stale, expired |
//! | accepted | `accepted`: its receiver does it | completed, withdrawn, expired |
//! | completed | `completed`: what was expected is there | |
//! | declined | `declined`, by its receiver | |
//! | withdrawn | `withdrawn`, by its sender | |
//! | stale | `stale`: somebody wanted to accept it, and an entity on which it rests had moved on | |
//! | expired | `expired`: its deadline passed | |

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{intent::IntentPrecondition, plan::ContractPin};
use crate::{
    id::{
        AgentId, ArtifactRef, Caller, Digest, HandoffId, Mission, Owner, PublicKey, QueueName, RequestId,
        ScopeId, TaskId,
    },
    role::Role,
};

/// Largest input or output of a handoff in bytes of JSON; what is larger is stored and referred to.
pub const MAX_HANDOFF_BYTES: usize = 64 << 10;
/// Longest time from the offer to its deadline, in milliseconds: 30 days.
pub const MAX_HANDOFF_MS: u64 = 2_592_000_000;
/// Roles to which handoffs may be addressed.
pub const RECEIVERS: [Role; 4] = [Role::Planner, Role::Worker, Role::Verifier, Role::Arbitrator];

/// What is offered: what its sender signs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// What it is about, in a line.
    #[schemars(length(min = 1, max = 200))]
    pub title: String,
    /// All that whoever does it must know.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 16384))]
    pub description: String,
    /// To whom.
    pub to: Receiver,
    /// The task that it continues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// Contract that its input satisfies.
    pub input_contract: ContractPin,
    /// What it comes with: at most 64 KiB of JSON.
    pub input: Value,
    /// Contract that what is expected back has to satisfy.
    pub output_contract: ContractPin,
    /// Stored contents that it comes with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub artifacts: Vec<ArtifactRef>,
    /// Entities that must stand at these revisions when it is offered and when it is accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub preconditions: Vec<IntentPrecondition>,
    /// What its receiver must say of itself that it can.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 100)))]
    pub capabilities: Vec<String>,
    /// Unix time by which what is expected has to be there, in milliseconds.
    pub deadline_at_ms: u64,
    /// Tells a wanted repetition of the same offer apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub occurrence: Option<String>,
}

/// To whom something is offered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "snake_case", tag = "kind")]
pub enum Receiver {
    /// One agent.
    Agent {
        /// Which.
        agent: AgentId,
    },
    /// Whoever of a role is first.
    Role {
        /// Which: planner, worker, verifier or arbitrator.
        role: Role,
        /// Queue in which it waits for them; `default` if absent.
        #[serde(
            default = "super::plan::default_queue",
            skip_serializing_if = "super::plan::is_default_queue"
        )]
        queue: QueueName,
    },
}

impl std::fmt::Display for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Agent { agent } => write!(f, "{agent}"),
            Self::Role { role, queue } => write!(f, "a {role} in the queue {queue}"),
        }
    }
}

/// A handoff: entity `handoff`, in its mission.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Handoff {
    /// The digest of who offers what: the same offer again is the same handoff.
    pub id: HandoffId,
    /// Its mission.
    pub mission: Mission,
    /// Who offers it.
    pub from: AgentId,
    /// Who answers for them.
    pub owner: Owner,
    /// The credential's scope.
    pub session: ScopeId,
    /// The user request that it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestId>,
    /// What is offered.
    pub offer: Offer,
    /// Signature of [`offer_text`] by the sender's identity key, in unpadded base64url.
    pub signature: String,
    /// That key.
    pub key: PublicKey,
    /// Revision of the sender's record that bound it.
    pub key_revision: u64,
    /// Unix time at which it was offered, in milliseconds.
    pub offered_at_ms: u64,
    /// How it stands.
    pub state: HandoffState,
    /// Who accepted or declined it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver: Option<Taken>,
    /// What came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<HandoffResult>,
    /// Why it ended so, in the words of whoever ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What happened to it, the oldest first.
    pub history: Vec<HandoffStep>,
}

/// How a handoff stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HandoffState {
    /// It waits for its receiver.
    Offered,
    /// Its receiver does it.
    Accepted,
    /// What was expected is there.
    Completed,
    /// Its receiver does not want it.
    Declined,
    /// Its sender wants it no more.
    Withdrawn,
    /// What it rests on has moved on.
    Stale,
    /// Its deadline passed.
    Expired,
}

impl HandoffState {
    /// The state's name, as it stands in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Accepted => "accepted",
            Self::Completed => "completed",
            Self::Declined => "declined",
            Self::Withdrawn => "withdrawn",
            Self::Stale => "stale",
            Self::Expired => "expired",
        }
    }

    /// Whether anything may still become of it.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Offered | Self::Accepted)
    }
}

/// Who answered an offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Taken {
    /// Who.
    pub by: AgentId,
    /// Who answers for them.
    pub owner: Owner,
    /// Their session.
    pub session: ScopeId,
    /// Unix time, in milliseconds.
    pub at_ms: u64,
}

/// What came of a handoff.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HandoffResult {
    /// It satisfies the contract that was expected.
    pub output: Value,
    /// blake3 of it in canonical form (RFC 8785).
    pub digest: Digest,
    /// Stored contents that belong to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<ArtifactRef>,
    /// Unix time, in milliseconds.
    pub at_ms: u64,
}

/// Something that happened to a handoff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HandoffStep {
    /// What it became.
    pub state: HandoffState,
    /// By whom: the service itself where it was due.
    pub by: Caller,
    /// Unix time, in milliseconds.
    pub at_ms: u64,
}

/// Id of the handoff that offers this, from this agent in this mission. The deadline is no part of it: whoever says
/// how long the receiver has, from now on, names another instant each time.
pub fn handoff_id(mission: &Mission, from: &AgentId, offer: &Offer) -> HandoffId {
    let mut offer = serde_json::to_value(offer).unwrap_or_default(); // as in `hash`
    if let Some(fields) = offer.as_object_mut() {
        fields.remove("deadline_at_ms");
    }
    HandoffId::of(&hash(mission, from, &offer))
}

/// The text that the sender signs with the identity key (ed25519): it binds the whole offer, its deadline, its sender
/// and its mission.
pub fn offer_text(mission: &Mission, from: &AgentId, offer: &Offer) -> String {
    format!("SELVEDGE-HANDOFF-V1\n{from}\n{}\n", hash(mission, from, offer).to_hex())
}

fn hash(mission: &Mission, from: &AgentId, offer: &impl Serialize) -> blake3::Hash {
    #[derive(Serialize)]
    struct Identity<'a, T> {
        mission: &'a Mission,
        from: &'a AgentId,
        offer: &'a T,
    }
    // Our own types have text keys only and no number that is none; of the input the service has made sure.
    let text = serde_json_canonicalizer::to_vec(&Identity { mission, from, offer }).unwrap_or_default();
    blake3::hash(&text)
}

/// `dispatcher.handoff_offer`. The same offer again is the same handoff; to offer it once more, name another
/// occurrence. Signed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HandoffOffer {
    /// What is offered.
    pub offer: Offer,
    /// Signature of the offer's text by the sender's identity key (ed25519), in unpadded base64url.
    #[schemars(length(min = 86, max = 86))]
    pub signature: String,
}

/// `dispatcher.handoff_accept`. Signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HandoffAccept {
    /// The handoff.
    pub handoff: HandoffId,
}

/// `dispatcher.handoff_decline`, `dispatcher.handoff_withdraw`. Signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HandoffEnd {
    /// The handoff.
    pub handoff: HandoffId,
    /// Why.
    #[schemars(length(min = 1, max = 1000))]
    pub reason: String,
}

/// `dispatcher.handoff_complete`. Signed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HandoffComplete {
    /// The handoff.
    pub handoff: HandoffId,
    /// What was expected: at most 64 KiB of JSON.
    pub output: Value,
    /// Stored contents that belong to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub artifacts: Vec<ArtifactRef>,
}

/// `dispatcher.handoff_show`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HandoffShow {
    /// The handoff.
    pub handoff: HandoffId,
}

/// Reply of the calls that answer with one handoff.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HandoffReply {
    /// The handoff.
    pub handoff: Handoff,
    /// Ledger revision of its last fact.
    pub revision: u64,
}

/// `dispatcher.handoff_list`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HandoffList {
    /// Only handoffs in this state; those that are not over if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<HandoffState>,
    /// Those that are over, too.
    #[serde(default)]
    pub all: bool,
    /// Only what the caller may accept, or has accepted.
    #[serde(default)]
    pub to_me: bool,
    /// Only what the caller offered.
    #[serde(default)]
    pub from_me: bool,
    /// Only what waits in this queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueName>,
    /// Only what continues this task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskId>,
    /// Only handoffs after this one, in order of id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<HandoffId>,
    /// Most handoffs to answer with; 100 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
}

/// A handoff in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HandoffLine {
    /// Its id.
    pub id: HandoffId,
    /// What it is about, in a line.
    pub title: String,
    /// Who offers it.
    pub from: AgentId,
    /// To whom.
    pub to: Receiver,
    /// How it stands.
    pub state: HandoffState,
    /// Who accepted or declined it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiver: Option<AgentId>,
    /// Unix time by which what is expected has to be there, in milliseconds.
    pub deadline_at_ms: u64,
}

impl Handoff {
    /// In short.
    pub fn line(&self) -> HandoffLine {
        HandoffLine {
            id: self.id.clone(),
            title: self.offer.title.clone(),
            from: self.from.clone(),
            to: self.offer.to.clone(),
            state: self.state,
            receiver: self.receiver.as_ref().map(|taken| taken.by.clone()),
            deadline_at_ms: self.offer.deadline_at_ms,
        }
    }
}

/// Reply of `dispatcher.handoff_list`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Handoffs {
    /// In order of id.
    pub handoffs: Vec<HandoffLine>,
    /// There are more: ask again with `after` set to the last one.
    pub more: bool,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn offer(more: &Value) -> Offer {
        let mut offer = json!({ "title": "t", "to": { "kind": "role", "role": "worker" }, "input": { "n": 1 },
            "input_contract": { "name": "a", "version": 1 }, "output_contract": { "name": "b", "version": 1 },
            "deadline_at_ms": 1 });
        for (name, value) in more.as_object().into_iter().flatten() {
            offer[name] = value.clone();
        }
        serde_json::from_value(offer).unwrap()
    }

    #[test]
    fn what_is_signed_binds_all_of_the_offer_its_sender_and_its_mission() {
        let (demo, ada) = (Mission::new("demo").unwrap(), AgentId::new("ada-0a1b2c3d").unwrap());
        let plain = offer(&json!({}));
        let (text, id) = (offer_text(&demo, &ada, &plain), handoff_id(&demo, &ada, &plain));
        let spelled_out = offer(&json!({ "description": "", "artifacts": [], "capabilities": [],
            "to": { "kind": "role", "role": "worker", "queue": "default" } }));
        assert_eq!(
            (offer_text(&demo, &ada, &spelled_out), handoff_id(&demo, &ada, &spelled_out)),
            (text.clone(), id.clone())
        );
        for other in [
            json!({ "title": "u" }),
            json!({ "input": { "n": 2 } }),
            json!({ "occurrence": "2" }),
            json!({ "capabilities": ["rust"] }),
            json!({ "to": { "kind": "agent", "agent": "bob-0a1b2c3d" } }),
            json!({ "preconditions": [{ "entity": "memory", "id": "x", "revision": 1 }] }),
        ] {
            let other = offer(&other);
            assert_ne!(offer_text(&demo, &ada, &other), text, "{other:?}");
            assert_ne!(handoff_id(&demo, &ada, &other), id);
        }
        let later = offer(&json!({ "deadline_at_ms": 2 }));
        assert_ne!(offer_text(&demo, &ada, &later), text, "the deadline is signed");
        assert_eq!(handoff_id(&demo, &ada, &later), id, "and makes no other handoff");
        assert_ne!(offer_text(&Mission::new("other").unwrap(), &ada, &plain), text);
        assert_ne!(offer_text(&demo, &AgentId::new("bob-0a1b2c3d").unwrap(), &plain), text);
    }
}
