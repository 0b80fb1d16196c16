//! Replies and refusals on the wire.

use async_nats::HeaderMap;
use bytes::Bytes;
use selvedge_contracts::{
    call::Access,
    envelope::{Envelope, Form, JSON, MAX_ATTACHED_BODY_BYTES, MAX_BODY_BYTES, digest, header},
    fault::{CODE_HEADER, Code, Detail, Fault, MESSAGE_HEADER},
};

use super::{Call, route::Reply};
use crate::clock::now_ms;

/// Longest fault message that rides in a header, in bytes.
const MAX_HEADER_MESSAGE_BYTES: usize = 512;

/// A reply in the form of its request. Protobuf is the default of the bus, so it needs no header that
/// says so: a message without headers is cheaper for everybody it passes.
pub(super) fn reply(call: &Call, form: Form, reply: Reply, as_of: u64) -> Result<(HeaderMap, Bytes), Fault> {
    let Reply { payload, attachment } = reply;
    let mut headers = HeaderMap::new();
    if let Some(traceparent) = &call.traceparent {
        headers.insert(header::TRACEPARENT, traceparent.as_str());
    }
    if payload.len() > MAX_BODY_BYTES {
        return Err(too_large(call.row.access, payload.len()));
    }
    if form == Form::Bare {
        headers.insert(header::CONTENT_TYPE, JSON);
        headers.insert(header::AS_OF, as_of.to_string().as_str());
        return Ok((headers, payload));
    }
    let session = call.standing.session.as_ref();
    // In kind too: whoever sends a digest wants one.
    let payload_digest = if call.envelope.payload_digest.is_empty() { vec![] } else { digest(&payload) };
    let envelope = Envelope {
        id: uuid::Uuid::now_v7().to_string(),
        kind: call.names.reply.clone(),
        mission: call.subject.mission.to_string(),
        sender: call.row.service.to_string(),
        cause: call.envelope.id.clone(),
        root: session
            .and_then(|session| session.request.as_ref())
            .map(ToString::to_string)
            .unwrap_or_default(),
        sent_at_ms: now_ms(),
        payload_digest,
        payload: payload.into(),
        as_of,
        attachment,
        ..Envelope::default()
    };
    let most = if envelope.attachment.is_empty() { MAX_BODY_BYTES } else { MAX_ATTACHED_BODY_BYTES };
    let (body, content_type) = envelope.write(form).map_err(|error| Fault::internal(error.to_string()))?;
    if form == Form::Json {
        headers.insert(header::CONTENT_TYPE, content_type);
    }
    if body.len() > most {
        return Err(too_large(call.row.access, body.len()));
    }
    Ok((headers, body))
}

fn too_large(access: Access, bytes: usize) -> Fault {
    let what = format!("the answer has {bytes} bytes, and a message at most {MAX_BODY_BYTES}");
    match access {
        Access::Read => Fault::invalid(format!("{what}: ask for less at once")),
        // Whoever reads `invalid` believes that nothing was recorded.
        Access::Write => Fault::internal(format!(
            "{what}; what was asked for is done: look at it with a call that shows it"
        )),
    }
}

/// Longest message of a fault or of one of its details, and longest pointer, in bytes: what a caller
/// sent is repeated in them.
const MAX_MESSAGE_BYTES: usize = 1_024;
/// Most details of one fault.
const MAX_DETAILS: usize = 100;

/// The fault, cut to what surely fits into a message.
pub(super) fn bounded(fault: &Fault) -> Fault {
    let details = fault.details.iter().take(MAX_DETAILS);
    let details = details.map(|detail| Detail {
        at: cut(&detail.at, MAX_MESSAGE_BYTES),
        message: cut(&detail.message, MAX_MESSAGE_BYTES),
    });
    Fault { code: fault.code, message: cut(&fault.message, MAX_MESSAGE_BYTES), details: details.collect() }
}

/// The text, or what `most_bytes` hold of it.
pub(crate) fn cut(text: &str, most_bytes: usize) -> String {
    let fits = text
        .char_indices()
        .map(|(at, c)| at + c.len_utf8())
        .take_while(|end| *end <= most_bytes)
        .last()
        .unwrap_or(0);
    match text.get(..fits) {
        Some(start) if fits < text.len() => format!("{start}… ({} bytes)", text.len()),
        _ => text.to_owned(),
    }
}

/// A refusal: the headers of the NATS services protocol and a JSON [`Fault`], whatever the request's form.
pub(super) fn refusal(fault: &Fault) -> (HeaderMap, Bytes) {
    let fault = &bounded(fault);
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, JSON);
    headers.insert(CODE_HEADER, fault.code.number().to_string().as_str());
    headers.insert(MESSAGE_HEADER, header_text(&fault.message).as_str());
    let body = serde_json::to_vec(fault)
        .unwrap_or_else(|_| br#"{"code":"internal","message":"unwritable fault"}"#.to_vec());
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
    fn a_refusal_always_fits_into_a_message() {
        let long = "é".repeat(1 << 20);
        let fault =
            (0..1_000).fold(Fault::invalid(long.clone()), |fault, _| fault.at(long.clone(), long.clone()));
        let (_, body) = refusal(&fault);
        assert!(body.len() < MAX_BODY_BYTES, "{}", body.len());
        let fault: Fault = serde_json::from_slice(&body).unwrap();
        assert_eq!(fault.details.len(), MAX_DETAILS);
        assert!(fault.message.ends_with("… (2097152 bytes)"), "{}", fault.message);
        assert_eq!(cut("é", 2), "é");
    }

    #[test]
    fn an_answer_that_is_too_long_does_not_say_that_nothing_was_recorded() {
        assert_eq!(too_large(Access::Read, 2).code, Code::Invalid);
        let fault = too_large(Access::Write, 2);
        assert_eq!((fault.code, fault.message.contains("is done")), (Code::Internal, true), "{fault}");
    }

    #[test]
    fn a_refusal_cannot_break_out_of_its_header() {
        let (headers, body) = refusal(&Fault::invalid(format!("a\r\nX: y{}", "é".repeat(600))));
        let text = headers.get(MESSAGE_HEADER).unwrap().as_str();
        assert!(!text.contains(['\r', '\n']) && text.len() <= MAX_HEADER_MESSAGE_BYTES);
        assert_eq!(headers.get(CODE_HEADER).unwrap().as_str(), "400");
        assert!(serde_json::from_slice::<Fault>(&body).unwrap().message.contains("\r\n"));
    }
}
