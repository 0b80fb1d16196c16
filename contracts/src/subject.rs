//! Every subject of the fabric, built only from checked tokens and read back strictly.
//!
//! | subject | who may publish it |
//! |---|---|
//! | `sv.req.<mission>.<caller>.<role>-<scope id>.<service>.<call>` | the holder of that one credential |
//! | `sv.fact.<mission>.<entity>.<id>.<kind>` | the service that owns the fact |
//! | `sv.live.<mission>.<entity>.<id>.<kind>` | nats-server, once the fact is stored |
//! | `sv.timer.<service>.<entity>.<mission>.<id>.<name>` | that service |
//! | `sv.due.<service>.<entity>.<mission>.<id>.<name>` | nats-server, when the timer fires |
//! | `sv.lease.<mission>.<space>.<lease id>` | nats-server, once the lease is stored, freed or expired |
//! | `sv.fwd.<service>.<instance>.<a request's subject without sv.req>` | another replica of that service |
//! | `sv.effect.<effector>.<execute, probe or undo>` | the service `committer` |
//! | `sv.audit.<service>.<mission>.<caller>.<call>` | that service |
//! | `sv.audit.<service>.<mission>.<follower>.dead` | that service, of a message it had to leave behind |
//! | `sv.audit.server.<kluster>.<caller>.violation` | `up`, from the child nats-server's log |
//! | `_INBOX.<caller>.<role>-<scope id>.>` | services, to answer |

use std::fmt;

use crate::{
    fact::EntityName,
    id::{Caller, EntityId, InvalidToken, KlusterName, LeaseId, Mission, ScopeId, SpaceId},
    role::{InvalidScope, Scope, Service},
    stream::Follower,
};

/// First tokens of every request subject.
pub const REQUEST_PREFIX: &str = "sv.req";
/// First tokens of every fact's subject.
pub const FACT_PREFIX: &str = "sv.fact";
/// Filter of all facts.
pub const EVERY_FACT: &str = "sv.fact.>";
/// First tokens of every republished fact's subject.
pub const LIVE_PREFIX: &str = "sv.live";
/// First tokens of every republished lease's subject; the key in the bucket `leases` follows.
pub const LEASE_PREFIX: &str = "sv.lease";
/// First tokens of every request that a replica passed on to another.
pub const FORWARD_PREFIX: &str = "sv.fwd";

/// First tokens of every order to an effector.
pub const EFFECT_PREFIX: &str = "sv.effect";

/// Subject of a request: who asks, for which mission, under which credential, for which call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Mission the request is made in.
    pub mission: Mission,
    /// Who asks.
    pub caller: Caller,
    /// Under which credential.
    pub scope: Scope,
    /// Service asked.
    pub service: Service,
    /// Name of the call.
    pub call: String,
}

/// Why a subject is none of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSubject {
    /// Wrong number of tokens or wrong first tokens.
    #[error("expected {0}")]
    Shape(&'static str),
    /// A token is not of its type.
    #[error(transparent)]
    Token(#[from] InvalidToken),
    /// The scope token is not one.
    #[error(transparent)]
    Scope(#[from] InvalidScope),
    /// The service token names no service.
    #[error(transparent)]
    Service(#[from] crate::role::UnknownService),
    /// The entity token names no entity.
    #[error(transparent)]
    Entity(#[from] crate::fact::UnknownEntity),
}

const REQUEST_SHAPE: &str = "sv.req.<mission>.<caller>.<role>-<scope id>.<service>.<call>";
const FACT_SHAPE: &str = "sv.fact.<mission>.<entity>.<id>.<kind>";

impl Request {
    /// Reads a request's subject.
    ///
    /// # Errors
    /// [`InvalidSubject`] names the token that is wrong.
    pub fn parse(subject: &str) -> Result<Self, InvalidSubject> {
        let tokens: Vec<&str> = subject.split('.').collect();
        let ["sv", "req", mission, caller, scope, service, call] = tokens.as_slice() else {
            return Err(InvalidSubject::Shape(REQUEST_SHAPE));
        };
        Ok(Self {
            mission: Mission::new(mission)?,
            caller: Caller::new(caller)?,
            scope: Scope::parse(scope)?,
            service: service.parse()?,
            call: (*call).to_owned(),
        })
    }

    /// Prefix under which every reply to this caller and credential must lie, with its last dot.
    pub fn inbox_prefix(&self) -> String {
        format!("{}.", inbox_prefix(&self.caller, &self.scope))
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mission, caller, scope, service, call } = self;
        write!(f, "{REQUEST_PREFIX}.{mission}.{caller}.{scope}.{service}.{call}")
    }
}

/// The inbox prefix (without its last dot) of a caller under a credential: give it to any NATS client
/// as its custom inbox prefix.
pub fn inbox_prefix(caller: &Caller, scope: &Scope) -> String {
    format!("_INBOX.{caller}.{scope}")
}

/// Prefix (without its last dot) of every request that a caller may make under a credential; the
/// service and the call follow.
pub fn request_prefix(mission: &Mission, caller: &Caller, scope: &Scope) -> String {
    format!("{REQUEST_PREFIX}.{mission}.{caller}.{scope}")
}

/// Filter of all requests made in one mission, or in any.
pub fn requests_in(mission: Option<&Mission>) -> String {
    format!("{REQUEST_PREFIX}.{}.>", token_or_any(mission))
}

/// Filter of all republished facts of one mission, or of any.
pub fn live_in(mission: Option<&Mission>) -> String {
    format!("{LIVE_PREFIX}.{}.>", token_or_any(mission))
}

/// Filter of all audit records of one mission, or of any.
pub fn audit_in(mission: Option<&Mission>) -> String {
    format!("sv.audit.*.{}.>", token_or_any(mission))
}

fn token_or_any(mission: Option<&Mission>) -> &str {
    mission.map_or("*", Mission::as_str)
}

/// Filter of all requests to one service.
pub fn requests_to(service: Service) -> String {
    format!("{REQUEST_PREFIX}.*.*.*.{service}.*")
}

/// Filter of all that happens to the leases of one mission, or of any.
pub fn leases_in(mission: Option<&Mission>) -> String {
    format!("{LEASE_PREFIX}.{}.>", token_or_any(mission))
}

/// Filter of all that happens to the leases of one space.
pub fn leases_in_space(mission: &Mission, space: &SpaceId) -> String {
    format!("{LEASE_PREFIX}.{mission}.{space}.>")
}

/// Subject of all that happens to one lease.
pub fn lease(mission: &Mission, space: &SpaceId, lease: &LeaseId) -> String {
    format!("{LEASE_PREFIX}.{mission}.{space}.{lease}")
}

/// Filter of all requests that replicas pass on to one instance of a service.
pub fn forwards_to(service: Service, instance: &ScopeId) -> String {
    format!("{FORWARD_PREFIX}.{service}.{instance}.>")
}

/// Subject on which one instance of a service says that it is alive, to another one.
pub fn ping(service: Service, instance: &ScopeId) -> String {
    format!("{FORWARD_PREFIX}.{service}.{instance}.{PING}")
}

/// Last token of [`ping`]: no request's subject is that short.
pub const PING: &str = "ping";

impl Request {
    /// Subject on which this request is passed on to another instance of its service.
    pub fn forward(&self, instance: &ScopeId) -> String {
        let Self { mission, caller, scope, service, call } = self;
        format!("{FORWARD_PREFIX}.{service}.{instance}.{mission}.{caller}.{scope}.{service}.{call}")
    }
}

/// Subject of the request that was passed on under `subject`, as its sender wrote it; nothing if it was
/// not passed on.
pub fn before_forwarding(subject: &str) -> Option<String> {
    let rest = subject.strip_prefix(FORWARD_PREFIX)?.strip_prefix('.')?;
    let (_, request) = rest.split_once('.').and_then(|(_service, rest)| rest.split_once('.'))?;
    Some(format!("{REQUEST_PREFIX}.{request}"))
}

/// An entity of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entity {
    /// Mission the entity belongs to.
    pub mission: Mission,
    /// What sort of entity.
    pub name: EntityName,
    /// Which one.
    pub id: EntityId,
}

impl Entity {
    /// The filter of all facts of this entity: the one and only guard of its writes.
    pub fn filter(&self) -> String {
        format!("{FACT_PREFIX}.{self}.>")
    }

    /// Filter of all republished facts of this entity.
    pub fn live(&self) -> String {
        format!("{LIVE_PREFIX}.{self}.>")
    }

    /// Subject of one of its facts.
    pub fn fact(&self, kind: &'static str) -> String {
        format!("{FACT_PREFIX}.{self}.{kind}")
    }
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.mission, self.name, self.id)
    }
}

/// Subject of a stored or republished fact, read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// The entity it is about.
    pub entity: Entity,
    /// What happened: `registered`.
    pub kind: String,
}

impl Fact {
    /// Reads the subject of a fact, stored (`sv.fact`) or republished (`sv.live`).
    ///
    /// # Errors
    /// [`InvalidSubject`] names the token that is wrong.
    pub fn parse(subject: &str) -> Result<Self, InvalidSubject> {
        let tokens: Vec<&str> = subject.split('.').collect();
        let ["sv", "fact" | "live", mission, name, id, kind] = tokens.as_slice() else {
            return Err(InvalidSubject::Shape(FACT_SHAPE));
        };
        let entity = Entity { mission: Mission::new(mission)?, name: name.parse()?, id: EntityId::new(id)? };
        Ok(Self { entity, kind: (*kind).to_owned() })
    }
}

/// Filter of all stored facts of one sort of entity.
pub fn facts_of(entity: EntityName) -> String {
    format!("{FACT_PREFIX}.*.{entity}.>")
}

/// Filter of all republished facts of one sort of entity.
pub fn live_of(entity: EntityName) -> String {
    format!("{LIVE_PREFIX}.*.{entity}.>")
}

/// Subject on which a service keeps one timer of one entity.
pub fn timer(service: Service, entity: &Entity, name: &'static str) -> String {
    let Entity { mission, name: sort, id } = entity;
    format!("sv.timer.{service}.{sort}.{mission}.{id}.{name}")
}

/// Subject on which that timer arrives when it is due.
pub fn due(service: Service, entity: &Entity, name: &'static str) -> String {
    let Entity { mission, name: sort, id } = entity;
    format!("sv.due.{service}.{sort}.{mission}.{id}.{name}")
}

/// Subject of the audit record of a refused request.
pub fn audit(service: Service, mission: &Mission, caller: &Caller, call: &str) -> String {
    let call = if EntityId::new(call).is_ok() { call } else { "unknown" };
    format!("sv.audit.{service}.{mission}.{caller}.{call}")
}

/// Filter of the audit records of all messages that followers had to leave behind.
pub const DEAD_LETTERS: &str = "sv.audit.*.*.*.dead";

/// Subject of the audit record of a message that a follower had to leave behind; without a mission where
/// the message does not tell it.
pub fn dead_letter(follower: &Follower, mission: Option<&Mission>) -> String {
    let kluster = Mission::kluster();
    format!("sv.audit.{}.{}.{}.dead", follower.service, mission.unwrap_or(&kluster), follower.name)
}

/// Subject of the audit record of what nats-server itself refused: a publish, a subscription or a login.
/// Without a kluster or a caller where the server does not say whose it was.
pub fn server_violation(kluster: Option<&KlusterName>, caller: Option<&Caller>) -> String {
    let kluster = kluster.map_or("_", KlusterName::as_str);
    let caller = caller.map_or("unknown", Caller::as_str);
    format!("sv.audit.server.{kluster}.{caller}.violation")
}

/// Whether `subject` may be answered on: it lies under `prefix` (which ends in a dot), holds no
/// wildcard or blank and is of a bounded length.
pub fn is_reply_of(subject: &str, prefix: &str) -> bool {
    const MAX_REPLY_BYTES: usize = 300;
    subject.len() <= MAX_REPLY_BYTES
        && subject.strip_prefix(prefix).is_some_and(|rest| {
            !rest.is_empty()
                && !rest.contains(['*', '>', ' ', '\t', '\r', '\n'])
                && !rest.split('.').any(str::is_empty)
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::role::Role;

    const SUBJECT: &str = "sv.req.demo.ada-1a2b3c4d.worker-session_01.registry.whoami";

    #[test]
    fn a_request_subject_reads_back_as_written() {
        let request = Request::parse(SUBJECT).unwrap();
        assert_eq!(request.to_string(), SUBJECT);
        assert_eq!(request.scope.role, Role::Worker);
        assert_eq!(request.inbox_prefix(), "_INBOX.ada-1a2b3c4d.worker-session_01.");
    }

    #[test]
    fn a_forwarded_request_reads_back_as_its_sender_wrote_it() {
        let instance = ScopeId::new("i1").unwrap();
        let forward = Request::parse(SUBJECT).unwrap().forward(&instance);
        assert_eq!(forward, "sv.fwd.registry.i1.demo.ada-1a2b3c4d.worker-session_01.registry.whoami");
        assert_eq!(before_forwarding(&forward).as_deref(), Some(SUBJECT));
        for other in [SUBJECT, "sv.fwd", "sv.fwd.registry", "sv.fwdx.registry.i1.a"] {
            assert_eq!(before_forwarding(other), None, "{other}");
        }
        let ping = before_forwarding(&ping(Service::Leases, &instance)).unwrap();
        assert!(Request::parse(&ping).is_err(), "a ping is no request");
    }

    #[test]
    fn a_foreign_subject_is_refused() {
        for bad in [
            "",
            "sv.req",
            "sv.fact.demo.agent.a.b",
            "sv.req.a.b.worker-c.nobody.e",
            "sv.req.a.b.c.registry.e",
        ] {
            assert!(Request::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_reply_must_lie_under_the_senders_own_inbox() {
        let prefix = Request::parse(SUBJECT).unwrap().inbox_prefix();
        assert!(is_reply_of("_INBOX.ada-1a2b3c4d.worker-session_01.x.7", &prefix));
        for foreign in [
            "_INBOX.ada-1a2b3c4d.worker-session_01",
            "_INBOX.ada-1a2b3c4d.worker-session_01.",
            "_INBOX.ada-1a2b3c4d.worker-session_01..x",
            "_INBOX.ada-1a2b3c4d.worker-session_01.>",
            "_INBOX.ada-1a2b3c4d.worker-session_011.x",
            "_INBOX.bob-1a2b3c4d.worker-session_02.x",
            "sv.req.demo.bob-1a2b3c4d.worker-session_02.registry.whoami",
        ] {
            assert!(!is_reply_of(foreign, &prefix), "{foreign}");
        }
    }

    #[test]
    fn a_fact_reads_back_from_its_stored_and_its_live_subject() {
        let entity = Entity {
            mission: Mission::kluster(),
            name: EntityName::Agent,
            id: EntityId::new("ada-1a2b3c4d").unwrap(),
        };
        let stored = Fact::parse(&entity.fact("registered")).unwrap();
        assert_eq!(stored, Fact::parse("sv.live._.agent.ada-1a2b3c4d.registered").unwrap());
        assert_eq!(stored.entity, entity);
        assert_eq!(entity.filter(), "sv.fact._.agent.ada-1a2b3c4d.>");
        assert_eq!(entity.live(), "sv.live._.agent.ada-1a2b3c4d.>");
    }
}
