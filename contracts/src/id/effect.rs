//! Identifiers of what is done to the world: intents, sagas, repositories, records, effectors, secrets.

use std::marker::PhantomData;

use super::{CallerShape, EntityId, Shape, SubjectId, Token, is_hex, is_slug};

/// Hex digits of a blake3 digest.
const DIGEST_DIGITS: usize = 64;

fn is_digest_after(bytes: &[u8], prefix: &[u8]) -> bool {
    bytes.strip_prefix(prefix).is_some_and(|hex| hex.len() == DIGEST_DIGITS && is_hex(hex))
}

/// Shape of an [`IntentId`].
pub enum IntentIdShape {}
impl Shape for IntentIdShape {
    const NAME: &'static str = "intent_id";
    const PATTERN: &'static str = "^intent_[0-9a-f]{64}$";
    const EXAMPLE: &'static str = "intent_af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
    const MAX_BYTES: usize = 7 + DIGEST_DIGITS;
    fn fits(bytes: &[u8]) -> bool {
        is_digest_after(bytes, b"intent_")
    }
}
/// An intent: the digest of what is to be done, so that the same thing wanted twice is one intent.
pub type IntentId = Token<IntentIdShape>;

/// Shape of a [`SagaId`].
pub enum SagaIdShape {}
impl Shape for SagaIdShape {
    const NAME: &'static str = "saga_id";
    const PATTERN: &'static str = "^saga_[0-9a-f]{64}$";
    const EXAMPLE: &'static str = "saga_af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
    const MAX_BYTES: usize = 5 + DIGEST_DIGITS;
    fn fits(bytes: &[u8]) -> bool {
        is_digest_after(bytes, b"saga_")
    }
}
/// A saga: intents that are done in order, and undone in reverse if one of them fails.
pub type SagaId = Token<SagaIdShape>;

impl IntentId {
    /// The intent whose content has this digest.
    pub fn of(content: &blake3::Hash) -> Self {
        Self(format!("intent_{}", content.to_hex()).into(), PhantomData)
    }
}

impl SagaId {
    /// The saga whose content has this digest.
    pub fn of(content: &blake3::Hash) -> Self {
        Self(format!("saga_{}", content.to_hex()).into(), PhantomData)
    }
}

impl SubjectId for IntentIdShape {}
impl SubjectId for SagaIdShape {}

/// Shape of a [`RepositoryName`].
pub enum RepositoryNameShape {}
impl Shape for RepositoryNameShape {
    const NAME: &'static str = "repository_name";
    const PATTERN: &'static str = "^[a-z0-9][a-z0-9_-]*$";
    const EXAMPLE: &'static str = "record";
    const MAX_BYTES: usize = 63;
    fn fits(bytes: &[u8]) -> bool {
        CallerShape::fits(bytes)
    }
}
/// A git repository in which the committer records, within its mission.
pub type RepositoryName = Token<RepositoryNameShape>;
impl SubjectId for RepositoryNameShape {}

/// Shape of an [`EffectorName`].
pub enum EffectorNameShape {}
impl Shape for EffectorNameShape {
    const NAME: &'static str = "effector_name";
    const PATTERN: &'static str = "^[a-z0-9][a-z0-9-]*$";
    const EXAMPLE: &'static str = "mailer";
    const MAX_BYTES: usize = 40;
    fn fits(bytes: &[u8]) -> bool {
        is_slug(bytes)
    }
}
/// A program on the bus that carries out effects of its own kind for the committer.
pub type EffectorName = Token<EffectorNameShape>;

/// Shape of a [`RecordKey`].
pub enum RecordKeyShape {}
impl Shape for RecordKeyShape {
    const NAME: &'static str = "record_key";
    const PATTERN: &'static str = "^[a-z0-9][a-z0-9_-]*(/[a-z0-9][a-z0-9_-]*)*$";
    const EXAMPLE: &'static str = "decisions/auth";
    const MAX_BYTES: usize = 128;
    fn fits(bytes: &[u8]) -> bool {
        bytes.split(|&byte| byte == b'/').all(CallerShape::fits)
    }
}
/// Key of a canonical record of a mission's memory, or of a scratchpad's entry.
pub type RecordKey = Token<RecordKeyShape>;

impl RecordKey {
    /// Its entity in the ledger. No key holds a `:`, so no two keys share one.
    pub fn entity_id(&self) -> EntityId {
        Token(self.as_str().replace('/', ":").into(), PhantomData)
    }
}

/// Shape of a [`CommitHash`].
pub enum CommitHashShape {}
impl Shape for CommitHashShape {
    const NAME: &'static str = "commit_hash";
    const PATTERN: &'static str = "^[0-9a-f]{40}$";
    const EXAMPLE: &'static str = "0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d";
    const MAX_BYTES: usize = 40;
    fn fits(bytes: &[u8]) -> bool {
        bytes.len() == Self::MAX_BYTES && is_hex(bytes)
    }
}
/// Id of a git commit (SHA-1), in full.
pub type CommitHash = Token<CommitHashShape>;

/// Shape of a [`SecretName`].
pub enum SecretNameShape {}
impl Shape for SecretNameShape {
    const NAME: &'static str = "secret_name";
    const PATTERN: &'static str = "^[a-z0-9][a-z0-9_-]*$";
    const EXAMPLE: &'static str = "deploy-token";
    const MAX_BYTES: usize = 63;
    fn fits(bytes: &[u8]) -> bool {
        CallerShape::fits(bytes)
    }
}
/// A secret, by the name that the committer's own configuration gives it; its value never crosses the bus.
pub type SecretName = Token<SecretNameShape>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intents_id_is_a_digest_and_an_entity() {
        let id = IntentId::of(&blake3::hash(b"x"));
        assert_eq!(IntentId::new(id.as_str()).unwrap(), id);
        assert!(EntityId::new(id.as_str()).is_ok());
        for bad in ["intent_", "intent_12", &id.as_str().to_uppercase(), &format!("{id}0")] {
            assert!(IntentId::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_records_key_is_one_subject_token() {
        let key = RecordKey::new("decisions/auth").unwrap();
        assert_eq!(key.entity_id().as_str(), "decisions:auth");
        for bad in ["", "/a", "a/", "a//b", "A", "a:b", "a.b", "../a"] {
            assert!(RecordKey::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_example_fits_its_own_shape() {
        fn fits<S: Shape>() {
            assert!(Token::<S>::new(S::EXAMPLE).is_ok(), "{}", S::NAME);
        }
        fits::<IntentIdShape>();
        fits::<SagaIdShape>();
        fits::<RepositoryNameShape>();
        fits::<EffectorNameShape>();
        fits::<RecordKeyShape>();
        fits::<CommitHashShape>();
        fits::<SecretNameShape>();
    }
}
