//! Checked identifiers. Every name that ends up in a subject is one of these types, so that a subject
//! can never be bent by what somebody typed.
//!
//! A [`Token`] is valid from its creation on: parsing is the only way to make one, from a string or
//! through serde.

use std::{borrow::Cow, fmt, marker::PhantomData, str::FromStr, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

mod effect;

pub use effect::{
    CommitHash, CommitHashShape, EffectorName, EffectorNameShape, IntentId, IntentIdShape, RecordKey,
    RecordKeyShape, RepositoryName, RepositoryNameShape, SagaId, SagaIdShape, SecretName, SecretNameShape,
};

/// What one type of token looks like.
pub trait Shape: Send + Sync + 'static {
    /// Name of the type, as errors and schemas show it.
    const NAME: &'static str;
    /// Regular expression (JSON Schema dialect) of the whole token; documents what [`Shape::fits`] decides.
    const PATTERN: &'static str;
    /// A valid example, for error messages.
    const EXAMPLE: &'static str;
    /// Longest token in bytes.
    const MAX_BYTES: usize;
    /// Whether the bytes (1 to [`Shape::MAX_BYTES`] of them) form such a token.
    fn fits(bytes: &[u8]) -> bool;
}

/// A checked identifier; cheap to clone.
pub struct Token<S>(Arc<str>, PhantomData<S>);

/// A string that is not a token of the wanted type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found:?} is not a valid {name}: expected {pattern} of at most {max_bytes} bytes, for example {example:?}"
)]
pub struct InvalidToken {
    /// Name of the type that was wanted.
    pub name: &'static str,
    /// What was found, cut to 64 characters.
    pub found: String,
    /// The shape that was expected.
    pub pattern: &'static str,
    /// Longest valid token in bytes.
    pub max_bytes: usize,
    /// A valid example.
    pub example: &'static str,
}

/// Characters of a refused token that an error repeats.
const ECHOED_CHARS: usize = 64;

impl<S: Shape> Token<S> {
    /// Checks `text` and makes a token of it.
    ///
    /// # Errors
    /// [`InvalidToken`] if it is empty, too long or holds a character its type does not allow.
    pub fn new(text: &str) -> Result<Self, InvalidToken> {
        if (1..=S::MAX_BYTES).contains(&text.len()) && S::fits(text.as_bytes()) {
            return Ok(Self(text.into(), PhantomData));
        }
        Err(InvalidToken {
            name: S::NAME,
            found: text.chars().take(ECHOED_CHARS).collect(),
            pattern: S::PATTERN,
            max_bytes: S::MAX_BYTES,
            example: S::EXAMPLE,
        })
    }

    /// The token's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<S> Clone for Token<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0), PhantomData)
    }
}
impl<S> PartialEq for Token<S> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<S> Eq for Token<S> {}
impl<S> PartialOrd for Token<S> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<S> Ord for Token<S> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}
impl<S> std::hash::Hash for Token<S> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}
impl<S> fmt::Display for Token<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
impl<S> fmt::Debug for Token<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
impl<S> AsRef<str> for Token<S> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}
impl<S> std::borrow::Borrow<str> for Token<S> {
    fn borrow(&self) -> &str {
        &self.0
    }
}
impl<S: Shape> FromStr for Token<S> {
    type Err = InvalidToken;
    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        Self::new(text)
    }
}
impl<S> Serialize for Token<S> {
    fn serialize<T: Serializer>(&self, serializer: T) -> Result<T::Ok, T::Error> {
        serializer.serialize_str(&self.0)
    }
}
impl<'de, S: Shape> Deserialize<'de> for Token<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::new(&text).map_err(de::Error::custom)
    }
}
impl<S: Shape> JsonSchema for Token<S> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        S::NAME.into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "title": S::NAME,
            "pattern": S::PATTERN,
            "minLength": 1,
            "maxLength": S::MAX_BYTES,
            "examples": [S::EXAMPLE],
        })
    }
}

fn lower_or_digit(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// Lower-case words joined by `-`: starts with a letter or digit.
fn is_slug(bytes: &[u8]) -> bool {
    bytes.first().is_some_and(|&first| lower_or_digit(first))
        && bytes.iter().all(|&byte| lower_or_digit(byte) || byte == b'-')
}

fn is_hex(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte))
}

fn is_id(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b':'))
}

/// Whether `bytes` are `prefix` and then at least one lower-case letter, digit, `-` or `_`.
fn is_prefixed(bytes: &[u8], prefix: &[u8]) -> bool {
    bytes.strip_prefix(prefix).is_some_and(|rest| {
        !rest.is_empty() && rest.iter().all(|&byte| lower_or_digit(byte) || matches!(byte, b'-' | b'_'))
    })
}

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
impl SubjectId for LeaseIdShape {}

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

/// Shape of a [`SpaceId`].
pub enum SpaceIdShape {}
impl Shape for SpaceIdShape {
    const NAME: &'static str = "space_id";
    const PATTERN: &'static str = "^[a-z0-9][a-z0-9_-]*$";
    const EXAMPLE: &'static str = "shop-frontend";
    const MAX_BYTES: usize = 63;
    fn fits(bytes: &[u8]) -> bool {
        CallerShape::fits(bytes)
    }
}
/// A space of leases: a repository, or any other place in which names mean one thing.
pub type SpaceId = Token<SpaceIdShape>;

/// Shape of a [`LeaseId`].
pub enum LeaseIdShape {}
impl Shape for LeaseIdShape {
    const NAME: &'static str = "lease_id";
    const PATTERN: &'static str = "^lease_[a-z0-9_-]+$";
    const EXAMPLE: &'static str = "lease_0a1b2c3d4e5f6071";
    const MAX_BYTES: usize = 64;
    fn fits(bytes: &[u8]) -> bool {
        is_prefixed(bytes, b"lease_")
    }
}
/// A lease: the right to work on something for a while.
pub type LeaseId = Token<LeaseIdShape>;

/// Shape of a [`PoolName`].
pub enum PoolNameShape {}
impl Shape for PoolNameShape {
    const NAME: &'static str = "pool_name";
    const PATTERN: &'static str = "^[a-z0-9][a-z0-9_-]*$";
    const EXAMPLE: &'static str = "gpu";
    const MAX_BYTES: usize = 63;
    fn fits(bytes: &[u8]) -> bool {
        CallerShape::fits(bytes)
    }
}
/// A pool of slots within a space.
pub type PoolName = Token<PoolNameShape>;

/// Shape of a [`ResourceName`].
pub enum ResourceNameShape {}
impl Shape for ResourceNameShape {
    const NAME: &'static str = "resource_name";
    const PATTERN: &'static str = "^[A-Za-z0-9][A-Za-z0-9_.:/@-]*$";
    const EXAMPLE: &'static str = "db:staging";
    const MAX_BYTES: usize = 128;
    fn fits(bytes: &[u8]) -> bool {
        bytes.first().is_some_and(u8::is_ascii_alphanumeric)
            && bytes.iter().all(|&byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b':' | b'/' | b'@' | b'-')
            })
    }
}
/// A resource that leases are taken on by its name. It never stands in a subject.
pub type ResourceName = Token<ResourceNameShape>;

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

/// Shape of a [`ContractName`].
pub enum ContractNameShape {}
impl Shape for ContractNameShape {
    const NAME: &'static str = "contract_name";
    const PATTERN: &'static str = "^[a-z0-9][a-z0-9_-]*(\\.[a-z0-9][a-z0-9_-]*)*$";
    const EXAMPLE: &'static str = "research.summary";
    const MAX_BYTES: usize = 100;
    fn fits(bytes: &[u8]) -> bool {
        bytes.split(|&byte| byte == b'.').all(CallerShape::fits)
    }
}
/// Name of a payload contract that agents register.
pub type ContractName = Token<ContractNameShape>;

/// Shape of a [`Digest`].
pub enum DigestShape {}
impl Shape for DigestShape {
    const NAME: &'static str = "digest";
    const PATTERN: &'static str = "^[0-9a-f]{64}$";
    const EXAMPLE: &'static str = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
    const MAX_BYTES: usize = 64;
    fn fits(bytes: &[u8]) -> bool {
        bytes.len() == Self::MAX_BYTES && is_hex(bytes)
    }
}
/// The blake3 of some content, in lower-case hex: the one name by which it is stored.
pub type Digest = Token<DigestShape>;

impl From<&blake3::Hash> for Digest {
    fn from(hash: &blake3::Hash) -> Self {
        Self(hash.to_hex().as_str().into(), PhantomData)
    }
}

/// Shape of an [`ArtifactName`].
pub enum ArtifactNameShape {}
impl Shape for ArtifactNameShape {
    const NAME: &'static str = "artifact_name";
    const PATTERN: &'static str = "^[a-z0-9][a-z0-9_-]*(/[a-z0-9][a-z0-9_-]*)*$";
    const EXAMPLE: &'static str = "research/auth-analysis";
    const MAX_BYTES: usize = 128;
    fn fits(bytes: &[u8]) -> bool {
        bytes.split(|&byte| byte == b'/').all(CallerShape::fits)
    }
}
/// A name under which versions of content stand, within its mission.
pub type ArtifactName = Token<ArtifactNameShape>;

impl ArtifactName {
    /// Its entity in the ledger. No name holds a `:`, so no two names share one.
    pub fn entity_id(&self) -> EntityId {
        Token(self.as_str().replace('/', ":").into(), PhantomData)
    }
}

/// Shape of an [`UploadId`].
pub enum UploadIdShape {}
impl Shape for UploadIdShape {
    const NAME: &'static str = "upload_id";
    const PATTERN: &'static str = "^upload_[0-9a-f]{32}$";
    const EXAMPLE: &'static str = "upload_0a1b2c3d4e5f60718293a4b5c6d7e8f9";
    const MAX_BYTES: usize = 39;
    fn fits(bytes: &[u8]) -> bool {
        bytes.strip_prefix(b"upload_").is_some_and(|hex| hex.len() == 32 && is_hex(hex))
    }
}
/// Content on its way in, piece by piece.
pub type UploadId = Token<UploadIdShape>;

/// Shape of a [`MediaType`].
pub enum MediaTypeShape {}
impl Shape for MediaTypeShape {
    const NAME: &'static str = "media_type";
    const PATTERN: &'static str =
        "^[a-z0-9][a-z0-9!#$&^_.+-]*/[a-z0-9][a-z0-9!#$&^_.+-]*(; ?[a-z0-9-]+=[A-Za-z0-9._-]+)*$";
    const EXAMPLE: &'static str = "text/markdown; charset=utf-8";
    const MAX_BYTES: usize = 127;
    fn fits(bytes: &[u8]) -> bool {
        let Ok(text) = std::str::from_utf8(bytes) else { return false };
        let mut parts = text.split(';');
        let is_name = |name: &str| {
            name.bytes().next().is_some_and(lower_or_digit)
                && name.bytes().all(|byte| lower_or_digit(byte) || b"!#$&^_.+-".contains(&byte))
        };
        let is_type = |full: &str| full.split_once('/').is_some_and(|(a, b)| is_name(a) && is_name(b));
        let is_word = |word: &str, more: &[u8]| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || more.contains(&byte))
        };
        let is_parameter = |text: &str| {
            let text = text.strip_prefix(' ').unwrap_or(text);
            text.split_once('=').is_some_and(|(name, value)| {
                is_word(name, b"-") && !name.bytes().any(|b| b.is_ascii_uppercase()) && is_word(value, b"._-")
            })
        };
        parts.next().is_some_and(is_type) && parts.all(is_parameter)
    }
}
/// What content is, as a media type (RFC 6838), lower case.
pub type MediaType = Token<MediaTypeShape>;

impl MediaType {
    /// Of content about which nothing is known.
    pub fn bytes() -> Self {
        Self("application/octet-stream".into(), PhantomData)
    }
}

/// Shape of an [`ArtifactRef`].
pub enum ArtifactRefShape {}
impl Shape for ArtifactRefShape {
    const NAME: &'static str = "artifact_ref";
    const PATTERN: &'static str = "^((blake3:)?[0-9a-f]{64}|[a-z0-9][a-z0-9_/-]*(@(latest|v[1-9][0-9]*|(blake3:|sha)?[0-9a-f]{8,64}))?)$";
    const EXAMPLE: &'static str = "research/auth-analysis@v2";
    const MAX_BYTES: usize = ArtifactNameShape::MAX_BYTES + 1 + 71;
    fn fits(bytes: &[u8]) -> bool {
        std::str::from_utf8(bytes)
            .is_ok_and(|text| crate::payload::artifact::Reference::parse(text).is_some())
    }
}
/// Which content is meant, as people write it; [`crate::payload::artifact::Reference`] says what it means.
pub type ArtifactRef = Token<ArtifactRefShape>;

impl ContractName {
    /// The entity that holds version `version` of this contract: a version is one entity, made once.
    pub fn version_id(&self, version: u32) -> EntityId {
        // Of fixed width, so that ids sort as versions do.
        Token(format!("{}:{version:05}", self.as_str().replace('.', ":")).into(), PhantomData)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_that_would_bend_a_subject_are_refused() {
        let long = "a".repeat(10_240);
        for bad in ["", "a.b", "a b", "*", ">", "a*", "Ada", "ädä", "a\0", "-a", "a\n", long.as_str()] {
            let error = AgentName::new(bad).expect_err(bad);
            assert!(error.to_string().contains("agent_name"), "{error}");
            assert!(error.found.chars().count() <= ECHOED_CHARS);
            assert!(Mission::new(bad).is_err(), "{bad}");
            assert!(AgentId::new(&format!("{bad}.-1a2b3c4d")).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_agent_id_is_a_name_and_eight_hex_digits() {
        assert!(AgentId::new("ada-1a2b3c4d").is_ok());
        for bad in ["ada", "ada-1a2b3c4", "ada-1A2B3C4D", "-1a2b3c4d", "1a2b3c4d", "ada_1a2b3c4d"] {
            assert!(AgentId::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_derived_agent_id_is_valid_and_moves_with_the_attempt() {
        let name = AgentName::new("ada").unwrap();
        let key = PublicKey::new(PublicKeyShape::EXAMPLE).unwrap();
        let first = AgentId::derive(&name, &key, 0);
        assert_eq!(AgentId::new(first.as_str()).unwrap(), first);
        assert_ne!(first, AgentId::derive(&name, &key, 1));
    }

    #[test]
    fn a_contract_version_is_one_subject_token() {
        let name = ContractName::new("research.summary").unwrap();
        let id = name.version_id(2);
        assert_eq!(id.as_str(), "research:summary:00002");
        assert_eq!(EntityId::new(id.as_str()).unwrap(), id);
    }

    fn example_fits<S: Shape>() {
        assert!(Token::<S>::new(S::EXAMPLE).is_ok(), "{}", S::NAME);
    }

    #[test]
    fn every_example_fits_its_own_shape() {
        example_fits::<MissionShape>();
        example_fits::<KlusterNameShape>();
        example_fits::<AgentNameShape>();
        example_fits::<AgentIdShape>();
        example_fits::<CallerShape>();
        example_fits::<ScopeIdShape>();
        example_fits::<EntityIdShape>();
        example_fits::<InviteIdShape>();
        example_fits::<RequestIdShape>();
        example_fits::<PublicKeyShape>();
        example_fits::<SpaceIdShape>();
        example_fits::<LeaseIdShape>();
        example_fits::<PoolNameShape>();
        example_fits::<ResourceNameShape>();
        example_fits::<OwnerShape>();
        example_fits::<ContractNameShape>();
    }

    proptest! {
        #[test]
        fn no_token_of_a_subject_holds_a_separator_or_wildcard(text in "\\PC{0,80}") {
            let separators = |token: &str| token.contains(['.', '*', '>', ' ', '\t', '\r', '\n']);
            if let Ok(token) = Mission::new(&text) { prop_assert!(!separators(token.as_str())); }
            if let Ok(token) = Caller::new(&text) { prop_assert!(!separators(token.as_str())); }
            if let Ok(token) = ScopeId::new(&text) { prop_assert!(!separators(token.as_str())); }
            if let Ok(token) = EntityId::new(&text) { prop_assert!(!separators(token.as_str())); }
            if let Ok(token) = PublicKey::new(&text) { prop_assert!(!separators(token.as_str())); }
            if let Ok(token) = SpaceId::new(&text) { prop_assert!(!separators(token.as_str())); }
            if let Ok(token) = PoolName::new(&text) { prop_assert!(!separators(token.as_str())); }
        }
    }
}
