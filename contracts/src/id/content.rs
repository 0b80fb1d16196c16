//! Identifiers of content: digests, names, versions, and what content is.

use std::marker::PhantomData;

use super::{CallerShape, EntityId, Shape, Token, is_hex, lower_or_digit};

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
