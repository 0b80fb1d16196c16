//! A fact as it is read back: from the stream, or republished.

use async_nats::{HeaderMap, Message};
use selvedge_contracts::{
    envelope::{Envelope, header},
    fact::EntityName,
    id::Mission,
    payload::history::FactLine,
    subject::{Fact, InvalidSubject},
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::RequestDigest;

/// One fact of the ledger.
#[derive(Debug, Clone)]
pub struct FactRecord {
    /// Its place in the ledger.
    pub revision: u64,
    /// Unix time at which it was stored, in milliseconds, by the server's clock.
    pub at_ms: u64,
    /// What it is about and what happened.
    pub fact: Fact,
    /// The request that led to it.
    pub request: Option<RequestDigest>,
    /// All of it.
    pub envelope: Envelope,
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

/// A message of the ledger as it was read directly, not looked into yet.
pub(crate) struct Stored {
    /// Its place in the ledger.
    pub(crate) revision: u64,
    message: Message,
}

impl Stored {
    /// Nothing if the message does not say where it stands.
    pub(super) fn of(message: Message) -> Option<Self> {
        let revision = sequence(message.headers.as_ref()?)?;
        Some(Self { revision, message })
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.message.headers.as_ref()?.get(name).map(|value| value.as_str())
    }

    /// The subject on which it was stored.
    pub(crate) fn subject(&self) -> &str {
        self.header("Nats-Subject").unwrap_or(&self.message.subject)
    }

    /// What sort of entity it is about; nothing if this build knows none such.
    pub(crate) fn entity(&self) -> Option<EntityName> {
        self.subject().split('.').nth(3)?.parse().ok()
    }

    /// The request that led to it.
    pub(crate) fn request(&self) -> Option<RequestDigest> {
        self.header(header::REQUEST).and_then(RequestDigest::parse)
    }

    /// The fact; with a warning nothing, if it is none: it must not stop the rest.
    pub(crate) fn read_or_warn(&self) -> Option<FactRecord> {
        let headers = self.message.headers.as_ref()?;
        match FactRecord::read(self.subject(), headers, &self.message.payload) {
            Ok(fact) => Some(fact),
            Err(error) => {
                tracing::warn!(error = crate::bus::error_chain(&error), "skipped what is no fact");
                None
            }
        }
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
