//! Where a run takes place: a mission of its own, agents of every role, an effector, and an operator who reads
//! what came of it.

use std::time::Duration;

use futures::future::try_join_all;
use selvedge_contracts::{
    call::{self, CallType},
    fact::EntityName,
    fault::Fault,
    id::{Caller, EntityId, InviteId, Mission, Owner, ScopeId},
    payload::{invite::InviteCreate, mission::MissionCreate},
    role::Role,
    subject::Entity,
};
use selvedge_kit::{
    authority::{
        Credential, Kluster, UserKey,
        jwt::{Life, Tags},
    },
    bus::{self, Bus},
    client::{Client, Options},
    clock::{Deadline, now_ms},
    creation::asked_about,
    credential::Login,
    ledger::{FactRecord, Ledger},
    signature::Signer,
};
use serde_json::{Value, json};

use crate::{
    agent::Agent,
    effector::Effector,
    error::{Error, Miss, owner},
};

/// A running fabric and the keys that an operator has.
pub struct Deployment {
    /// Where clients connect.
    pub url: String,
    /// Longest wait for a connection, in milliseconds.
    pub connect_timeout_ms: u64,
    /// The keys of the kluster: the run invites agents of its own with them.
    pub kluster: Kluster,
    /// The operator's credential.
    pub operator: Login,
    /// Whether something here reads nats-server's log and has what the server denied in the audit stream: what
    /// `selvedge up` does.
    pub tells_denials: bool,
}

/// How long an invite is good, in milliseconds.
const INVITE_MS: u64 = 600_000;
/// Longest wait for what follows from a trial, in milliseconds.
pub(crate) const PATIENCE_MS: u64 = 10_000;
/// Pause between two looks, in milliseconds.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The mission, who is in it, and who watches.
pub(crate) struct Arena {
    pub(crate) mission: Mission,
    deployment: Deployment,
    /// Asks as the operator, in the mission.
    pub(crate) operator: Client,
    /// All facts.
    pub(crate) ledger: Ledger,
    /// Carries out effects that cost nothing, and writes down which.
    pub(crate) effector: Effector,
    /// They race; each has another owner.
    pub(crate) workers: Vec<Agent>,
    pub(crate) planner: Option<Agent>,
    pub(crate) verifier: Option<Agent>,
    pub(crate) arbitrator: Option<Agent>,
    pub(crate) approver: Option<Agent>,
    /// An approver of the first worker's owner.
    pub(crate) sibling: Option<Agent>,
}

impl Arena {
    /// Connects, and makes the mission. Nobody is in it yet.
    pub(crate) async fn open(deployment: Deployment) -> Result<Self, Error> {
        let name = format!("eval-{:08x}", rand::random::<u32>());
        let mission = Mission::new(&name)?;
        let operator = Client::new(connect(&deployment, deployment.operator.clone()).await?);
        let create =
            MissionCreate { mission: mission.clone(), title: "selvedge eval, thrown away".to_owned() };
        operator.call::<call::MissionCreate>(&create).await.map_err(Error::at("a mission is made"))?;
        let effector = Effector::start(&deployment, &name).await?;
        Ok(Self {
            ledger: Ledger::new(operator.bus().clone()),
            operator: operator.in_mission(mission.clone()),
            mission,
            effector,
            deployment,
            workers: Vec::new(),
            planner: None,
            verifier: None,
            arbitrator: None,
            approver: None,
            sibling: None,
        })
    }

    /// Has the agents join: so many workers, and one of every other role.
    pub(crate) async fn populate(&mut self, workers: u32) -> Result<(), Error> {
        let joining = (0..workers).map(|n| (format!("w{n}"), Role::Worker, format!("person:eval-{n}")));
        let others = [
            ("planner", Role::Planner, "person:eval-planner"),
            ("verifier", Role::Verifier, "person:eval-verifier"),
            ("arbitrator", Role::Arbitrator, "person:eval-arbitrator"),
            ("approver", Role::Approver, "person:eval-approver"),
            ("sibling", Role::Approver, "person:eval-0"),
        ];
        let others = others.map(|(name, role, owner)| (name.to_owned(), role, owner.to_owned()));
        let mut joined = Vec::new();
        for (name, role, of) in joining.chain(others) {
            joined.push(self.join(name, role, of));
        }
        let mut joined = try_join_all(joined).await?;
        self.sibling = joined.pop();
        self.approver = joined.pop();
        self.arbitrator = joined.pop();
        self.verifier = joined.pop();
        self.planner = joined.pop();
        self.workers = joined;
        self.tune("off").await
    }

    async fn join(&self, name: String, role: Role, of: String) -> Result<Agent, Error> {
        Agent::join(self, &format!("eval-{name}"), role, owner(&of)?).await
    }

    /// Says from which level on things that are alike are asked about in the mission: most trials make many
    /// that are.
    pub(crate) async fn tune(&self, alert: &str) -> Result<(), Error> {
        let tuned = ask::<call::OverlapTune>(&self.operator, json!({ "alert": alert })).await;
        tuned.map(|_| ()).map_err(Error::at("what counts as alike is set"))
    }

    pub(crate) fn kluster(&self) -> &Kluster {
        &self.deployment.kluster
    }

    pub(crate) fn tells_denials(&self) -> bool {
        self.deployment.tells_denials
    }

    /// Connects with a credential.
    pub(crate) async fn connect(&self, login: Login) -> Result<Client, Error> {
        Ok(Client::new(connect(&self.deployment, login).await?))
    }

    /// Signs with an identity key.
    pub(crate) fn signer(&self, key: &UserKey) -> Result<Signer, Error> {
        Ok(key.signer(&self.kluster().account())?)
    }

    /// Records an invite and makes the credential that redeems it.
    pub(crate) async fn invite(&self, role: Role, owner: &Owner) -> Result<Credential, Error> {
        let text = format!("invite_{:016x}", rand::random::<u64>());
        let wanted = InviteCreate {
            id: InviteId::new(&text)?,
            mission: self.mission.clone(),
            role,
            owner: owner.clone(),
            ttl_ms: INVITE_MS,
        };
        self.operator.call::<call::InviteCreate>(&wanted).await.map_err(Error::at("an agent is invited"))?;
        self.credential(Role::Join, &text, &text)
    }

    /// A credential that only the operator's keys can make, good for as long as an invite.
    pub(crate) fn credential(&self, role: Role, caller: &str, scope: &str) -> Result<Credential, Error> {
        let tags =
            Tags { mission: self.mission.clone(), agent: Caller::new(caller)?, scope: ScopeId::new(scope)? };
        let now_ms = now_ms();
        let life = Life { now_ms, expires_at_ms: now_ms + INVITE_MS };
        Ok(self.kluster().signer(role)?.credential(&tags, life)?)
    }

    /// A worker; the same for the same number.
    pub(crate) fn worker(&self, index: usize) -> Result<&Agent, Miss> {
        let found = self.workers.get(index % self.workers.len().max(1));
        found.ok_or_else(|| Miss::Unable("there are no workers".to_owned()))
    }

    pub(crate) fn planner(&self) -> Result<&Agent, Miss> {
        there(self.planner.as_ref(), "planner")
    }

    pub(crate) fn approver(&self) -> Result<&Agent, Miss> {
        there(self.approver.as_ref(), "approver")
    }

    pub(crate) fn sibling(&self) -> Result<&Agent, Miss> {
        there(self.sibling.as_ref(), "approver of the first worker's owner")
    }

    /// Everybody who is in a session.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Agent> {
        let others = [&self.planner, &self.verifier, &self.arbitrator, &self.approver, &self.sibling];
        self.workers.iter().chain(others.into_iter().flatten())
    }

    /// An entity of the mission.
    pub(crate) fn entity(&self, name: EntityName, id: impl Into<EntityId>) -> Entity {
        Entity { mission: self.mission.clone(), name, id: id.into() }
    }

    /// All facts of an entity of the mission.
    pub(crate) async fn history(
        &self,
        name: EntityName,
        id: impl Into<EntityId>,
    ) -> Result<Vec<FactRecord>, Miss> {
        let about = self.entity(name, id);
        Ok(self.ledger.history(&about, 0, usize::MAX, Deadline::in_ms(PATIENCE_MS)).await?)
    }

    /// The ledger's last revision.
    pub(crate) async fn last_revision(&self) -> Result<u64, Miss> {
        Ok(self.ledger.last_revision(Deadline::in_ms(PATIENCE_MS)).await?)
    }
}

/// An agent that every run has.
fn there<'a>(agent: Option<&'a Agent>, what: &str) -> Result<&'a Agent, Miss> {
    agent.ok_or_else(|| Miss::Unable(format!("there is no {what}")))
}

pub(crate) async fn connect(deployment: &Deployment, login: Login) -> Result<Bus, Error> {
    let options = bus::Options {
        url: deployment.url.clone(),
        name: "selvedge eval".to_owned(),
        connect_timeout_ms: deployment.connect_timeout_ms,
    };
    Ok(Bus::connect(&options, login).await?)
}

/// Makes a call with a payload as JSON.
pub(crate) async fn ask<C: CallType>(client: &Client, payload: Value) -> Result<C::Reply, Fault> {
    ask_with::<C>(client, payload, &Options::default()).await
}

/// The same with options. What is asked about because it looks like something is decided for, as an agent would
/// that wants it all the same; what somebody else is about to create is waited for.
pub(crate) async fn ask_with<C: CallType>(
    client: &Client,
    payload: Value,
    options: &Options,
) -> Result<C::Reply, Fault> {
    let request: C::Request = serde_json::from_value(payload)
        .map_err(|error| Fault::invalid(format!("a trial's {} is none: {error}", C::CALL)))?;
    let deadline = Deadline::in_ms(PATIENCE_MS);
    let mut attempt = 0;
    loop {
        let fault = match client.call_with::<C>(&request, options).await {
            Ok(answered) => return Ok(answered.reply),
            Err(fault) => fault,
        };
        let Some(creation) = asked_about(&fault).filter(|_| !deadline.has_passed()) else {
            return Err(fault);
        };
        let decide = json!({ "creation": creation, "answer": "proceed", "reason": "a trial" });
        let decide = serde_json::from_value(decide).map_err(|error| Fault::internal(error.to_string()))?;
        // Somebody else's creation is theirs to decide about: then we wait for it.
        let _ = client.call::<call::OverlapDecide>(&decide).await;
        deadline.back_off(attempt).await;
        attempt += 1;
    }
}

/// Looks until there is something to see, and answers with it.
///
/// # Errors
/// [`Miss::Broken`] with what was seen last, once patience is over.
pub(crate) async fn until<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> Result<Result<T, String>, Miss>,
) -> Result<T, Miss> {
    let deadline = Deadline::in_ms(PATIENCE_MS);
    loop {
        match look().await? {
            Ok(seen) => return Ok(seen),
            Err(last) if deadline.has_passed() => {
                return Err(Miss::Broken(format!(
                    "{what} did not come within {PATIENCE_MS} ms; seen last: {last}"
                )));
            }
            Err(_) => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}
