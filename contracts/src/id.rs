//! Checked identifiers. Every name that ends up in a subject is one of these types, so that a subject
//! can never be bent by what somebody typed.
//!
//! A [`Token`] is valid from its creation on: parsing is the only way to make one, from a string or
//! through serde.

use std::{borrow::Cow, fmt, marker::PhantomData, str::FromStr, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

mod content;
mod creation;
mod effect;
mod lease;
mod party;
mod work;

pub use content::{
    ArtifactName, ArtifactNameShape, ArtifactRef, ArtifactRefShape, ContractName, ContractNameShape, Digest,
    DigestShape, MediaType, MediaTypeShape, UploadId, UploadIdShape,
};
pub use creation::{CreationId, CreationIdShape, KindName, KindNameShape};
pub use effect::{
    CommitHash, CommitHashShape, EffectorName, EffectorNameShape, IntentId, IntentIdShape, RecordKey,
    RecordKeyShape, RepositoryName, RepositoryNameShape, SagaId, SagaIdShape, SecretName, SecretNameShape,
};
pub use lease::{
    LeaseId, LeaseIdShape, PoolName, PoolNameShape, ResourceName, ResourceNameShape, SpaceId, SpaceIdShape,
};
pub use party::{
    AgentId, AgentIdShape, AgentName, AgentNameShape, Caller, CallerShape, EntityId, EntityIdShape, InviteId,
    InviteIdShape, KlusterName, KlusterNameShape, Mission, MissionShape, Owner, OwnerShape, PublicKey,
    PublicKeyShape, RequestId, RequestIdShape, ScopeId, ScopeIdShape, SubjectId,
};
pub use work::{
    CaseId, CaseIdShape, ClaimToken, ClaimTokenShape, DeadId, DeadIdShape, HandoffId, HandoffIdShape, PlanId,
    PlanIdShape, QueueName, QueueNameShape, TaskId, TaskIdShape, TaskName, TaskNameShape,
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
