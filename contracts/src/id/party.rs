//! Identifiers of who acts and where: missions, agents, credentials, invites, requests, entities.

use std::{marker::PhantomData, sync::Arc};

use super::{Shape, Token, is_hex, is_id, is_prefixed, is_slug, lower_or_digit};

/// Shape of a [`Mission`].
pub enum MissionShape {}
impl Shape for MissionShape {
    const NAME: &'static str = "mission";
    const PATTERN: &'static str = "^(_|[a-z0-9][a-z0-9-]*)$";
    const EXAMPLE: &'static str = "demo";
    const MAX_BYTES: usize = 63;
    fn fits(bytes: &[u8]) -> bool {
        bytes == b"_" || is_slug(bytes)
    }
}
/// A mission: the part of a kluster in which agents work together; `_` is the kluster itself.
pub type Mission = Token<MissionShape>;

impl Mission {
    /// The token of what belongs to the whole kluster: agents, keys, missions, contracts.
    pub fn kluster() -> Self {
        Self("_".into(), PhantomData)
    }

    /// Whether this is the kluster's own token.
    pub fn is_kluster(&self) -> bool {
        self.as_str() == "_"
    }
}

/// Shape of a [`KlusterName`].
pub enum KlusterNameShape {}
impl Shape for KlusterNameShape {
    const NAME: &'static str = "kluster_name";
    const PATTERN: &'static str = "^[a-z0-9][a-z0-9-]*$";
    const EXAMPLE: &'static str = "main";
    const MAX_BYTES: usize = 40;
    fn fits(bytes: &[u8]) -> bool {
        is_slug(bytes)
    }
}
/// A kluster: one tenant, one account of nats-server, one ledger.
pub type KlusterName = Token<KlusterNameShape>;

/// Shape of an [`AgentName`].
pub enum AgentNameShape {}
impl Shape for AgentNameShape {
    const NAME: &'static str = "agent_name";
    const PATTERN: &'static str = "^[a-z0-9][a-z0-9-]*$";
    const EXAMPLE: &'static str = "ada";
    const MAX_BYTES: usize = 40;
    fn fits(bytes: &[u8]) -> bool {
        is_slug(bytes)
    }
}
/// The name an agent asks for; several agents may bear it.
pub type AgentName = Token<AgentNameShape>;

/// Shape of an [`AgentId`].
pub enum AgentIdShape {}
impl Shape for AgentIdShape {
    const NAME: &'static str = "agent_id";
    const PATTERN: &'static str = "^[a-z0-9][a-z0-9-]*-[0-9a-f]{8}$";
    const EXAMPLE: &'static str = "ada-1a2b3c4d";
    const MAX_BYTES: usize = AgentNameShape::MAX_BYTES + 9;
    fn fits(bytes: &[u8]) -> bool {
        let Some((name, hex)) = bytes.len().checked_sub(8).and_then(|at| bytes.split_at_checked(at)) else {
            return false;
        };
        name.strip_suffix(b"-").is_some_and(is_slug) && is_hex(hex)
    }
}
/// An agent: `{name}-{8 hex digits}`, assigned at its first registration and kept for ever.
pub type AgentId = Token<AgentIdShape>;

impl AgentId {
    /// The id of the agent that holds `key` under `name`. `attempt` counts up from 0 while the id
    /// belongs to another key: 32 bits can be ground, so full keys decide, never these digits.
    pub fn derive(name: &AgentName, key: &PublicKey, attempt: u32) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(key.as_str().as_bytes()).update(&attempt.to_be_bytes());
        let hex = data_encoding::HEXLOWER
            .encode(hasher.finalize().as_bytes().first_chunk::<4>().unwrap_or(&[0; 4]));
        Self(format!("{name}-{hex}").into(), PhantomData)
    }
}

/// Shape of a [`Caller`].
pub enum CallerShape {}
impl Shape for CallerShape {
    const NAME: &'static str = "caller";
    const PATTERN: &'static str = "^[a-z0-9][a-z0-9_-]*$";
    const EXAMPLE: &'static str = "ada-1a2b3c4d";
    const MAX_BYTES: usize = 80;
    fn fits(bytes: &[u8]) -> bool {
        bytes.first().is_some_and(|&first| lower_or_digit(first))
            && bytes.iter().all(|&byte| lower_or_digit(byte) || matches!(byte, b'-' | b'_'))
    }
}
/// Whoever asks, as the request subject names it: an agent id, an invite id or a service.
pub type Caller = Token<CallerShape>;

/// Shape of a [`ScopeId`].
pub enum ScopeIdShape {}
impl Shape for ScopeIdShape {
    const NAME: &'static str = "scope_id";
    const PATTERN: &'static str = "^[a-z0-9][a-z0-9_-]*$";
    const EXAMPLE: &'static str = "session_0a1b2c3d4e5f6071";
    const MAX_BYTES: usize = 80;
    fn fits(bytes: &[u8]) -> bool {
        CallerShape::fits(bytes)
    }
}
/// The session, task, invite or service instance whose credential is used.
pub type ScopeId = Token<ScopeIdShape>;

/// Shape of an [`EntityId`].
pub enum EntityIdShape {}
impl Shape for EntityIdShape {
    const NAME: &'static str = "entity_id";
    const PATTERN: &'static str = "^[A-Za-z0-9_:-]+$";
    const EXAMPLE: &'static str = "invite_0a1b2c3d4e5f6071";
    const MAX_BYTES: usize = 140;
    fn fits(bytes: &[u8]) -> bool {
        is_id(bytes)
    }
}
/// Any entity of the ledger, as its subject names it.
pub type EntityId = Token<EntityIdShape>;

impl<S> From<&Token<S>> for EntityId
where
    S: SubjectId,
{
    fn from(token: &Token<S>) -> Self {
        Self(Arc::clone(&token.0), PhantomData)
    }
}

/// Shapes whose every token is also an [`EntityId`].
pub trait SubjectId: Shape {}
impl SubjectId for MissionShape {}
impl SubjectId for AgentIdShape {}
impl SubjectId for ScopeIdShape {}
impl SubjectId for PublicKeyShape {}
impl SubjectId for InviteIdShape {}
impl SubjectId for RequestIdShape {}

/// Shape of an [`InviteId`].
pub enum InviteIdShape {}
impl Shape for InviteIdShape {
    const NAME: &'static str = "invite_id";
    const PATTERN: &'static str = "^invite_[a-z0-9_-]+$";
    const EXAMPLE: &'static str = "invite_0a1b2c3d4e5f6071";
    const MAX_BYTES: usize = 64;
    fn fits(bytes: &[u8]) -> bool {
        is_prefixed(bytes, b"invite_")
    }
}
/// An invite: the right to join once.
pub type InviteId = Token<InviteIdShape>;

/// Shape of a [`RequestId`].
pub enum RequestIdShape {}
impl Shape for RequestIdShape {
    const NAME: &'static str = "request_id";
    const PATTERN: &'static str = "^request_[a-z0-9_-]+$";
    const EXAMPLE: &'static str = "request_0a1b2c3d4e5f6071";
    const MAX_BYTES: usize = 64;
    fn fits(bytes: &[u8]) -> bool {
        is_prefixed(bytes, b"request_")
    }
}
/// A user's request: the root of a chain of causes.
pub type RequestId = Token<RequestIdShape>;

/// Shape of a [`PublicKey`].
pub enum PublicKeyShape {}
impl Shape for PublicKeyShape {
    const NAME: &'static str = "public_key";
    const PATTERN: &'static str = "^U[A-Z2-7]{55}$";
    const EXAMPLE: &'static str = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";
    const MAX_BYTES: usize = 56;
    fn fits(bytes: &[u8]) -> bool {
        bytes.len() == Self::MAX_BYTES
            && bytes.first() == Some(&b'U')
            && bytes.iter().all(|byte| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(byte))
    }
}
/// A public user nkey (ed25519); its checksum is verified where it is used to check a signature.
pub type PublicKey = Token<PublicKeyShape>;

/// Shape of an [`Owner`].
pub enum OwnerShape {}
impl Shape for OwnerShape {
    const NAME: &'static str = "owner";
    const PATTERN: &'static str = "^(person|service):[a-z0-9][a-z0-9@._-]*$";
    const EXAMPLE: &'static str = "person:ada@example.org";
    const MAX_BYTES: usize = 128;
    fn fits(bytes: &[u8]) -> bool {
        let rest = bytes.strip_prefix(b"person:").or_else(|| bytes.strip_prefix(b"service:"));
        rest.is_some_and(|rest| {
            rest.first().is_some_and(|&first| lower_or_digit(first))
                && rest.iter().all(|&byte| lower_or_digit(byte) || matches!(byte, b'@' | b'.' | b'_' | b'-'))
        })
    }
}
/// The principal that answers for an agent: a person or a service account. Quorum counts these.
pub type Owner = Token<OwnerShape>;
