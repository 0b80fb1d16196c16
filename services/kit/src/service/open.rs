//! Opening a request: from bytes to a judged envelope, or to a fault that names every field that is
//! wrong. Pure: the clock and the views come as arguments.

use async_nats::HeaderMap;
use bytes::Bytes;
use selvedge_contracts::{
    call::Attachment,
    envelope::{
        Envelope, Form, MAX_ATTACHED_BODY_BYTES, MAX_ATTACHMENT_BYTES, MAX_BODY_BYTES,
        MAX_IDEMPOTENCY_KEY_BYTES, MAX_PAYLOAD_DEPTH, MAX_PRECONDITIONS, digest, header,
    },
    fault::{Code, Detail, Fault},
    sender::{self, AgentSender, Parsed},
    subject::Request,
};
use serde_json::Value;

use crate::ledger::RequestDigest;

/// A body that was read, and the form in which it is to be answered.
pub(super) struct Opened {
    pub(super) envelope: Envelope,
    pub(super) form: Form,
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::CONTENT_TYPE).map(|value| value.as_str())
}

/// Reads the envelope of a request and fills in what rides in headers or follows from the subject.
pub(super) fn open(body: &Bytes, headers: &HeaderMap, carries: Attachment) -> Result<Opened, Fault> {
    let most = if carries == Attachment::Request { MAX_ATTACHED_BODY_BYTES } else { MAX_BODY_BYTES };
    let (mut envelope, form) = Envelope::read_shared(body, content_type(headers), most)
        .map_err(|error| Fault::invalid(error.to_string()))?;
    attached(&envelope, form, carries)?;
    let text = |name: &str| headers.get(name).map(|value| value.as_str().to_owned());
    // A signature covers the body and no other header: whoever saw a signed message could send it again
    // under a key of its own, and it would count anew.
    let unsigned = |name: &str| text(name).filter(|_| !is_signed(headers));
    if envelope.id.is_empty() {
        envelope.id = unsigned(header::MESSAGE_ID).unwrap_or_default();
    }
    if envelope.idempotency_key.is_empty() {
        envelope.idempotency_key = unsigned(header::IDEMPOTENCY_KEY).unwrap_or_default();
    }
    if let Some(at_least) = text(header::AT_LEAST) {
        envelope.at_least = at_least.parse().map_err(|_| {
            Fault::invalid("a header is wrong")
                .at(header::AT_LEAST, "expected a ledger revision, a whole number")
        })?;
    }
    Ok(Opened { envelope, form })
}

/// Refuses bytes where a call carries none, and a form that cannot carry those it carries.
fn attached(envelope: &Envelope, form: Form, carries: Attachment) -> Result<(), Fault> {
    if carries != Attachment::None && form == Form::Bare {
        return Err(Fault::invalid(
            "this call carries bytes beside its payload, which a bare payload cannot",
        )
        .at("attachment", "expected an envelope: protobuf, or JSON with kind and payload"));
    }
    match envelope.attachment.len() {
        0 => Ok(()),
        _ if carries != Attachment::Request => {
            Err(Fault::invalid("this call's request carries no bytes").at("attachment", "leave it out"))
        }
        found if found > MAX_ATTACHMENT_BYTES => Err(Fault::invalid("the attachment is too long")
            .at("attachment", format!("has {found} bytes; at most {MAX_ATTACHMENT_BYTES} are accepted"))),
        _ => Ok(()),
    }
}

/// Whether a signature is there that will be verified. One that cannot be read is refused later.
fn is_signed(headers: &HeaderMap) -> bool {
    let header = headers.get(sender::HEADER).map(|value| AgentSender::parse(value.as_str()));
    header.is_some_and(|parsed| !matches!(parsed, Ok(Parsed::OtherVersion)))
}

/// Every contradiction between the envelope and what its subject proves, and every bound it breaks.
pub(super) fn contradictions(
    envelope: &Envelope,
    subject: &Request,
    kind: &str,
    task: Option<&str>,
    root: Option<&str>,
) -> Vec<Detail> {
    let mut found = Vec::new();
    let mut must_be = |at: &str, said: &str, is: &str| {
        if !said.is_empty() && said != is {
            let message = if is.is_empty() {
                "says what the credential does not; leave it out".to_owned()
            } else {
                format!("expected {is:?}, as the credential says; leave it out or correct it")
            };
            found.push(Detail { at: at.to_owned(), message });
        }
    };
    let scope = subject.scope.id.as_str();
    must_be("kind", &envelope.kind, kind);
    must_be("sender", &envelope.sender, subject.caller.as_str());
    must_be("mission", &envelope.mission, subject.mission.as_str());
    must_be("session", &envelope.session, if task.is_some() { "" } else { scope });
    must_be("task", &envelope.task, task.unwrap_or_default());
    must_be("root", &envelope.root, root.unwrap_or_default());
    must_be("cause", &envelope.cause, root.unwrap_or_default());
    must_be("content_type", &envelope.content_type, selvedge_contracts::envelope::JSON);
    found.extend(broken_bounds(envelope));
    found
}

fn broken_bounds(envelope: &Envelope) -> Vec<Detail> {
    let mut found = Vec::new();
    let mut bound = |at: &str, length: usize, most: usize| {
        if length > most {
            found.push(Detail {
                at: at.to_owned(),
                message: format!("has length {length}; at most {most} is accepted"),
            });
        }
    };
    bound("idempotency_key", envelope.idempotency_key.len(), MAX_IDEMPOTENCY_KEY_BYTES);
    bound("id", envelope.id.len(), MAX_IDEMPOTENCY_KEY_BYTES);
    bound("preconditions", envelope.preconditions.len(), MAX_PRECONDITIONS);
    if !envelope.payload_digest.is_empty() && envelope.payload_digest != digest(&envelope.payload) {
        let message = "does not match the payload: expected its blake3, 32 bytes".to_owned();
        found.push(Detail { at: "payload_digest".to_owned(), message });
    }
    found
}

/// What a repetition of the request is known by: its idempotency key, else its id, else the nonce of
/// its signature; nothing for a bare payload without any. Of a signed request these are what was signed:
/// [`open`] takes none from its headers.
pub(super) fn request_key(envelope: &Envelope, nonce: Option<&str>) -> Option<RequestKey> {
    let keys = [
        ("idempotency_key", envelope.idempotency_key.as_str()),
        ("id", envelope.id.as_str()),
        ("nonce", nonce.unwrap_or_default()),
    ];
    let (at, key) = keys.into_iter().find(|(_, key)| !key.is_empty())?;
    Some(RequestKey { at, key: key.to_owned() })
}

/// What the caller itself calls a request, so that it can send it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RequestKey {
    /// Where it stands: the name of an envelope field, or of a field of the signature.
    at: &'static str,
    key: String,
}

impl RequestKey {
    /// The digest that stands with the facts of the request.
    pub(super) fn digest(&self, subject: &Request, call: &str, payload: &Value) -> RequestDigest {
        RequestDigest::new(subject.caller.as_str(), call, &self.key).with_payload(payload)
    }

    /// The refusal of what is no repetition, though its key says so.
    pub(super) fn reused(&self) -> Fault {
        let Self { at, key } = self;
        Fault::conflict(format!(
            "this idempotency key was used with another payload: {key:?}; nothing was done"
        ))
        .at(
            *at,
            "send the payload that it was first used with, to get that answer again, or choose a new key \
                 for a new request",
        )
    }
}

/// Holds the payload against its schema and reads it.
pub(super) fn payload(text: &[u8], schema: &jsonschema::Validator) -> Result<Value, Fault> {
    const MOST_VIOLATIONS: usize = 100;
    let value: Value = serde_json::from_slice(text)
        .map_err(|error| Fault::invalid("the payload is not JSON").at("", error.to_string()))?;
    if let Some(at) = too_deep(&value, MAX_PAYLOAD_DEPTH) {
        let message = format!(
            "arrays and objects stand in one another more than {MAX_PAYLOAD_DEPTH} deep, the payload included; make it flatter, or store it with artifacts.put and refer to it"
        );
        return Err(Fault::invalid("the payload is nested too deeply").at(at, message));
    }
    if schema.is_valid(&value) {
        return Ok(value);
    }
    let details = schema
        .iter_errors(&value)
        .take(MOST_VIOLATIONS)
        .map(|error| Detail { at: error.instance_path().to_string(), message: error.to_string() })
        .collect();
    Err(Fault { code: Code::Invalid, message: "the payload does not fit its schema".to_owned(), details })
}

/// The place (RFC 6901) of the first array or object that stands in more than `left` others.
fn too_deep(value: &Value, left: usize) -> Option<String> {
    let deeper = |name: &str, value: &Value| {
        let at = too_deep(value, left.saturating_sub(1))?;
        Some(format!("/{}{at}", name.replace('~', "~0").replace('/', "~1")))
    };
    match value {
        Value::Array(_) | Value::Object(_) if left == 0 => Some(String::new()),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| deeper(&index.to_string(), item))
        }
        Value::Object(fields) => fields.iter().find_map(|(name, value)| deeper(name, value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use selvedge_contracts::{call, call::CallType as _};

    fn subject() -> Request {
        Request::parse("sv.req.demo.ada-1a2b3c4d.worker-session_01.registry.whoami").unwrap()
    }

    #[test]
    fn a_body_cannot_say_who_sends_it() {
        let row = "registry.whoami/1";
        let honest =
            Envelope { sender: "ada-1a2b3c4d".into(), mission: "demo".into(), ..Envelope::default() };
        assert_eq!(contradictions(&honest, &subject(), row, None, None), []);
        let forged = Envelope {
            kind: "registry.whoami/2".into(),
            sender: "bob-1a2b3c4d".into(),
            mission: "other".into(),
            session: "session_02".into(),
            task: "task_1".into(),
            root: "request_1".into(),
            idempotency_key: "k".repeat(200),
            payload_digest: vec![1],
            ..Envelope::default()
        };
        let found: Vec<_> =
            contradictions(&forged, &subject(), row, None, None).into_iter().map(|d| d.at).collect();
        assert_eq!(
            found,
            ["kind", "sender", "mission", "session", "task", "root", "idempotency_key", "payload_digest"]
        );
    }

    #[test]
    fn every_violation_is_listed_with_its_pointer() {
        let schema = (call::AgentList::CALL.request_schema)().to_value();
        let schema = jsonschema::validator_for(&schema).unwrap();
        let fault = payload(br#"{"limit": 0, "mission": "a b", "colour": 1}"#, &schema).unwrap_err();
        let at: Vec<_> = fault.details.iter().map(|d| d.at.as_str()).collect();
        assert!(at.contains(&"/limit") && at.contains(&"/mission") && at.contains(&""), "{fault:?}");
    }

    #[test]
    fn no_call_takes_what_is_nested_deeper_than_a_fact_of_it_can_be_read() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        for row in call::CALLS {
            let schema = jsonschema::validator_for(&(row.request_schema)().to_value()).unwrap();
            let text = |depth: usize| format!(r#"{{"a/b": {{"c": {}}}}}"#, nested(depth - 2));
            let fault = payload(text(MAX_PAYLOAD_DEPTH + 1).as_bytes(), &schema).unwrap_err();
            let at = format!("/a~1b/c{}", "/0".repeat(MAX_PAYLOAD_DEPTH - 2));
            assert_eq!((fault.code, fault.details[0].at.as_str()), (Code::Invalid, at.as_str()), "{row}");
            if let Err(fault) = payload(text(MAX_PAYLOAD_DEPTH).as_bytes(), &schema) {
                assert_eq!(fault.message, "the payload does not fit its schema", "{row}");
            }
        }
    }

    #[test]
    fn a_bare_payload_without_a_key_cannot_be_recognised() {
        assert_eq!(request_key(&Envelope::default(), None), None);
        let by_id = Envelope { id: "i".into(), ..Envelope::default() };
        let by_key = Envelope { idempotency_key: "i".into(), id: "j".into(), ..Envelope::default() };
        let digest = |envelope: &Envelope| {
            let key = request_key(envelope, None).unwrap();
            key.digest(&subject(), "registry.whoami", &Value::Null)
        };
        assert_eq!(digest(&by_id), digest(&by_key));
    }

    #[test]
    fn bytes_ride_only_where_the_table_says_so() {
        let opened = |envelope: &Envelope, form, carries| {
            let (body, content_type) = envelope.write(form).unwrap();
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, content_type);
            open(&body, &headers, carries).map(|opened| opened.envelope.attachment.len())
        };
        let of = |len: usize| Envelope {
            kind: "a/1".into(),
            payload: b"{}".to_vec(),
            attachment: vec![1; len].into(),
            ..Envelope::default()
        };
        for form in [Form::Protobuf, Form::Json] {
            assert_eq!(
                opened(&of(MAX_ATTACHMENT_BYTES), form, Attachment::Request),
                Ok(MAX_ATTACHMENT_BYTES)
            );
            for (len, carries) in [
                (1, Attachment::None),
                (1, Attachment::Reply),
                (MAX_ATTACHMENT_BYTES + 1, Attachment::Request),
            ] {
                let fault = opened(&of(len), form, carries).unwrap_err();
                assert_eq!(fault.details[0].at, "attachment", "{form:?} {carries:?}");
            }
        }
        assert!(opened(&of(0), Form::Bare, Attachment::None).is_ok());
        assert!(opened(&of(0), Form::Bare, Attachment::Reply).is_err());
    }

    #[test]
    fn a_signature_covers_no_key_in_a_header() {
        let keys = |signature: Option<&str>, body: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, selvedge_contracts::envelope::JSON);
            headers.insert(header::IDEMPOTENCY_KEY, "k");
            headers.insert(header::MESSAGE_ID, "i");
            if let Some(signature) = signature {
                headers.insert(sender::HEADER, signature);
            }
            let body = Bytes::copy_from_slice(body);
            let envelope = open(&body, &headers, Attachment::None).unwrap().envelope;
            (envelope.idempotency_key, envelope.id)
        };
        let of = |key: &str, id: &str| (key.to_owned(), id.to_owned());
        let enveloped = br#"{"kind": "registry.whoami/1", "payload": {}, "idempotency_key": "own"}"#;
        assert_eq!(keys(None, b"{}"), of("k", "i"));
        assert_eq!(keys(Some("unreadable"), b"{}"), of("", ""));
        assert_eq!(keys(Some("unreadable"), enveloped), of("own", ""));
        assert_eq!(keys(Some(r#"{"v":2}"#), b"{}"), of("k", "i"), "another version counts as absent");
    }
}
