//! Judging a request before its handler sees it: who asks, whether they may, what they sent, until
//! when, and whether what must hold does hold.

use std::sync::atomic::AtomicU64;

use async_nats::HeaderMap;
use selvedge_contracts::{
    call::{Call as CallRow, Signature},
    envelope::{Envelope, Form, header},
    fault::{Code, Fault},
    sender,
    subject::Request,
};
use serde_json::Value;

use super::{
    Call, Writer, call,
    open::{self, Opened},
    precondition,
    runtime::{Runtime, Work},
};
use crate::{
    clock::{Deadline, now_ms},
    identity::Standing,
    signature::{self, Verified},
};

/// What came of judging a request without waiting.
#[allow(clippy::large_enum_variant, reason = "short-lived, and the large one is the usual one")]
pub(super) enum Prepared {
    /// It can be handled.
    Ready { call: Call, payload: Value, form: Form },
    /// The views do not know enough yet.
    MustWait,
}


impl<S: Send + Sync + 'static> Runtime<S> {
    /// Judges a request as far as it can be without waiting.
    pub(super) fn prepare(&self, work: &Work, standing: Option<Standing>) -> Result<Prepared, Fault> {
        let now_ms = now_ms();
        let (Some(row), Some(schema)) = (self.rows.get(work.route), self.schemas.get(work.route)) else {
            return Err(Fault::internal("no such route"));
        };
        let empty = HeaderMap::new();
        let headers = work.message.headers.as_ref().unwrap_or(&empty);
        let body = work.message.payload.as_ref();
        let has_waited = standing.is_some();
        let standing = match standing {
            Some(standing) => standing,
            None => match self.setup.directory.known_standing(&work.subject, now_ms) {
                Ok(standing) => standing,
                Err(_) => return Ok(Prepared::MustWait),
            },
        };
        may_call(row, &work.subject, &standing)?;
        let Opened { mut envelope, form } = open::open(body, headers)?;
        let session = standing.session.as_ref();
        let task = session.and_then(|session| session.task.as_ref()).map(|task| task.as_str());
        let root = session.and_then(|session| session.request.as_ref()).map(|root| root.as_str());
        let contradictions = open::contradictions(&envelope, &work.subject, row, task, root);
        if !contradictions.is_empty() {
            let message = "the envelope contradicts the credential or its bounds".to_owned();
            return Err(Fault { code: Code::Invalid, message, details: contradictions });
        }
        let deadline = deadline_of(&envelope, row.deadline_ms, now_ms)?;
        let header = headers.get(sender::HEADER).map(|value| value.as_str().to_owned());
        let signature = self.signature(row.signature, header.as_deref(), work, &standing, now_ms)?;
        if !has_waited && (envelope.at_least > self.setup.feed.watermark() || !envelope.preconditions.is_empty()) {
            return Ok(Prepared::MustWait);
        }
        let payload = open::payload(&std::mem::take(&mut envelope.payload), schema)?;
        let nonce = signature.as_ref().map(|verified| verified.nonce.as_str());
        let traceparent = headers.get(header::TRACEPARENT).map(|value| value.as_str().to_owned());
        let attestation = signature.as_ref().zip(header.as_deref());
        let attestation = attestation.map(|(verified, header)| call::attestation(verified, header, &work.subject, &standing));
        let writer = Writer {
            ledger: self.setup.ledger.clone(),
            feed: self.setup.feed.clone(),
            attempts: self.setup.limits.write_attempts,
            deadline,
            digest: open::request_digest(&envelope, &work.subject, row, nonce),
            origin: call::origin(&envelope, &work.subject, &standing, attestation),
            traceparent: traceparent.clone(),
            revision: AtomicU64::new(0),
        };
        let subject = work.subject.clone();
        let call = Call { row, subject, envelope, standing, signature, now_ms, traceparent, writer };
        Ok(Prepared::Ready { call, payload, form })
    }

    /// Judges a request that must wait for the views to catch up: with a caller, a revision or a
    /// precondition that they do not know yet.
    pub(super) async fn prepare_slowly(&self, work: &Work) -> Result<(Call, Value, Form), Fault> {
        const LONGEST_WAIT_MS: u64 = 5_000;
        let deadline = Deadline::in_ms(LONGEST_WAIT_MS);
        let (feed, directory) = (&self.setup.feed, &self.setup.directory);
        let standing = directory.standing(&work.subject, now_ms(), feed, deadline).await?;
        let Prepared::Ready { call, payload, form } = self.prepare(work, Some(standing))? else {
            return Err(Fault::internal("a judged request must wait again"));
        };
        if !feed.reaches(call.envelope.at_least, call.deadline()).await {
            let message = format!("revision {} is not known here yet (at {})", call.envelope.at_least, feed.watermark());
            return Err(Fault::unavailable(message));
        }
        precondition::check(&call).await?;
        Ok((call, payload, form))
    }

    fn signature(
        &self,
        wanted: Signature,
        header: Option<&str>,
        work: &Work,
        standing: &Standing,
        now_ms: u64,
    ) -> Result<Option<Verified>, Fault> {
        let verified = match header {
            None => None,
            Some(header) => {
                let (subject, body) = (work.message.subject.as_str(), work.message.payload.as_ref());
                signature::verify(header, subject, body, &self.setup.account, now_ms)
                    .map_err(|error| Fault::invalid("the signature does not count").at(sender::HEADER, error.to_string()))?
            }
        };
        match (&verified, &standing.agent) {
            (None, _) if wanted == Signature::Required => Err(Fault::denied("this call must be signed with the agent's identity key")
                .at(sender::HEADER, "expected the header of the Synadia Agent Protocol, version 1")),
            (Some(verified), Some((agent, _))) if verified.key != agent.key => {
                Err(Fault::denied(format!("the signature is not by {}'s identity key", agent.id)))
            }
            _ => Ok(verified),
        }
    }
}

/// Whether the table and the session's own narrower list let the caller make this call. nats-server has
/// already said so of the role; the list is ours to keep.
fn may_call(row: &CallRow, subject: &Request, standing: &Standing) -> Result<(), Fault> {
    if !row.is_allowed_to(subject.scope.role) {
        return Err(Fault::denied(format!("{} may not call {row}", subject.scope.role)));
    }
    let narrowed = standing.session.as_ref().and_then(|session| session.calls.as_ref());
    match narrowed {
        Some(calls) if !calls.contains(&row.to_string()) => {
            Err(Fault::denied(format!("session {} may not call {row}: it was started for {}", subject.scope.id, calls.join(", "))))
        }
        _ => Ok(()),
    }
}

fn deadline_of(envelope: &Envelope, longest_ms: u64, now_ms: u64) -> Result<Deadline, Fault> {
    match envelope.deadline_at_ms {
        0 => Ok(Deadline::in_ms(longest_ms)),
        at if at <= now_ms => {
            let message = format!("the deadline passed {} ms before the request arrived; nothing was done", now_ms - at);
            Err(Fault::unavailable(message).at("deadline_at_ms", "expected Unix time in milliseconds, in the future"))
        }
        at => Ok(Deadline::in_ms((at - now_ms).min(longest_ms))),
    }
}
