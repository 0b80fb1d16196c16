//! A fact as it is read back: from the stream, or republished.

use std::fmt;

use async_nats::HeaderMap;
use selvedge_contracts::{
    envelope::{Envelope, header},
    id::Mission,
    payload::history::FactLine,
    subject::{Fact, InvalidSubject},
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// One fact of the ledger.
#[derive(Debug, Clone)]
pub struct FactRecord {
    /// Its place in the ledger.
    pub revision: u64,
    /// Unix time at which it was stored, in milliseconds, by the server's clock.
    pub at_ms: u64,
    /// What it is about and what happened.
    pub fact: Fact,
    /// Digest of the request that led to it.
    pub request: Option<RequestDigest>,
    /// All of it.
    pub envelope: Envelope,
}

/// Digest by which a repeated request is known: of who asked, for what, and under which idempotency
/// key. The first 128 bits of a blake3 hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestDigest(u128);

impl RequestDigest {
    /// The digest of a request.
    pub fn new(caller: &str, call: &str, idempotency_key: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in [caller, call, idempotency_key] {
            hasher.update(&(part.len() as u64).to_be_bytes()).update(part.as_bytes());
        }
        Self::of(&hasher.finalize())
    }

    /// An id that follows from this request and `purpose`: the same request makes the same id.
    pub fn derive(self, purpose: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0.to_be_bytes()).update(purpose.as_bytes());
        Self::of(&hasher.finalize())
    }

    /// A digest that no other request has.
    pub fn random() -> Self {
        Self(rand::random())
    }

    fn of(hash: &blake3::Hash) -> Self {
        Self(u128::from_be_bytes(hash.as_bytes().first_chunk().copied().unwrap_or_default()))
    }

    /// The first 64 bits, for sets that are verified before they are believed.
    pub(crate) fn short(self) -> u64 {
        (self.0 >> 64) as u64
    }

    /// Sixteen hex digits for an id made from it.
    pub fn id_hex(self) -> String {
        format!("{:016x}", self.short())
    }

    fn parse(text: &str) -> Option<Self> {
        u128::from_str_radix(text, 16).ok().map(Self)
    }
}

impl fmt::Display for RequestDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A stored message that is no fact of ours.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Its subject is none of a fact.
    #[error("subject {subject}")]
    Subject {
        /// The subject.
        subject: String,
        /// What is wrong with it.
        source: InvalidSubject,
    },
    /// It lacks the headers that the server adds.
    #[error("the message on {subject} has no sequence")]
    NoSequence {
        /// The subject.
        subject: String,
    },
    /// Its body is no envelope.
    #[error("body of revision {revision}")]
    Body {
        /// Where it stands.
        revision: u64,
        /// What is wrong with it.
        source: selvedge_contracts::envelope::Unreadable,
    },
}

/// Sequence of a message that was read directly or republished.
pub(crate) fn sequence(headers: &HeaderMap) -> Option<u64> {
    headers.get("Nats-Sequence")?.as_str().parse().ok()
}

impl FactRecord {
    /// Reads a message that was read directly (`Nats-Subject` names its subject) or republished.
    ///
    /// # Errors
    /// [`Unreadable`] says what is not a fact about it.
    pub fn read(subject: &str, headers: &HeaderMap, body: &[u8]) -> Result<Self, Unreadable> {
        let subject = headers.get("Nats-Subject").map_or(subject, |stored| stored.as_str());
        let revision =
            sequence(headers).ok_or_else(|| Unreadable::NoSequence { subject: subject.to_owned() })?;
        let at =
            headers.get("Nats-Time-Stamp").and_then(|at| OffsetDateTime::parse(at.as_str(), &Rfc3339).ok());
        Self::of(subject, revision, at, headers, body)
    }

    /// Reads a message whose place and time are known.
    pub(crate) fn of(
        subject: &str,
        revision: u64,
        at: Option<OffsetDateTime>,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Self, Unreadable> {
        let fact = Fact::parse(subject)
            .map_err(|source| Unreadable::Subject { subject: subject.to_owned(), source })?;
        let envelope = Envelope::from_json(body).map_err(|source| Unreadable::Body { revision, source })?;
        let request = headers.get(header::REQUEST).and_then(|text| RequestDigest::parse(text.as_str()));
        let at_ms = at.map_or(0, |at| u64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(0));
        Ok(Self { revision, at_ms, fact, request, envelope })
    }
}

impl From<FactRecord> for FactLine {
    fn from(fact: FactRecord) -> Self {
        let FactRecord { revision, at_ms, envelope, .. } = fact;
        Self {
            revision,
            at_ms,
            kind: envelope.kind,
            mission: Mission::new(&envelope.mission).unwrap_or_else(|_| Mission::kluster()),
            sender: envelope.sender,
            scope: envelope.session,
            cause: envelope.cause,
            root: envelope.root,
            signed: envelope.attestation.is_some(),
            payload: serde_json::from_slice(&envelope.payload).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_known_by_caller_call_and_key() {
        let digest = RequestDigest::new("ada", "registry.join", "k1");
        assert_eq!(digest, RequestDigest::new("ada", "registry.join", "k1"));
        assert_ne!(digest, RequestDigest::new("ada", "registry.join", "k2"));
        assert_ne!(digest, RequestDigest::new("ada", "registry.joink", "1"));
        assert_eq!(RequestDigest::parse(&digest.to_string()), Some(digest));
        assert_ne!(digest.derive("a"), digest.derive("b"));
    }
}
