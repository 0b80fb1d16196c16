//! The table of facts: what can be recorded about which entity, and by which service alone.

use std::{fmt, marker::PhantomData, str::FromStr};

use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

use crate::{
    kind::Kind,
    payload::{
        Nothing, Recorded, agent, artifact, case, contract, dead, handoff, intent, invite, lease, memory,
        mission, overlap, plan, policy, repository, request, session, task,
    },
    role::Service,
    schema,
};

/// A sort of entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntityName {
    /// An agent.
    Agent,
    /// An identity key.
    Key,
    /// A session or a task's credential.
    Session,
    /// The right to join once.
    Invite,
    /// What agents work on together.
    Mission,
    /// A user's request.
    Request,
    /// One version of a payload contract.
    Contract,
    /// One version of a mission's policy.
    Policy,
    /// Which version of a policy is in force.
    Activation,
    /// What is to be done to the world.
    Intent,
    /// Intents that are done in order and undone in reverse.
    Saga,
    /// A canonical record.
    Memory,
    /// A git repository in which the committer records.
    Repository,
    /// The right to work on something for a while.
    Lease,
    /// A name under which versions of content stand.
    Artifact,
    /// A place in which leases stand.
    Space,
    /// What is to be created, and what looks like it.
    Creation,
    /// What counts as alike in a mission.
    Tuning,
    /// A typed graph of tasks.
    Plan,
    /// One task of a plan.
    Task,
    /// How much of something may be worked on at once.
    Capacity,
    /// Work that could not be used.
    Dead,
    /// A disagreement about a task that somebody has to decide.
    Case,
    /// Work that one agent offers to another.
    Handoff,
}

impl EntityName {
    /// Every sort of entity.
    pub const ALL: &'static [Self] = &[
        Self::Agent,
        Self::Key,
        Self::Session,
        Self::Invite,
        Self::Mission,
        Self::Request,
        Self::Contract,
        Self::Policy,
        Self::Activation,
        Self::Intent,
        Self::Saga,
        Self::Memory,
        Self::Repository,
        Self::Lease,
        Self::Artifact,
        Self::Space,
        Self::Creation,
        Self::Tuning,
        Self::Plan,
        Self::Task,
        Self::Capacity,
        Self::Dead,
        Self::Case,
        Self::Handoff,
    ];

    /// The name, as it stands in subjects.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Key => "key",
            Self::Session => "session",
            Self::Invite => "invite",
            Self::Mission => "mission",
            Self::Request => "request",
            Self::Contract => "contract",
            Self::Policy => "policy",
            Self::Activation => "activation",
            Self::Intent => "intent",
            Self::Saga => "saga",
            Self::Memory => "memory",
            Self::Repository => "repository",
            Self::Lease => "lease",
            Self::Artifact => "artifact",
            Self::Space => "space",
            Self::Creation => "creation",
            Self::Tuning => "tuning",
            Self::Plan => "plan",
            Self::Task => "task",
            Self::Capacity => "capacity",
            Self::Dead => "dead",
            Self::Case => "case",
            Self::Handoff => "handoff",
        }
    }
}

impl EntityName {
    /// Whether entities of this sort belong to the whole kluster instead of one mission.
    pub const fn is_kluster_wide(self) -> bool {
        matches!(self, Self::Agent | Self::Key | Self::Mission | Self::Contract)
    }
}

/// The state of an entity, as its facts carry it.
pub trait State: Serialize + serde::de::DeserializeOwned + Clone + Send + Sync + 'static {
    /// The sort of entity.
    const ENTITY: EntityName;
}

impl State for agent::Agent {
    const ENTITY: EntityName = EntityName::Agent;
}
impl State for agent::Key {
    const ENTITY: EntityName = EntityName::Key;
}
impl State for session::Session {
    const ENTITY: EntityName = EntityName::Session;
}
impl State for invite::Invite {
    const ENTITY: EntityName = EntityName::Invite;
}
impl State for mission::Mission {
    const ENTITY: EntityName = EntityName::Mission;
}
impl State for request::UserRequest {
    const ENTITY: EntityName = EntityName::Request;
}
impl State for contract::Contract {
    const ENTITY: EntityName = EntityName::Contract;
}

impl State for lease::Lease {
    const ENTITY: EntityName = EntityName::Lease;
}
impl State for lease::SpaceTokens {
    const ENTITY: EntityName = EntityName::Space;
}
impl State for artifact::Artifact {
    const ENTITY: EntityName = EntityName::Artifact;
}
impl State for policy::Policy {
    const ENTITY: EntityName = EntityName::Policy;
}
impl State for policy::Activation {
    const ENTITY: EntityName = EntityName::Activation;
}
impl State for intent::Intent {
    const ENTITY: EntityName = EntityName::Intent;
}
impl State for intent::Saga {
    const ENTITY: EntityName = EntityName::Saga;
}
impl State for memory::Record {
    const ENTITY: EntityName = EntityName::Memory;
}
impl State for repository::Repository {
    const ENTITY: EntityName = EntityName::Repository;
}
impl State for overlap::Creation {
    const ENTITY: EntityName = EntityName::Creation;
}
impl State for overlap::Tuning {
    const ENTITY: EntityName = EntityName::Tuning;
}

impl State for plan::Plan {
    const ENTITY: EntityName = EntityName::Plan;
}
impl State for task::Task {
    const ENTITY: EntityName = EntityName::Task;
}
impl State for plan::Capacity {
    const ENTITY: EntityName = EntityName::Capacity;
}
impl State for dead::DeadLetter {
    const ENTITY: EntityName = EntityName::Dead;
}
impl State for case::Case {
    const ENTITY: EntityName = EntityName::Case;
}
impl State for handoff::Handoff {
    const ENTITY: EntityName = EntityName::Handoff;
}

impl fmt::Display for EntityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no entity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not an entity: expected one of agent, key, session, invite, mission, request, contract, policy, activation, intent, saga, memory, repository, lease, artifact, space, creation, tuning, plan, task, capacity, dead, case, handoff"
)]
pub struct UnknownEntity(String);

impl FromStr for EntityName {
    type Err = UnknownEntity;
    fn from_str(text: &str) -> Result<Self, UnknownEntity> {
        let found = Self::ALL.iter().copied().find(|name| name.name() == text);
        found.ok_or_else(|| UnknownEntity(text.chars().take(64).collect()))
    }
}

/// One kind of fact.
#[derive(Debug, Clone, Copy)]
pub struct FactKind {
    /// What it is about.
    pub entity: EntityName,
    /// What happened, in one word: a subject token.
    pub name: &'static str,
    /// The one service that may record it.
    pub service: Service,
    /// Schema of its payload.
    pub schema: fn() -> Schema,
}

impl FactKind {
    /// Kind of the payload: `agent.registered/1`.
    pub fn kind(&self) -> Kind {
        Kind::first(format!("{}.{}", self.entity, self.name))
    }
}

/// A kind of fact and the types of its change and state.
pub struct FactType<C, S> {
    /// Its row in the table.
    pub kind: FactKind,
    types: PhantomData<fn(C) -> S>,
}

impl<C: JsonSchema, S: JsonSchema> FactType<C, S> {
    /// A fact of the registry.
    const fn new(entity: EntityName, name: &'static str) -> Self {
        Self::of(Service::Registry, entity, name)
    }

    const fn of(service: Service, entity: EntityName, name: &'static str) -> Self {
        let kind = FactKind { entity, name, service, schema: schema::of::<Recorded<C, S>> };
        Self { kind, types: PhantomData }
    }
}

/// An agent was made.
pub const AGENT_REGISTERED: FactType<agent::Joined, agent::Agent> =
    FactType::new(EntityName::Agent, "registered");
/// An agent took a role in one more mission, or another role in one.
pub const AGENT_JOINED: FactType<agent::Joined, agent::Agent> = FactType::new(EntityName::Agent, "joined");
/// An agent says something else of itself.
pub const AGENT_UPDATED: FactType<agent::About, agent::Agent> = FactType::new(EntityName::Agent, "updated");
/// An agent's identity key was replaced.
pub const AGENT_ROTATED: FactType<agent::Rotated, agent::Agent> = FactType::new(EntityName::Agent, "rotated");
/// An agent may act no more.
pub const AGENT_RETIRED: FactType<agent::Reason, agent::Agent> = FactType::new(EntityName::Agent, "retired");
/// A key was bound to an agent, for ever.
pub const KEY_BOUND: FactType<Nothing, agent::Key> = FactType::new(EntityName::Key, "bound");
/// A session started.
pub const SESSION_STARTED: FactType<Nothing, session::Session> =
    FactType::new(EntityName::Session, "started");
/// A session's credential was renewed.
pub const SESSION_RENEWED: FactType<session::Renewed, session::Session> =
    FactType::new(EntityName::Session, "renewed");
/// A session was ended.
pub const SESSION_ENDED: FactType<session::Ended, session::Session> =
    FactType::new(EntityName::Session, "ended");
/// A session's presence ran out.
pub const SESSION_LOST: FactType<Nothing, session::Session> = FactType::new(EntityName::Session, "lost");
/// An invite was made.
pub const INVITE_CREATED: FactType<Nothing, invite::Invite> = FactType::new(EntityName::Invite, "created");
/// An invite was redeemed.
pub const INVITE_REDEEMED: FactType<invite::Redeemed, invite::Invite> =
    FactType::new(EntityName::Invite, "redeemed");
/// An invite's time ran out.
pub const INVITE_EXPIRED: FactType<Nothing, invite::Invite> = FactType::new(EntityName::Invite, "expired");
/// A mission was created.
pub const MISSION_CREATED: FactType<Nothing, mission::Mission> =
    FactType::new(EntityName::Mission, "created");
/// A user request was opened.
pub const REQUEST_OPENED: FactType<Nothing, request::UserRequest> =
    FactType::new(EntityName::Request, "opened");
/// A user request was closed.
pub const REQUEST_CLOSED: FactType<agent::Reason, request::UserRequest> =
    FactType::new(EntityName::Request, "closed");
/// A version of a payload contract was registered.
pub const CONTRACT_ADDED: FactType<Nothing, contract::Contract> =
    FactType::new(EntityName::Contract, "added");
/// A lease was taken from its holder; the state is the lease as it stood last.
pub const LEASE_FORCE_RELEASED: FactType<agent::Reason, lease::Lease> =
    FactType::of(Service::Leases, EntityName::Lease, "force_released");
/// Fencing tokens of a space were set aside for the replica that owns it.
pub const SPACE_RESERVED: FactType<Nothing, lease::SpaceTokens> =
    FactType::of(Service::Leases, EntityName::Space, "reserved");
/// A version of an artifact was published.
pub const ARTIFACT_PUBLISHED: FactType<artifact::Version, artifact::Artifact> =
    FactType::of(Service::Artifacts, EntityName::Artifact, "published");
/// A version of an artifact was validated, or failed it.
pub const ARTIFACT_JUDGED: FactType<artifact::Judged, artifact::Artifact> =
    FactType::of(Service::Artifacts, EntityName::Artifact, "judged");

/// A version of a policy was drafted.
pub const POLICY_DRAFTED: FactType<Nothing, policy::Policy> =
    FactType::of(Service::Governance, EntityName::Policy, "drafted");
/// Somebody wants a version of a policy in force.
pub const ACTIVATION_PROPOSED: FactType<Nothing, policy::Activation> =
    FactType::of(Service::Governance, EntityName::Activation, "proposed");
/// Another principal agreed: a version of a policy is in force.
pub const ACTIVATION_CONFIRMED: FactType<Nothing, policy::Activation> =
    FactType::of(Service::Governance, EntityName::Activation, "confirmed");
/// An intent is on the record.
pub const INTENT_PROPOSED: FactType<Nothing, intent::Intent> =
    FactType::of(Service::Governance, EntityName::Intent, "proposed");
/// An intent may be done once its approvals are there.
pub const INTENT_VERIFIED: FactType<Nothing, intent::Intent> =
    FactType::of(Service::Governance, EntityName::Intent, "verified");
/// An intent may not be done, or no longer.
pub const INTENT_REJECTED: FactType<intent::Reasons, intent::Intent> =
    FactType::of(Service::Governance, EntityName::Intent, "rejected");
/// One approval of several was given.
pub const INTENT_GRANTED: FactType<intent::Granted, intent::Intent> =
    FactType::of(Service::Governance, EntityName::Intent, "granted");
/// The last approval was given.
pub const INTENT_APPROVED: FactType<intent::Granted, intent::Intent> =
    FactType::of(Service::Governance, EntityName::Intent, "approved");
/// A denial was taken back.
pub const INTENT_LIFTED: FactType<intent::Lifted, intent::Intent> =
    FactType::of(Service::Governance, EntityName::Intent, "lifted");
/// An intent's time ran out.
pub const INTENT_EXPIRED: FactType<Nothing, intent::Intent> =
    FactType::of(Service::Governance, EntityName::Intent, "expired");
/// An intent was taken back before it was executed.
pub const INTENT_CANCELLED: FactType<intent::Reasons, intent::Intent> =
    FactType::of(Service::Governance, EntityName::Intent, "cancelled");
/// A saga is on the record.
pub const SAGA_PROPOSED: FactType<Nothing, intent::Saga> =
    FactType::of(Service::Governance, EntityName::Saga, "proposed");
/// The committer carries an intent out, or takes over from an instance that did not end it.
pub const INTENT_EXECUTING: FactType<Nothing, intent::Intent> =
    FactType::of(Service::Committer, EntityName::Intent, "executing");
/// An intent is done.
pub const INTENT_COMMITTED: FactType<Nothing, intent::Intent> =
    FactType::of(Service::Committer, EntityName::Intent, "committed");
/// An intent was tried and did not happen.
pub const INTENT_FAILED: FactType<intent::Reasons, intent::Intent> =
    FactType::of(Service::Committer, EntityName::Intent, "failed");
/// Nobody knows whether an intent happened.
pub const INTENT_UNKNOWN: FactType<intent::Reasons, intent::Intent> =
    FactType::of(Service::Committer, EntityName::Intent, "unknown");
/// The committer takes an intent back.
pub const INTENT_COMPENSATING: FactType<Nothing, intent::Intent> =
    FactType::of(Service::Committer, EntityName::Intent, "compensating");
/// An intent was taken back.
pub const INTENT_COMPENSATED: FactType<Nothing, intent::Intent> =
    FactType::of(Service::Committer, EntityName::Intent, "compensated");
/// An intent could not be taken back.
pub const INTENT_STUCK: FactType<intent::Reasons, intent::Intent> =
    FactType::of(Service::Committer, EntityName::Intent, "stuck");
/// A canonical record was written.
pub const MEMORY_WRITTEN: FactType<memory::Written, memory::Record> =
    FactType::of(Service::Committer, EntityName::Memory, "written");
/// A repository was named, or moved.
pub const REPOSITORY_SET: FactType<Nothing, repository::Repository> =
    FactType::of(Service::Committer, EntityName::Repository, "set");

/// Something is to be created.
pub const CREATION_PROPOSED: FactType<Nothing, overlap::Creation> =
    FactType::of(Service::Overlap, EntityName::Creation, "proposed");
/// What is to be created reads otherwise now.
pub const CREATION_EDITED: FactType<Nothing, overlap::Creation> =
    FactType::of(Service::Overlap, EntityName::Creation, "edited");
/// What looks like it was recorded: an answer is waited for, or a check was completed later.
pub const CREATION_CHECKED: FactType<overlap::Checked, overlap::Creation> =
    FactType::of(Service::Overlap, EntityName::Creation, "checked");
/// Somebody said what is to become of it.
pub const CREATION_DECIDED: FactType<overlap::Decision, overlap::Creation> =
    FactType::of(Service::Overlap, EntityName::Creation, "decided");
/// It was neither answered nor created in time.
pub const CREATION_EXPIRED: FactType<Nothing, overlap::Creation> =
    FactType::of(Service::Overlap, EntityName::Creation, "expired");
/// What it was merged into is gone.
pub const CREATION_REOPENED: FactType<overlap::Reopened, overlap::Creation> =
    FactType::of(Service::Overlap, EntityName::Creation, "reopened");
/// What counts as alike in a mission was set.
pub const TUNING_SET: FactType<Nothing, overlap::Tuning> =
    FactType::of(Service::Overlap, EntityName::Tuning, "set");
/// Every index is to be made anew.
pub const TUNING_REINDEXED: FactType<Nothing, overlap::Tuning> =
    FactType::of(Service::Overlap, EntityName::Tuning, "reindexed");
/// A plan is on the record: its tasks are given out as they become ready.
pub const PLAN_SUBMITTED: FactType<Nothing, plan::Plan> =
    FactType::of(Service::Dispatcher, EntityName::Plan, "submitted");
/// No task of a plan is given out for now.
pub const PLAN_PAUSED: FactType<Nothing, plan::Plan> =
    FactType::of(Service::Dispatcher, EntityName::Plan, "paused");
/// A plan goes on.
pub const PLAN_RESUMED: FactType<Nothing, plan::Plan> =
    FactType::of(Service::Dispatcher, EntityName::Plan, "resumed");
/// Every task of a plan is validated.
pub const PLAN_DONE: FactType<Nothing, plan::Plan> =
    FactType::of(Service::Dispatcher, EntityName::Plan, "done");
/// Nothing of a plan can go on.
pub const PLAN_FAILED: FactType<Nothing, plan::Plan> =
    FactType::of(Service::Dispatcher, EntityName::Plan, "failed");
/// Somebody wants a plan no more.
pub const PLAN_CANCELLED: FactType<Nothing, plan::Plan> =
    FactType::of(Service::Dispatcher, EntityName::Plan, "cancelled");
/// A person let a task pass its gate.
pub const TASK_OPENED: FactType<Nothing, task::Task> =
    FactType::of(Service::Dispatcher, EntityName::Task, "opened");
/// Somebody has a task.
pub const TASK_CLAIMED: FactType<Nothing, task::Task> =
    FactType::of(Service::Dispatcher, EntityName::Task, "claimed");
/// Something was handed in for a task.
pub const TASK_SUBMITTED: FactType<Nothing, task::Task> =
    FactType::of(Service::Dispatcher, EntityName::Task, "submitted");
/// What was handed in holds, and what it is to change outside is proposed.
pub const TASK_ACCEPTED: FactType<Nothing, task::Task> =
    FactType::of(Service::Dispatcher, EntityName::Task, "accepted");
/// What was handed in holds.
pub const TASK_VALIDATED: FactType<Nothing, task::Task> =
    FactType::of(Service::Dispatcher, EntityName::Task, "validated");
/// An attempt came to nothing; there will be another.
pub const TASK_FAILED: FactType<Nothing, task::Task> =
    FactType::of(Service::Dispatcher, EntityName::Task, "failed");
/// A task has used up its attempts.
pub const TASK_EXHAUSTED: FactType<Nothing, task::Task> =
    FactType::of(Service::Dispatcher, EntityName::Task, "exhausted");
/// A task was stopped, since its plan was cancelled.
pub const TASK_STOPPED: FactType<Nothing, task::Task> =
    FactType::of(Service::Dispatcher, EntityName::Task, "stopped");
/// A task that had used up its attempts gets one more.
pub const TASK_REPLAYED: FactType<Nothing, task::Task> =
    FactType::of(Service::Dispatcher, EntityName::Task, "replayed");
/// A pool was made, or its size changed.
pub const CAPACITY_SET: FactType<Nothing, plan::Capacity> =
    FactType::of(Service::Dispatcher, EntityName::Capacity, "set");
/// A task counts in a pool.
pub const CAPACITY_TAKEN: FactType<Nothing, plan::Capacity> =
    FactType::of(Service::Dispatcher, EntityName::Capacity, "taken");
/// A task counts in a pool no more.
pub const CAPACITY_FREED: FactType<Nothing, plan::Capacity> =
    FactType::of(Service::Dispatcher, EntityName::Capacity, "freed");
/// Work could not be used.
pub const DEAD_BURIED: FactType<Nothing, dead::DeadLetter> =
    FactType::of(Service::Dispatcher, EntityName::Dead, "buried");
/// The task of a dead letter is tried once more.
pub const DEAD_REPLAYED: FactType<Nothing, dead::DeadLetter> =
    FactType::of(Service::Dispatcher, EntityName::Dead, "replayed");
/// A dead letter is of no use.
pub const DEAD_DISCARDED: FactType<Nothing, dead::DeadLetter> =
    FactType::of(Service::Dispatcher, EntityName::Dead, "discarded");
/// A disagreement about a task waits for a decision.
pub const CASE_OPENED: FactType<Nothing, case::Case> =
    FactType::of(Service::Dispatcher, EntityName::Case, "opened");
/// A case asks whoever its next step names.
pub const CASE_ESCALATED: FactType<case::CaseMoved, case::Case> =
    FactType::of(Service::Dispatcher, EntityName::Case, "escalated");
/// A plan took the place of a case's task.
pub const CASE_SPLIT: FactType<Nothing, case::Case> =
    FactType::of(Service::Dispatcher, EntityName::Case, "split");
/// The plan that took the place of a case's task came to nothing.
pub const CASE_REOPENED: FactType<case::CaseMoved, case::Case> =
    FactType::of(Service::Dispatcher, EntityName::Case, "reopened");
/// A case was decided.
pub const CASE_DECIDED: FactType<Nothing, case::Case> =
    FactType::of(Service::Dispatcher, EntityName::Case, "decided");
/// There is nothing to decide about a case any more.
pub const CASE_CLOSED: FactType<case::CaseMoved, case::Case> =
    FactType::of(Service::Dispatcher, EntityName::Case, "closed");
/// An agent offers work to another.
pub const HANDOFF_OFFERED: FactType<Nothing, handoff::Handoff> =
    FactType::of(Service::Dispatcher, EntityName::Handoff, "offered");
/// Somebody to whom a handoff is addressed does it.
pub const HANDOFF_ACCEPTED: FactType<Nothing, handoff::Handoff> =
    FactType::of(Service::Dispatcher, EntityName::Handoff, "accepted");
/// Its receiver does not want a handoff.
pub const HANDOFF_DECLINED: FactType<Nothing, handoff::Handoff> =
    FactType::of(Service::Dispatcher, EntityName::Handoff, "declined");
/// Its sender wants a handoff no more.
pub const HANDOFF_WITHDRAWN: FactType<Nothing, handoff::Handoff> =
    FactType::of(Service::Dispatcher, EntityName::Handoff, "withdrawn");
/// What a handoff rests on has moved on.
pub const HANDOFF_STALE: FactType<Nothing, handoff::Handoff> =
    FactType::of(Service::Dispatcher, EntityName::Handoff, "stale");
/// The deadline of a handoff passed.
pub const HANDOFF_EXPIRED: FactType<Nothing, handoff::Handoff> =
    FactType::of(Service::Dispatcher, EntityName::Handoff, "expired");
/// What a handoff asked for is there.
pub const HANDOFF_COMPLETED: FactType<Nothing, handoff::Handoff> =
    FactType::of(Service::Dispatcher, EntityName::Handoff, "completed");

/// Every kind of fact.
pub const FACTS: &[FactKind] = &[
    AGENT_REGISTERED.kind,
    AGENT_JOINED.kind,
    AGENT_UPDATED.kind,
    AGENT_ROTATED.kind,
    AGENT_RETIRED.kind,
    KEY_BOUND.kind,
    SESSION_STARTED.kind,
    SESSION_RENEWED.kind,
    SESSION_ENDED.kind,
    SESSION_LOST.kind,
    INVITE_CREATED.kind,
    INVITE_REDEEMED.kind,
    INVITE_EXPIRED.kind,
    MISSION_CREATED.kind,
    REQUEST_OPENED.kind,
    REQUEST_CLOSED.kind,
    CONTRACT_ADDED.kind,
    LEASE_FORCE_RELEASED.kind,
    SPACE_RESERVED.kind,
    ARTIFACT_PUBLISHED.kind,
    ARTIFACT_JUDGED.kind,
    POLICY_DRAFTED.kind,
    ACTIVATION_PROPOSED.kind,
    ACTIVATION_CONFIRMED.kind,
    INTENT_PROPOSED.kind,
    INTENT_VERIFIED.kind,
    INTENT_REJECTED.kind,
    INTENT_GRANTED.kind,
    INTENT_APPROVED.kind,
    INTENT_LIFTED.kind,
    INTENT_EXPIRED.kind,
    INTENT_CANCELLED.kind,
    SAGA_PROPOSED.kind,
    INTENT_EXECUTING.kind,
    INTENT_COMMITTED.kind,
    INTENT_FAILED.kind,
    INTENT_UNKNOWN.kind,
    INTENT_COMPENSATING.kind,
    INTENT_COMPENSATED.kind,
    INTENT_STUCK.kind,
    MEMORY_WRITTEN.kind,
    REPOSITORY_SET.kind,
    CREATION_PROPOSED.kind,
    CREATION_EDITED.kind,
    CREATION_CHECKED.kind,
    CREATION_DECIDED.kind,
    CREATION_EXPIRED.kind,
    CREATION_REOPENED.kind,
    TUNING_SET.kind,
    TUNING_REINDEXED.kind,
    PLAN_SUBMITTED.kind,
    PLAN_PAUSED.kind,
    PLAN_RESUMED.kind,
    PLAN_DONE.kind,
    PLAN_FAILED.kind,
    PLAN_CANCELLED.kind,
    TASK_OPENED.kind,
    TASK_CLAIMED.kind,
    TASK_SUBMITTED.kind,
    TASK_ACCEPTED.kind,
    TASK_VALIDATED.kind,
    TASK_FAILED.kind,
    TASK_EXHAUSTED.kind,
    TASK_STOPPED.kind,
    TASK_REPLAYED.kind,
    CAPACITY_SET.kind,
    CAPACITY_TAKEN.kind,
    CAPACITY_FREED.kind,
    DEAD_BURIED.kind,
    DEAD_REPLAYED.kind,
    DEAD_DISCARDED.kind,
    CASE_OPENED.kind,
    CASE_ESCALATED.kind,
    CASE_SPLIT.kind,
    CASE_REOPENED.kind,
    CASE_DECIDED.kind,
    CASE_CLOSED.kind,
    HANDOFF_OFFERED.kind,
    HANDOFF_ACCEPTED.kind,
    HANDOFF_DECLINED.kind,
    HANDOFF_WITHDRAWN.kind,
    HANDOFF_STALE.kind,
    HANDOFF_EXPIRED.kind,
    HANDOFF_COMPLETED.kind,
];

/// The facts that `service` alone may record.
pub fn owned_by(service: Service) -> impl Iterator<Item = &'static FactKind> {
    FACTS.iter().filter(move |fact| fact.service == service)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn no_two_services_own_one_fact() {
        let mut owners = BTreeMap::new();
        for fact in FACTS {
            let before = owners.insert((fact.entity, fact.name), fact.service);
            assert_eq!(before, None, "{} stands twice", fact.kind());
        }
    }

    #[test]
    fn every_entity_parses_from_its_name() {
        for name in EntityName::ALL {
            assert_eq!(name.name().parse::<EntityName>().unwrap(), *name);
        }
    }
}
