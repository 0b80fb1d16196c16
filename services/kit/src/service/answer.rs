//! Replies and refusals on the wire.

use async_nats::HeaderMap;
use bytes::Bytes;
use selvedge_contracts::{
    envelope::{Envelope, Form, JSON, header},
    fault::{CODE_HEADER, Code, Fault, MESSAGE_HEADER},
};

use super::Call;
use crate::clock::now_ms;

/// Longest fault message that rides in a header, in bytes.
const MAX_HEADER_MESSAGE_BYTES: usize = 512;

/// A reply in the form of its request. Protobuf is the default of the bus, so it needs no header that
/// says so: a message without headers is cheaper for everybody it passes.
pub(super) fn reply(call: &Call, form: Form, payload: Bytes, as_of: u64) -> Result<(HeaderMap, Bytes), Fault> {
    let mut headers = HeaderMap::new();
    if let Some(traceparent) = &call.traceparent {
        headers.insert(header::TRACEPARENT, traceparent.as_str());
    }
    if form == Form::Bare {
        headers.insert(header::CONTENT_TYPE, JSON);
        headers.insert(header::AS_OF, as_of.to_string().as_str());
        return Ok((headers, payload));
    }
    let session = call.standing.session.as_ref();
    let envelope = Envelope {
        id: uuid::Uuid::now_v7().to_string(),
        kind: call.names.reply.clone(),
        mission: call.subject.mission.to_string(),
        sender: call.row.service.to_string(),
        cause: call.envelope.id.clone(),
        root: session.and_then(|session| session.request.as_ref()).map(ToString::to_string).unwrap_or_default(),
        sent_at_ms: now_ms(),
        payload: payload.into(),
        as_of,
        ..Envelope::default()
    };
    let (body, content_type) = envelope.write(form).map_err(|error| Fault::internal(error.to_string()))?;
    if form == Form::Json {
        headers.insert(header::CONTENT_TYPE, content_type);
    }
    Ok((headers, body))
}

/// A refusal: the headers of the NATS services protocol and a JSON [`Fault`], whatever the request's form.
pub(super) fn refusal(fault: &Fault) -> (HeaderMap, Bytes) {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, JSON);
    headers.insert(CODE_HEADER, fault.code.number().to_string().as_str());
    headers.insert(MESSAGE_HEADER, header_text(&fault.message).as_str());
    let body = serde_json::to_vec(fault).unwrap_or_else(|_| br#"{"code":"internal","message":"unwritable fault"}"#.to_vec());
    (headers, body.into())
}

/// A message as a header value: one line, bounded.
fn header_text(message: &str) -> String {
    let one_line = message.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut text = String::new();
    for c in one_line {
        if text.len() + c.len_utf8() > MAX_HEADER_MESSAGE_BYTES {
            break;
        }
        text.push(c);
    }
    text
}

/// Whether a fault says more about the fabric than about the request.
pub(super) fn is_ours(code: Code) -> bool {
    matches!(code, Code::Internal | Code::Unavailable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_cannot_break_out_of_its_header() {
        let (headers, body) = refusal(&Fault::invalid(format!("a\r\nX: y{}", "é".repeat(600))));
        let text = headers.get(MESSAGE_HEADER).unwrap().as_str();
        assert!(!text.contains(['\r', '\n']) && text.len() <= MAX_HEADER_MESSAGE_BYTES);
        assert_eq!(headers.get(CODE_HEADER).unwrap().as_str(), "400");
        assert!(serde_json::from_slice::<Fault>(&body).unwrap().message.contains("\r\n"));
    }
}
