//! The envelope as it crosses the bus: protobuf by default, JSON on demand, and a bare JSON payload
//! from those who write by hand. Facts are always JSON envelopes, so that any client in any language
//! reads them without generated code.
//!
//! The payload's bytes are kept exactly as sent in every form: digests and signatures are over them.

use std::borrow::Cow;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use prost::Message as _;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use crate::proto::{Attestation, Envelope, Precondition};

/// Largest message body the fabric accepts, in bytes.
pub const MAX_BODY_BYTES: usize = 1_048_576;
/// Most bytes beside the payload of one message. A power of two, so that pieces of content fall on its
/// multiples.
pub const MAX_ATTACHMENT_BYTES: usize = 1_048_576;
/// Largest body of a message that carries bytes beside its payload, in bytes: the attachment in base64
/// and 64 KiB for the rest.
pub const MAX_ATTACHED_BODY_BYTES: usize = MAX_ATTACHMENT_BYTES / 3 * 4 + 4 + 65_536;
/// Longest idempotency key in bytes.
pub const MAX_IDEMPOTENCY_KEY_BYTES: usize = 128;
/// Deepest nesting of a request's payload: how many arrays and objects may stand in one another, the payload
/// itself included. A JSON reader stops at 128 of them, and what is recorded stands some levels deeper in its fact,
/// and deeper again in the answers that tell of it: half is left for those.
pub const MAX_PAYLOAD_DEPTH: usize = 64;
/// Most preconditions of one request.
pub const MAX_PRECONDITIONS: usize = 100;

/// Header names of the fabric.
pub mod header {
    /// Media type of the body.
    pub const CONTENT_TYPE: &str = "Content-Type";
    /// Idempotency key of a bare payload (IETF draft-ietf-httpapi-idempotency-key-header). Does not count
    /// on a signed message, whose signature does not cover it: that one is known by its nonce, or by the
    /// key in its envelope.
    ///
    /// The same key with the same payload, as a JSON value and in whichever form it comes, is one request:
    /// it gets its first answer. With another payload it is refused as a `conflict`. A repetition is looked
    /// for at the entity that the request is about: a key that was used about another entity, or for what
    /// changed nothing, left nothing there to be known by.
    pub const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
    /// Id of a bare request; does not count on a signed message.
    pub const MESSAGE_ID: &str = "Nats-Msg-Id";
    /// Trace context (W3C).
    pub const TRACEPARENT: &str = "traceparent";
    /// On a fact: digests of the request it answers, by which a retry finds its own success: 32 hex digits
    /// of caller, call and key; then `-` and 16 of the payload, by which another one is told from a retry.
    pub const REQUEST: &str = "Sv-Request";
    /// On a reply: ledger revision the answer was read at.
    pub const AS_OF: &str = "Sv-As-Of";
    /// On a bare request: ledger revision the answer must be at least as new as.
    pub const AT_LEAST: &str = "Sv-At-Least";
}

/// Media type of a JSON body.
pub const JSON: &str = "application/json";
/// Media type of a protobuf body.
pub const PROTOBUF: &str = "application/protobuf";

/// The three forms a body can have. A reply has the form of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The envelope in protobuf.
    Protobuf,
    /// The envelope as JSON.
    Json,
    /// Only the payload, as JSON; all else follows from the subject and headers.
    Bare,
}

/// A body that is no envelope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Longer than [`MAX_BODY_BYTES`], or than [`MAX_ATTACHED_BODY_BYTES`] where a call carries bytes.
    #[error("the body has {found} bytes; at most {most} are accepted")]
    TooLong {
        /// Its length in bytes.
        found: usize,
        /// Longest body that is accepted, in bytes.
        most: usize,
    },
    /// Not the protobuf it claims to be.
    #[error(
        "the body is not a selvedge.v1.Envelope in protobuf: {0}; send Content-Type: application/json for JSON"
    )]
    Protobuf(String),
    /// Not JSON.
    #[error("the body is not JSON: {0}")]
    Json(String),
}

/// The envelope as JSON: field for field that of the protobuf, the payload inline, digests in hex,
/// empty fields absent.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct JsonEnvelope<'a> {
    #[serde(borrow, skip_serializing_if = "str::is_empty")]
    id: Cow<'a, str>,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow, skip_serializing_if = "str::is_empty")]
    mission: Cow<'a, str>,
    #[serde(borrow, skip_serializing_if = "str::is_empty")]
    sender: Cow<'a, str>,
    #[serde(borrow, skip_serializing_if = "str::is_empty")]
    session: Cow<'a, str>,
    #[serde(borrow, skip_serializing_if = "str::is_empty")]
    task: Cow<'a, str>,
    #[serde(borrow, skip_serializing_if = "str::is_empty")]
    cause: Cow<'a, str>,
    #[serde(borrow, skip_serializing_if = "str::is_empty")]
    root: Cow<'a, str>,
    #[serde(skip_serializing_if = "is_zero")]
    sent_at_ms: u64,
    #[serde(skip_serializing_if = "is_zero")]
    deadline_at_ms: u64,
    #[serde(borrow, skip_serializing_if = "Vec::is_empty")]
    preconditions: Vec<JsonPrecondition<'a>>,
    #[serde(borrow, skip_serializing_if = "str::is_empty")]
    expects: Cow<'a, str>,
    #[serde(borrow, skip_serializing_if = "str::is_empty")]
    idempotency_key: Cow<'a, str>,
    #[serde(borrow, skip_serializing_if = "str::is_empty")]
    content_type: Cow<'a, str>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "<[u8]>::is_empty", with = "hex")]
    payload_digest: Cow<'a, [u8]>,
    #[serde(skip_serializing_if = "is_zero")]
    as_of: u64,
    #[serde(skip_serializing_if = "is_zero")]
    at_least: u64,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    attestation: Option<JsonAttestation<'a>>,
    #[serde(skip_serializing_if = "<[u8]>::is_empty", with = "base64")]
    attachment: Cow<'a, [u8]>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonPrecondition<'a> {
    #[serde(borrow)]
    entity: Cow<'a, str>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    revision: u64,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonAttestation<'a> {
    #[serde(borrow)]
    subject: Cow<'a, str>,
    #[serde(with = "hex")]
    payload_sha256: Cow<'a, [u8]>,
    #[serde(borrow)]
    header: Cow<'a, str>,
    key_revision: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

mod hex {
    use std::borrow::Cow;

    use data_encoding::HEXLOWER;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&HEXLOWER.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Cow<'static, [u8]>, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        HEXLOWER.decode(text.as_bytes()).map(Cow::Owned).map_err(D::Error::custom)
    }
}

mod base64 {
    use std::borrow::Cow;

    use data_encoding::BASE64;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Cow<'static, [u8]>, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        BASE64.decode(text.as_bytes()).map(Cow::Owned).map_err(D::Error::custom)
    }
}

/// blake3 of a payload.
pub fn digest(payload: &[u8]) -> Vec<u8> {
    blake3::hash(payload).as_bytes().to_vec()
}

/// Digest in the form that ids and headers carry: the first 16 bytes in hex.
pub fn short_hex(hash: &blake3::Hash) -> String {
    HEXLOWER.encode(hash.as_bytes().first_chunk::<16>().unwrap_or(&[0; 16]))
}

impl Envelope {
    /// Reads a body of a request. Without a content type, a body that is empty or begins with `{` is
    /// JSON: no protobuf envelope begins so. A JSON object with `kind` and `payload` is an envelope,
    /// any other JSON a bare payload.
    ///
    /// # Errors
    /// [`Unreadable`] if the body is too long or not what it claims to be.
    pub fn read(body: &[u8], content_type: Option<&str>) -> Result<(Self, Form), Unreadable> {
        Self::read_as(body, content_type, MAX_BODY_BYTES, || Self::decode(body))
    }

    /// Reads a body of at most `most` bytes. The attachment shares its memory.
    ///
    /// # Errors
    /// As [`Envelope::read`].
    pub fn read_shared(
        body: &Bytes,
        content_type: Option<&str>,
        most: usize,
    ) -> Result<(Self, Form), Unreadable> {
        Self::read_as(body, content_type, most, || Self::decode(body.clone()))
    }

    fn read_as(
        body: &[u8],
        content_type: Option<&str>,
        most: usize,
        decode: impl FnOnce() -> Result<Self, prost::DecodeError>,
    ) -> Result<(Self, Form), Unreadable> {
        if body.len() > most {
            return Err(Unreadable::TooLong { found: body.len(), most });
        }
        let is_json = match content_type.map(|full| full.split(';').next().unwrap_or(full).trim()) {
            Some(JSON) => true,
            Some(_) => false,
            None => matches!(body.first(), None | Some(b'{')),
        };
        if !is_json {
            let envelope = decode().map_err(|error| Unreadable::Protobuf(error.to_string()))?;
            return Ok((envelope, Form::Protobuf));
        }
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok((Self { payload: b"{}".to_vec(), ..Self::default() }, Form::Bare));
        }
        if is_json_envelope(body) {
            return Ok((Self::from_json(body)?, Form::Json));
        }
        serde_json::from_slice::<&RawValue>(body).map_err(|error| Unreadable::Json(error.to_string()))?;
        Ok((Self { payload: body.to_vec(), ..Self::default() }, Form::Bare))
    }

    /// Reads an envelope as JSON: every fact is one.
    ///
    /// # Errors
    /// [`Unreadable::Json`] if it is not one.
    pub fn from_json(body: &[u8]) -> Result<Self, Unreadable> {
        let json: JsonEnvelope =
            serde_json::from_slice(body).map_err(|error| Unreadable::Json(error.to_string()))?;
        Ok(Self {
            id: json.id.into_owned(),
            kind: json.kind.into_owned(),
            mission: json.mission.into_owned(),
            sender: json.sender.into_owned(),
            session: json.session.into_owned(),
            task: json.task.into_owned(),
            cause: json.cause.into_owned(),
            root: json.root.into_owned(),
            sent_at_ms: json.sent_at_ms,
            deadline_at_ms: json.deadline_at_ms,
            preconditions: json
                .preconditions
                .into_iter()
                .map(|p| Precondition {
                    entity: p.entity.into_owned(),
                    id: p.id.into_owned(),
                    revision: p.revision,
                })
                .collect(),
            expects: json.expects.into_owned(),
            idempotency_key: json.idempotency_key.into_owned(),
            content_type: json.content_type.into_owned(),
            payload: json.payload.map_or_else(|| b"null".to_vec(), |raw| raw.get().as_bytes().to_vec()),
            payload_digest: json.payload_digest.into_owned(),
            as_of: json.as_of,
            at_least: json.at_least,
            attestation: json.attestation.map(|a| Attestation {
                subject: a.subject.into_owned(),
                payload_sha256: a.payload_sha256.into_owned(),
                header: a.header.into_owned(),
                key_revision: a.key_revision,
            }),
            attachment: json.attachment.into_owned().into(),
        })
    }

    /// Writes the envelope as JSON.
    ///
    /// # Errors
    /// [`Unreadable::Json`] if its payload is no JSON.
    pub fn to_json(&self) -> Result<Vec<u8>, Unreadable> {
        let json_error = |error: serde_json::Error| Unreadable::Json(error.to_string());
        let payload: &RawValue = serde_json::from_slice(&self.payload).map_err(json_error)?;
        let json = JsonEnvelope {
            id: self.id.as_str().into(),
            kind: self.kind.as_str().into(),
            mission: self.mission.as_str().into(),
            sender: self.sender.as_str().into(),
            session: self.session.as_str().into(),
            task: self.task.as_str().into(),
            cause: self.cause.as_str().into(),
            root: self.root.as_str().into(),
            sent_at_ms: self.sent_at_ms,
            deadline_at_ms: self.deadline_at_ms,
            preconditions: self
                .preconditions
                .iter()
                .map(|p| JsonPrecondition {
                    entity: p.entity.as_str().into(),
                    id: p.id.as_str().into(),
                    revision: p.revision,
                })
                .collect(),
            expects: self.expects.as_str().into(),
            idempotency_key: self.idempotency_key.as_str().into(),
            content_type: self.content_type.as_str().into(),
            payload: Some(payload),
            payload_digest: self.payload_digest.as_slice().into(),
            as_of: self.as_of,
            at_least: self.at_least,
            attestation: self.attestation.as_ref().map(|a| JsonAttestation {
                subject: a.subject.as_str().into(),
                payload_sha256: a.payload_sha256.as_slice().into(),
                header: a.header.as_str().into(),
                key_revision: a.key_revision,
            }),
            attachment: self.attachment.as_ref().into(),
        };
        serde_json::to_vec(&json).map_err(json_error)
    }

    /// Writes a body in the given form, with its content type.
    ///
    /// # Errors
    /// [`Unreadable::Json`] if a JSON form is asked for and the payload is no JSON.
    pub fn write(&self, form: Form) -> Result<(Bytes, &'static str), Unreadable> {
        Ok(match form {
            Form::Protobuf => (self.encode_to_vec().into(), PROTOBUF),
            Form::Json => (self.to_json()?.into(), JSON),
            Form::Bare => (self.payload.clone().into(), JSON),
        })
    }
}

/// Whether the JSON is an object with a text `kind` and a `payload`: no payload of ours has both (a
/// test of the call table says so).
fn is_json_envelope(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Probe<'a> {
        #[serde(borrow)]
        kind: Option<&'a RawValue>,
        #[serde(borrow)]
        payload: Option<&'a RawValue>,
    }
    matches!(serde_json::from_slice(body), Ok(Probe { kind: Some(_), payload: Some(_) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn envelope() -> Envelope {
        let payload = br#"{"b": 1.50, "a": "x"}"#.to_vec();
        Envelope {
            id: "0190".into(),
            kind: "registry.whoami/1".into(),
            mission: "demo".into(),
            deadline_at_ms: 5,
            preconditions: vec![Precondition { entity: "agent".into(), id: "a".into(), revision: 3 }],
            payload_digest: digest(&payload),
            payload,
            attestation: Some(Attestation {
                subject: "s".into(),
                payload_sha256: vec![1; 32],
                header: "{}".into(),
                key_revision: 9,
            }),
            attachment: Bytes::from_static(&[0, 159, 146, 150]),
            ..Envelope::default()
        }
    }

    #[test]
    fn every_form_reads_back_with_its_payload_untouched() {
        for form in [Form::Protobuf, Form::Json] {
            let (body, content_type) = envelope().write(form).unwrap();
            let read = Envelope::read(&body, Some(content_type)).unwrap();
            assert_eq!(read, (envelope(), form));
        }
        let (body, _) = envelope().write(Form::Bare).unwrap();
        let (read, form) = Envelope::read(&body, None).unwrap();
        assert_eq!((read.payload, form), (envelope().payload, Form::Bare));
    }

    #[test]
    fn without_a_content_type_the_first_byte_tells() {
        let (protobuf, _) = envelope().write(Form::Protobuf).unwrap();
        assert_eq!(Envelope::read(&protobuf, None).unwrap().1, Form::Protobuf);
        assert_eq!(Envelope::read(b"", None).unwrap().0.payload, b"{}");
        assert_eq!(Envelope::read(b"{}", None).unwrap().1, Form::Bare);
        assert_eq!(Envelope::read(br#"{"kind":"a/1","payload":{}}"#, None).unwrap().1, Form::Json);
    }

    #[test]
    fn an_attachment_shares_the_bodys_memory_and_fits_beside_any_payload() {
        let attachment = Bytes::from(vec![7; MAX_ATTACHMENT_BYTES]);
        let full = Envelope { attachment: attachment.clone(), ..envelope() };
        for form in [Form::Protobuf, Form::Json] {
            let (body, content_type) = full.write(form).unwrap();
            assert!(body.len() < MAX_ATTACHED_BODY_BYTES, "{form:?} {}", body.len());
            let (read, _) =
                Envelope::read_shared(&body, Some(content_type), MAX_ATTACHED_BODY_BYTES).unwrap();
            assert_eq!(read, full);
            let inside = body.as_ptr_range().contains(&read.attachment.as_ptr());
            assert_eq!(inside, form == Form::Protobuf, "{form:?}");
        }
    }

    #[test]
    fn what_is_truncated_misnamed_or_too_long_is_refused() {
        let (protobuf, _) = envelope().write(Form::Protobuf).unwrap();
        let cut = protobuf.get(..protobuf.len() - 3).unwrap();
        assert!(matches!(Envelope::read(cut, None), Err(Unreadable::Protobuf(_))));
        assert!(matches!(Envelope::read(b"{\"a\":", None), Err(Unreadable::Json(_))));
        assert!(matches!(Envelope::read(b"hello", Some(JSON)), Err(Unreadable::Json(_))));
        let extra = br#"{"kind":"a/1","payload":{},"colour":1}"#;
        assert!(matches!(Envelope::read(extra, None), Err(Unreadable::Json(e)) if e.contains("colour")));
        let long = vec![b' '; MAX_BODY_BYTES + 1];
        assert_eq!(
            Envelope::read(&long, Some(JSON)),
            Err(Unreadable::TooLong { found: MAX_BODY_BYTES + 1, most: MAX_BODY_BYTES })
        );
    }

    proptest! {
        #[test]
        fn reading_never_panics(body in proptest::collection::vec(any::<u8>(), 0..200), json in any::<bool>()) {
            let _ = Envelope::read(&body, json.then_some(JSON));
        }

        #[test]
        fn protobuf_and_json_carry_the_same(id in "\\PC{0,20}", key in "\\PC{0,20}", at in any::<u64>()) {
            let envelope = Envelope { id, idempotency_key: key, sent_at_ms: at, ..envelope() };
            let (json, _) = envelope.write(Form::Json).unwrap();
            prop_assert_eq!(Envelope::from_json(&json).unwrap(), envelope);
        }
    }
}
