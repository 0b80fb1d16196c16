//! Who may act: the roles of agents and people, and the services. A role stands as a literal in the
//! request subject (`<role>-<scope id>`), put there by the signing key's template, so that a
//! credential signed for one role can never speak as another.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{InvalidToken, ScopeId};

/// Everything that can hold a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Makes plans and opens user requests.
    Planner,
    /// Does tasks.
    Worker,
    /// Checks what workers hand in.
    Verifier,
    /// Decides disagreements.
    Arbitrator,
    /// Approves intents.
    Approver,
    /// Runs the kluster: invites, missions, retirement.
    Operator,
    /// Holds an unredeemed invite; may join and nothing else.
    Join,
    /// Holds a registered identity key outside any session; may start one and nothing else.
    Door,
    /// The service `registry`.
    Registry,
    /// The service `governance`.
    Governance,
    /// The service `committer`.
    Committer,
    /// A program that carries out effects of its own kind for the committer.
    Effector,
    /// The service `dispatcher`.
    Dispatcher,
    /// The service `leases`.
    Leases,
    /// The service `artifacts`.
    Artifacts,
    /// The service `overlap`.
    Overlap,
}

impl Role {
    /// Every role.
    pub const ALL: &'static [Self] = &[
        Self::Planner,
        Self::Worker,
        Self::Verifier,
        Self::Arbitrator,
        Self::Approver,
        Self::Operator,
        Self::Join,
        Self::Door,
        Self::Registry,
        Self::Governance,
        Self::Committer,
        Self::Effector,
        Self::Dispatcher,
        Self::Leases,
        Self::Artifacts,
        Self::Overlap,
    ];

    /// Roles that take part in a mission, in sessions.
    pub const MEMBERS: &'static [Self] =
        &[Self::Planner, Self::Worker, Self::Verifier, Self::Arbitrator, Self::Approver, Self::Operator];

    /// Roles whose credentials the registry signs. All others are minted by the operator's own command,
    /// so that a stolen registry key cannot make them.
    pub const SIGNED_BY_REGISTRY: &'static [Self] =
        &[Self::Planner, Self::Worker, Self::Verifier, Self::Arbitrator, Self::Door];

    /// The role's name, as it stands in subjects.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Planner => "planner",
            Self::Worker => "worker",
            Self::Verifier => "verifier",
            Self::Arbitrator => "arbitrator",
            Self::Approver => "approver",
            Self::Operator => "operator",
            Self::Join => "join",
            Self::Door => "door",
            Self::Registry => "registry",
            Self::Governance => "governance",
            Self::Committer => "committer",
            Self::Effector => "effector",
            Self::Dispatcher => "dispatcher",
            Self::Leases => "leases",
            Self::Artifacts => "artifacts",
            Self::Overlap => "overlap",
        }
    }

    /// Whether agents of this role take part in a mission, in sessions.
    pub fn is_member(self) -> bool {
        Self::MEMBERS.contains(&self)
    }

    /// Whether the registry may sign this role's credentials.
    pub fn is_signed_by_registry(self) -> bool {
        Self::SIGNED_BY_REGISTRY.contains(&self)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a role: expected one of planner, worker, verifier, arbitrator, approver, operator")]
pub struct UnknownRole(String);

impl FromStr for Role {
    type Err = UnknownRole;
    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        let found = Self::ALL.iter().copied().find(|role| role.name() == text);
        found.ok_or_else(|| UnknownRole(text.chars().take(64).collect()))
    }
}

/// A service of the fabric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Agents, sessions, credentials, missions, user requests, payload contracts.
    Registry,
    /// Policies, intents, approvals.
    Governance,
    /// Effects, exactly once; memory.
    Committer,
    /// Who may work on which paths, resources and slots, and until when.
    Leases,
    /// Content by its digest, and named versions of it.
    Artifacts,
    /// What already exists that looks like what is to be created.
    Overlap,
    /// Plans, tasks, dead letters.
    Dispatcher,
}

impl Service {
    /// Every service.
    pub const ALL: &'static [Self] = &[
        Self::Registry,
        Self::Governance,
        Self::Committer,
        Self::Leases,
        Self::Artifacts,
        Self::Overlap,
        Self::Dispatcher,
    ];

    /// The service's name: its queue group, its subject token, its role.
    pub const fn name(self) -> &'static str {
        self.role().name()
    }

    /// The role under which the service acts.
    pub const fn role(self) -> Role {
        match self {
            Self::Registry => Role::Registry,
            Self::Governance => Role::Governance,
            Self::Committer => Role::Committer,
            Self::Leases => Role::Leases,
            Self::Artifacts => Role::Artifacts,
            Self::Overlap => Role::Overlap,
            Self::Dispatcher => Role::Dispatcher,
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Service {
    type Err = UnknownService;
    fn from_str(text: &str) -> Result<Self, UnknownService> {
        let found = Self::ALL.iter().copied().find(|service| service.name() == text);
        found.ok_or_else(|| UnknownService(text.chars().take(64).collect()))
    }
}

/// A name that is no service.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a service: expected one of registry, governance, committer, leases, artifacts, overlap, dispatcher"
)]
pub struct UnknownService(String);

/// The credential that was used: a role, and the session, task, invite or service instance it is for.
/// In a subject it is one token, `<role>-<scope id>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Scope {
    /// Role of the credential, as nats-server enforces it.
    pub role: Role,
    /// What the credential is for.
    pub id: ScopeId,
}

impl Scope {
    /// Reads the subject token.
    ///
    /// # Errors
    /// [`InvalidScope`] if it does not start with a role or goes on with no valid id.
    pub fn parse(token: &str) -> Result<Self, InvalidScope> {
        let (role, id) = token.split_once('-').ok_or(InvalidScope::NoRole)?;
        Ok(Self { role: role.parse()?, id: ScopeId::new(id)? })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.role, self.id)
    }
}

/// Why a subject token is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidScope {
    /// There is no `-`.
    #[error("expected <role>-<scope id>, for example worker-session_0a1b2c3d4e5f6071")]
    NoRole,
    /// What stands before the first `-` is no role.
    #[error(transparent)]
    Role(#[from] UnknownRole),
    /// What follows it is no id.
    #[error(transparent)]
    Id(#[from] InvalidToken),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_parses_from_its_name() {
        for role in Role::ALL {
            assert_eq!(role.name().parse::<Role>().unwrap(), *role);
            assert!(!role.name().contains('-'), "a scope token is split at its first dash");
            assert_eq!(serde_json::to_string(role).unwrap(), format!("\"{role}\""));
        }
    }

    #[test]
    fn a_scope_reads_back_as_written() {
        let scope = Scope::parse("worker-session_0a-1").unwrap();
        assert_eq!((scope.role, scope.id.as_str()), (Role::Worker, "session_0a-1"));
        assert_eq!(scope.to_string(), "worker-session_0a-1");
        assert_eq!(Scope::parse("session_0a"), Err(InvalidScope::NoRole));
        assert!(matches!(Scope::parse("king-s1"), Err(InvalidScope::Role(_))));
        assert!(matches!(Scope::parse("worker-"), Err(InvalidScope::Id(_))));
    }
}
