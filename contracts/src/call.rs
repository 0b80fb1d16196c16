//! The table of calls: what can be asked of which service, by whom, how long it may take, and with
//! which payloads. Permissions, schemas, routes and the client all follow from it.

use schemars::{JsonSchema, Schema};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    kind::Kind,
    payload::{
        Nothing, agent, artifact, case, contract, dead, handoff, history, intent, invite, lease, memory,
        mission, overlap, plan, policy, repository, request, session, task,
    },
    role::{Role, Service},
    schema,
};

/// Whether a call can change anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It cannot; it is answered from a followed view.
    Read,
    /// It can, by appending to the ledger.
    Write,
}

/// Whether a call must carry the caller's signature (`Agent-Sender`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// The credential is proof enough.
    Optional,
    /// It must be signed with the identity key, and the signature is kept with the fact.
    Required,
}

/// Which of a call's messages carries bytes beside its payload, in the envelope's `attachment`.
///
/// The payload stays what it is everywhere, JSON that a schema describes: it says what the bytes are. A
/// bare payload cannot carry any, so such calls are made with an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attachment {
    /// Neither.
    None,
    /// The request.
    Request,
    /// The reply.
    Reply,
}

/// One call.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// The service that serves it.
    pub service: Service,
    /// Its name, a subject token.
    pub name: &'static str,
    /// What it is for, in a line.
    pub summary: &'static str,
    /// Whether it can change anything.
    pub access: Access,
    /// Whether it must be signed.
    pub signature: Signature,
    /// Which of its messages carries bytes.
    pub attachment: Attachment,
    /// Longest time it may take, in milliseconds; a request may ask for less.
    pub deadline_ms: u64,
    /// Roles that may call it.
    pub roles: &'static [Role],
    /// Schema of the request's payload.
    pub request_schema: fn() -> Schema,
    /// Schema of the reply's payload.
    pub reply_schema: fn() -> Schema,
}

impl Call {
    /// Kind of the request's payload.
    pub fn request_kind(&self) -> Kind {
        Kind::first(self.to_string())
    }

    /// Kind of the reply's payload.
    pub fn reply_kind(&self) -> Kind {
        Kind::first(format!("{self}.reply"))
    }

    /// Whether `role` may call it.
    pub fn is_allowed_to(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}

impl std::fmt::Display for Call {
    /// `service.call`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.service, self.name)
    }
}

/// A call and the types of its payloads.
pub trait CallType: Send + Sync + 'static {
    /// The request's payload.
    type Request: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static;
    /// The reply's payload.
    type Reply: Serialize + DeserializeOwned + JsonSchema + Send + Sync + 'static;
    /// Its row in the table.
    const CALL: Call;
}

const MEMBERS: &[Role] = Role::MEMBERS;
const JUDGES: &[Role] = &[Role::Verifier, Role::Operator];
const OPERATOR: &[Role] = &[Role::Operator];
const PLANNER: &[Role] = &[Role::Planner, Role::Operator];
const JOIN: &[Role] = &[Role::Join];
const DOOR: &[Role] = &[Role::Door];
const DISPATCHER: &[Role] = &[Role::Dispatcher, Role::Operator];
const DISPATCHER_ALONE: &[Role] = &[Role::Dispatcher];
const ENDERS: &[Role] = &[
    Role::Planner,
    Role::Worker,
    Role::Verifier,
    Role::Arbitrator,
    Role::Approver,
    Role::Operator,
    Role::Dispatcher,
];
const KNOWN: &[Role] = &[
    Role::Planner,
    Role::Worker,
    Role::Verifier,
    Role::Arbitrator,
    Role::Approver,
    Role::Operator,
    Role::Join,
    Role::Door,
    Role::Dispatcher,
    Role::Committer,
];

/// Whoever works under leases or acts for those who do.
const CHECKERS: &[Role] = &[
    Role::Planner,
    Role::Worker,
    Role::Verifier,
    Role::Arbitrator,
    Role::Approver,
    Role::Operator,
    Role::Committer,
    Role::Governance,
];

/// Whoever reads and stores content, for an agent or as one.
const STORERS: &[Role] = &[
    Role::Planner,
    Role::Worker,
    Role::Verifier,
    Role::Arbitrator,
    Role::Approver,
    Role::Operator,
    Role::Committer,
];
/// Who may want something done to the world. An approver may not: who approves does not propose.
const PROPOSERS: &[Role] =
    &[Role::Planner, Role::Worker, Role::Verifier, Role::Arbitrator, Role::Operator, Role::Dispatcher];
const CONFIRMERS: &[Role] = &[Role::Approver, Role::Operator];
const COMMITTER: &[Role] = &[Role::Committer];
/// Whoever creates something, or asks for one who does.
const CREATORS: &[Role] = &[
    Role::Planner,
    Role::Worker,
    Role::Verifier,
    Role::Arbitrator,
    Role::Approver,
    Role::Operator,
    Role::Artifacts,
    Role::Governance,
    Role::Dispatcher,
];
const VOUCHED: &[Role] = &[Role::Governance, Role::Committer, Role::Dispatcher];
/// Who may be asked to decide cases.
const DECIDERS: &[Role] = &crate::payload::arbitration::DECIDERS;
/// Who may hand work to others, and take it.
const HANDERS: &[Role] = &[Role::Planner, Role::Worker, Role::Verifier, Role::Arbitrator];
/// Who may take back what was offered.
const WITHDRAWERS: &[Role] = &[Role::Planner, Role::Worker, Role::Verifier, Role::Arbitrator, Role::Operator];
/// Who may do tasks.
const DOERS: &[Role] = &[Role::Worker, Role::Verifier, Role::Planner];

macro_rules! attachment {
    () => {
        Attachment::None
    };
    ($message:ident) => {
        Attachment::$message
    };
}

macro_rules! calls {
    ($($(#[doc = $summary:literal])+ $name:ident = $service:ident . $call:ident, $access:ident, $signature:ident,
        $deadline_ms:literal ms, $roles:expr, $request:ty => $reply:ty $(, bytes in $attachment:ident)?;)+) => {
        $(
            $(#[doc = $summary])+
            pub enum $name {}
            impl CallType for $name {
                type Request = $request;
                type Reply = $reply;
                const CALL: Call = Call {
                    service: Service::$service,
                    name: stringify!($call),
                    summary: concat!($($summary),+),
                    access: Access::$access,
                    signature: Signature::$signature,
                    attachment: attachment!($($attachment)?),
                    deadline_ms: $deadline_ms,
                    roles: $roles,
                    request_schema: schema::of::<$request>,
                    reply_schema: schema::of::<$reply>,
                };
            }
        )+
        /// Every call of the fabric.
        pub const CALLS: &[Call] = &[$($name::CALL),+];
    };
}

calls! {
    /// Who the caller is, as nats-server proved it, and what it may do.
    Whoami = Registry.whoami, Read, Optional, 2_000 ms, KNOWN, Nothing => agent::Whoami;
    /// Redeems an invite: makes the agent, or gives it a role in one more mission.
    Join = Registry.join, Write, Required, 5_000 ms, JOIN, agent::Join => agent::JoinReply;
    /// Updates what the calling agent says of itself.
    Register = Registry.register, Write, Optional, 5_000 ms, MEMBERS, agent::Register => agent::AgentReply;
    /// Agents, in order of id.
    AgentList = Registry.agent_list, Read, Optional, 5_000 ms, MEMBERS, agent::AgentList => agent::Agents;
    /// One agent.
    AgentShow = Registry.agent_show, Read, Optional, 2_000 ms, MEMBERS, agent::AgentShow => agent::AgentReply;
    /// Replaces an agent's identity key; signed with the present one.
    AgentRotate = Registry.agent_rotate, Write, Required, 5_000 ms, DOOR, agent::AgentRotate => agent::RotateReply;
    /// Replaces an agent's lost identity key, by an operator.
    AgentRekey = Registry.agent_rekey, Write, Optional, 5_000 ms, OPERATOR, agent::AgentRotate => agent::RotateReply;
    /// Ends an agent's right to act, for ever; its record stays.
    AgentRetire = Registry.agent_retire, Write, Optional, 5_000 ms, OPERATOR, agent::AgentRetire => agent::AgentReply;
    /// Starts a session and answers with its credential.
    SessionStart = Registry.session_start, Write, Required, 5_000 ms, DOOR, session::SessionStart => session::SessionReply;
    /// A fresh credential for the session in use, for a fresh key pair.
    CredentialRenew = Registry.credential_renew, Write, Required, 5_000 ms, MEMBERS, session::CredentialRenew => session::SessionReply;
    /// Says that the session is alive; its presence lasts its TTL from now.
    Heartbeat = Registry.heartbeat, Write, Optional, 2_000 ms, MEMBERS, Nothing => session::Heartbeat;
    /// Ends a session: from then on its credential is worth nothing.
    SessionEnd = Registry.session_end, Write, Optional, 5_000 ms, ENDERS, session::SessionEnd => session::SessionEnded;
    /// Sessions, in order of id.
    SessionList = Registry.session_list, Read, Optional, 5_000 ms, MEMBERS, session::SessionList => session::Sessions;
    /// A credential for one task, which ends with it.
    TaskGrant = Registry.task_grant, Write, Optional, 5_000 ms, DISPATCHER, session::TaskGrant => session::SessionReply;
    /// Records an invite; the operator's command mints its token.
    InviteCreate = Registry.invite_create, Write, Optional, 5_000 ms, OPERATOR, invite::InviteCreate => invite::InviteReply;
    /// Creates a mission.
    MissionCreate = Registry.mission_create, Write, Optional, 5_000 ms, OPERATOR, mission::MissionCreate => mission::MissionReply;
    /// Missions, in order of name.
    MissionList = Registry.mission_list, Read, Optional, 5_000 ms, MEMBERS, mission::MissionList => mission::Missions;
    /// Opens a user request: the root of a chain of causes.
    RequestOpen = Registry.request_open, Write, Optional, 5_000 ms, PLANNER, request::RequestOpen => request::RequestReply;
    /// Closes a user request.
    RequestClose = Registry.request_close, Write, Optional, 5_000 ms, PLANNER, request::RequestClose => request::RequestReply;
    /// User requests of the mission, in order of id.
    RequestList = Registry.request_list, Read, Optional, 5_000 ms, MEMBERS, request::RequestList => request::Requests;
    /// Registers the next version of a payload contract.
    ContractAdd = Registry.contract_add, Write, Optional, 5_000 ms, MEMBERS, contract::ContractAdd => contract::ContractReply;
    /// Payload contracts, in order of name and version.
    ContractList = Registry.contract_list, Read, Optional, 5_000 ms, MEMBERS, contract::ContractList => contract::Contracts;
    /// One version of a payload contract.
    ContractShow = Registry.contract_show, Read, Optional, 2_000 ms, MEMBERS, contract::ContractShow => contract::ContractReply;
    /// Holds a document against a payload contract.
    ContractCheck = Registry.contract_check, Read, Optional, 5_000 ms, MEMBERS, contract::ContractCheck => contract::ContractVerdict;
    /// The facts of one entity, in ledger order.
    History = Registry.history, Read, Optional, 5_000 ms, MEMBERS, history::History => history::Facts;
    /// Takes a lease on all that is claimed, or none; waits for it in a queue if asked to.
    LeaseAcquire = Leases.acquire, Write, Optional, 60_000 ms, MEMBERS, lease::Acquire => lease::AcquireReply;
    /// Puts a held lease's deadline off; its fencing token stays.
    LeaseRenew = Leases.renew, Write, Optional, 5_000 ms, MEMBERS, lease::Renew => lease::LeaseReply;
    /// Gives a lease back, or withdraws a request that waits.
    LeaseRelease = Leases.release, Write, Optional, 5_000 ms, MEMBERS, lease::Release => lease::ReleaseReply;
    /// Takes a lease for whoever does a task, or keeps it: it ends with the task's claim.
    LeaseReserve = Leases.reserve, Write, Optional, 10_000 ms, DISPATCHER_ALONE, lease::Reserve => lease::LeaseReply;
    /// Ends what was reserved for the claim of a task.
    LeaseUnreserve = Leases.unreserve, Write, Optional, 5_000 ms, DISPATCHER_ALONE, lease::Unreserve => lease::ReleaseReply;
    /// What is held and who waits, in order of space and id.
    LeaseList = Leases.list, Read, Optional, 5_000 ms, CHECKERS, lease::LeaseList => lease::Leases;
    /// Whether fencing tokens still count.
    LeaseCheck = Leases.check, Read, Optional, 5_000 ms, CHECKERS, lease::Check => lease::CheckReply;
    /// Takes a lease from its holder, for a reason that is recorded.
    LeaseForceRelease = Leases.force_release, Write, Optional, 5_000 ms, OPERATOR, lease::ForceRelease => lease::LeaseReply;
    /// Makes a pool of slots, or changes its size.
    PoolSet = Leases.pool_set, Write, Optional, 5_000 ms, PLANNER, lease::PoolSet => lease::PoolReply;
    /// The pools of a space and how much of them is in use, in order of name.
    PoolList = Leases.pool_list, Read, Optional, 5_000 ms, CHECKERS, lease::PoolList => lease::Pools;
    /// Stores content of at most 1 MiB, in one message.
    ArtifactPut = Artifacts.put, Write, Optional, 20_000 ms, STORERS, artifact::Put => artifact::Stored, bytes in Request;
    /// Begins or resumes an upload of content of any size.
    ArtifactPutStart = Artifacts.put_start, Write, Optional, 10_000 ms, STORERS, artifact::PutStart => artifact::Upload;
    /// Sends one piece of an upload.
    ArtifactPutChunk = Artifacts.put_chunk, Write, Optional, 20_000 ms, STORERS, artifact::PutChunk => artifact::ChunkTaken, bytes in Request;
    /// Puts an upload together, verifies and stores it.
    ArtifactPutFinish = Artifacts.put_finish, Write, Optional, 20_000 ms, STORERS, artifact::PutFinish => artifact::Finish;
    /// Abandons uploads and frees their room.
    ArtifactPutAbort = Artifacts.put_abort, Write, Optional, 10_000 ms, STORERS, artifact::PutAbort => artifact::Aborted;
    /// A stretch of content, verified.
    ArtifactGet = Artifacts.get, Read, Optional, 20_000 ms, STORERS, artifact::Get => artifact::Got, bytes in Reply;
    /// Publishes the next version of a name.
    ArtifactPublish = Artifacts.publish, Write, Optional, 10_000 ms, MEMBERS, artifact::Publish => artifact::VersionReply;
    /// The verdict on a version whose contract demands validation.
    ArtifactJudge = Artifacts.judge, Write, Optional, 5_000 ms, JUDGES, artifact::Judge => artifact::VersionReply;
    /// One version of a name, without its content.
    ArtifactShow = Artifacts.show, Read, Optional, 2_000 ms, MEMBERS, artifact::Show => artifact::VersionReply;
    /// Names of the mission.
    ArtifactList = Artifacts.list, Read, Optional, 5_000 ms, MEMBERS, artifact::ArtifactList => artifact::Artifacts;
    /// The versions of a name.
    ArtifactHistory = Artifacts.history, Read, Optional, 5_000 ms, MEMBERS, artifact::VersionList => artifact::Versions;
    /// Holds stored content against its digest.
    ArtifactVerify = Artifacts.verify, Read, Optional, 20_000 ms, MEMBERS, artifact::Verify => artifact::Verified;
    /// Whether contents are stored and an agent may read them; holds them for a while.
    ArtifactVouch = Artifacts.vouch, Write, Optional, 10_000 ms, VOUCHED, artifact::Vouch => artifact::Vouched;
    /// Removes content that nothing names.
    ArtifactGc = Artifacts.gc, Write, Optional, 60_000 ms, OPERATOR, artifact::Gc => artifact::GcReport;
    /// Keeps a policy text as the mission's next version.
    PolicyDraft = Governance.policy_draft, Write, Optional, 10_000 ms, OPERATOR, policy::PolicyDraft => policy::PolicyReply;
    /// Holds a policy text against the schema.
    PolicyValidate = Governance.policy_validate, Read, Optional, 10_000 ms, MEMBERS, policy::PolicyValidate => policy::PolicyFindings;
    /// What a policy would decide about stated cases.
    PolicyTest = Governance.policy_test, Read, Optional, 10_000 ms, MEMBERS, policy::PolicyTest => policy::PolicyTested;
    /// One version of the mission's policy; the one in force if none is named.
    PolicyShow = Governance.policy_show, Read, Optional, 2_000 ms, MEMBERS, policy::PolicyShow => policy::PolicyReply;
    /// The versions of the mission's policy.
    PolicyList = Governance.policy_list, Read, Optional, 5_000 ms, MEMBERS, policy::PolicyList => policy::Policies;
    /// The Cedar schema that policies are held against.
    PolicySchemaShow = Governance.policy_schema, Read, Optional, 2_000 ms, MEMBERS, Nothing => policy::PolicySchema;
    /// Asks for a version of the policy to be put in force.
    PolicyActivate = Governance.policy_activate, Write, Optional, 5_000 ms, OPERATOR, policy::PolicyActivate => policy::ActivationReply;
    /// Agrees, as another principal, to the version that is to be put in force.
    PolicyConfirm = Governance.policy_confirm, Write, Optional, 5_000 ms, CONFIRMERS, policy::PolicyConfirm => policy::ActivationReply;
    /// Says what is to be done to the world; it is verified at once.
    IntentPropose = Governance.propose, Write, Optional, 20_000 ms, PROPOSERS, intent::Propose => intent::IntentReply;
    /// Puts what a task is to change outside on the record, in the name of whoever did the task.
    IntentProposeFor = Governance.propose_for, Write, Optional, 20_000 ms, DISPATCHER_ALONE, intent::ProposeFor => intent::IntentReply;
    /// One intent.
    IntentShow = Governance.intent_show, Read, Optional, 2_000 ms, CHECKERS, intent::IntentShow => intent::IntentReply;
    /// Intents of the mission, in order of id.
    IntentList = Governance.intent_list, Read, Optional, 5_000 ms, MEMBERS, intent::IntentList => intent::Intents;
    /// Takes an intent back that is not executed yet.
    IntentCancel = Governance.intent_cancel, Write, Optional, 5_000 ms, PROPOSERS, intent::IntentCancel => intent::IntentReply;
    /// Approves an intent, signed with the identity key.
    IntentApprove = Governance.approve, Write, Optional, 5_000 ms, MEMBERS, intent::Approve => intent::IntentReply;
    /// Refuses an intent for good.
    IntentDeny = Governance.deny, Write, Optional, 5_000 ms, MEMBERS, intent::Deny => intent::IntentReply;
    /// Takes a denial back: the intent may be proposed again.
    DenialLift = Governance.lift, Write, Optional, 5_000 ms, MEMBERS, intent::DenialLift => intent::IntentReply;
    /// Whether an intent may be executed at this moment.
    IntentRedeem = Governance.redeem, Write, Optional, 20_000 ms, COMMITTER, intent::Redeem => intent::Redeemed;
    /// Proposes several intents that are done in order, and undone in reverse if one fails.
    SagaPropose = Governance.saga_propose, Write, Optional, 20_000 ms, PROPOSERS, intent::SagaPropose => intent::SagaReply;
    /// Puts the several things that a task is to change outside on the record, in the name of whoever did the task.
    SagaProposeFor = Governance.saga_propose_for, Write, Optional, 20_000 ms, DISPATCHER_ALONE, intent::SagaProposeFor => intent::SagaReply;
    /// One saga and its steps.
    SagaShow = Governance.saga_show, Read, Optional, 5_000 ms, MEMBERS, intent::SagaShow => intent::SagaReply;
    /// Says what became of an intent whose outcome nobody knows, or whose undo is stuck.
    IntentSettle = Committer.settle, Write, Optional, 5_000 ms, OPERATOR, intent::Settle => intent::IntentReply;
    /// Names a repository in which the committer records.
    RepositorySet = Committer.repository_set, Write, Optional, 20_000 ms, OPERATOR, repository::RepositorySet => repository::RepositoryReply;
    /// The repositories of the mission.
    RepositoryList = Committer.repository_list, Read, Optional, 5_000 ms, MEMBERS, Nothing => repository::Repositories;
    /// One canonical record.
    MemoryGet = Committer.memory_get, Read, Optional, 2_000 ms, MEMBERS, memory::MemoryGet => memory::RecordReply;
    /// The canonical records of the mission.
    MemoryList = Committer.memory_list, Read, Optional, 5_000 ms, MEMBERS, memory::MemoryList => memory::Records;
    /// Every version of a canonical record.
    MemoryHistory = Committer.memory_history, Read, Optional, 5_000 ms, MEMBERS, memory::MemoryHistory => memory::Records;
    /// Writes an entry of the caller's own scratchpad.
    ScratchPut = Committer.scratch_put, Write, Optional, 5_000 ms, MEMBERS, memory::ScratchPut => memory::ScratchReply;
    /// Reads an entry of the caller's own scratchpad.
    ScratchGet = Committer.scratch_get, Read, Optional, 2_000 ms, MEMBERS, memory::ScratchGet => memory::ScratchReply;
    /// What already exists that looks like this.
    OverlapCheck = Overlap.check, Read, Optional, 5_000 ms, CREATORS, overlap::Check => overlap::Checked;
    /// The same of several things, and which of them look like each other.
    OverlapCheckAll = Overlap.check_all, Read, Optional, 20_000 ms, CREATORS, overlap::CheckAll => overlap::CheckAllReply;
    /// Says what is to be created, before it is.
    OverlapPropose = Overlap.propose, Write, Optional, 10_000 ms, CREATORS, overlap::Propose => overlap::ProposeReply;
    /// Says what is to become of something that looks like something else.
    OverlapDecide = Overlap.decide, Write, Optional, 5_000 ms, MEMBERS, overlap::Decide => overlap::CreationReply;
    /// One creation.
    OverlapShow = Overlap.show, Read, Optional, 5_000 ms, CREATORS, overlap::CreationShow => overlap::CreationReply;
    /// Creations of the mission, in order of id.
    OverlapList = Overlap.list, Read, Optional, 5_000 ms, MEMBERS, overlap::CreationList => overlap::Creations;
    /// How two things are alike, and why.
    OverlapExplain = Overlap.explain, Read, Optional, 5_000 ms, MEMBERS, overlap::Explain => overlap::Explained;
    /// How large the index is, and how far.
    OverlapStats = Overlap.stats, Read, Optional, 5_000 ms, MEMBERS, Nothing => overlap::Stats;
    /// What was decided at which score, and the thresholds that follow.
    OverlapCalibrate = Overlap.calibrate, Read, Optional, 10_000 ms, MEMBERS, overlap::Calibrate => overlap::Calibration;
    /// Sets what counts as how much alike in the mission.
    OverlapTune = Overlap.tune, Write, Optional, 5_000 ms, PLANNER, overlap::Tune => overlap::TuningReply;
    /// Has every replica make its index anew.
    OverlapReindex = Overlap.reindex, Write, Optional, 5_000 ms, OPERATOR, overlap::Reindex => overlap::ReindexReply;
    /// Puts a plan on the record; the same plan again is the same plan.
    PlanSubmit = Dispatcher.plan_submit, Write, Optional, 10_000 ms, PLANNER, plan::PlanSubmit => plan::PlanReply;
    /// Everything that is wrong with a plan, without submitting it.
    PlanCheck = Dispatcher.plan_check, Read, Optional, 10_000 ms, MEMBERS, plan::PlanSubmit => plan::PlanChecked;
    /// One plan, and how its tasks stand.
    PlanShow = Dispatcher.plan_show, Read, Optional, 5_000 ms, MEMBERS, plan::PlanShow => plan::PlanReply;
    /// Plans of the mission, in order of id.
    PlanList = Dispatcher.plan_list, Read, Optional, 5_000 ms, MEMBERS, plan::PlanList => plan::Plans;
    /// Ends a plan that nobody wants any more.
    PlanCancel = Dispatcher.plan_cancel, Write, Optional, 5_000 ms, PLANNER, plan::PlanEnd => plan::PlanReply;
    /// Gives out no task of a plan for now.
    PlanPause = Dispatcher.plan_pause, Write, Optional, 5_000 ms, PLANNER, plan::PlanEnd => plan::PlanReply;
    /// Lets a paused plan go on, or gives the failed tasks of a failed one their attempts anew.
    PlanResume = Dispatcher.plan_resume, Write, Optional, 5_000 ms, PLANNER, plan::PlanResume => plan::PlanReply;
    /// Caps how many tasks are worked on at once.
    CapacitySet = Dispatcher.capacity_set, Write, Optional, 5_000 ms, PLANNER, plan::CapacitySet => plan::CapacityReply;
    /// The caps of the mission and what counts in them, in order of name.
    CapacityList = Dispatcher.capacity_list, Read, Optional, 5_000 ms, MEMBERS, Nothing => plan::Capacities;
    /// Takes the next task of a queue; waits for one if asked to.
    TaskClaim = Dispatcher.task_claim, Write, Optional, 20_000 ms, DOERS, task::TaskClaim => task::TaskClaimed;
    /// Says that a task is still being worked on.
    TaskRenew = Dispatcher.task_renew, Write, Optional, 5_000 ms, DOERS, task::TaskRenew => task::TaskRenewed;
    /// Hands in what was made; it is judged at once, as far as the service can.
    TaskSubmit = Dispatcher.task_submit, Write, Optional, 20_000 ms, DOERS, task::TaskSubmit => task::TaskReply;
    /// Says that an attempt came to nothing.
    TaskFail = Dispatcher.task_fail, Write, Optional, 5_000 ms, DOERS, task::TaskFail => task::TaskReply;
    /// A verifier's verdict on what was handed in, with its evidence.
    TaskJudge = Dispatcher.task_judge, Write, Optional, 10_000 ms, JUDGES, task::TaskJudge => task::TaskReply;
    /// Gives a verifier the next task that waits for its verdict; waits for one if asked to.
    TaskInspect = Dispatcher.task_inspect, Read, Optional, 20_000 ms, JUDGES, task::TaskInspect => task::TaskInspected;
    /// Lets a task pass its gate, signed with the identity key.
    TaskOpen = Dispatcher.task_open, Write, Required, 5_000 ms, CONFIRMERS, task::TaskOpen => task::TaskReply;
    /// One task.
    TaskShow = Dispatcher.task_show, Read, Optional, 2_000 ms, MEMBERS, task::TaskShow => task::TaskShown;
    /// Tasks, in order of id.
    TaskList = Dispatcher.task_list, Read, Optional, 5_000 ms, MEMBERS, task::TaskList => task::Tasks;
    /// Dead letters of the mission, in order of id.
    DeadList = Dispatcher.dead_list, Read, Optional, 5_000 ms, MEMBERS, dead::DeadList => dead::DeadLetters;
    /// One dead letter.
    DeadShow = Dispatcher.dead_show, Read, Optional, 2_000 ms, MEMBERS, dead::DeadNamed => dead::DeadReply;
    /// Has the task of a dead letter tried once more.
    DeadReplay = Dispatcher.dead_replay, Write, Optional, 10_000 ms, PLANNER, dead::DeadNamed => dead::DeadReply;
    /// Says that a dead letter is of no use.
    DeadDiscard = Dispatcher.dead_discard, Write, Optional, 5_000 ms, PLANNER, dead::DeadDiscard => dead::DeadReply;
    /// Cases of the mission that wait for a decision, in order of id.
    CaseList = Dispatcher.case_list, Read, Optional, 5_000 ms, MEMBERS, case::CaseList => case::Cases;
    /// One case, with all that whoever decides it needs.
    CaseShow = Dispatcher.case_show, Read, Optional, 2_000 ms, MEMBERS, case::CaseShow => case::CaseReply;
    /// The case that has waited longest for the caller's role; waits for one if asked to.
    CaseNext = Dispatcher.case_next, Read, Optional, 20_000 ms, DECIDERS, case::CaseNext => case::CaseFound;
    /// Decides a case, signed with the identity key.
    CaseDecide = Dispatcher.case_decide, Write, Required, 10_000 ms, DECIDERS, case::CaseDecide => case::CaseReply;
    /// Offers work to another agent, signed with the identity key; refused with every reason if it does not fit.
    HandoffOffer = Dispatcher.handoff_offer, Write, Required, 10_000 ms, HANDERS, handoff::HandoffOffer => handoff::HandoffReply;
    /// Takes what was offered; everything is checked again.
    HandoffAccept = Dispatcher.handoff_accept, Write, Required, 10_000 ms, HANDERS, handoff::HandoffAccept => handoff::HandoffReply;
    /// Says that one does not want what was offered.
    HandoffDecline = Dispatcher.handoff_decline, Write, Required, 5_000 ms, HANDERS, handoff::HandoffEnd => handoff::HandoffReply;
    /// Hands in what was expected.
    HandoffComplete = Dispatcher.handoff_complete, Write, Required, 10_000 ms, HANDERS, handoff::HandoffComplete => handoff::HandoffReply;
    /// Takes back what was offered.
    HandoffWithdraw = Dispatcher.handoff_withdraw, Write, Required, 5_000 ms, WITHDRAWERS, handoff::HandoffEnd => handoff::HandoffReply;
    /// Handoffs of the mission, in order of id.
    HandoffList = Dispatcher.handoff_list, Read, Optional, 5_000 ms, MEMBERS, handoff::HandoffList => handoff::Handoffs;
    /// One handoff, with its history.
    HandoffShow = Dispatcher.handoff_show, Read, Optional, 2_000 ms, MEMBERS, handoff::HandoffShow => handoff::HandoffReply;
}

/// The call `name` of `service`.
pub fn find(service: Service, name: &str) -> Option<&'static Call> {
    CALLS.iter().find(|call| call.service == service && call.name == name)
}

/// Every call that `role` may make.
pub fn allowed_to(role: Role) -> impl Iterator<Item = &'static Call> {
    CALLS.iter().filter(move |call| call.is_allowed_to(role))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_call_has_one_name_and_somebody_who_may_call_it() {
        let names: BTreeSet<String> = CALLS.iter().map(Call::to_string).collect();
        assert_eq!(names.len(), CALLS.len());
        for call in CALLS {
            assert!(!call.roles.is_empty(), "{call}");
            assert!((1..=60_000).contains(&call.deadline_ms), "{call}");
            assert!(call.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{call}");
        }
    }

    #[test]
    fn the_join_and_door_credentials_open_nothing_else() {
        let of = |role| allowed_to(role).map(|call| call.name).collect::<Vec<_>>();
        assert_eq!(of(Role::Join), ["whoami", "join"]);
        assert_eq!(of(Role::Door), ["whoami", "agent_rotate", "session_start"]);
    }

    #[test]
    fn no_payload_can_be_taken_for_an_envelope() {
        for call in CALLS {
            let schema = (call.request_schema)().to_value();
            let has = |field: &str| schema.pointer(&format!("/properties/{field}")).is_some();
            assert!(
                !(has("kind") && has("payload")),
                "{call}: a bare payload with both fields reads as an envelope"
            );
        }
    }
}
